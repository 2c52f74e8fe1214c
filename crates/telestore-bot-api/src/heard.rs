//! An answer as it came, before anything of it is understood.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use telestore_types::telegram::{AccountFault, wait_of_seconds};

use crate::wait_in_text::in_text;

/// The largest answer that is read; a message is a few kilobytes.
const MAX_ANSWER: usize = 64 * 1024;

/// Status and body, and what the headers say of a wait.
#[derive(Debug)]
pub struct Heard {
    /// The status of HTTP.
    pub status: StatusCode,
    /// What `Retry-After` says.
    pub retry_after: Option<Duration>,
    /// The beginning of the body: 64 KiB at most.
    pub body: Vec<u8>,
}

impl Heard {
    /// Reads an answer to its end, and no more of it than an answer may have.
    ///
    /// # Errors
    /// If the connection breaks off.
    pub async fn read(mut response: Response) -> reqwest::Result<Self> {
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

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The code that an answer gives in its body, or else that of HTTP.
    pub fn code(&self, json: &Value) -> u16 {
        let code = json["error_code"].as_u64().and_then(|code| u16::try_from(code).ok());
        code.unwrap_or(self.status.as_u16())
    }

    /// The wait that an answer asks for, if it asks for one; zero if it does not say how long. `json` is its body, and `taken` says
    /// whether it came behind the whole of a file that was sent.
    ///
    /// Servers in front of the Bot API drop `parameters`, or answer in its stead, and its own code may be 400; what says so first and
    /// names a time counts. A server error behind the whole file asks for none: nobody knows what became of that.
    pub fn wait(&self, json: &Value, taken: bool) -> Option<Duration> {
        let (code, description) = (self.code(json), json["description"].as_str().unwrap_or_default());
        if AccountFault::in_text(description).is_some() {
            return None;
        }
        let parameter = Some(&json["parameters"]["retry_after"]).filter(|said| !said.is_null()).map(wait_of);
        let flood = matches!(code, 420 | 429) || self.status.as_u16() == 429;
        let by_header = self.retry_after.filter(|_| flood || code == 503);
        let said = match code {
            500.. if taken => return None,
            500.. => [by_header, None, None],
            400.. => [parameter, in_text(description), by_header],
            _ => return None,
        };
        let flood = flood.then_some(Duration::ZERO);
        let mut said = said.into_iter().chain([flood]).flatten();
        said.clone().find(|wait| !wait.is_zero()).or_else(|| said.next())
    }
}

fn wait_of(said: &Value) -> Duration {
    let seconds = said.as_f64().or_else(|| said.as_str()?.trim().parse().ok());
    wait_of_seconds(seconds.unwrap_or_default())
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
