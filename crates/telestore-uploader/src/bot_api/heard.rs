//! An answer as it came, before anything of it is understood.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use telestore_types::telegram::wait_of_seconds;

/// The largest answer that is read; a message is a few kilobytes.
const MAX_ANSWER: usize = 64 * 1024;

/// Status and body, and what the headers say of a wait.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

impl Heard {
    /// Reads an answer to its end, and no more of it than an answer may have.
    pub(super) async fn read(mut response: Response) -> reqwest::Result<Self> {
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await? {
            let room = MAX_ANSWER - body.len();
            if piece.len() > room {
                body.extend_from_slice(&piece[..room]);
                break;
            }
            body.extend_from_slice(&piece);
        }
        Ok(Self { status, retry_after, body })
    }
}

/// `Retry-After`: seconds, or a date in any of HTTP's three forms (RFC 9110, 10.2.3 and 5.6.7). A date is counted from the
/// server's own time if it tells that: the clock of this machine may be wrong.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let said = text(RETRY_AFTER)?;
    if let Ok(seconds) = said.parse() {
        return Some(wait_of_seconds(seconds));
    }
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let now = text(DATE).and_then(date).unwrap_or_else(SystemTime::now);
    let left = date(said)?.duration_since(now).unwrap_or_default();
    Some(wait_of_seconds(left.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(retry_after_said: &str, date: Option<&str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after_said.parse().unwrap());
        date.into_iter().for_each(|date| drop(headers.insert(DATE, date.parse().unwrap())));
        retry_after(&headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let noon = Some("Sun, 06 Nov 1994 12:00:00 GMT");
        for (retry_after, date, seconds) in [
            ("120", None, Some(120)),
            (" 7 ", None, Some(7)),
            ("0", None, Some(0)),
            ("-3", None, Some(0)),
            ("99999999999999999999", None, Some(86_400)),
            ("Sun, 06 Nov 1994 12:00:37 GMT", noon, Some(37)),
            ("Sunday, 06-Nov-94 12:00:37 GMT", noon, Some(37)),
            ("Sun Nov  6 12:00:37 1994", noon, Some(37)),
            ("Sun, 06 Nov 1994 11:00:00 GMT", noon, Some(0)),
            ("Sun, 06 Nov 1994 12:00:37 GMT", None, Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", None, Some(86_400)),
            ("soon", noon, None),
            ("", None, None),
        ] {
            assert_eq!(said(retry_after, date), seconds, "{retry_after:?}");
        }
    }
}
