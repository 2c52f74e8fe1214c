//! Calls of the worker's API, tried again while it is away.

use std::error::Error;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::header::{HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Client, RequestBuilder, StatusCode};
use serde_json::Value;
use telestore::types::{Secret, pasted};

use crate::cli::SendArgs;

/// The pause before the first repetition; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause, unless the worker asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why a file is not sent.
#[derive(Debug)]
pub(super) enum Failure {
    /// The upload has ended, or there is none.
    Over(String),
    /// The worker does not take it.
    Refused(String),
    /// The client cannot go on.
    GaveUp(String),
}

/// Why one call has failed.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The worker cannot be reached, or asks for patience: `Retry-After`, if it has said so.
    Passing(String, Option<Duration>),
    /// There is no such upload.
    NotFound(String),
    /// Another time it would be the same.
    Final(String),
}

impl Refusal {
    fn text(self) -> String {
        match self {
            Self::Passing(text, _) | Self::NotFound(text) | Self::Final(text) => text,
        }
    }
}

/// The worker, and how long it may be away.
pub(super) struct Calls {
    client: Client,
    to: String,
    token: Secret,
    patience: Duration,
}

impl Calls {
    pub(super) fn new(args: &SendArgs) -> Result<Self, String> {
        let to = pasted::base_url(&args.to).map_err(|fault| format!("--to: {fault}"))?;
        Ok(Self {
            client: client(args.ca.as_deref())?,
            to,
            token: token(args.token.expose())?,
            patience: args.patience,
        })
    }

    pub(super) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.to)).bearer_auth(self.token.expose())
    }

    /// The token goes with every call: the worker may ask for it before it reads a byte of a file.
    pub(super) fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.to)).bearer_auth(self.token.expose())
    }

    /// The JSON of a 2xx. For calls that may be repeated.
    pub(super) async fn ask(&self, request: impl Fn(&Self) -> RequestBuilder) -> Result<Value, Failure> {
        let mut waits = Waits::new(self.patience);
        loop {
            match self.once(request(self)).await {
                Ok(body) => return Ok(body),
                Err(refusal) => waits.after(refusal).await?,
            }
        }
    }

    /// The same; `None` for what is not there.
    pub(super) async fn ask_for(
        &self,
        request: impl Fn(&Self) -> RequestBuilder,
    ) -> Result<Option<Value>, Failure> {
        let mut waits = Waits::new(self.patience);
        loop {
            match self.once(request(self)).await {
                Ok(body) => return Ok(Some(body)),
                Err(Refusal::NotFound(_)) => return Ok(None),
                Err(refusal) => waits.after(refusal).await?,
            }
        }
    }

    /// For a call that may be repeated only if a look says that it was not heard.
    pub(super) async fn ask_unless(
        &self,
        was_heard: impl AsyncFn() -> Result<bool, Failure>,
        request: impl Fn(&Self) -> RequestBuilder,
    ) -> Result<(), Failure> {
        let mut waits = Waits::new(self.patience);
        while let Err(refusal) = self.once(request(self)).await {
            waits.after(refusal).await?;
            if was_heard().await? {
                break;
            }
        }
        Ok(())
    }

    /// One try.
    pub(super) async fn once(&self, request: RequestBuilder) -> Result<Value, Refusal> {
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = answer.json::<Value>().await;
        let text = match &body {
            Ok(body) if status.is_success() => return Ok(body.clone()),
            Ok(body) => format!(
                "the worker answered {status}: {}",
                body["error"].as_str().unwrap_or("no reason given")
            ),
            Err(_) => format!("the worker answered {status} without JSON"),
        };
        Err(match status {
            // A proxy whose worker is away answers by itself.
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => Refusal::Passing(text, None),
            // A disk that is full or ill may be well again, and what it holds is worth a wait.
            StatusCode::INTERNAL_SERVER_ERROR | StatusCode::INSUFFICIENT_STORAGE => {
                Refusal::Passing(text, None)
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                Refusal::Passing(text, after.map(Duration::from_secs))
            }
            // An answer that broke off.
            _ if status.is_success() => Refusal::Passing(text, None),
            StatusCode::NOT_FOUND if body.is_ok() => Refusal::NotFound(text),
            _ => Refusal::Final(text),
        })
    }
}

