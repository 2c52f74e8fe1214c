use super::clean::{is_invisible, unwrap};
use super::link::{self, Link, is_digits};
use crate::ChatId;

/// Between a channel's own number and what the Bot API calls it: `-1001953958128` is channel 1953958128. It is arithmetic,
/// not a prefix (core.telegram.org/api/bots/ids).
const CHANNEL_BASE: i64 = 1_000_000_000_000;

/// The last number of a channel (tdlib/td, `ChannelId`). Behind it, below zero, come secret chats and others.
const LAST_CHANNEL: i64 = 997_852_516_352;

/// The last number of a basic group (tdlib/td, `ChatId`).
const LAST_GROUP: i64 = 999_999_999_999;

/// Fewer digits than any number of a channel that somebody would have left `-100` out of.
const FEWEST_DIGITS: usize = 6;

/// How much of a text is shown, in characters.
const SHOWN: usize = 40;

/// A channel that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastedChannel {
    /// Where files go.
    pub chat: ChatId,
    /// What the person who pasted it should know: something was left out, or something else may have been meant.
    pub hint: Option<String>,
}

/// Why a text names no channel. A channel is no secret: the text may be shown, except for an invitation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelFault {
    /// There is nothing.
    #[error("channel id is empty: it is a number such as -1001234567890, or @name")]
    Empty,
    /// A number above zero is a person for the Bot API, and a channel's own number elsewhere.
    #[error(
        "channel id {given} is the number of a person or a bot, or a channel's without the -100 in front: did you mean {meant}?"
    )]
    Person {
        /// What was given.
        given: String,
        /// The channel that was meant, if one was.
        meant: String,
    },
    /// A number that may be a channel's or a group's.
    #[error(
        "channel id {given} may be a channel or a group, which Telegram Web K writes alike: did you mean {meant}?"
    )]
    WebK {
        /// What was given.
        given: String,
        /// The channel that was meant, if one was.
        meant: String,
    },
    /// A number of nothing that files can go to.
    #[error(
        "channel id {0} is no channel's: it is a number such as -1001234567890, or @name. Copy the link of a message of the channel, which names it"
    )]
    Number(String),
    /// A word that could be a public name, or a title.
    #[error("channel id must be a number such as -1001234567890, or @name: did you mean @{0}?")]
    Word(String),
    /// `@` and something that is no name.
    #[error(
        "channel id @{0} is no public name: one has 4 to 32 characters out of A-Z a-z 0-9 _ and begins with a letter"
    )]
    Name(String),
    /// An invitation. It names no channel, and lets in everybody who sees it.
    #[error(
        "channel id must not be an invite link, which names no channel: copy the link of a message of the channel (t.me/c/…), or take its @name"
    )]
    Invite,
    /// A link to a person.
    #[error(
        "channel id must not be a link to a person: files go to a channel, a number such as -1001234567890, or @name"
    )]
    PersonLink,
    /// A link that leads to no chat.
    #[error(
        "channel id must not be this link, which leads to no channel: copy the link of a message of the channel"
    )]
    Link,
    /// A bot token in its place.
    #[error(
        "channel id must be a number such as -1001234567890, or @name; this looks like a bot token, which has a setting of its own"
    )]
    BotToken,
    /// Anything else.
    #[error("channel id must be a number such as -1001234567890, or @name; {0} looks like a title")]
    Title(String),
}

