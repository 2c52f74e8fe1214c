//! Why nobody was signed in, in words.

use std::fmt;
use std::time::Duration;

use grammers_client::InvocationError;
use grammers_client::sender::RpcError;
use telestore::types::telegram::{AccountFault, application_fault};

/// Why a call, or a sign-in, came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// Telegram refused it.
    Refused(RpcError),
    /// No answer came, and the call may have been carried out.
    Lost(String),
    /// For the person, as it stands.
    Told(String),
}

impl Failure {
    pub(super) fn told(text: impl fmt::Display) -> Self {
        Self::Told(text.to_string())
    }

    /// Whether Telegram refused it by this name.
    pub(super) fn is(&self, name: &str) -> bool {
        matches!(self, Self::Refused(error) if error.name == name)
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Told(text)
    }
}

impl From<InvocationError> for Failure {
    fn from(error: InvocationError) -> Self {
        match error {
            InvocationError::Rpc(error) => Self::Refused(error),
            InvocationError::Io(error) => {
                Self::Lost(format!("the connection to Telegram broke: {}", error.kind()))
            }
            InvocationError::Dropped(_) => Self::Lost("the connection to Telegram broke".to_owned()),
            other => Self::Told(format!("Telegram cannot be understood: {other}")),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => f.write_str(&words(error)),
            Self::Lost(text) => write!(f, "{text}; try again"),
            Self::Told(text) => f.write_str(text),
        }
    }
}

/// A wait as people say it.
fn wait(seconds: u32) -> String {
    let time = humantime::format_duration(Duration::from_secs(seconds.into()));
    format!(
        "Telegram asks to wait {time} before the next try, after too many sign-ins; trying earlier makes it longer"
    )
}

/// What is said of a number that nobody signs in with, however Telegram puts it.
pub(super) const NO_ACCOUNT: &str =
    "this number has no Telegram account: make one in an official app first; other programs cannot";

/// <https://core.telegram.org/api/auth>
fn words(error: &RpcError) -> String {
    let known = match error.name.as_str() {
        "FLOOD_WAIT" | "FLOOD_PREMIUM_WAIT" => return wait(error.value.unwrap_or_default()),
        "PHONE_NUMBER_FLOOD" => {
            "too many codes were asked for with this number: try again tomorrow, or sign in with --qr"
        }
        "PHONE_PASSWORD_FLOOD" => "the password was wrong too often: try again tomorrow",
        "PHONE_NUMBER_INVALID" => {
            "Telegram takes this for no phone number: write it with its country code, such as +49 151 23456789"
        }
        "PHONE_NUMBER_BANNED" => {
            "this number is banned from Telegram: an official app says more, and recover@telegram.org can be asked"
        }
        "PHONE_NUMBER_UNOCCUPIED" | "PHONE_NUMBER_APP_SIGNUP_FORBIDDEN" => NO_ACCOUNT,
        "SEND_CODE_UNAVAILABLE" => {
            "Telegram has no other way to send a code to this number: try again later, or use --qr"
        }
        "UPDATE_APP_TO_LOGIN" => {
            "Telegram wants a newer program for this: install a newer version of the worker"
        }
        "ACCESS_TOKEN_INVALID" | "ACCESS_TOKEN_EXPIRED" => {
            "Telegram does not know this bot token: copy it from @BotFather anew, all of it"
        }
        "PHONE_CODE_EXPIRED" => EXPIRED,
        name => match application_fault(name) {
            Some(known) => known,
            None => return unknown(name, error.code),
        },
    };
    format!("{known} ({})", error.name)
}

/// What became of a code that was right.
pub(super) const EXPIRED: &str = "the code is not good any more: it took too long, another one was sent, or Telegram voided \
                                  it, as it does at once if a code is sent or forwarded in any chat";

fn unknown(name: &str, code: i32) -> String {
    match AccountFault::of_name(name).map(AccountFault::words) {
        Some(words) if !words.is_empty() => words.to_owned(),
        _ => format!("Telegram refused the sign-in: {name} ({code})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: i32, name: &str, value: Option<u32>) -> String {
        Failure::Refused(RpcError { code, name: name.to_owned(), value, caused_by: None }).to_string()
    }

    #[test]
    fn refusals_say_what_to_do() {
        for (code, name, value, words) in [
            (420, "FLOOD_WAIT", Some(80_000), "wait 22h 13m 20s"),
            (406, "PHONE_NUMBER_FLOOD", None, "tomorrow, or sign in with --qr"),
            (400, "PHONE_NUMBER_BANNED", None, "recover@telegram.org"),
            (400, "PHONE_NUMBER_UNOCCUPIED", None, "official app first"),
            (400, "API_ID_INVALID", None, "https://my.telegram.org"),
            (400, "API_ID_PUBLISHED_FLOOD", None, "one of your own"),
            (406, "UPDATE_APP_TO_LOGIN", None, "newer version of the worker"),
            (420, "FROZEN_METHOD_INVALID", None, "froze this account"),
            (400, "SOMETHING_NEW", None, "SOMETHING_NEW (400)"),
        ] {
            let said = refused(code, name, value);
            assert!(said.contains(words), "{said}");
        }
    }
}
