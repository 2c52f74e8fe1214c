use super::clean::{name_of, unwrap};

/// How long the part behind the colon of a bot token is. @BotFather promises nothing; all tokens that were seen have 35
/// characters, so another length is a hint and no fault.
pub const BOT_TOKEN_SECRET: usize = 35;

/// The longest token that the Bot API takes, in bytes.
const LONGEST: usize = 80;

/// The first number that is no id of a bot.
const IDS_END: u64 = 1 << 54;

/// Why a text is no bot token. It never holds the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BotTokenFault {
    /// There is nothing.
    #[error("the bot token is empty: get one from @BotFather")]
    Empty,
    /// No colon, and so nothing that a server would look at.
    #[error(
        "the bot token is wrong: {0}. It looks like 123456789:AAH…, digits and a colon in front; copy it whole from @BotFather"
    )]
    Shape(&'static str),
    /// A character that no token holds.
    #[error(
        "the bot token is wrong: its character {at} is {what}, which no token holds; copy it again from @BotFather"
    )]
    Character {
        /// Where it is, from 1 on.
        at: usize,
        /// What it is.
        what: String,
    },
    /// Longer than any.
    #[error(
        "the bot token is wrong: it has {0} characters, and none has more than {LONGEST}; copy it again from @BotFather"
    )]
    Long(usize),
}

/// Reads a bot token, and gives the part of `text` that it is.
///
/// Taken off are quotes, blanks, the name of a setting, the word `bot` in front, the address around it
/// (`https://api.telegram.org/bot…/getMe`), and the rest of @BotFather's message. What is left must have the shape that the
/// Bot API server looks for before it asks anybody (tdlib/telegram-bot-api, `ClientManager::send`): an id below 2^54 that
/// does not begin with 0, a colon, no slash, 80 bytes at most. Behind the colon stand letters, digits, `_` and `-`.
///
/// ```
/// use telestore_types::pasted::bot_token;
///
/// let token = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw5";
/// assert_eq!(bot_token(&format!("'bot{token}'")), Ok(token));
/// assert_eq!(bot_token(&format!("https://api.telegram.org/bot{token}/getMe")), Ok(token));
/// assert!(bot_token("a").is_err());
/// ```
///
/// # Errors
/// [`BotTokenFault`] says what is wrong and what to do.
pub fn bot_token(text: &str) -> Result<&str, BotTokenFault> {
    let text = of_message(of_url(unwrap(text)));
    let token = match text.get(..3) {
        Some(bot)
            if bot.eq_ignore_ascii_case("bot") && text[3..].starts_with(|c: char| c.is_ascii_digit()) =>
        {
            &text[3..]
        }
        _ => text,
    };
    judge(token).map(|()| token)
}

/// What a token that reads well has against it: Telegram alone can tell whether it is one.
pub fn bot_token_hint(token: &str) -> Option<String> {
    let (_, secret) = token.split_once(':')?;
    (secret.len() != BOT_TOKEN_SECRET).then(|| {
        let length = secret.len();
        format!("has {length} characters behind its colon, where @BotFather gives {BOT_TOKEN_SECRET}: is it whole?")
    })
}

