use std::fmt;
use std::time::Duration;

use grammers_tl_types::{Identifiable, types};

use super::answers::{Result as Read, take_text, word};
use super::rights;
use crate::{Error, ErrorKind, said, wait};

/// How much of an error's name is kept: Telegram's have less than fifty characters, a stranger's may have millions.
const NAME_MAX: usize = 200;

/// An error that Telegram answered with. `FLOOD_WAIT_3` is the name `FLOOD_WAIT` and the value 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RpcError {
    pub(crate) code: i32,
    pub(crate) name: String,
    pub(crate) value: Option<u32>,
}

impl RpcError {
    /// Reads an answer, where it is an error.
    pub(crate) fn read(mut answer: &[u8]) -> Read<Option<Self>> {
        if word(&mut answer)? != types::RpcError::CONSTRUCTOR_ID {
            return Ok(None);
        }
        let code = word(&mut answer)?.cast_signed();
        Ok(Some(Self::new(code, take_text(&mut answer)?)))
    }

    /// The name goes into logs and to the person who waits, so nothing of it may be more than text on a line.
    pub(crate) fn new(code: i32, text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(&text[..text.len().min(NAME_MAX)]);
        let shown = |c: char| c.is_ascii_graphic() || c == ' ';
        let text: String = text.chars().map(|c| if shown(c) { c } else { '?' }).collect();
        let mut value = None;
        let words = text.split('_').filter(|word| match number(word) {
            Some(number) if value.is_none() => {
                value = Some(number);
                false
            }
            _ => true,
        });
        let name = words.collect::<Vec<_>>().join("_");
        Self { code, name, value }
    }
}

/// A number of any length; what is less than zero is zero.
fn number(word: &str) -> Option<u32> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(if digits.len() < word.len() { 0 } else { word.parse().unwrap_or(u32::MAX) })
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.name, self.code)?;
        self.value.map_or(Ok(()), |value| write!(f, ", {value}"))?;
        f.write_str(")")
    }
}

/// What an error asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Wait as long as told, however often; zero where nothing is told.
    Wait(Duration),
    /// The same call again, after a pause that grows.
    Again,
    /// These credentials are dead.
    LogIn,
    /// Nothing: Telegram lets this account do nothing.
    Blocked,
    /// Look the channel up again.
    Resolve,
    /// The same call at this data centre, where the account is now.
    Move(i32),
    /// The parts stayed behind in another data centre: send the file again.
    StartOver,
    /// Nothing: it was refused for good.
    GiveUp,
}

const WRONG_CHANNEL: [&str; 10] = [
    "CHANNEL_INVALID",
    "CHANNEL_PRIVATE",
    "CHANNEL_PUBLIC_GROUP_NA",
    "CHAT_ADMIN_REQUIRED",
    "CHAT_ID_INVALID",
    "CHAT_WRITE_FORBIDDEN",
    "PEER_ID_INVALID",
    "USER_BANNED_IN_CHANNEL",
    "USERNAME_INVALID",
    "USERNAME_NOT_OCCUPIED",
];

impl RpcError {
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// The data centre that is to be called instead.
    fn data_centre(&self) -> Option<i32> {
        let dc = self.value.filter(|_| self.name.ends_with("_MIGRATE"))?;
        i32::try_from(dc).ok().filter(|dc| *dc > 0)
    }

    pub(crate) fn remedy(&self) -> Remedy {
        let name = self.name.as_str();
        // FLOOD_WAIT, FLOOD_PREMIUM_WAIT, SLOWMODE_WAIT, FLOOD_TEST_PHONE_WAIT and whatever else Telegram comes up with.
        let wait = name.ends_with("_WAIT") || name == "FLOOD" && self.code == 420;
        match (self.code, self.data_centre()) {
            _ if wait => Remedy::Wait(wait::of_seconds(f64::from(self.value.unwrap_or_default()))),
            _ if said::is_dead_session(name) || self.code == 401 => Remedy::LogIn,
            _ if said::of_account(name).is_some() => Remedy::Blocked,
            _ if WRONG_CHANNEL.contains(&name) || rights::missing(self).is_some() => Remedy::Resolve,
            (_, Some(dc)) => Remedy::Move(dc),
            // Server trouble has negative codes too, such as -503 for a timeout.
            (500.. | ..0, None) => Remedy::Again,
            _ if name.eq_ignore_ascii_case("timedout") || name.starts_with("WORKER_BUSY") => Remedy::Again,
            _ if matches!(name, "RPC_CALL_FAIL" | "RPC_MCGET_FAIL" | "MSG_WAIT_FAILED") => Remedy::Again,
            _ => Remedy::GiveUp,
        }
    }
}

/// Why a call has no result.
#[derive(Debug, Clone)]
pub(crate) enum CallError {
    /// Telegram said no.
    Rpc(RpcError),
    /// It was certainly not carried out: no connection, or the call had not been written.
    NotSent(String),
    /// It was written, and may have been carried out.
    Lost(String),
    /// Telegram does not know the authorisation key of the session.
    UnknownKey,
    /// The data centre that the account moved to does not let it in, or the worker must not go there.
    NotAdmitted(String),
    /// Not sent: the account is at another data centre than the parts of the file.
    Moved,
}

impl CallError {
    pub(crate) fn remedy(&self) -> Remedy {
        match self {
            Self::Rpc(error) => error.remedy(),
            Self::NotSent(_) | Self::Lost(_) => Remedy::Again,
            Self::UnknownKey | Self::NotAdmitted(_) => Remedy::LogIn,
            Self::Moved => Remedy::StartOver,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rpc(error) => write!(f, "Telegram answered {error}"),
            Self::NotSent(why) | Self::Lost(why) | Self::NotAdmitted(why) => f.write_str(why),
            Self::UnknownKey => f.write_str("Telegram does not know the key of this session"),
            Self::Moved => f.write_str("the account is at another data centre now"),
        }
    }
}

