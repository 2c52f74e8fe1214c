use std::sync::Arc;

use telestore_types::{ResumeState, Sender, TelegramCredentials};

use crate::pool::Sending;
use crate::{Error, Handover, Pool, Result, TelegramUploader};

/// By which backend a file goes, and with which of the senders.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Chosen {
    /// The backend.
    pub backend: Arc<dyn TelegramUploader>,
    /// The sender; `None` for a backend that [needs nothing](crate::Requirement::Nothing).
    pub sender: Option<Sender>,
    /// How many senders there are to choose from.
    pub of: usize,
    /// Whether the earlier state is another sender's, and of no use to this one.
    pub anew: bool,
    /// The sender has one file more for as long as this is kept.
    pub sending: Option<Sending>,
}

/// Chooses a backend that takes a file of `length` bytes with these credentials: the one that made the state of an earlier attempt,
/// since what one has begun another would send a second time, or else the first in the order given. Of its senders it is the
/// [best](Pool::choose) by what `pool` knows. What an earlier attempt of that backend has begun goes on with the sender of that
/// attempt: in any case if its message [may exist](Handover::Never), and otherwise if that one can go on soon.
///
/// # Errors
/// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) if none takes the length,
/// [`ErrorKind::NotAuthorized`](crate::ErrorKind::NotAuthorized) if those that do lack credentials, or if it would go as several
/// messages only because the credentials of a better backend cannot be read.
pub fn select(
    backends: &[Arc<dyn TelegramUploader>],
    length: u64,
    credentials: &TelegramCredentials,
    resume: Option<&ResumeState>,
    pool: &Pool,
) -> Result<Chosen> {
    let fits = |backend: &&Arc<dyn TelegramUploader>| length <= backend.capability().max_bytes;
    let fitting: Vec<_> = backends.iter().filter(fits).collect();
    if fitting.is_empty() {
        let max = backends.iter().map(|backend| backend.capability().max_bytes).max().unwrap_or(0);
        return Err(Error::too_large(length, max));
    }
    let requirements = || fitting.iter().map(|backend| backend.capability().requirement);
    let met = |index: &usize| fitting[*index].capability().requirement.is_met_by(credentials);
    let begun = |index: &usize| resume.is_some_and(|state| state.is_begun_by(fitting[*index].name()));
    let able = || (0..fitting.len()).filter(met);
    match able().find(begun).or_else(|| able().next()) {
        Some(index) => {
            if let Some(fault) = fault_of_better(backends, length, credentials) {
                return Err(fault);
            }
            Ok(choose(fitting[index].clone(), credentials, resume, pool))
        }
        // What is there and can never do says more than what is not there.
        None => Err(requirements()
            .find_map(|requirement| requirement.fault(credentials))
            .unwrap_or_else(Error::not_authorized)),
    }
}

