//! Ranges of a download, as the server in front of Telegram's files takes them: nginx, which answers 416 to whatever it cannot
//! read.

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// What of a file is asked for.
#[derive(Debug, PartialEq)]
pub(super) enum Asked {
    Whole,
    Part(Range<u64>),
    /// Nothing that there is: 416.
    Nothing,
}

/// Reads `Range`, unless `If-Range` names another state of the file. More than one range is more than anybody has to give
/// (RFC 9110, 14.2): the answer is the whole.
pub(super) fn asked(headers: &HeaderMap, etag: &str, size: u64) -> Asked {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let ranges = text(header::RANGE).and_then(|value| value.strip_prefix("bytes="));
    match ranges {
        Some(ranges) if !ranges.contains(',') && text(header::IF_RANGE).is_none_or(|state| state == etag) => {
            match range(ranges, size) {
                Some(range) if range.start < range.end => Asked::Part(range),
                _ => Asked::Nothing,
            }
        }
        _ => Asked::Whole,
    }
}

fn range(text: &str, size: u64) -> Option<Range<u64>> {
    match text.trim().split_once('-')? {
        ("", last) => Some(size.saturating_sub(last.parse().ok()?)..size),
        (first, "") => Some(first.parse().ok()?..size),
        (first, last) => Some(first.parse().ok()?..last.parse::<u64>().ok()?.saturating_add(1).min(size)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_what_there_is() {
        let of = |range: &str| {
            let headers = HeaderMap::from_iter([(header::RANGE, range.parse().expect("a header"))]);
            asked(&headers, "\"x\"", 100)
        };
        assert_eq!(of("bytes=0-0"), Asked::Part(0..1));
        assert_eq!(of("bytes=10-"), Asked::Part(10..100));
        assert_eq!(of("bytes=90-200"), Asked::Part(90..100));
        assert_eq!(of("bytes=-7"), Asked::Part(93..100));
        assert_eq!(of("bytes=-700"), Asked::Part(0..100));
        for nothing in ["bytes=100-", "bytes=-0", "bytes=5-4", "bytes=x-", "bytes=7"] {
            assert_eq!(of(nothing), Asked::Nothing, "{nothing}");
        }
        for whole in ["bytes=0-1,5-6", "lines=1-2"] {
            assert_eq!(of(whole), Asked::Whole, "{whole}");
        }
    }

    #[test]
    fn another_state_is_sent_whole() {
        let of = |state: &str| {
            let range = (header::RANGE, "bytes=1-2".parse().expect("a header"));
            let headers = HeaderMap::from_iter([range, (header::IF_RANGE, state.parse().expect("a header"))]);
            asked(&headers, "\"x\"", 100)
        };
        assert_eq!((of("\"x\""), of("\"y\"")), (Asked::Part(1..3), Asked::Whole));
    }
}