/// For calls that change nothing; where a lost answer matters the caller says so itself.
impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error.remedy() {
            Remedy::Wait(wait) => {
                Self::new(ErrorKind::FloodWait(wait), format!("{} ({error})", wait::words(wait)))
            }
            Remedy::Again | Remedy::StartOver => {
                Self::new(ErrorKind::Unavailable, format!("Telegram is not available: {error}"))
            }
            Remedy::Move(_) => {
                let text = "Telegram is not available: it sends the account from one data centre to the next";
                Self::new(ErrorKind::Unavailable, format!("{text} ({error})"))
            }
            Remedy::LogIn => match error {
                CallError::NotAdmitted(why) => {
                    let text = format!("Telegram session not authorized: {why}");
                    Self::new(ErrorKind::NotAuthorized, text)
                }
                CallError::Rpc(rpc) => said::of_account(&rpc.name).unwrap_or_else(Self::not_authorized),
                _ => Self::not_authorized(),
            },
            Remedy::Resolve => rights::unresolved(&error),
            Remedy::Blocked | Remedy::GiveUp => refusal(&error),
        }
    }
}

fn refusal(error: &CallError) -> Error {
    if let CallError::Rpc(rpc) = error
        && let Some(error) = said::of_account(&rpc.name)
    {
        return error;
    }
    match error {
        CallError::Rpc(rpc) if rpc.name.contains("API_ID") => {
            Error::new(ErrorKind::NotAuthorized, format!("Telegram refused the API id: {error}"))
        }
        _ => Error::new(ErrorKind::Rejected, format!("Telegram refused the file: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rpc(code: i32, text: &str) -> RpcError {
        RpcError::new(code, text.as_bytes())
    }

    #[test]
    fn numbers_leave_the_name() {
        assert_eq!(
            rpc(420, "FLOOD_WAIT_31"),
            RpcError { code: 420, name: "FLOOD_WAIT".into(), value: Some(31) }
        );
        assert_eq!(rpc(400, "FILE_PART_3_MISSING").name, "FILE_PART_MISSING");
        assert_eq!(rpc(400, "MD5_CHECKSUM_INVALID").name, "MD5_CHECKSUM_INVALID");
    }

    #[test]
    fn a_long_or_odd_name_is_cut_and_cleaned() {
        let name = rpc(400, &"x".repeat(8 * 1024 * 1024)).name;
        assert_eq!(name.len(), NAME_MAX);
        let odd = RpcError::new(400, b"A\r\nERROR forged \x1b[31m\xff \xe2\x80\xae");
        assert_eq!(odd.to_string(), "A??ERROR forged ?[31m? ? (400)");
    }

    #[test]
    fn an_account_that_is_sent_around_may_arrive_later() {
        let error = Error::from(CallError::Rpc(rpc(303, "USER_MIGRATE_4")));
        assert_eq!(error.verdict(), crate::Verdict::Temporary);
        assert!(error.to_string().contains("USER_MIGRATE (303, 4)"), "{error}");
    }

    #[test]
    fn errors_ask_for_what_the_table_says() {
        let wait = |seconds| Remedy::Wait(Duration::from_secs(seconds));
        for (code, text, remedy) in [
            (420, "FLOOD_WAIT_3", wait(3)),
            (420, "FLOOD_PREMIUM_WAIT_9", wait(9)),
            (420, "SLOWMODE_WAIT_4", wait(4)),
            (420, "FLOOD_TEST_PHONE_WAIT_5", wait(5)),
            (420, "FLOOD_WAIT_0", wait(0)),
            (420, "FLOOD_WAIT_-7", wait(0)),
            (420, "FLOOD_WAIT", wait(0)),
            (420, "FLOOD_WAIT_2147483647", wait(24 * 60 * 60)),
            (420, "FLOOD_WAIT_99999999999999999999", wait(24 * 60 * 60)),
            (420, "FROZEN_METHOD_INVALID", Remedy::Blocked),
            (406, "FROZEN_PARTICIPANT_MISSING", Remedy::Blocked),
            (500, "FROZEN_METHOD_INVALID", Remedy::Blocked),
            (400, "PEER_FLOOD", Remedy::Blocked),
            (500, "RPC_CALL_FAIL", Remedy::Again),
            (-503, "Timeout", Remedy::Again),
            (400, "Timedout", Remedy::Again),
            (500, "WORKER_BUSY_TOO_LONG_RETRY", Remedy::Again),
            (401, "AUTH_KEY_UNREGISTERED", Remedy::LogIn),
            (406, "AUTH_KEY_DUPLICATED", Remedy::LogIn),
            (401, "USER_DEACTIVATED_BAN", Remedy::LogIn),
            (400, "CHANNEL_PRIVATE", Remedy::Resolve),
            (403, "CHAT_WRITE_FORBIDDEN", Remedy::Resolve),
            (403, "CHAT_SEND_DOCS_FORBIDDEN", Remedy::Resolve),
            (400, "FILE_PARTS_INVALID", Remedy::GiveUp),
            (303, "USER_MIGRATE_4", Remedy::Move(4)),
            (303, "PHONE_MIGRATE_1", Remedy::Move(1)),
            (303, "NETWORK_MIGRATE_2", Remedy::Move(2)),
            (303, "FILE_MIGRATE_5", Remedy::Move(5)),
            (303, "STATS_MIGRATE_3", Remedy::Move(3)),
            (303, "USER_MIGRATE_0", Remedy::GiveUp),
            (303, "USER_MIGRATE", Remedy::GiveUp),
        ] {
            assert_eq!(rpc(code, text).remedy(), remedy, "{text}");
        }
    }
}
