use std::error::Error as StdError;
use std::io;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Client as Http, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use telestore_types::{Secret, Shown};
use tokio::sync::Semaphore;

use crate::error::{Error, ErrorKind, Result};
use crate::meter::Rate;
use crate::patience::{Passing, Patience, Waits};
use crate::progress::{Report, Told};

/// How long an answer without a body to send may take.
const ANSWER: Duration = Duration::from_secs(60);

/// Polls that wait at the worker at a time: each holds a connection.
const POLLS: usize = 8;

/// The most of an answer that is read. Those of a worker are far smaller; the largest is a page of a list.
const MOST: usize = 8 * 1024 * 1024;

/// How much of an answer that is no JSON stands in an error.
const SHOWN: usize = 200;

/// The worker, as every call of one client sees it.
#[derive(Debug)]
pub(crate) struct Calls {
    pub(crate) http: Http,
    pub(crate) base: String,
    pub(crate) token: Secret,
    pub(crate) patience: Patience,
    pub(crate) polls: Semaphore,
    pub(crate) rate: Option<Rate>,
    /// How long nothing may move while a body is sent.
    pub(crate) stall: Duration,
}

/// Why one call brought no answer to go on with.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Another time it may be different.
    Passing(Passing),
    /// Another time it would be the same.
    Final(Error),
}

/// An answer that means something: neither one that may pass, nor a broken one.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    /// The words of the worker, or of whoever answered in its place.
    words: String,
}

/// An answer whose body may be a file.
#[derive(Debug)]
pub(crate) enum Opened {
    Body(Response),
    /// Neither one that may pass, nor a file.
    Refused(Answer),
}

impl Calls {
    pub(crate) fn new(http: Http, base: String, token: Secret, patience: Duration) -> Self {
        let patience = Patience::new(patience);
        Self {
            http,
            base,
            token,
            patience,
            polls: Semaphore::new(POLLS),
            rate: None,
            stall: Duration::from_secs(120),
        }
    }

    /// A request with the token, which goes with every call: the worker may ask for it before it reads a byte.
    pub(crate) fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.http.request(method, url).bearer_auth(self.token.expose())
    }

    /// The same below the base address.
    pub(crate) fn at(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, &format!("{}{path}", self.base))
    }

    pub(crate) fn waits<'a>(&'a self, report: Option<&'a dyn Told>) -> Waits<'a> {
        Waits::new(&self.patience, report)
    }

    /// One call that is repeated for as long as the patience lasts. It must be one that may be repeated.
    pub(crate) async fn ask(
        &self,
        report: Option<&Report>,
        request: impl Fn(&Self) -> RequestBuilder,
    ) -> Result<Answer> {
        let mut waits = self.waits(report.map(|report| report as &dyn Told));
        loop {
            match self.once(request(self).timeout(ANSWER)).await {
                Ok(answer) => {
                    waits.forget();
                    return Ok(answer);
                }
                Err(Refusal::Passing(passing)) => waits.after(passing).await?,
                Err(Refusal::Final(error)) => return Err(error),
            }
        }
    }

    /// One try.
    pub(crate) async fn once(&self, request: RequestBuilder) -> Result<Answer, Refusal> {
        let answer = request.send().await.map_err(unreachable)?;
        Self::understood(answer).await
    }

    /// One try of a call whose answer is as large as a file: it is read by who asks, and only words of a refusal are read here.
    pub(crate) async fn open(&self, request: RequestBuilder) -> Result<Opened, Refusal> {
        let answer = request.send().await.map_err(unreachable)?;
        match answer.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(Opened::Body(answer)),
            _ => Self::understood(answer).await.map(Opened::Refused),
        }
    }

    async fn understood(answer: Response) -> Result<Answer, Refusal> {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = read(answer).await;
        // An answer that broke off is none, but for what its head says.
        let (text, broke) = match text {
            Ok(text) => (text, None),
            Err(error) => (String::new(), Some(why(&error, "the answer broke off"))),
        };
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        let words = words(&body, &text);
        let answer = Answer { status, headers, body, words };
        match broke {
            Some(text) if status.is_success() => Err(Refusal::Passing(Passing { text, after: None })),
            _ if passes(status) => {
                let after = answer.headers.get(RETRY_AFTER).and_then(|value| after(value.to_str().ok()?));
                Err(Refusal::Passing(Passing { text: answer.text(), after }))
            }
            _ => Ok(answer),
        }
    }
}

