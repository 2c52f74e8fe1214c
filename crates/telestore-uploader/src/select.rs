use std::sync::Arc;

use telestore_types::{ResumeState, Sender, TelegramCredentials};

use crate::{Error, ErrorKind, Result, TelegramUploader};

/// By which backend a file goes, and with which of the senders.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Chosen {
    /// The backend.
    pub backend: Arc<dyn TelegramUploader>,
    /// The sender; `None` for a backend that [needs nothing](crate::Requirement::Nothing).
    pub sender: Option<Sender>,
}

/// Chooses the first backend, in the order given, that takes a file of `length` bytes with these credentials, and of its
/// senders the one that an earlier attempt of that backend was made with, or else the first.
///
/// # Errors
/// [`ErrorKind::TooLarge`] if none takes the length, [`ErrorKind::NotAuthorized`] if those that do lack
/// credentials, or if it would go as several messages only because the credentials of a better backend cannot be read.
pub fn select(
    backends: &[Arc<dyn TelegramUploader>],
    length: u64,
    credentials: &TelegramCredentials,
    resume: Option<&ResumeState>,
) -> Result<Chosen> {
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
        Some(index) => {
            if let Some(fault) = fault_of_better(backends, length, credentials) {
                return Err(fault);
            }
            let (backend, requirement) = (fitting[index].clone(), fitting[index].capability().requirement);
            let known = resume.filter(|resume| resume.backend == backend.name());
            let known = known.and_then(|resume| resume.sender.as_ref());
            let of_before = credentials.senders.iter();
            let of_before =
                of_before.filter(|sender| requirement.takes(sender)).find(|sender| Some(&sender.id) == known);
            let sender = of_before.or_else(|| requirement.senders(credentials).next()).cloned();
            Ok(Chosen { backend, sender })
        }
        // What is there and can never do says more than what is not there.
        None => Err(requirements()
            .find_map(|requirement| requirement.fault(credentials))
            .unwrap_or_else(Error::not_authorized)),
    }
}

/// What is wrong with the credentials by which a file of `length` bytes would go as fewer messages: they are there, and only
/// have to be put right.
pub fn fault_of_better(
    backends: &[Arc<dyn TelegramUploader>],
    length: u64,
    credentials: &TelegramCredentials,
) -> Option<Error> {
    let mut fault = None;
    for can in backends.iter().map(|backend| backend.capability()).filter(|can| length <= can.max_bytes) {
        if can.requirement.is_met_by(credentials) {
            return fault.filter(|_| length > can.whole_bytes);
        }
        fault = fault.or_else(|| can.requirement.fault(credentials));
    }
    None
}

