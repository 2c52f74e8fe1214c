use telestore_mtproto::{Error as Failed, ErrorKind as Kind, Remedy, RpcError};
use telestore_types::telegram::{AccountFault, wait_words};

use crate::{Error, ErrorKind, topic_fault};

/// For calls that change nothing. If a lost answer matters, `send` says so itself.
impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        let error = match failed.kind() {
            Kind::BadSession(fault) => return Self::bad_session(fault.clone()),
            Kind::NoApiId => not_authorized(&failed),
            Kind::ChatNotFound => Self::channel_unresolved(),
            Kind::MayNotPost(right) => Self::may_not_post(*right),
            Kind::LoginBusy => Self::new(ErrorKind::LoginBusy, failed.to_string()),
            Kind::Stalled => Self::new(ErrorKind::Unavailable, failed.to_string()),
            _ => by_remedy(&failed),
        };
        error.with_source(failed)
    }
}

/// The call that an error came of.
pub(super) fn failed_call(error: &Error) -> Option<&Failed> {
    std::error::Error::source(error)?.downcast_ref()
}

/// Whether the message may exist although the call has no answer that names it.
pub(super) fn may_have_been_made(error: &Failed) -> bool {
    *error.kind() == Kind::Lost || is_repeated(error)
}

/// Whether Telegram has failed at the call itself: it may have made the message first. The same call tells.
pub(super) fn is_failure_of_telegram(error: &Failed) -> bool {
    error.rpc().is_some_and(RpcError::is_failure_of_telegram)
}

/// Whether Telegram had a call with this `random_id` before.
pub(super) fn is_repeated(error: &Failed) -> bool {
    error.is("RANDOM_ID_DUPLICATE")
}

fn by_remedy(failed: &Failed) -> Error {
    match failed.remedy() {
        Remedy::Wait(wait) => {
            Error::new(ErrorKind::FloodWait(wait), format!("{} ({failed})", wait_words(wait)))
        }
        Remedy::Again | Remedy::StartOver => {
            Error::new(ErrorKind::Unavailable, format!("Telegram is not available: {failed}"))
        }
        Remedy::Migrate(_) => {
            let text = "Telegram is not available: it sends the account from one data centre to the next";
            Error::new(ErrorKind::Unavailable, format!("{text} ({failed})"))
        }
        Remedy::LogIn => match failed.kind() {
            Kind::NotAdmitted => not_authorized(failed),
            _ => failed.rpc().and_then(account_fault).unwrap_or_else(Error::not_authorized),
        },
        Remedy::Resolve => {
            let right = failed.rpc().and_then(RpcError::missing_right);
            right.map_or_else(Error::channel_unresolved, Error::may_not_post)
        }
        _ => refusal(failed),
    }
}

fn not_authorized(failed: &Failed) -> Error {
    Error::new(ErrorKind::NotAuthorized, format!("{}: {failed}", Error::not_authorized()))
}

fn account_fault(rpc: &RpcError) -> Option<Error> {
    AccountFault::in_text(rpc.name()).map(Error::from)
}

fn refusal(failed: &Failed) -> Error {
    match failed.rpc() {
        Some(rpc) => account_fault(rpc).or_else(|| topic_fault::in_text(rpc.name())).unwrap_or_else(|| {
            match rpc.name().contains("API_ID") {
                true => {
                    Error::new(ErrorKind::NotAuthorized, format!("Telegram refused the API id: {failed}"))
                }
                false => Error::new(ErrorKind::Rejected, format!("Telegram refused the file: {failed}")),
            }
        }),
        None => Error::new(ErrorKind::Rejected, format!("Telegram refused the file: {failed}")),
    }
}
