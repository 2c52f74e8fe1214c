use std::sync::Arc;

use telestore_types::TelegramCredentials;

use crate::{Error, ErrorKind, Result, TelegramUploader};

/// Chooses the first backend, in the order given, that takes a file of `length` bytes with these credentials.
///
/// # Errors
/// [`ErrorKind::TooLarge`] where none takes the length, [`ErrorKind::NotAuthorized`] where those that do lack
/// credentials.
pub fn select(
    backends: &[Arc<dyn TelegramUploader>],
    length: u64,
    credentials: &TelegramCredentials,
) -> Result<Arc<dyn TelegramUploader>> {
    let fits = |backend: &&Arc<dyn TelegramUploader>| length <= backend.capability().max_bytes;
    let fitting: Vec<_> = backends.iter().filter(fits).collect();
    if fitting.is_empty() {
        let max = backends.iter().map(|backend| backend.capability().max_bytes).max().unwrap_or(0);
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("file of {length} bytes is over the limit of {max} bytes"),
        ));
    }
    let requirements = || fitting.iter().map(|backend| backend.capability().requirement);
    match requirements().position(|requirement| requirement.is_met_by(credentials)) {
        Some(index) => Ok(fitting[index].clone()),
        // What is there and can never do says more than what is not there.
        None => Err(requirements()
            .find_map(|requirement| requirement.fault(credentials))
            .unwrap_or_else(Error::not_authorized)),
    }
}

/// The most bytes that a file may have which [`select`] finds a backend for: with these credentials, or, for `None`, with
/// whatever credentials a backend needs. `None` where no backend can be used with them at all.
pub fn largest(
    backends: &[Arc<dyn TelegramUploader>],
    credentials: Option<&TelegramCredentials>,
) -> Option<u64> {
    let capabilities = backends.iter().map(|backend| backend.capability());
    let usable = capabilities
        .filter(|can| credentials.is_none_or(|credentials| can.requirement.is_met_by(credentials)));
    usable.map(|can| can.max_bytes).max()
}

#[cfg(test)]
mod tests {
    use telestore_types::{ChatId, Secret, UserId};

    use super::*;
    use crate::{Capability, MockTelegramUploader, Requirement};

    fn backend(name: &'static str, max_bytes: u64, requirement: Requirement) -> Arc<dyn TelegramUploader> {
        let mut mock = MockTelegramUploader::new();
        mock.expect_name().return_const(name);
        mock.expect_capability().return_const(Capability {
            max_bytes,
            part_size: 0,
            resumable: false,
            idempotent: false,
            early_from: None,
            requirement,
        });
        Arc::new(mock)
    }

    fn credentials(bot: bool, session: bool) -> TelegramCredentials {
        TelegramCredentials {
            user_id: UserId::new("u"),
            chat_id: ChatId::new("-1001").unwrap(),
            bot_token: bot.then(|| Secret::new("1:a")),
            // Telethon's: data centre 2 at 149.154.167.51:443, and a key of zeros.
            session: session.then(|| Secret::new(format!("1ApWapzMBu{}", "A".repeat(342)))),
            api_id: None,
            api_hash: None,
        }
    }

    fn chosen(length: u64, bot: bool, session: bool) -> Result<&'static str> {
        let backends =
            [backend("small", 50, Requirement::BotToken), backend("large", 2_000, Requirement::Session)];
        select(&backends, length, &credentials(bot, session)).map(|backend| backend.name())
    }

    #[test]
    fn chooses_by_size_and_credentials() {
        assert_eq!(chosen(50, true, true).unwrap(), "small");
        assert_eq!(chosen(51, true, true).unwrap(), "large");
        assert_eq!(chosen(50, false, true).unwrap(), "large");
    }

    #[test]
    fn tells_the_largest_file_that_credentials_are_good_for() {
        let backends =
            [backend("small", 50, Requirement::BotToken), backend("large", 2_000, Requirement::Session)];
        let most = |bot, session| largest(&backends, Some(&credentials(bot, session)));
        assert_eq!(
            [most(true, false), most(false, true), most(true, true)],
            [Some(50), Some(2_000), Some(2_000)]
        );
        assert_eq!(
            (most(false, false), largest(&backends, None), largest(&[], None)),
            (None, Some(2_000), None)
        );
    }

    #[test]
    fn what_cannot_be_read_is_as_good_as_missing_and_is_named() {
        let backends =
            [backend("small", 50, Requirement::BotToken), backend("large", 2_000, Requirement::Session)];
        let mut given = credentials(true, true);
        given.bot_token = Some(Secret::new("a"));
        assert_eq!(select(&backends, 50, &given).unwrap().name(), "large");
        given.session = Some(Secret::new("12345"));
        let error = |length| select(&backends, length, &given).unwrap_err();
        assert!(
            error(50).to_string().starts_with("the bot token is wrong: it has no colon"),
            "{}",
            error(50)
        );
        let large = error(51);
        let words = "Telegram session not authorized: a login code stands in the place of the session string";
        assert!(large.to_string().starts_with(words), "{large}");
        assert_eq!((large.kind(), large.verdict()), (ErrorKind::NotAuthorized, crate::Verdict::Permanent));
        given.session = None;
        assert!(select(&backends, 50, &given).unwrap_err().to_string().starts_with("the bot token is wrong"));
    }

    #[test]
    fn says_what_is_missing() {
        assert_eq!(chosen(51, true, false).unwrap_err().kind(), ErrorKind::NotAuthorized);
        assert_eq!(chosen(51, true, false).unwrap_err().to_string(), "Telegram session not authorized");
        assert_eq!(chosen(2_001, true, true).unwrap_err().kind(), ErrorKind::TooLarge);
    }
}