/// The most bytes that a file may have which [`select`] finds a backend for: with these credentials, or, for `None`, with
/// whatever credentials a backend needs. `None` if no backend can be used with them at all.
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
    use telestore_types::{ChatId, Secret, SenderId, UserId};

    use super::*;
    use crate::{Capability, MockTelegramUploader, Requirement};

    fn backend(name: &'static str, max_bytes: u64, requirement: Requirement) -> Arc<dyn TelegramUploader> {
        let mut mock = MockTelegramUploader::new();
        mock.expect_name().return_const(name);
        mock.expect_capability().return_const(Capability::new(max_bytes, requirement));
        Arc::new(mock)
    }

    fn credentials(bot: bool, session: bool) -> TelegramCredentials {
        // Telethon's: data centre 2 at 149.154.167.51:443, and a key of zeros.
        let session = session.then(|| Secret::new(format!("1ApWapzMBu{}", "A".repeat(342))));
        let credentials = TelegramCredentials::new(UserId::new("u"), ChatId::new("-1001").unwrap());
        credentials.with_bot(bot.then(|| Secret::new("1:a"))).with_session(session, None, None)
    }

    fn chosen(length: u64, bot: bool, session: bool) -> Result<&'static str> {
        let backends =
            [backend("small", 50, Requirement::BotToken), backend("large", 2_000, Requirement::Session)];
        select(&backends, length, &credentials(bot, session), None).map(|chosen| chosen.backend.name())
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
        let nobody = credentials(false, false);
        let session = credentials(false, true).senders.remove(0);
        let given = nobody.clone().with_bot(Secret::new("a")).with_sender(session);
        assert_eq!(select(&backends, 50, &given, None).unwrap().backend.name(), "large");
        let given = nobody.clone().with_bot(Secret::new("a")).with_session(Secret::new("12345"), None, None);
        let error = |length| select(&backends, length, &given, None).unwrap_err();
        assert!(
            error(50).to_string().starts_with("the bot token is wrong: it has no colon"),
            "{}",
            error(50)
        );
        let large = error(51);
        let words = "Telegram session not authorized: a login code stands in the place of the session string";
        assert!(large.to_string().starts_with(words), "{large}");
        assert_eq!((large.kind(), large.verdict()), (ErrorKind::NotAuthorized, crate::Verdict::Permanent));
        let given = nobody.with_bot(Secret::new("a"));
        let error = select(&backends, 50, &given, None).unwrap_err();
        assert!(error.to_string().starts_with("the bot token is wrong"));
    }

    #[test]
    fn what_only_has_to_be_put_right_is_named_rather_than_sent_as_many_messages() {
        let in_pieces = |name, requirement| {
            let mut mock = MockTelegramUploader::new();
            mock.expect_name().return_const(name);
            mock.expect_capability().return_const(Capability::new(50, requirement).in_pieces());
            Arc::new(mock) as Arc<dyn TelegramUploader>
        };
        let backends = [
            backend("small", 50, Requirement::BotToken),
            backend("large", 2_000, Requirement::Session),
            in_pieces("pieces", Requirement::BotToken),
        ];
        let chosen = |length, given: &TelegramCredentials| {
            select(&backends, length, given, None).map(|chosen| chosen.backend.name())
        };
        let bot = credentials(true, false);
        assert_eq!((chosen(50, &bot).unwrap(), chosen(51, &bot).unwrap()), ("small", "pieces"));
        assert_eq!(chosen(2_000, &credentials(true, true)).unwrap(), "large");
        assert_eq!(chosen(2_001, &credentials(true, true)).unwrap(), "pieces");
        let wrong = bot.with_session(Secret::new("12345"), None, None);
        assert_eq!(chosen(50, &wrong).unwrap(), "small");
        let error = chosen(51, &wrong).unwrap_err().to_string();
        assert!(error.contains("a login code stands in the place of the session string"), "{error}");
    }

    #[test]
    fn goes_on_with_the_sender_of_an_earlier_attempt() {
        let backends = [backend("small", 50, Requirement::BotToken)];
        let given = credentials(true, false).with_bot(Secret::new("2:b"));
        let chosen = |resume: Option<ResumeState>| {
            let chosen = select(&backends, 50, &given, resume.as_ref()).unwrap();
            chosen.sender.unwrap().id
        };
        let by = |backend: &str, id: &str| Some(ResumeState::new(backend, *b"").by(Some(SenderId::new(id))));
        assert_eq!(chosen(None).as_str(), "bot:1");
        assert_eq!(chosen(by("small", "bot:2")).as_str(), "bot:2");
        assert_eq!(chosen(by("large", "bot:2")).as_str(), "bot:1", "another backend's senders are its own");
        assert_eq!(chosen(by("small", "bot:3")).as_str(), "bot:1", "one that is gone");
    }

    #[test]
    fn a_bot_with_an_application_sends_what_a_session_would_and_goes_on_if_one_comes() {
        let backends =
            [backend("small", 50, Requirement::BotToken), backend("large", 2_000, Requirement::SessionOrBot)];
        let application = |credentials: TelegramCredentials| {
            credentials.with_application(telestore_types::ApiId::new(7).ok(), Some(Secret::new("h")))
        };
        let by = |given: &TelegramCredentials, resume: Option<&ResumeState>| {
            let chosen = select(&backends, 51, given, resume).unwrap();
            (chosen.backend.name(), chosen.sender.unwrap().id.as_str().split(':').next().unwrap().to_owned())
        };
        let (bot, both) = (application(credentials(true, false)), application(credentials(true, true)));
        assert_eq!(by(&bot, None), ("large", "bot".to_owned()));
        assert_eq!(by(&both, None), ("large", "session".to_owned()));
        let begun = ResumeState::new("large", *b"").by(Some(SenderId::new("bot:1")));
        assert_eq!(
            by(&both, Some(&begun)).1,
            "bot",
            "what one account began another would send a second time"
        );
        assert_eq!(Requirement::SessionOrBot.senders(&both).count(), 1);
        assert_eq!(select(&backends, 50, &bot, None).unwrap().backend.name(), "small");
        let error = select(&backends, 51, &credentials(true, false), None).unwrap_err();
        assert_eq!(error.to_string(), "Telegram session not authorized", "half of what is needed");
    }

    #[test]
    fn says_what_is_missing() {
        assert_eq!(chosen(51, true, false).unwrap_err().kind(), ErrorKind::NotAuthorized);
        assert_eq!(chosen(51, true, false).unwrap_err().to_string(), "Telegram session not authorized");
        assert_eq!(chosen(2_001, true, true).unwrap_err().kind(), ErrorKind::TooLarge);
    }
}
