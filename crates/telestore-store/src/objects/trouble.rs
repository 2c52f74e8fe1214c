//! What went wrong with a request, in words without any secret.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use object_store::client::{HttpError, HttpErrorKind};

use super::cloud::{Act, Cloud};
use crate::Error;

/// What an object store calls itself in errors.
pub(super) const WHAT: &str = "object store";

/// How many characters of a server's words are told.
const LONGEST_WORDS: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The object is not there.
    Missing,
    /// The bucket is not there.
    NoBucket,
    /// The credentials are not good, or not for this.
    Denied,
    /// There are no credentials.
    NoCredentials,
    /// The server does not take the request, and never will.
    Refused,
    /// It may go well at another time.
    Passing,
}

/// Why a request did not go well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    kind: Kind,
    words: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl StdError for Trouble {}

impl Trouble {
    /// What the client library says. Its own text names addresses, and may hold a signature.
    pub(super) fn of(error: &object_store::Error) -> Self {
        let text = error.to_string();
        let answer = Answer::in_text(&text);
        let kind = match error {
            // Some requests give a kind for each status, others one for all.
            _ if answer.is_about_the_bucket() => Kind::NoBucket,
            _ if answer.is_denied() => Kind::Denied,
            object_store::Error::NotFound { .. } => Kind::Missing,
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                Kind::Denied
            }
            object_store::Error::Generic { .. } if text.contains("169.254.169.254") => Kind::NoCredentials,
            object_store::Error::Generic { .. } if answer.is_final() => Kind::Refused,
            object_store::Error::Generic { .. } if text.contains("redirect without LOCATION") => {
                return Self { kind: Kind::Refused, words: "the bucket is in another region".to_owned() };
            }
            object_store::Error::Generic { .. } => Kind::Passing,
            _ => Kind::Refused,
        };
        let words = answer.words().unwrap_or_else(|| innermost(error));
        Self { kind, words }
    }

    /// Nothing came within this time.
    pub(super) fn late(limit: Duration) -> Self {
        let words = format!("no answer within {} s", limit.as_secs());
        Self { kind: Kind::Passing, words }
    }

    /// The connection gave fewer bytes than it was to give, or more.
    pub(super) fn other_length() -> Self {
        Self { kind: Kind::Passing, words: "an object has another length than its name says".to_owned() }
    }

    /// Whether the same request may go well a little later.
    pub(super) fn is_passing(&self) -> bool {
        self.kind == Kind::Passing
    }

    /// Whether an object is not there.
    pub(super) fn is_missing(&self) -> bool {
        self.kind == Kind::Missing
    }

    /// The store's error, with what to do about it. In a trial, what does not pass by itself makes the store unfit; to a
    /// client it is only that the store does not do it now, since somebody may put it right.
    pub(super) fn into_error(self, act: Act, cloud: Cloud, is_trial: bool) -> Error {
        let hint = match self.kind {
            Kind::Missing if act == Act::Read => return Error::Missing,
            Kind::Passing => return Error::unavailable(WHAT, self),
            // What is written or listed needs only the bucket to be there.
            Kind::Missing | Kind::NoBucket => "make the bucket, or correct its name".to_owned(),
            Kind::NoCredentials => format!(
                "there are no credentials, and the metadata service of this machine gives none: set {}",
                cloud.credentials()
            ),
            Kind::Denied => match self.words.as_str() {
                words if is_about_the_clock(words) => "set the clock of this machine".to_owned(),
                words if is_about_the_key(words) => format!("correct {}", cloud.credentials()),
                _ => format!("the credentials need the right {}", cloud.right(act)),
            },
            Kind::Refused => "correct the settings of the object store".to_owned(),
        };
        let words = if self.kind == Kind::NoCredentials { hint } else { format!("{}: {hint}", self.words) };
        if is_trial {
            return Error::unfit(WHAT, act.step(), Self { words, ..self });
        }
        Error::unavailable(WHAT, Self { words: format!("{} fails: {words}", act.step()), ..self })
    }
}

fn is_about_the_clock(words: &str) -> bool {
    words.contains("RequestTimeTooSkewed")
}

fn is_about_the_key(words: &str) -> bool {
    const ABOUT_THE_KEY: [&str; 10] = [
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidToken",
        "ExpiredToken",
        "TokenRefreshRequired",
        "AuthenticationFailed",
        "InvalidAuthenticationInfo",
        "NoAuthenticationInformation",
        "failed to authenticate",
        "HTTP 401",
    ];
    ABOUT_THE_KEY.iter().any(|code| words.contains(code))
}

/// What a server answered.
struct Answer {
    status: Option<u16>,
    code: Option<String>,
    message: Option<String>,
}

impl Answer {
    /// Finds it in the text of an error, which ends with the body.
    fn in_text(text: &str) -> Self {
        let behind = |mark: &str| text.split_once(mark).map(|(_, rest)| rest);
        let status = behind("status code: ").and_then(|rest| rest.get(..3)?.parse().ok());
        let tag = |name: &str| {
            let rest = behind(&format!("<{name}>"))?;
            rest.split_once("</").map(|(words, _)| plain(words))
        };
        // Google answers in JSON.
        let json = || {
            let rest = behind("\"message\":")?.trim_start().strip_prefix('"')?;
            rest.split_once('"').map(|(words, _)| plain(words))
        };
        // What a deletion of many says of one of them.
        let of_one = || behind("(code: ")?.split_once(')').map(|(words, _)| plain(words));
        Self { status, code: tag("Code").or_else(of_one), message: tag("Message").or_else(json) }
    }

