//! Stand-alone settings: judged at the start by what they are, before Telegram is asked.

use telestore::types::pasted::{self, ApplicationFault};
use telestore::types::{ApiId, Secret, TelegramCredentials, UserId};

use crate::settings::{ConfigError, StandAloneSettings, bad};

const CHANNEL: &str = "TELESTORE_CHANNEL_ID";
const BOT_TOKEN: &str = "TELESTORE_BOT_TOKEN";
const BOT_TOKENS: &str = "TELESTORE_BOT_TOKENS";
const SESSION: &str = "TELESTORE_TELEGRAM_SESSION";

/// What the operator should know of a setting, by the name of its variable.
type Note = (&'static str, String);

/// What files are sent with, and what the operator should know of how the settings were read.
///
/// What can never do is an error: a session string, a bot token or a channel that cannot be read. Whether those that can
/// be read are right, Telegram alone can tell.
pub(super) fn credentials(
    settings: &StandAloneSettings,
) -> Result<(TelegramCredentials, Vec<Note>), ConfigError> {
    let missing = |name| ConfigError::Missing { name };
    let channel = settings.channel_id.as_deref().ok_or(missing(CHANNEL))?;
    if settings.bot_token.is_none() && settings.bot_tokens.is_none() && settings.telegram_session.is_none() {
        return Err(missing("TELESTORE_BOT_TOKEN or TELESTORE_TELEGRAM_SESSION"));
    }
    let channel = pasted::channel(channel).map_err(|fault| bad(CHANNEL, fault))?;
    let mut notes = Vec::new();
    notes.extend(channel.hint.map(|hint| (CHANNEL, hint)));
    let bots = bots(settings, &mut notes)?;
    let (api_id, api_hash) = application(settings)?;
    if let Some(session) = &settings.telegram_session {
        let read = pasted::session(session.expose()).map_err(|fault| bad(SESSION, fault))?;
        if api_id.is_none() && read.api_id.is_none() {
            match bots.is_empty() {
                true => return Err(missing("TELESTORE_API_ID (the session string names no api_id)")),
                false => notes.push((
                    SESSION,
                    "names no api_id, and TELESTORE_API_ID is not set: it cannot be used".to_owned(),
                )),
            }
        }
    }
    let credentials = TelegramCredentials::new(UserId::new("stand-alone"), channel.chat);
    let credentials = bots.into_iter().fold(credentials, TelegramCredentials::with_bot);
    let credentials = credentials.with_application(api_id, api_hash.clone());
    let credentials = credentials.with_session(settings.telegram_session.clone(), api_id, api_hash);
    Ok((credentials, notes))
}

/// All bots, each once. One of the list that cannot be read is left out and told of by its number, since the others do; if it is
/// the only one, nothing can be sent with it.
fn bots(settings: &StandAloneSettings, notes: &mut Vec<Note>) -> Result<Vec<Secret>, ConfigError> {
    let mut bots: Vec<Secret> = Vec::new();
    if let Some(given) = &settings.bot_token {
        let token = pasted::bot_token(given.expose()).map_err(|fault| bad(BOT_TOKEN, fault))?;
        notes.extend(pasted::bot_token_hint(token).map(|hint| (BOT_TOKEN, hint)));
        bots.push(Secret::new(token));
    }
    let mut unread = None;
    for (index, entry) in items(settings.bot_tokens.as_ref()).enumerate() {
        let entry_of = |text: String| format!("entry {}: {text}", index + 1);
        match pasted::bot_token(entry) {
            Ok(token) if bots.iter().any(|known| known.expose() == token) => {
                notes.push((BOT_TOKENS, entry_of("this bot was named before; it counts once".to_owned())));
            }
            Ok(token) => {
                notes.extend(pasted::bot_token_hint(token).map(|hint| (BOT_TOKENS, entry_of(hint))));
                bots.push(Secret::new(token));
            }
            Err(fault) => {
                let text = entry_of(fault.to_string());
                unread = unread.or(Some(bad(BOT_TOKENS, &text)));
                notes.push((BOT_TOKENS, format!("{text}; the others send without it")));
            }
        }
    }
    match unread {
        Some(error) if bots.is_empty() => Err(error),
        _ => Ok(bots),
    }
}

/// The entries of a list, which may be on several lines.
fn items(list: Option<&Secret>) -> impl Iterator<Item = &str> {
    let items = list.into_iter().flat_map(|list| list.expose().split([',', '\n']));
    items.map(str::trim).filter(|item| !item.is_empty())
}

fn application(settings: &StandAloneSettings) -> Result<(Option<ApiId>, Option<Secret>), ConfigError> {
    let hash = settings.api_hash.as_ref().map(Secret::expose);
    pasted::application(settings.api_id.as_deref(), hash).map_err(|fault| match fault {
        ApplicationFault::Id | ApplicationFault::HashForId => bad("TELESTORE_API_ID", fault),
        _ => bad("TELESTORE_API_HASH", fault),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw5";

    fn settings() -> StandAloneSettings {
        StandAloneSettings {
            channel_id: Some("-1001953958128".to_owned()),
            bot_token: Some(TOKEN.into()),
            ..StandAloneSettings::default()
        }
    }

    /// Telethon's: data centre 2 at 149.154.167.51:443, and a key of zeros.
    fn session() -> Secret {
        format!("1ApWapzMBu{}", "A".repeat(342)).into()
    }

    fn error(settings: &StandAloneSettings) -> String {
        credentials(settings).unwrap_err().to_string()
    }

    #[test]
    fn what_is_around_settings_goes() {
        let pasted = StandAloneSettings {
            channel_id: Some("'https://t.me/c/1953958128/5'".to_owned()),
            bot_token: Some(format!("\"bot{TOKEN}\"\n").into()),
            api_id: Some("\"7\"".to_owned()),
            telegram_session: Some(session()),
            ..settings()
        };
        let (read, notes) = credentials(&pasted).unwrap();
        assert_eq!(read.chat_id.as_str(), "-1001953958128");
        let (bot, session) = (read.bots().next().unwrap(), read.sessions().next().unwrap());
        assert_eq!(bot.bot_token().map(Secret::expose), Some(TOKEN));
        assert_eq!(session.api_id().map(ApiId::get), Some(7));
        assert!(bot.application().is_none(), "without the hash nobody signs in");
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(
            notes[0].0 == CHANNEL && notes[0].1.starts_with("the 5 behind it names a message"),
            "{notes:?}"
        );
        assert_eq!(credentials(&settings()).unwrap().1, []);
    }

    #[test]
    fn what_can_never_do_is_an_error_that_names_its_setting() {
        for (wrong, words) in [
            (
                StandAloneSettings { bot_token: Some("a".into()), ..settings() },
                "TELESTORE_BOT_TOKEN: the bot token is wrong",
            ),
            (
                StandAloneSettings { channel_id: Some("1953958128".to_owned()), ..settings() },
                "TELESTORE_CHANNEL_ID: ",
            ),
            (
                StandAloneSettings { telegram_session: Some(TOKEN.into()), ..settings() },
                "TELESTORE_TELEGRAM_SESSION: a bot token",
            ),
            (
                StandAloneSettings { api_id: Some("x".to_owned()), ..settings() },
                "TELESTORE_API_ID: the api_id is a number",
            ),
            (
                StandAloneSettings { api_hash: Some("x".into()), ..settings() },
                "TELESTORE_API_HASH: the api_hash has 32",
            ),
            (StandAloneSettings { channel_id: None, ..settings() }, "TELESTORE_CHANNEL_ID is not set"),
            (
                StandAloneSettings { bot_token: None, ..settings() },
                "TELESTORE_BOT_TOKEN or TELESTORE_TELEGRAM_SESSION is not set",
            ),
            (
                StandAloneSettings { bot_token: None, telegram_session: Some(session()), ..settings() },
                "TELESTORE_API_ID (the session",
            ),
        ] {
            let error = error(&wrong);
            assert!(error.starts_with(words) && !error.contains("AAHdq"), "{error}");
        }
        let meant = StandAloneSettings { channel_id: Some("1953958128".to_owned()), ..settings() };
        assert!(error(&meant).ends_with("did you mean -1001953958128?"));
    }

    #[test]
    fn several_bots_are_read_as_they_are_pasted_and_one_that_is_wrong_does_not_stop_the_others() {
        let with = |single: Option<&str>, list: &str| {
            let bot_token = single.map(Secret::new);
            credentials(&StandAloneSettings { bot_token, bot_tokens: Some(list.into()), ..settings() })
        };
        let secret = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw5";
        let list = format!(" 2:{secret} ,\n\"bot3:{secret}\"\n,,hush,{TOKEN},2:{secret}");
        let (read, notes) = with(Some(TOKEN), &list).unwrap();
        let names: Vec<_> = read.bots().map(|bot| bot.id.as_str()).collect();
        assert_eq!(names, ["bot:110201543", "bot:2", "bot:3"]);
        let texts: Vec<_> = notes.iter().map(|(name, text)| format!("{name} {text}")).collect();
        assert!(texts[0].starts_with("TELESTORE_BOT_TOKENS entry 3: the bot token is wrong"), "{texts:#?}");
        assert!(texts[0].ends_with("; the others send without it"), "{texts:#?}");
        assert!(texts[1].contains("entry 4: this bot was named before"), "{texts:#?}");
        assert!(texts[2].contains("entry 5: ") && texts.len() == 3, "{texts:#?}");
        assert!(!texts.concat().contains("hush") && !texts.concat().contains(secret), "{texts:#?}");
        assert_eq!(with(None, &format!("2:{secret}")).unwrap().0.bots().count(), 1);
        let error = with(None, "hush").unwrap_err().to_string();
        assert!(error.starts_with("TELESTORE_BOT_TOKENS: entry 1: the bot token is wrong"), "{error}");
        let only = StandAloneSettings {
            bot_token: None,
            bot_tokens: Some("hush".into()),
            telegram_session: Some(session()),
            api_id: Some("7".to_owned()),
            ..settings()
        };
        assert_eq!(credentials(&only).unwrap_err().to_string().matches("entry 1").count(), 1);
    }

    #[test]
    fn what_only_telegram_can_judge_is_a_note() {
        for (odd, words) in [
            (
                StandAloneSettings { bot_token: Some("1:a".into()), ..settings() },
                "TELESTORE_BOT_TOKEN has 1 characters",
            ),
            (
                StandAloneSettings { channel_id: Some("-1953958128".to_owned()), ..settings() },
                "TELESTORE_CHANNEL_ID is the number of a basic group",
            ),
            (
                StandAloneSettings { telegram_session: Some(session()), ..settings() },
                "TELESTORE_TELEGRAM_SESSION names no api_id",
            ),
        ] {
            let (_, notes) = credentials(&odd).unwrap();
            assert!(
                notes.len() == 1 && format!("{} {}", notes[0].0, notes[0].1).starts_with(words),
                "{notes:?}"
            );
        }
    }
}
