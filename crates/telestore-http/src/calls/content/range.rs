//! Which bytes of a file are asked for.

use std::ops::Range;

use actix_web::http::header::{HeaderMap, RANGE};

/// What `Range` asks for (RFC 9110, 14).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// All, as far as is known here: other units, several ranges and what is malformed may be ignored (14.2).
    All,
    /// These bytes, of which there is one at least.
    Part(Range<u64>),
    /// Bytes that the file does not have.
    Outside,
}

/// What the headers ask for of a file of `length` bytes.
pub(super) fn asked(headers: &HeaderMap, length: u64) -> Asked {
    let mut lines = headers.get_all(RANGE);
    let (Some(line), None) = (lines.next(), lines.next()) else { return Asked::All };
    line.to_str().ok().and_then(|line| read(line, length)).unwrap_or(Asked::All)
}

/// The one range of bytes; `None` if it is anything else.
fn read(line: &str, length: u64) -> Option<Asked> {
    let (unit, range) = line.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let range = match (first, last) {
        ("", last) => length.saturating_sub(number(last)?)..length,
        (first, "") => number(first)?..length,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(length)
        }
    };
    Some(if range.is_empty() { Asked::Outside } else { Asked::Part(range) })
}

/// A number however large: behind the end is behind the end.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn of(lines: &[&str], length: u64) -> Asked {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(RANGE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        asked(&headers, length)
    }

    #[test]
    fn one_range_of_bytes_is_read_in_its_three_forms() {
        for (line, range) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-9", 0..10),
            ("bytes=3-5", 3..6),
            ("bytes=3-99", 3..10),
            ("bytes=3-99999999999999999999999", 3..10),
            ("bytes=3-18446744073709551615", 3..10),
            ("bytes=0-", 0..10),
            ("bytes=9-", 9..10),
            ("bytes=-1", 9..10),
            ("bytes=-10", 0..10),
            ("bytes=-99999999999999999999999", 0..10),
            ("Bytes = 007-8 ", 7..9),
        ] {
            assert_eq!(of(&[line], 10), Asked::Part(range), "{line}");
        }
    }

    #[test]
    fn what_the_file_does_not_have_is_outside() {
        for line in ["bytes=10-", "bytes=10-20", "bytes=99999999999999999999999-", "bytes=-0"] {
            assert_eq!(of(&[line], 10), Asked::Outside, "{line}");
        }
        for line in ["bytes=0-", "bytes=0-0", "bytes=-5"] {
            assert_eq!(of(&[line], 0), Asked::Outside, "{line}");
        }
    }

    #[test]
    fn anything_else_is_as_if_it_was_not_there() {
        for line in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5",
            "bytes=5-3",
            "bytes=a-b",
            "bytes=1-2-3",
            "bytes=--1",
            "bytes=+1-2",
            "bytes=1 - 2",
            "bytes=0x1-2",
            "bytes=0-1,3-4",
            "bytes=0-1,",
            "bytes=\u{661}-2",
            "seconds=0-1",
            "0-1",
        ] {
            assert_eq!(of(&[line], 10), Asked::All, "{line}");
        }
        assert_eq!(of(&[], 10), Asked::All);
        assert_eq!(of(&["bytes=0-1", "bytes=0-1"], 10), Asked::All);
    }
}