impl Answer {
    /// What was answered, in words.
    pub(crate) fn text(&self) -> String {
        match self.words.as_str() {
            "" => format!("the worker answered {}", self.status),
            words => format!("the worker answered {}: {words}", self.status),
        }
    }

    pub(crate) fn header(&self, name: &'static str) -> Option<&str> {
        self.headers.get(HeaderName::from_static(name)).and_then(|value| value.to_str().ok())
    }

    /// This answer as an error, by its status.
    pub(crate) fn refused(&self) -> Error {
        let kind = match self.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Unauthorized,
            StatusCode::PAYLOAD_TOO_LARGE => ErrorKind::TooLarge,
            status if status.is_success() => ErrorKind::Protocol,
            status if status.is_redirection() => {
                let to = self.header("location").map(|to| format!(" ({})", Shown(to))).unwrap_or_default();
                let text =
                    format!("{}: it sends elsewhere{to}; give the address where the worker is", self.text());
                return Error::new(ErrorKind::Protocol, text);
            }
            _ => ErrorKind::Refused,
        };
        Error::new(kind, self.text())
    }
}

/// The text of an answer.
async fn read(mut answer: Response) -> Result<String, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn words(body: &Value, text: &str) -> String {
    match body["error"].as_str() {
        Some(words) => words.to_owned(),
        // A page of a proxy says less than its status.
        None if body.is_object() || text.trim_start().starts_with('<') => String::new(),
        None => text.trim().chars().take(SHOWN).collect(),
    }
}

/// What may be different another time: a worker or a proxy without time, space or a backend; 423 is an upload that another
/// request still writes to.
fn passes(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 423 | 425 | 429 | 500 | 502 | 503 | 504 | 507)
}

/// `Retry-After`, in seconds or as a date.
fn after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// A request that got no answer.
pub(crate) fn unreachable(error: reqwest::Error) -> Refusal {
    // A certificate that is not trusted, or an address that is none, stays so.
    if causes(&error).any(is_tls) {
        return Refusal::Final(Error::new(ErrorKind::Tls, why(&error, "cannot reach the worker: no answer")));
    }
    if error.is_builder() {
        return Refusal::Final(Error::new(ErrorKind::Config, why(&error, "the request cannot be made")));
    }
    Refusal::Passing(Passing { text: why(&error, "cannot reach the worker: no answer"), after: None })
}

/// Whether TLS refused. An I/O error does not name what it was made of as its source.
fn is_tls(cause: &(dyn StdError + 'static)) -> bool {
    let inner = || cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    cause.is::<rustls::Error>() || inner().is_some_and(|inner| is_tls(inner))
}

/// The error's causes: the first one alone does not tell a refused connection from a bad certificate, and holds the URL.
pub(crate) fn why(error: &reqwest::Error, first: &str) -> String {
    causes(error).skip(1).fold(first.to_owned(), |text, cause| format!("{text}: {cause}"))
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let mut next = Some(error as &(dyn StdError + 'static));
    std::iter::from_fn(move || {
        let this = next?;
        next = this.source();
        Some(this)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(after("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
        let ahead = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        assert!(after(&ahead).is_some_and(|wait| wait > Duration::from_secs(90)));
        assert_eq!(after("soon"), None);
    }

    #[test]
    fn words_are_those_of_the_worker() {
        let json = serde_json::json!({ "error": "no space" });
        assert_eq!(words(&json, "whatever"), "no space");
        assert_eq!(words(&Value::Null, "<html>413</html>"), "");
        assert_eq!(words(&Value::Null, " plain \n"), "plain");
    }
}