    fn is_about_the_bucket(&self) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        let message = self.message.as_deref().unwrap_or_default();
        matches!(code, "NoSuchBucket" | "ContainerNotFound" | "ContainerBeingDeleted")
            || message.contains("bucket does not exist")
    }

    fn is_denied(&self) -> bool {
        matches!(self.status, Some(401 | 403)) || self.code.as_deref() == Some("AccessDenied")
    }

    /// Whether the same request has the same answer each time.
    fn is_final(&self) -> bool {
        let passes = matches!(self.code.as_deref(), Some("RequestTimeout" | "SlowDown" | "OperationAborted"));
        !passes
            && self
                .status
                .is_some_and(|status| (400..500).contains(&status) && ![408, 409, 425, 429].contains(&status))
    }

    fn words(&self) -> Option<String> {
        let told =
            [self.status.map(|status| format!("HTTP {status}")), self.code.clone(), self.message.clone()];
        let told: Vec<String> = told.into_iter().flatten().filter(|words| !words.is_empty()).collect();
        (!told.is_empty()).then(|| told.join(" "))
    }
}

/// What lies at the bottom of an error: `connection refused` and the like. The library has taken the address away there.
fn innermost(error: &object_store::Error) -> String {
    let mut at: &(dyn StdError + 'static) = error;
    let mut kind = None;
    while let Some(source) = at.source() {
        at = source;
        kind = kind.or_else(|| at.downcast_ref::<HttpError>().map(HttpError::kind));
    }
    let words = match kind {
        // The only text of ours below an error of HTTP is that of the system or of TLS.
        Some(HttpErrorKind::Connect) => format!("cannot connect: {at}"),
        Some(HttpErrorKind::Timeout) => "no answer in time".to_owned(),
        Some(_) => format!("the connection broke: {at}"),
        None if at.to_string().contains("://") => "the request failed".to_owned(),
        None => at.to_string(),
    };
    plain(&words)
}

/// Words of a server as they may be told.
fn plain(words: &str) -> String {
    // Azure adds an id and a time in lines of their own.
    let words = words.trim().lines().next().unwrap_or_default().trim_end_matches('.');
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use telestore_types::Verdict;

    use super::*;

    fn told(error: object_store::Error, act: Act) -> (Verdict, String) {
        let error = Trouble::of(&error).into_error(act, Cloud::S3, true);
        (error.verdict(), error.to_string())
    }

    fn answer(status: &str, code: &str) -> Box<dyn StdError + Send + Sync> {
        format!(
            "Error performing PUT http://host/bucket/key?sig=secret in 1ms - Server returned non-2xx status code: {status}: \
             <Error><Code>{code}</Code><Message>Some words.</Message><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>"
        )
        .into()
    }

    fn cases() -> Vec<(object_store::Error, &'static str, Verdict)> {
        use object_store::Error::{Generic, NotFound, PermissionDenied};
        let path = || "chunks/x".to_owned();
        let denied = |code| PermissionDenied { path: path(), source: answer("403 Forbidden", code) };
        vec![
            (denied("AccessDenied"), "s3:PutObject", Verdict::Permanent),
            (denied("SignatureDoesNotMatch"), "AWS_SECRET_ACCESS_KEY", Verdict::Permanent),
            (denied("RequestTimeTooSkewed"), "clock", Verdict::Permanent),
            (
                NotFound { path: path(), source: answer("404 Not Found", "NoSuchBucket") },
                "make the bucket",
                Verdict::Permanent,
            ),
            (
                NotFound { path: path(), source: answer("404 Not Found", "NoSuchKey") },
                "make the bucket",
                Verdict::Permanent,
            ),
            (
                Generic {
                    store: "S3",
                    source: "DeleteObjects request failed for key x: Not you (code: AccessDenied)".into(),
                },
                "s3:PutObject",
                Verdict::Permanent,
            ),
            (
                Generic { store: "S3", source: answer("503 Slow Down", "SlowDown") },
                "HTTP 503 SlowDown Some words",
                Verdict::Temporary,
            ),
            (
                Generic { store: "S3", source: answer("400 Bad Request", "RequestTimeout") },
                "RequestTimeout",
                Verdict::Temporary,
            ),
            (
                Generic { store: "S3", source: answer("400 Bad Request", "InvalidRequest") },
                "correct the settings",
                Verdict::Permanent,
            ),
        ]
    }

    #[test]
    fn errors_say_what_to_do_and_hold_no_secret() {
        let path = "chunks/x".to_owned();
        let gone = object_store::Error::NotFound { path, source: answer("404 Not Found", "NoSuchKey") };
        assert_eq!(told(gone, Act::Read).1, "chunk bytes are missing");
        for (error, words, verdict) in cases() {
            let (found, text) = told(error, Act::Write);
            assert!(text.contains(words), "{text}");
            assert_eq!(found, verdict, "{text}");
            for secret in ["secret", "AKIA", "host"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    }
}
