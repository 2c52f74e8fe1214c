//! What was found out of files: which bot has them, and where they can be had.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use telestore_types::Sender;
use tokio::time::Instant;

/// How many files are remembered.
const MAX_KNOWN: usize = 1024;

/// For how long a link is used again without a question: whoever plays a video asks for many ranges. Telegram's are good for an hour at
/// least, and a message that was deleted meanwhile is to be noticed.
const FRESH: Duration = Duration::from_secs(60);

/// A file that a bot has found.
#[derive(Debug, Clone)]
struct Known {
    /// Digest of the bot's token.
    bot: [u8; 32],
    link: Arc<str>,
    at: Instant,
}

/// What is known, by the file's `file_id`.
#[derive(Debug, Default)]
pub(super) struct KnownFiles(Mutex<HashMap<String, Known>>);

impl KnownFiles {
    /// These bots, the one first that had the file the last time.
    pub(super) fn order<'a>(&self, file_id: &str, bots: impl Iterator<Item = &'a Sender>) -> Vec<&'a Sender> {
        let known = self.lock().get(file_id).map(|known| known.bot);
        let (mut first, others): (Vec<_>, Vec<_>) = bots.partition(|bot| Some(bot.digest()) == known);
        first.extend(others);
        first
    }

    /// The link that this bot was given a moment ago.
    pub(super) fn link(&self, file_id: &str, bot: &Sender) -> Option<Arc<str>> {
        let files = self.lock();
        let known = files.get(file_id)?;
        (known.bot == bot.digest() && known.at.elapsed() < FRESH).then(|| Arc::clone(&known.link))
    }

    pub(super) fn remember(&self, file_id: &str, bot: &Sender, link: &Arc<str>) {
        let mut files = self.lock();
        if files.len() >= MAX_KNOWN && !files.contains_key(file_id) {
            files.clear();
        }
        let known = Known { bot: bot.digest(), link: Arc::clone(link), at: Instant::now() };
        files.insert(file_id.to_owned(), known);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use telestore_types::Secret;

    use super::*;

    fn bot(number: u32) -> Sender {
        Sender::bot(Secret::new(format!("{number}:{}", "A".repeat(35))))
    }

    #[tokio::test(start_paused = true)]
    async fn the_bot_that_had_a_file_is_asked_first_and_its_link_is_used_for_a_while() {
        let (files, bots) = (KnownFiles::default(), [bot(1), bot(2), bot(3)]);
        let order = |file_id: &str| {
            let order = files.order(file_id, bots.iter());
            order.into_iter().map(|bot| bot.id.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(order("f"), ["bot:1", "bot:2", "bot:3"]);
        files.remember("f", &bots[1], &"documents/f".into());
        assert_eq!(
            (order("f"), order("g")),
            (vec!["bot:2".into(), "bot:1".into(), "bot:3".into()], order("h"))
        );
        assert_eq!(files.link("f", &bots[1]).as_deref(), Some("documents/f"));
        assert_eq!((files.link("f", &bots[0]), files.link("g", &bots[1])), (None, None), "it is another's");
        tokio::time::advance(FRESH).await;
        assert_eq!(files.link("f", &bots[1]), None);
        assert_eq!(order("f")[0], "bot:2");
    }

    #[test]
    fn what_is_known_is_bounded() {
        let (files, bot) = (KnownFiles::default(), bot(1));
        for number in 0..3 * MAX_KNOWN {
            files.remember(&number.to_string(), &bot, &"x".into());
        }
        assert!(files.lock().len() <= MAX_KNOWN);
    }
}
