use std::time::Duration;

use telestore_types::telegram::wait_of_seconds;

/// What stands before the seconds in texts, in lower case: the Bot API's, that of other libraries and servers in front of
/// it, and MTProto's names, which some pass on as they are.
const BEFORE: [&str; 4] = ["retry after", "retry in", "wait of", "_wait_"];

/// Texts that mean a wait even if they name no time.
const UNSAID: [&str; 3] = ["too many requests", "flood control", "flood_wait"];

/// The wait that a text asks for, if it asks for one.
pub(crate) fn in_text(text: &str) -> Option<Duration> {
    let text = text.to_ascii_lowercase();
    let said = BEFORE.iter().filter_map(|before| Some(text.split_once(before)?.1)).find_map(number);
    let unsaid = || UNSAID.iter().any(|words| text.contains(words)).then_some(Duration::ZERO);
    said.map(wait_of_seconds).or_else(unsaid)
}

/// The number that a text begins with, behind blanks and a colon.
fn number(text: &str) -> Option<f64> {
    let text = text.trim_start_matches([' ', ':']);
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '-' | '.')).unwrap_or(text.len());
    text[..end].trim_end_matches('.').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_ask_for_waits_in_many_words() {
        for (text, seconds) in [
            ("Too Many Requests: retry after 7", Some(7)),
            ("Bad Request: Too Many Requests: retry after 15", Some(15)),
            ("too many requests: Retry After: 3.", Some(3)),
            ("Flood control exceeded. Retry in 12.5 seconds", Some(13)),
            ("A wait of 31 seconds is required (caused by SendMediaRequest)", Some(31)),
            ("Bad Request: FLOOD_WAIT_9", Some(9)),
            ("[420 SLOWMODE_WAIT_4]", Some(4)),
            ("Too Many Requests: retry after 999999999999999999999", Some(86_400)),
            ("Too Many Requests: retry after -5", Some(0)),
            ("Too Many Requests: retry after a while", Some(0)),
            ("Too Many Requests", Some(0)),
            ("FLOOD_WAIT", Some(0)),
            ("Bad Request: file must be non-empty", None),
            ("Bad Request: MSG_WAIT_FAILED", None),
            ("Retry", None),
            ("", None),
        ] {
            assert_eq!(in_text(text).map(|wait| wait.as_secs()), seconds, "{text}");
        }
    }
}
