use std::fmt;
use std::time::Duration;

use grammers_tl_types::{Identifiable, types};
use telestore_types::telegram::{AccountFault, MissingRight, wait_of_seconds};

use crate::answers::{self, take_text, word};

/// How much of an error's name is kept: Telegram's have less than fifty characters, a stranger's may have millions.
const NAME_MAX: usize = 200;

/// An error that Telegram answered with. `FLOOD_WAIT_3` is the name `FLOOD_WAIT` and the value 3.
///
/// <https://core.telegram.org/api/errors>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcError {
    code: i32,
    name: String,
    value: Option<u32>,
}

impl std::error::Error for RpcError {}

impl RpcError {
    /// Reads an answer, if it is an error.
    pub(crate) fn read(mut answer: &[u8]) -> answers::Result<Option<Self>> {
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

/// What an error asks the caller to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Wait so long, and call again. Zero if Telegram did not say how long: then each wait is to be longer than the one before.
    Wait(Duration),
    /// Call again, after a pause that grows.
    Again,
    /// Sign in again: this session is dead, or is not admitted.
    LogIn,
    /// Nothing: Telegram lets this account do nothing.
    Blocked,
    /// Look the channel or group up again.
    Resolve,
    /// Call again at this data centre, to which the account has to migrate.
    Migrate(i32),
    /// Begin again: what the call is about stayed behind in another data centre.
    StartOver,
    /// Let another process do it, which uses the login, or call again much later.
    Leave,
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

/// What a message is refused with if the account may not post. <https://core.telegram.org/method/messages.sendMedia>
const NO_POSTS: [&str; 3] = ["CHAT_ADMIN_REQUIRED", "CHAT_WRITE_FORBIDDEN", "CHAT_GUEST_SEND_FORBIDDEN"];
const NO_FILES: [&str; 7] = [
    "CHAT_SEND_DOCS_FORBIDDEN",
    "CHAT_SEND_MEDIA_FORBIDDEN",
    "CHAT_SEND_VIDEOS_FORBIDDEN",
    "CHAT_SEND_AUDIOS_FORBIDDEN",
    "CHAT_SEND_PHOTOS_FORBIDDEN",
    "CHAT_RESTRICTED",
    "USER_BANNED_IN_CHANNEL",
];

impl RpcError {
    /// The code, in the manner of HTTP: 303, 400, 401, 403, 406, 420, 500, and numbers below zero.
    pub fn code(&self) -> i32 {
        self.code
    }

    /// The name, without its number. Printable ASCII, at most 200 characters.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number in the name: seconds to wait, a part, a data centre.
    pub fn value(&self) -> Option<u32> {
        self.value
    }

    /// The right that the account lacks in the channel or group, if the error names one.
    pub fn missing_right(&self) -> Option<MissingRight> {
        match self.name.as_str() {
            name if NO_POSTS.contains(&name) => Some(MissingRight::Post),
            name if NO_FILES.contains(&name) => Some(MissingRight::SendFiles),
            _ => None,
        }
    }

    /// The data centre that is to be called instead.
    fn data_centre(&self) -> Option<i32> {
        let dc = self.value.filter(|_| self.name.ends_with("_MIGRATE"))?;
        i32::try_from(dc).ok().filter(|dc| *dc > 0)
    }

    /// Whether Telegram has failed, and the call may be right.
    pub fn is_failure_of_telegram(&self) -> bool {
        let name = self.name.as_str();
        // Server trouble has negative codes too, such as -503 for a timeout.
        matches!(self.code, 500.. | ..0)
            || name.eq_ignore_ascii_case("timedout")
            || name.starts_with("WORKER_BUSY")
            || matches!(name, "RPC_CALL_FAIL" | "RPC_MCGET_FAIL" | "MSG_WAIT_FAILED")
    }

    /// What can be done about it.
    pub fn remedy(&self) -> Remedy {
        let name = self.name.as_str();
        let dead = AccountFault::of_name(name).is_some_and(AccountFault::ends_login);
        // FLOOD_WAIT, FLOOD_PREMIUM_WAIT, SLOWMODE_WAIT, FLOOD_TEST_PHONE_WAIT and whatever else Telegram comes up with.
        let wait = name.ends_with("_WAIT") || name == "FLOOD" && self.code == 420;
        match self.data_centre() {
            _ if wait => Remedy::Wait(wait_of_seconds(f64::from(self.value.unwrap_or_default()))),
            _ if dead || self.code == 401 => Remedy::LogIn,
            _ if AccountFault::in_text(name).is_some() => Remedy::Blocked,
            _ if WRONG_CHANNEL.contains(&name) || self.missing_right().is_some() => Remedy::Resolve,
            Some(dc) => Remedy::Migrate(dc),
            _ if self.is_failure_of_telegram() => Remedy::Again,
            _ => Remedy::GiveUp,
        }
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
            (303, "USER_MIGRATE_4", Remedy::Migrate(4)),
            (303, "PHONE_MIGRATE_1", Remedy::Migrate(1)),
            (303, "NETWORK_MIGRATE_2", Remedy::Migrate(2)),
            (303, "FILE_MIGRATE_5", Remedy::Migrate(5)),
            (303, "STATS_MIGRATE_3", Remedy::Migrate(3)),
            (303, "USER_MIGRATE_0", Remedy::GiveUp),
            (303, "USER_MIGRATE", Remedy::GiveUp),
        ] {
            assert_eq!(rpc(code, text).remedy(), remedy, "{text}");
        }
    }
}
