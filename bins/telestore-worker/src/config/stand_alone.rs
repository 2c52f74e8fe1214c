//! Stand-alone settings: judged at the start by what they are, before Telegram is asked.

use telestore::types::pasted::{self, ApplicationFault};
use telestore::types::{ApiId, Secret, TelegramCredentials, UserId};

use crate::settings::{ConfigError, StandAloneSettings, bad};

const CHANNEL: &str = "TELESTORE_CHANNEL_ID";
const BOT_TOKEN: &str = "TELESTORE_BOT_TOKEN";
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
    if settings.bot_token.is_none() && settings.telegram_session.is_none() {
        return Err(missing("TELESTORE_BOT_TOKEN or TELESTORE_TELEGRAM_SESSION"));
    }
    let channel = pasted::channel(channel).map_err(|fault| bad(CHANNEL, fault))?;
    let mut notes = Vec::new();
    notes.extend(channel.hint.map(|hint| (CHANNEL, hint)));
    let bot_token = settings.bot_token.as_ref().map(|token| bot_token(token, &mut notes)).transpose()?;
    let (api_id, api_hash) = application(settings)?;
    if let Some(session) = &settings.telegram_session {
        let read = pasted::session(session.expose()).map_err(|fault| bad(SESSION, fault))?;
        if api_id.is_none() && read.api_id.is_none() {
            match bot_token {
                None => return Err(missing("TELESTORE_API_ID (the session string names no api_id)")),
                Some(_) => notes.push((
                    SESSION,
                    "names no api_id, and TELESTORE_API_ID is not set: it cannot be used".to_owned(),
                )),
            }
        }
    }
    let credentials = TelegramCredentials::new(UserId::new("stand-alone"), channel.chat).with_bot(bot_token);
    let credentials = credentials.with_application(api_id, api_hash.clone());
    let credentials = credentials.with_session(settings.telegram_session.clone(), api_id, api_hash);
    Ok((credentials, notes))
}

fn bot_token(given: &Secret, notes: &mut Vec<Note>) -> Result<Secret, ConfigError> {
    let token = pasted::bot_token(given.expose()).map_err(|fault| bad(BOT_TOKEN, fault))?;
    notes.extend(pasted::bot_token_hint(token).map(|hint| (BOT_TOKEN, hint)));
    Ok(Secret::new(token))
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