/// Reads a channel in any of the forms that people copy it in.
///
/// | form | reading |
/// | --- | --- |
/// | `-1001953958128`, with quotes, blanks, or another dash for its minus | the channel |
/// | `1001953958128` | the same: no person has so high a number |
/// | `t.me/c/1953958128/5`, `tg://privatepost?channel=…`, `web.telegram.org/a/#-100…` | the same |
/// | `@name`, `t.me/name/5`, `name.t.me`, `tg://resolve?domain=name` | the public name |
/// | `-1001953958128:5`, `/5`, `_5` | the channel, with a hint: that is a message or a topic |
/// | `-1953958128` | the basic group of that number, with a hint: a channel may be meant |
/// | `1953958128`, `name` | refused: `did you mean -1001953958128?`, `did you mean @name?` |
/// | `t.me/+…` | refused: an invitation names no channel |
///
/// ```
/// use telestore_types::pasted::channel;
///
/// assert_eq!(channel("\u{2212}1001953958128").unwrap().chat.as_str(), "-1001953958128");
/// assert_eq!(channel("https://t.me/s/files").unwrap().chat.as_str(), "@files");
/// assert!(channel("1953958128").unwrap_err().to_string().ends_with("did you mean -1001953958128?"));
/// ```
///
/// # Errors
/// [`ChannelFault`] names what it saw, and what was meant if that can be told.
pub fn channel(text: &str) -> Result<PastedChannel, ChannelFault> {
    let text: String = unwrap(text).chars().filter(|c| !is_invisible(*c)).map(plain).collect();
    if text.is_empty() {
        return Err(ChannelFault::Empty);
    }
    if let Some(link) = link::read(&text) {
        return of_link(&link);
    }
    if let Some(name) = text.strip_prefix('@') {
        let (name, behind) = split(name, name.find(['/', ':']).unwrap_or(name.len()));
        return named(name, behind.filter(|behind| is_digits(behind)));
    }
    if let Some((number, behind)) = number(&text) {
        return numbered(&number).map(|channel| channel.behind(behind.as_deref()));
    }
    Err(match super::bot_token(&text) {
        Ok(_) => ChannelFault::BotToken,
        Err(_) if is_public_name(&text) => ChannelFault::Word(text),
        Err(_) => ChannelFault::Title(shown(&text)),
    })
}

/// The number that a channel has in the Bot API, if `number` is its own.
///
/// ```
/// assert_eq!(telestore_types::pasted::bare_number(1_953_958_128), Some(-1_001_953_958_128));
/// ```
pub fn bare_number(number: i64) -> Option<i64> {
    (1..=LAST_CHANNEL).contains(&number).then(|| -CHANNEL_BASE - number)
}

/// Dashes that stand for a minus, and wide digits.
fn plain(c: char) -> char {
    match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => '-',
        '\u{ff10}'..='\u{ff19}' => char::from(b'0' + (u32::from(c) - 0xff10) as u8),
        _ => c,
    }
}

fn split(text: &str, at: usize) -> (&str, Option<&str>) {
    (&text[..at], text.get(at + 1..))
}

/// The digits at the beginning, without blanks between them, and the number behind them. A topic is written in several
/// ways.
fn number(text: &str) -> Option<(String, Option<String>)> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let digits = compact.strip_prefix(['-', '#']).unwrap_or(&compact).trim_start_matches('-');
    let at = compact.len() - digits.len();
    let end = at + digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let (number, behind) = split(&compact, end);
    let is_suffix = |behind: &str| behind.split(['/', ':', '_']).all(is_digits);
    let separated = end == compact.len() || compact[end..].starts_with([':', '/', '_', '#']);
    let number = number.trim_start_matches('#');
    (is_digits(number.trim_start_matches('-')) && separated && behind.is_none_or(is_suffix))
        .then(|| (number.to_owned(), behind.map(str::to_owned)))
}

fn numbered(text: &str) -> Result<PastedChannel, ChannelFault> {
    let none = || ChannelFault::Number(shown(text));
    let number: i64 = text.parse().map_err(|_| none())?;
    let is_channel = |number: i64| (-CHANNEL_BASE - LAST_CHANNEL..-CHANNEL_BASE).contains(&number);
    match number {
        _ if is_channel(number) => Ok(of_number(number, None)),
        1.. if is_channel(-number) => {
            Ok(of_number(-number, Some(format!("has no minus: taken as {}", -number))))
        }
        _ if (-LAST_GROUP..0).contains(&number) => Ok(of_number(number, group_hint(number))),
        _ => {
            let meant = bare_number(number).ok_or_else(none)?;
            Err(ChannelFault::Person { given: number.to_string(), meant: meant.to_string() })
        }
    }
}