/// Who sends by `backend`.
fn choose(
    backend: Arc<dyn TelegramUploader>,
    credentials: &TelegramCredentials,
    resume: Option<&ResumeState>,
    pool: &Pool,
) -> Chosen {
    let (requirement, chat) = (backend.capability().requirement, &credentials.chat_id);
    let of = requirement.senders(credentials).count();
    let best = pool.choose(requirement.senders(credentials), chat);
    let state = resume.filter(|resume| resume.backend == backend.name());
    let of_before = |state: &ResumeState| {
        let able = credentials.senders.iter().filter(|sender| requirement.takes(sender));
        able.clone().find(|sender| Some(&sender.id) == state.sender.as_ref())
    };
    let begun = state.and_then(|state| Some((of_before(state)?, backend.handover(state))));
    let (sender, anew) = match begun {
        Some((before, Handover::Never)) => (Some(before), false),
        // If nobody can send now, it may as well go on where it is.
        Some((before, Handover::Anew))
            if pool.waits_for(before, chat) || best.is_none_or(|best| pool.closure(best, chat).is_some()) =>
        {
            (Some(before), false)
        }
        Some((before, Handover::Anew)) => (best, best.is_some_and(|best| best.id != before.id)),
        _ => (best, false),
    };
    let (sending, sender) = (sender.map(|sender| pool.begin(sender)), sender.cloned());
    Chosen { backend, sender, of, anew, sending }
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
    use crate::{Capability, ErrorKind, MockTelegramUploader, Requirement};

    fn backend(name: &'static str, max_bytes: u64, requirement: Requirement) -> Arc<dyn TelegramUploader> {
        let mut mock = MockTelegramUploader::new();
        mock.expect_name().return_const(name);
        mock.expect_capability().return_const(Capability::new(max_bytes, requirement));
        mock.expect_handover().returning(|state| match state.bytes.as_slice() {
            b"" => Handover::Whole,
            b"committed" => Handover::Never,
            _ => Handover::Anew,
        });
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
        select(&backends, length, &credentials(bot, session), None, &Pool::default())
            .map(|chosen| chosen.backend.name())
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
        assert_eq!(select(&backends, 50, &given, None, &Pool::default()).unwrap().backend.name(), "large");
        let given = nobody.clone().with_bot(Secret::new("a")).with_session(Secret::new("12345"), None, None);
        let error = |length| select(&backends, length, &given, None, &Pool::default()).unwrap_err();
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
        let error = select(&backends, 50, &given, None, &Pool::default()).unwrap_err();
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
            select(&backends, length, given, None, &Pool::default()).map(|chosen| chosen.backend.name())
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
            let chosen = select(&backends, 50, &given, resume.as_ref(), &Pool::default()).unwrap();
            chosen.sender.unwrap().id
        };
        let by = |backend: &str, id: &str| Some(ResumeState::new(backend, *b"7").by(Some(SenderId::new(id))));
        assert_eq!(chosen(None).as_str(), "bot:1");
        assert_eq!(chosen(by("small", "bot:2")).as_str(), "bot:2");
        assert_eq!(chosen(by("large", "bot:2")).as_str(), "bot:1", "another backend's senders are its own");
        assert_eq!(chosen(by("small", "bot:3")).as_str(), "bot:1", "one that is gone");
    }

    /// Two bots, and what is chosen for a file that the first one has begun so far, if the first one met `error`.
    fn after(error: Option<&Error>, state: &[u8]) -> (String, bool) {
        let (backends, pool) = ([backend("small", 50, Requirement::BotToken)], Pool::default());
        let given = credentials(true, false).with_bot(Secret::new("2:b"));
        pool.note(&given.senders[0], &given.chat_id, error);
        let resume = ResumeState::new("small", state).by(Some(SenderId::new("bot:1")));
        let chosen = select(&backends, 50, &given, Some(&resume), &pool).unwrap();
        assert_eq!(chosen.of, 2);
        (chosen.sender.unwrap().id.to_string(), chosen.anew)
    }

    #[test]
    fn another_one_takes_over_from_who_must_wait_for_long_unless_the_message_may_exist() {
        let flood =
            |seconds| Error::new(ErrorKind::FloodWait(std::time::Duration::from_secs(seconds)), "wait");
        let (one, two) = ("bot:1".to_owned(), "bot:2".to_owned());
        assert_eq!(after(None, b"7"), (one.clone(), false));
        assert_eq!(after(Some(&flood(10)), b"7"), (one.clone(), false), "that is waited for");
        for error in [flood(300), Error::channel_unresolved(), Error::not_authorized()] {
            assert_eq!(after(Some(&error), b"7"), (two.clone(), true), "{error}");
            assert_eq!(after(Some(&error), b"committed"), (one.clone(), false), "{error}");
            assert_eq!(after(Some(&error), b""), (two.clone(), false), "a state of all senders");
        }
    }

    #[test]
    fn files_that_come_together_are_spread_and_who_has_nobody_else_stays() {
        let (backends, pool) = ([backend("small", 50, Requirement::BotToken)], Pool::default());
        let given = credentials(true, false).with_bot(Secret::new("2:b"));
        let choose = |resume: Option<&ResumeState>| select(&backends, 50, &given, resume, &pool).unwrap();
        let chosen: Vec<_> = (0..4).map(|_| choose(None)).collect();
        let ids: Vec<_> = chosen.iter().map(|chosen| chosen.sender.as_ref().unwrap().id.as_str()).collect();
        assert_eq!(ids, ["bot:1", "bot:2", "bot:1", "bot:2"]);
        let flood = Error::new(ErrorKind::FloodWait(std::time::Duration::from_secs(300)), "wait");
        given.senders.iter().for_each(|bot| pool.note(bot, &given.chat_id, Some(&flood)));
        let begun = ResumeState::new("small", *b"7").by(Some(SenderId::new("bot:2")));
        assert_eq!(choose(Some(&begun)).sender.unwrap().id.as_str(), "bot:2");
    }

    #[test]
    fn a_bot_with_an_application_sends_what_a_session_would_and_goes_on_if_one_comes() {
        let backends =
            [backend("small", 50, Requirement::BotToken), backend("large", 2_000, Requirement::SessionOrBot)];
        let application = |credentials: TelegramCredentials| {
            credentials.with_application(telestore_types::ApiId::new(7).ok(), Some(Secret::new("h")))
        };
        let by = |given: &TelegramCredentials, resume: Option<&ResumeState>| {
            let chosen = select(&backends, 51, given, resume, &Pool::default()).unwrap();
            (chosen.backend.name(), chosen.sender.unwrap().id.as_str().split(':').next().unwrap().to_owned())
        };
        let (bot, both) = (application(credentials(true, false)), application(credentials(true, true)));
        assert_eq!(by(&bot, None), ("large", "bot".to_owned()));
        assert_eq!(by(&both, None), ("large", "session".to_owned()));
        let begun = ResumeState::new("large", *b"7").by(Some(SenderId::new("bot:1")));
        assert_eq!(
            by(&both, Some(&begun)).1,
            "bot",
            "what one account began another would send a second time"
        );
        assert_eq!(Requirement::SessionOrBot.senders(&both).count(), 1);
        assert_eq!(select(&backends, 50, &bot, None, &Pool::default()).unwrap().backend.name(), "small");
        let error = select(&backends, 51, &credentials(true, false), None, &Pool::default()).unwrap_err();
        assert_eq!(error.to_string(), "Telegram session not authorized", "half of what is needed");
    }

    #[test]
    fn goes_on_with_the_backend_of_an_earlier_attempt() {
        let backends =
            [backend("small", 50, Requirement::BotToken), backend("large", 2_000, Requirement::Session)];
        let given = credentials(true, true);
        let by = |resume: ResumeState, given: &TelegramCredentials| {
            select(&backends, 50, given, Some(&resume), &Pool::default()).unwrap().backend.name()
        };
        assert_eq!(by(ResumeState::new("large", *b"parts"), &given), "large", "its message may be there");
        assert_eq!(by(ResumeState::new("large", *b""), &given), "small", "nothing is left of it");
        assert_eq!(by(ResumeState::new("large", *b"parts"), &credentials(true, false)), "small");
        assert_eq!(by(ResumeState::new("", *b"of an old version"), &given), "small");
    }

    #[test]
    fn says_what_is_missing() {
        assert_eq!(chosen(51, true, false).unwrap_err().kind(), ErrorKind::NotAuthorized);
        assert_eq!(chosen(51, true, false).unwrap_err().to_string(), "Telegram session not authorized");
        assert_eq!(chosen(2_001, true, true).unwrap_err().kind(), ErrorKind::TooLarge);
    }
}
