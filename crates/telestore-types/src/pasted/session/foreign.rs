//! What people paste in the place of a session string that can be read.

use super::KEY_LEN;
use crate::pasted::bot_token::bot_token;
use crate::pasted::link;

/// Something that is no session string of Telethon, GramJS or Pyrogram, and was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// mtcute's string.
    Mtcute,
    /// MTKruto's string.
    MtKruto,
    /// The JSON of gotd, tdl or teldrive.
    Gotd,
    /// WZGram's string.
    WzGram,
    /// A `.session` file of Telethon or Pyrogram, or its path.
    SqliteFile,
    /// Telegram Desktop's folder `tdata`, or a file of it.
    Tdata,
    /// TDLib's database.
    Tdlib,
    /// MadelineProto's session.
    MadelineProto,
    /// Another file, by its path.
    Path,
    /// A bot token.
    BotToken,
    /// A phone number.
    Phone,
    /// The code that Telegram sends at a login.
    LoginCode,
    /// An `api_hash`.
    ApiHash,
    /// A channel.
    Channel,
    /// A key in hexadecimal digits, without the data centre that it belongs to.
    BareKey,
}

impl Foreign {
    /// What it is, for a sentence that goes on with its place.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mtcute => "a session string of mtcute stands",
            Self::MtKruto => "a session string of MTKruto stands",
            Self::Gotd => "a session of gotd (tdl, teldrive), in JSON, stands",
            Self::WzGram => "a session string of WZGram stands",
            Self::SqliteFile => "a .session file (SQLite) stands",
            Self::Tdata => "tdata of Telegram Desktop stands",
            Self::Tdlib => "a database of TDLib stands",
            Self::MadelineProto => "a session of MadelineProto stands",
            Self::Path => "the path of a file stands",
            Self::BotToken => "a bot token stands",
            Self::Phone => "a phone number stands",
            Self::LoginCode => "a login code stands",
            Self::ApiHash => "an api_hash stands",
            Self::Channel => "a channel stands",
            Self::BareKey => "a bare key, without its data centre, stands",
        }
    }

    /// What to do.
    pub const fn cure(self) -> &'static str {
        match self {
            Self::Mtcute => {
                "convert it with @mtcute/convert to Telethon's form, or sign in anew with Telethon or Pyrogram"
            }
            Self::SqliteFile => {
                "open the file with the library that wrote it and print the string: StringSession.save(client.session) of \
                 Telethon, export_session_string() of Pyrogram"
            }
            Self::Tdata | Self::Tdlib => {
                "Telegram's own apps give no session string: sign in with Telethon or Pyrogram"
            }
            Self::BotToken => "it has a setting of its own, the bot token",
            Self::Phone | Self::LoginCode => {
                "sign in with it by Telethon or Pyrogram, and take the string that comes of it"
            }
            Self::ApiHash | Self::Channel => "it has a setting of its own",
            Self::MtKruto | Self::Gotd | Self::WzGram | Self::MadelineProto | Self::Path | Self::BareKey => {
                "give a session string of Telethon, Pyrogram or GramJS"
            }
        }
    }
}

/// By what can be read in it, without blanks.
pub(super) fn by_text(text: &str) -> Option<Foreign> {
    let lower = text.to_ascii_lowercase();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let only = |others: &str| text.chars().all(|c| c.is_ascii_digit() || others.contains(c));
    match text {
        _ if lower.starts_with("sqliteformat3") || text.starts_with("U1FMaXRlIGZvcm1hdCAz") => {
            Some(Foreign::SqliteFile)
        }
        _ if lower.starts_with('{') && lower.contains("authkey") => Some(Foreign::Gotd),
        // `TDF$`, in base64, too.
        _ if text.starts_with("TDF$") || text.starts_with("VERGJ") => Some(Foreign::Tdata),
        _ if text.starts_with("WZ_") => Some(Foreign::WzGram),
        _ if lower.contains("madelineproto") => Some(Foreign::MadelineProto),
        _ if digits == text.len() && (4..=6).contains(&digits) => Some(Foreign::LoginCode),
        _ if text.len() < 200 => by_short_text(text, &lower, digits, only),
        _ if text.len() == 2 * KEY_LEN && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Some(Foreign::BareKey)
        }
        _ => None,
    }
}

fn by_short_text(text: &str, lower: &str, digits: usize, only: impl Fn(&str) -> bool) -> Option<Foreign> {
    let ends = |ends: &[&str]| ends.iter().any(|end| lower.ends_with(end));
    let holds = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    match text {
        _ if bot_token(text).is_ok_and(|token| token.len() > 20) => Some(Foreign::BotToken),
        _ if text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()) => Some(Foreign::ApiHash),
        _ if text.starts_with(['-', '@']) || link::read(text).is_some() => Some(Foreign::Channel),
        _ if (7..=15).contains(&digits) && only("+()-./") => Some(Foreign::Phone),
        _ if ends(&[".session", ".session-journal", ".sqlite", ".db"]) => Some(Foreign::SqliteFile),
        _ if ends(&[".madeline"]) => Some(Foreign::MadelineProto),
        _ if holds(&["tdata", "key_datas", "d877f783d5d3ef8c"]) => Some(Foreign::Tdata),
        _ if holds(&["td.binlog", "db.sqlite", "tdlib"]) => Some(Foreign::Tdlib),
        _ if text.starts_with(['/', '~', '.']) || text.get(1..3) == Some(":\\") => Some(Foreign::Path),
        _ => None,
    }
}

/// By what it holds.
pub(super) fn by_bytes(bytes: &[u8]) -> Option<Foreign> {
    // The length that TL writes in front of 256 bytes.
    const KEY_BEHIND: [u8; 4] = [0xfe, 0, 1, 0];
    let behind = bytes.len().checked_sub(KEY_LEN + KEY_BEHIND.len()).map(|at| &bytes[at..]);
    let ends_in_key = behind.is_some_and(|behind| behind.starts_with(&KEY_BEHIND));
    // Version, flags (i32), and more than the key.
    if ends_in_key && (1..=3).contains(&bytes[0]) && bytes.get(2..5) == Some(&[0, 0, 0]) {
        return Some(Foreign::Mtcute);
    }
    // A TL string, `2` or `2-test`, and the key, with each run of zeros as 0 and its length.
    let is_string = matches!(
        bytes,
        [1, b'1'..=b'5', 0, 2, 0xfe, ..] | [6, b'1'..=b'5', b'-', b't', b'e', b's', b't', ..]
    );
    is_string.then_some(Foreign::MtKruto)
}