/// What may have been meant by the number of a basic group.
pub(crate) fn instead_of_group(number: i64) -> Option<i64> {
    let is_long = number.unsigned_abs().checked_ilog10().is_some_and(|log| log as usize + 1 >= FEWEST_DIGITS);
    bare_number(number.checked_neg()?).filter(|_| is_long)
}

fn group_hint(number: i64) -> Option<String> {
    instead_of_group(number)
        .map(|meant| format!("is the number of a basic group; if a channel is meant: {meant}"))
}

fn of_number(number: i64, hint: Option<String>) -> PastedChannel {
    PastedChannel { chat: ChatId::of_number(number), hint }
}

fn of_link(link: &Link<'_>) -> Result<PastedChannel, ChannelFault> {
    match *link {
        Link::Name(name, behind) => named(name, behind),
        Link::Number(number) => numbered(number),
        Link::Bare(id, behind) => bare(id).map(|channel| channel.behind(behind)),
        Link::WebK(number) => match numbered(number) {
            Err(ChannelFault::Person { given, .. }) => Err(ChannelFault::Number(given)),
            Ok(PastedChannel { chat, .. }) if chat.channel_id().is_none() => {
                let meant = chat.number().and_then(|number| bare_number(-number));
                let given = chat.to_string();
                let meant = meant.ok_or_else(|| ChannelFault::Number(given.clone()))?.to_string();
                Err(ChannelFault::WebK { given, meant })
            }
            read => read,
        },
        Link::Invite => Err(ChannelFault::Invite),
        Link::Person => Err(ChannelFault::PersonLink),
        Link::Other => Err(ChannelFault::Link),
    }
}

/// A number out of a link, where channels have their own; people also put the Bot API's there.
fn bare(text: &str) -> Result<PastedChannel, ChannelFault> {
    let own = text.parse().ok().and_then(bare_number);
    own.map_or_else(|| numbered(text), |number| Ok(of_number(number, None)))
}

fn named(name: &str, behind: Option<&str>) -> Result<PastedChannel, ChannelFault> {
    if !is_public_name(name) {
        return Err(ChannelFault::Name(shown(name)));
    }
    let is_bot = name.to_ascii_lowercase().ends_with("bot");
    let hint =
        is_bot.then(|| "ends in bot, as the names of bots do: the channel's own name is meant".to_owned());
    Ok(PastedChannel { chat: ChatId::of_name(name), hint }.behind(behind))
}

impl PastedChannel {
    /// With a number behind it. A topic exists in forums only, and files go to no topic.
    fn behind(self, number: Option<&str>) -> Self {
        let Some(number) = number else { return self };
        let left_out = format!(
            "the {} behind it names a message or a topic: files go to {} itself",
            shown(number),
            self.chat
        );
        let hint = self.hint.map_or(left_out.clone(), |hint| format!("{hint}; {left_out}"));
        Self { hint: Some(hint), ..self }
    }
}