/// The token without the blanks around it, which a header would lose.
///
/// # Errors
/// If it cannot stand in a header.
fn token(given: &str) -> Result<Secret, String> {
    let token = given.trim();
    match HeaderValue::from_str(token) {
        _ if token.is_empty() => Err("the token (--token, TELESTORE_TOKEN) is empty".to_owned()),
        Ok(_) => Ok(Secret::new(token)),
        Err(_) => Err(
            "the token (--token, TELESTORE_TOKEN) holds a line break, or another character that no token \
                       holds: copy it anew"
                .to_owned(),
        ),
    }
}

/// Waits between repetitions, for as long as the patience lasts.
struct Waits {
    /// When the worker was there last, which is known from the first failure on.
    since: Option<Instant>,
    patience: Duration,
    pause: Duration,
}

impl Waits {
    fn new(patience: Duration) -> Self {
        Self { since: None, patience, pause: FIRST_PAUSE }
    }

    async fn after(&mut self, refusal: Refusal) -> Result<(), Failure> {
        let (text, asked) = match refusal {
            Refusal::Passing(text, asked) => (text, asked),
            other => return Err(Failure::Refused(other.text())),
        };
        let pause = asked.unwrap_or(self.pause).max(self.pause);
        let away = self.since.get_or_insert_with(Instant::now).elapsed();
        if away + pause > self.patience {
            return Err(Failure::GaveUp(format!("{text} (tried for {} s)", away.as_secs())));
        }
        if self.pause == FIRST_PAUSE {
            super::say(&format!("{text}; trying again"));
        }
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

fn unreachable(error: reqwest::Error) -> Refusal {
    let text = format!("cannot reach the worker: {}", why(&error));
    // A certificate that is not trusted, or an address that is none, stays so.
    let refused = causes(&error).any(is_tls);
    if refused || error.is_builder() { Refusal::Final(text) } else { Refusal::Passing(text, None) }
}

/// Whether TLS refused. An I/O error does not name what it was made of as its source.
fn is_tls(cause: &(dyn Error + 'static)) -> bool {
    let inner = || cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    cause.is::<rustls::Error>() || inner().is_some_and(|inner| is_tls(inner))
}

/// The error with its causes: the first one alone does not tell a refused connection from a bad certificate.
fn why(error: &reqwest::Error) -> String {
    let first = if error.is_builder() { "--to is not an address" } else { "no answer" };
    causes(error).skip(1).fold(first.to_owned(), |text, cause| format!("{text}: {cause}"))
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let mut next = Some(error as &(dyn Error + 'static));
    std::iter::from_fn(move || {
        let this = next?;
        next = this.source();
        Some(this)
    })
}

fn client(ca: Option<&Path>) -> Result<Client, String> {
    let mut builder = Client::builder().connect_timeout(Duration::from_secs(10));
    if let Some(path) = ca {
        let failed = |error: &dyn std::fmt::Display| format!("--ca {}: {error}", path.display());
        let pem = std::fs::read(path).map_err(|error| failed(&error))?;
        let trusted = Certificate::from_pem_bundle(&pem).map_err(|error| failed(&error))?;
        if trusted.is_empty() {
            return Err(failed(&"holds no certificate in PEM"));
        }
        builder = builder.tls_certs_only(trusted);
    }
    builder.build().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn away(retry_after: Option<u64>) -> Refusal {
        Refusal::Passing("away".to_owned(), retry_after.map(Duration::from_secs))
    }

    #[tokio::test]
    async fn patience_begins_with_the_first_failure() {
        let mut waits = Waits::new(PATIENCE);
        assert!(waits.after(away(None)).await.is_ok(), "however long the call took that failed");
        waits.since = Instant::now().checked_sub(PATIENCE);
        let gave_up = waits.after(away(None)).await;
        assert!(
            matches!(&gave_up, Err(Failure::GaveUp(why)) if why.contains("tried for 60 s")),
            "{gave_up:?}"
        );
    }

    #[test]
    fn a_token_is_one_that_a_header_takes() {
        assert_eq!(token(" word\n").unwrap().expose(), "word");
        for (wrong, words) in [("", "is empty"), (" \n", "is empty"), ("hush\nhush", "line break")] {
            let error = token(wrong).unwrap_err();
            assert!(error.contains(words) && !error.contains("hush"), "{error}");
        }
    }

    #[tokio::test]
    async fn what_cannot_pass_or_takes_too_long_is_not_waited_for() {
        let long = Waits::new(PATIENCE).after(away(Some(3600))).await;
        assert!(matches!(long, Err(Failure::GaveUp(_))), "{long:?}");
        let refused = Waits::new(PATIENCE).after(Refusal::Final("no".to_owned())).await;
        assert!(matches!(refused, Err(Failure::Refused(_))), "{refused:?}");
    }
}
