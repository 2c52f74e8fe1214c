//! Videos that Telegram converts before it makes their messages: <https://core.telegram.org/api/files#video-qualities>.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::channel::{Channels, Claim};
use crate::channel_id::ChannelId;
use crate::message::{Draft, StoredMessage};
use crate::standing::Who;

/// A message that is still to be made. As long as it waits, its `random_id` is in flight.
pub(crate) struct Waiting {
    pub(crate) channel: ChannelId,
    pub(crate) who: Who,
    /// What `messages.getScheduledMessages` shows: under a number of its own.
    pub(crate) shown: StoredMessage,
    draft: Draft,
    claim: Claim,
}

/// The videos that are being converted.
#[derive(Default)]
pub(crate) struct Videos {
    converting: AtomicBool,
    last_number: AtomicI32,
    waiting: Mutex<Vec<Waiting>>,
}

impl Videos {
    pub(crate) fn are_converted(&self) -> bool {
        self.converting.load(Ordering::SeqCst)
    }

    pub(crate) fn set_converted(&self, converting: bool) {
        self.converting.store(converting, Ordering::SeqCst);
    }

    /// Has a message wait for its video, and says what is shown of it. Scheduled messages are counted from 1, as the others
    /// are.
    pub(crate) fn wait(&self, channel: ChannelId, who: Who, claim: Claim, mut draft: Draft) -> StoredMessage {
        let number = self.last_number.fetch_add(1, Ordering::SeqCst) + 1;
        let shown = Channels::scheduled(channel, number, &mut draft);
        self.lock().push(Waiting { channel, who, shown: shown.clone(), draft, claim });
        shown
    }

    /// What somebody has waiting in a channel.
    pub(crate) fn of(&self, channel: ChannelId, who: &Who) -> Vec<StoredMessage> {
        let waiting = self.lock();
        let own = waiting.iter().filter(|one| one.channel == channel && one.who == *who);
        own.map(|one| one.shown.clone()).collect()
    }

    /// Takes messages back before they are made.
    pub(crate) fn delete(&self, channel: ChannelId, who: &Who, numbers: &[i32]) {
        let is_meant = |one: &mut Waiting| {
            one.channel == channel && one.who == *who && numbers.contains(&one.shown.public.message_id)
        };
        // Dropped when the lock is free: each gives its `random_id` back.
        let gone: Vec<_> = self.lock().extract_if(.., is_meant).collect();
        for one in gone {
            if let Some(document) = one.draft.document {
                let _ = std::fs::remove_file(document.from);
            }
        }
    }

    /// Takes back all of one sender.
    pub(crate) fn drop_all(&self, channel: ChannelId, who: &Who) {
        let numbers: Vec<_> = self.of(channel, who).iter().map(|shown| shown.public.message_id).collect();
        self.delete(channel, who, &numbers);
    }

    /// Makes the messages that wait. Blocks on the disk.
    pub(crate) fn finish(&self, channels: &Arc<Channels>) -> std::io::Result<()> {
        let ready = std::mem::take(&mut *self.lock());
        for Waiting { channel, draft, claim, .. } in ready {
            if let Some(message) = channels.post(channel, draft)? {
                claim.keep(message.public.message_id);
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