/// core.telegram.org/api/links: 4 characters (bought names; others have 5) to 32.
fn is_public_name(text: &str) -> bool {
    (4..=32).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        channel(text).map(|channel| channel.chat.to_string()).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn what_has_one_reading_is_taken() {
        for text in [
            "-1001953958128",
            " '-1001953958128' ",
            "\u{2212}1001953958128",
            "\u{2013}1001953958128",
            "\u{2014}1001953958128",
            "-\u{200b}1001953958128",
            "-100 1953 958 128",
            "－１００１９５３９５８１２８",
            "1001953958128",
            "TELESTORE_CHANNEL_ID=-1001953958128",
            "chat_id: -1001953958128",
            "#-1001953958128",
            "-1001953958128:5",
            "-1001953958128/5",
            "-1001953958128_5",
            "-1001953958128/5/6",
            "https://t.me/c/1953958128/5",
            "t.me/c/1953958128",
            "https://t.me/c/-1001953958128/5",
            "t.me/c/1001953958128/5",
            "tg://privatepost?channel=1953958128&post=5",
            "https://web.telegram.org/a/#-1001953958128",
        ] {
            assert_eq!(read(text), "-1001953958128", "{text:?}");
        }
        for text in [
            "@files",
            "t.me/files",
            "https://t.me/files/5",
            "\"telegram.me/s/files\"",
            "files.t.me",
            "@files/5",
        ] {
            assert_eq!(read(text), "@files", "{text:?}");
        }
        assert_eq!((read("-42").as_str(), read("-1953958128").as_str()), ("-42", "-1953958128"));
    }

    #[test]
    fn what_was_left_out_or_may_be_meant_is_told() {
        let hint = |text: &str| channel(text).unwrap().hint.unwrap_or_default();
        for text in ["-1001953958128", "@files", "t.me/c/1953958128", "-42"] {
            assert_eq!(hint(text), "", "{text}");
        }
        for text in
            ["-1001953958128:5", "t.me/c/1953958128/5", "t.me/files/5", "tg://resolve?domain=files&post=5"]
        {
            assert!(
                hint(text).contains("the 5 behind it names a message or a topic"),
                "{text}: {}",
                hint(text)
            );
        }
        assert!(hint("-1953958128").ends_with("if a channel is meant: -1001953958128"));
        assert!(hint("1001953958128").contains("no minus"));
        assert!(hint("@my_files_bot").contains("names of bots"));
    }

    #[test]
    fn what_has_no_or_several_readings_is_refused_with_what_was_meant() {
        for (text, words) in [
            ("", "is empty"),
            ("1953958128", "did you mean -1001953958128?"),
            ("\"7200000001\"", "did you mean -1007200000001?"),
            ("files", "did you mean @files?"),
            ("https://web.telegram.org/k/#-1953958128", "did you mean -1001953958128?"),
            ("https://t.me/+AbCdEfGh", "invite link"),
            ("t.me/joinchat/AbCdEfGh", "invite link"),
            ("tg://join?invite=AbCdEfGh", "invite link"),
            ("https://t.me/+491234567", "a person"),
            ("https://t.me/addstickers/Cats", "leads to no channel"),
            ("https://example.org", "leads to no channel"),
            ("my channel", "my channel looks like a title"),
            ("@a", "@a is no public name"),
            ("@1files", "no public name"),
            ("@a/b", "no public name"),
            ("t.me/a-b", "no public name"),
            ("0", "no channel's"),
            ("-1000000000000", "no channel's"),
            ("-1997852516353", "no channel's"),
            ("999999999999", "no channel's"),
            ("-99999999999999999999", "no channel's"),
            ("-9223372036854775808", "no channel's"),
            ("9223372036854775807", "no channel's"),
            ("-100x", "looks like a title"),
            ("-1001953958128é", "looks like a title"),
            ("110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw5", "bot token"),
        ] {
            let error = channel(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text:?}: {error}");
            assert!(!error.contains("AbCd") && !error.contains("AAHdq"), "{error}");
        }
    }

    #[test]
    fn the_ends_of_the_range_are_telegrams() {
        assert_eq!(read("-1000000000001"), "-1000000000001");
        assert_eq!(read("-1997852516352"), "-1997852516352");
        assert_eq!(read("-999999999999"), "-999999999999");
        assert_eq!((bare_number(0), bare_number(LAST_CHANNEL + 1)), (None, None));
    }

    #[test]
    fn what_was_read_reads_the_same() {
        for text in ["t.me/c/1953958128/5", "@files", "1001953958128", "-42"] {
            let once = channel(text).unwrap().chat;
            assert_eq!(channel(once.as_str()).unwrap().chat, once);
        }
    }
}