/// The token of an address that holds one.
fn of_url(text: &str) -> &str {
    let Some(at) = text.find("/bot").filter(|_| text.contains("://") || text.starts_with("api.telegram.org"))
    else {
        return text;
    };
    let rest = &text[at + 1..];
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

/// The one word of a message that is a token.
fn of_message(text: &str) -> &str {
    let is_token = |word: &&str| judge(word).is_ok() && bot_token_hint(word).is_none();
    let mut words = text.split_whitespace().map(unwrap).filter(is_token);
    match (words.next(), words.next()) {
        (Some(token), None) => token,
        _ => text,
    }
}

fn judge(token: &str) -> Result<(), BotTokenFault> {
    if token.is_empty() {
        return Err(BotTokenFault::Empty);
    }
    if token.contains("://") {
        return Err(BotTokenFault::Shape("it is a link"));
    }
    let Some((id, secret)) = token.split_once(':') else {
        return Err(BotTokenFault::Shape(without_colon(token)));
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':');
    if let Some((at, c)) = token.chars().enumerate().find(|(_, c)| !fits(*c)) {
        return Err(BotTokenFault::Character { at: at + 1, what: name_of(c) });
    }
    if token.len() > LONGEST {
        return Err(BotTokenFault::Long(token.len()));
    }
    let number = id.parse::<u64>().ok().filter(|id| (1..IDS_END).contains(id));
    match number {
        None => Err(BotTokenFault::Shape("what stands in front of its colon is no id of a bot")),
        Some(_) if id.starts_with(['0', '+']) => {
            Err(BotTokenFault::Shape("what stands in front of its colon is no id of a bot"))
        }
        Some(_) if secret.is_empty() => Err(BotTokenFault::Shape("nothing stands behind its colon")),
        Some(_) if secret.contains(':') => Err(BotTokenFault::Shape("it has more than one colon")),
        Some(_) => Ok(()),
    }
}

fn without_colon(text: &str) -> &'static str {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let name = text.trim_start_matches('@').to_ascii_lowercase();
    match text {
        _ if digits => "it is only what stands in front of the colon",
        _ if text.len() == BOT_TOKEN_SECRET => "it has no colon; it may be only what stands behind it",
        _ if text.contains("t.me/") => "it is a link",
        _ if name.ends_with("bot") => "it is the bot's name",
        _ if text.len() > 300 => {
            "it has no colon; it may be a session string, which has a setting of its own"
        }
        _ => "it has no colon",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw5";

    #[test]
    fn a_token_is_found_in_what_is_around_it() {
        for text in [
            TOKEN.to_owned(),
            format!("\"{TOKEN}\"\n"),
            format!("bot{TOKEN}"),
            format!("Bot{TOKEN}"),
            format!("\u{200b}{TOKEN}\u{feff}"),
            format!("TELESTORE_BOT_TOKEN='{TOKEN}'"),
            format!("https://api.telegram.org/bot{TOKEN}/getMe"),
            format!("https://api.telegram.org/file/bot{TOKEN}/documents/file_1.bin"),
            format!("http://localhost:8081/bot{TOKEN}"),
            format!("api.telegram.org/bot{TOKEN}/sendDocument?chat_id=1"),
            format!("Use this token to access the HTTP API:\n{TOKEN}\nKeep your token secure"),
        ] {
            assert_eq!(bot_token(&text), Ok(TOKEN), "{text:?}");
        }
        assert_eq!(bot_token_hint(TOKEN), None);
    }

    #[test]
    fn what_no_server_would_look_at_is_refused() {
        for (text, words) in [
            ("", "empty"),
            ("\"\"", "empty"),
            ("a", "no colon"),
            ("110201543", "in front of the colon"),
            ("AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw5", "behind it"),
            ("@my_files_bot", "the bot's name"),
            ("https://t.me/BotFather", "a link"),
            ("a:b", "no id of a bot"),
            ("0123:abc", "no id of a bot"),
            ("18014398509481984:abc", "no id of a bot"),
            ("123:", "nothing stands behind"),
            ("123:abc:def", "more than one colon"),
            ("123:ab/cd", "character 7 is `/`"),
            ("123:ab\u{200b}cd", "character 7 is U+200B"),
            ("12345678 :AAHdq", "character 9 is U+0020"),
        ] {
            let error = bot_token(text).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("@BotFather"), "{text:?}: {error}");
        }
        let long = format!("1:{}", "a".repeat(79));
        assert_eq!(bot_token(&long), Err(BotTokenFault::Long(81)));
    }

    #[test]
    fn another_length_is_a_hint_only() {
        let cut = &TOKEN[..40];
        assert_eq!(bot_token(cut), Ok(cut));
        assert!(bot_token_hint(cut).unwrap().starts_with("has 30 characters behind its colon"));
        assert_eq!(bot_token("1:a"), Ok("1:a"));
    }

    #[test]
    fn no_text_shows_the_token() {
        for text in [format!("x{TOKEN}"), format!("{TOKEN}é"), TOKEN.replace(':', ";")] {
            let error = bot_token(&text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("AAHdq"), "{error}");
        }
    }
}
