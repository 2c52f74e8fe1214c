use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use telestore_types::pasted::SessionFault;
use telestore_types::telegram::MissingRight;
use telestore_types::{LoginBusy, Verdict};

mod rpc;

pub use rpc::{Remedy, RpcError};

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Telegram answered with an error.
    Rpc(RpcError),
    /// The call was certainly not carried out: there was no connection, or the call had not been written.
    NotSent,
    /// The call was written and has no answer: it may have been carried out.
    Lost,
    /// The text is not a session string.
    BadSession(SessionFault),
    /// Neither the caller nor the session string nor the configuration names an application.
    NoApiId,
    /// Telegram does not know the authorisation key of the session.
    UnknownKey,
    /// A data centre does not let the account in, or its address is not an
    /// [allowed](crate::MtprotoConfig::allowed) one.
    NotAdmitted,
    /// Not sent: the account has migrated to another data centre, and the call is about something that stayed behind.
    Migrated,
    /// There is no such channel or group, or the account does not see it.
    ChatNotFound,
    /// The account may not post in the channel or group.
    MayNotPost(MissingRight),
    /// Not sent: another process uses the login, or nobody can tell; see [`Client::guard_logins`](crate::Client::guard_logins).
    LoginBusy,
    /// Nothing got further for [`stall_timeout`](crate::MtprotoConfig::stall_timeout).
    Stalled,
    /// A bot cannot sign in; what can be done about it.
    NotSignedIn(Remedy),
}

/// Why a call has no result. The text is for the person who waits for it, and never holds a secret.
///
/// It can be cloned: calls that wait for one connection share the failure to open it.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    text: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// The result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), source: None }
    }

    /// It was not carried out, for this reason.
    pub fn not_sent(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotSent, text)
    }

    /// It may have been carried out, and this is why there is no answer.
    pub fn lost(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Lost, text)
    }

    pub(crate) fn no_api_id() -> Self {
        Self::new(ErrorKind::NoApiId, "no Telegram API id is configured")
    }

    pub(crate) fn unknown_key() -> Self {
        Self::new(ErrorKind::UnknownKey, "Telegram does not know the key of this session")
    }

    pub(crate) fn not_admitted(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotAdmitted, text)
    }

    pub(crate) fn migrated() -> Self {
        Self::new(ErrorKind::Migrated, "the account is at another data centre now")
    }

    pub(crate) fn chat_not_found() -> Self {
        Self::new(
            ErrorKind::ChatNotFound,
            "there is no such channel or group, or the account does not see it",
        )
    }

    pub(crate) fn may_not_post(right: MissingRight) -> Self {
        Self::new(ErrorKind::MayNotPost(right), format!("the account may not post in it; {right}"))
    }

    pub(crate) fn login_busy(why: LoginBusy) -> Self {
        Self::new(ErrorKind::LoginBusy, why.to_string()).with_source(why)
    }

    /// The login cannot be had, for this reason; for those who implement [`Logins`](crate::Logins).
    pub fn not_signed_in(text: impl Into<String>, remedy: Remedy) -> Self {
        Self::new(ErrorKind::NotSignedIn(remedy), text)
    }

    pub(crate) fn stalled(what: &str, after: Duration) -> Self {
        Self::new(ErrorKind::Stalled, format!("{what} (nothing in {} s)", after.as_secs_f32()))
    }

    pub(crate) fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The error that Telegram answered with, if that is what went wrong.
    pub fn rpc(&self) -> Option<&RpcError> {
        match &self.kind {
            ErrorKind::Rpc(error) => Some(error),
            _ => None,
        }
    }

    /// Whether Telegram answered with the error of this name, such as `CHANNEL_PRIVATE`. Numbers are not part of a name:
    /// `FLOOD_WAIT_3` is `FLOOD_WAIT`.
    pub fn is(&self, name: &str) -> bool {
        self.rpc().is_some_and(|error| error.name() == name)
    }

    /// What can be done about it.
    pub fn remedy(&self) -> Remedy {
        match &self.kind {
            ErrorKind::Rpc(error) => error.remedy(),
            ErrorKind::NotSignedIn(remedy) => *remedy,
            ErrorKind::NotSent | ErrorKind::Lost | ErrorKind::Stalled => Remedy::Again,
            ErrorKind::UnknownKey
            | ErrorKind::NotAdmitted
            | ErrorKind::BadSession(_)
            | ErrorKind::NoApiId => Remedy::LogIn,
            ErrorKind::Migrated => Remedy::StartOver,
            ErrorKind::LoginBusy => Remedy::Leave,
            ErrorKind::ChatNotFound | ErrorKind::MayNotPost(_) => Remedy::Resolve,
        }
    }

    /// Whether the same call may succeed later, and whether it may have been carried out already.
    pub fn verdict(&self) -> Verdict {
        if self.kind == ErrorKind::Lost {
            return Verdict::Ambiguous;
        }
        match self.remedy() {
            Remedy::Wait(_) | Remedy::Again | Remedy::Migrate(_) | Remedy::StartOver | Remedy::Leave => {
                Verdict::Temporary
            }
            _ => Verdict::Permanent,
        }
    }
}

impl From<RpcError> for Error {
    fn from(error: RpcError) -> Self {
        let text = format!("Telegram answered {error}");
        Self::new(ErrorKind::Rpc(error.clone()), text).with_source(error)
    }
}

impl From<SessionFault> for Error {
    fn from(fault: SessionFault) -> Self {
        let text = fault.to_string();
        Self::new(ErrorKind::BadSession(fault.clone()), text).with_source(fault)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn verdicts_tell_what_may_be_done() {
        for (error, verdict) in [
            (Error::not_sent("down"), Verdict::Temporary),
            (Error::lost("down"), Verdict::Ambiguous),
            (Error::migrated(), Verdict::Temporary),
            (Error::stalled("slow", Duration::from_secs(1)), Verdict::Temporary),
            (Error::login_busy(LoginBusy::new("elsewhere")), Verdict::Temporary),
            (Error::unknown_key(), Verdict::Permanent),
            (Error::chat_not_found(), Verdict::Permanent),
            (RpcError::new(420, b"FLOOD_WAIT_3").into(), Verdict::Temporary),
            (RpcError::new(303, b"USER_MIGRATE_4").into(), Verdict::Temporary),
            (RpcError::new(401, b"SESSION_REVOKED").into(), Verdict::Permanent),
            (RpcError::new(400, b"FILE_PARTS_INVALID").into(), Verdict::Permanent),
        ] {
            assert_eq!(error.verdict(), verdict, "{error}");
        }
    }

    #[test]
    fn telegrams_own_error_is_the_source() {
        let error = Error::from(RpcError::new(420, b"FLOOD_WAIT_31"));
        assert!(error.is("FLOOD_WAIT"));
        assert_eq!(error.to_string(), "Telegram answered FLOOD_WAIT (420, 31)");
        assert_eq!(error.source().expect("a source").to_string(), "FLOOD_WAIT (420, 31)");
    }
}
