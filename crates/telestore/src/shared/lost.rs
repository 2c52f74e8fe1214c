//! What is known around a message whose answer was lost: the messages of other files, and files whose messages could not be told
//! from it. Several users may have one channel, so all rows count.

use std::time::Duration;

use telestore_store::{Cursor, Listing, NewEvent, OutboxKind, Recall, Result, Withdrawal};
use telestore_types::{ChatId, HandedOver, StorageKey, StoredMessage, Timestamp, Upload, UploadState};
use telestore_uploader::Lost;

use crate::shared::base::Base;

/// How many rows are read at once, and how often, for the messages of other files. If there are more, nobody can tell which message
/// is whose.
const ROWS: u32 = 500;
const MAX_READS: u32 = 200;

/// How many messages of other files are kept in mind, by the same rule.
const KNOWN: usize = 100_000;

/// How often rows of one state are read for files that may be messages by now. If there are more, one may be.
const UNDER_WAY_READS: u32 = 39;

/// How many events are read at once.
const EVENTS: u32 = 1000;

/// How many files whose messages are looked for are compared with one, at once.
const TWINS: u32 = 1000;

/// How much earlier a file must have ended, by its row, than another one was handed over, so that its message was there
/// first: clocks of workers differ.
const SURELY_EARLIER: Duration = Duration::from_secs(15 * 60);

impl Base {
    /// What is looked for, and the messages of other files, which are not it.
    pub(crate) async fn lost(&self, handed: &HandedOver) -> Result<Lost> {
        let mut lost = Lost::new(handed.chat.clone(), handed.age(self.both_times()));
        if let Some(first) = &handed.copy_of {
            // Its row may be forgotten. It says nothing of when the new one was asked for: messages of others lie between them.
            lost.leave_out(first, false);
        }
        // It is looked for in that chat.
        let may_be_there = |message: &StoredMessage| may_be_in(&handed.chat, message);
        self.gather(lost, handed.at, may_be_there).await
    }

    /// The same of a message that a backend has a state of, with the messages of other files, as far as they may be as young as what
    /// was asked for at `asked`. Of all chats: the state says in which one it looks, and that need not be the one of today.
    pub(crate) async fn known(&self, lost: Lost, asked: Timestamp) -> Result<Lost> {
        self.gather(lost, asked, |_| true).await
    }

    async fn gather(
        &self,
        mut lost: Lost,
        asked: Timestamp,
        may_be_there: impl Fn(&StoredMessage) -> bool + Send + Sync,
    ) -> Result<Lost> {
        let leave_out = |lost: &mut Lost, messages: &[StoredMessage], earlier: bool| {
            for message in messages.iter().filter(|message| may_be_there(message)) {
                lost.leave_out(message, earlier);
            }
        };
        let completed = Listing::first(ROWS).in_state(UploadState::Completed);
        let read = self.any_page(completed, MAX_READS, |rows| {
            let mut reached = false;
            for row in rows {
                let earlier = row.updated_at + SURELY_EARLIER <= asked;
                if let Some(stored) = row.result() {
                    leave_out(&mut lost, stored.messages(), earlier);
                }
                reached |= earlier;
            }
            reached
        });
        if read.await?.is_none() {
            return Ok(lost.without_all_known());
        }
        // Those that are about to go have no rows any more, and may be there still. However many another user has of them: each is
        // read, and those of other channels are left alone.
        let withdrawals = self.any_event(OutboxKind::Withdrawal, |event| {
            if let Some(withdrawal) = Withdrawal::read(&event.body) {
                leave_out(&mut lost, withdrawal.stored.messages(), false);
            }
            lost.known.len() > KNOWN
        });
        withdrawals.await?;
        Ok(if lost.known.len() > KNOWN { lost.without_all_known() } else { lost })
    }

    /// Reads the rows of a list by page, `most` pages of them, until one is what is looked for. Says whether one was; `None` if there
    /// are more.
    async fn any_page(
        &self,
        mut listing: Listing,
        most: u32,
        mut is_it: impl FnMut(&[Upload]) -> bool,
    ) -> Result<Option<bool>> {
        for _ in 0..most {
            let rows = self.sessions.list(&listing).await?;
            if is_it(&rows) {
                return Ok(Some(true));
            }
            match rows.last().filter(|_| rows.len() == listing.limit as usize) {
                Some(last) => listing = listing.after(Cursor::of(last)),
                None => return Ok(Some(false)),
            }
        }
        Ok(None)
    }

    /// Reads the events of a kind that are not done, until one is what is looked for. Says whether one was.
    async fn any_event(&self, kind: OutboxKind, mut is_it: impl FnMut(&NewEvent) -> bool) -> Result<bool> {
        let mut after = None;
        loop {
            let events = self.sessions.outbox_list(kind, after.as_deref(), EVENTS).await?;
            if events.iter().any(&mut is_it) {
                return Ok(true);
            }
            match events.last().filter(|_| events.len() == EVENTS as usize) {
                Some(last) => after = Some(last.event_id.clone()),
                None => return Ok(false),
            }
        }
    }

    /// Whether another file than that of `key` with this mark is handed over, of whichever user and worker, in one of these states.
    pub(crate) async fn has_twin(
        &self,
        mark: &str,
        key: &StorageKey,
        states: &[UploadState],
    ) -> Result<bool> {
        let found = self.any_page(Listing::first(TWINS).handed_over(), u32::MAX, |rows| {
            let others = rows.iter().filter(|row| row.key != *key && states.contains(&row.state));
            others.filter_map(Upload::handed_over).any(|other| other.mark == mark)
        });
        Ok(found.await? == Some(true))
    }

    /// Whether the message of a cancelled file with this mark, other than that of `key`, may come yet. Of what a backend was asked
    /// for, only the size is known here.
    pub(crate) async fn is_recalled(&self, mark: &str, size: u64, key: &StorageKey) -> Result<bool> {
        let looks_like_it = |other: &Recall| match other.state().handed_over() {
            Some(handed) => handed.mark == mark,
            None => other.size == size,
        };
        self.any_event(OutboxKind::Recall, |event| {
            let other = Recall::read(&event.body).filter(|other| other.key != *key);
            other.as_ref().is_some_and(looks_like_it)
        })
        .await
    }

    /// Whether another file than that of `key`, of `size` bytes, may be a message by now although no row names one. Whoever takes a
    /// message back looks at that first and at those that rows name then, so that one that ends meanwhile is seen.
    ///
    /// If the message is a `piece` of so many bytes, any file that is larger may have such a piece.
    pub(crate) async fn is_under_way(&self, key: &StorageKey, size: u64, piece: Option<u64>) -> Result<bool> {
        use UploadState::{Failed, Queued, Sending};

        // In the order in which they follow each other, and once more: a file that goes on, or fails, in between is seen in one of them.
        let states = [Failed, Queued, Sending, Queued, Failed];
        for state in states {
            let found = self.any_page(Listing::first(ROWS).in_state(state), UNDER_WAY_READS, |rows| {
                let mut others = rows.iter().filter(|row| row.key != *key);
                others.any(|other| may_be_a_message(other, size, piece))
            });
            if found.await? != Some(false) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether a message may be in `chat`. It is not if both are channels: a basic group may have become a supergroup since, and a name may
/// be any channel's.
fn may_be_in(chat: &ChatId, message: &StoredMessage) -> bool {
    match (chat.channel_id(), message.chat_id.as_ref().and_then(ChatId::channel_id)) {
        (Some(here), Some(there)) => here == there,
        _ => true,
    }
}

fn may_be_a_message(upload: &Upload, size: u64, piece: Option<u64>) -> bool {
    let is_begun = upload.resume.as_ref().is_some_and(|state| !state.bytes.is_empty());
    let sent = upload.sent_size();
    let fits = sent == size || piece.is_some_and(|piece| sent > piece);
    fits && (upload.state == UploadState::Sending || upload.maybe_sent || is_begun)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use telestore_store::{MockSessionStore, WorkerInfo};
    use telestore_types::{
        Caption, FileName, NewUpload, Reading, ResumeState, SendAs, SteadyClock, StoredAs, StoredFile,
        UploadId, WorkerId,
    };

    use super::*;
    use crate::shared::config::EngineConfig;

    const ASKED: Timestamp = Timestamp::from_millis(1_000_000_000);
    const HERE: &str = "-1001234567890";

    fn key() -> StorageKey {
        StorageKey::from_random([1; 16])
    }

    fn message(chat: &str, id: i64) -> StoredFile {
        let mut message = StoredMessage::new(id, StoredAs::Mtproto { document_id: 1 }, 1);
        message.chat_id = Some(ChatId::new(chat).unwrap());
        StoredFile::new(message)
    }

    /// A file that ended after the message was asked for.
    fn ended() -> Upload {
        let (id, name) = (UploadId::new("a").unwrap(), FileName::new("a").unwrap());
        let mut upload = Upload::new(NewUpload::new(id, key(), name, ASKED));
        upload.finish(message(HERE, 7), ASKED + Duration::from_secs(1));
        upload
    }

    fn base(sessions: MockSessionStore) -> Base {
        let me = (WorkerId::new("one").unwrap(), WorkerInfo::of_version("1"));
        Base::new(Arc::new(sessions), Arc::new(SteadyClock::new()), EngineConfig::default(), me)
    }

    /// If so many reads are full of files that ended later, and these messages are to be taken back.
    fn with(full: u32, withdrawn: Vec<StoredFile>) -> Base {
        let (mut sessions, mut reads) = (MockSessionStore::new(), 0);
        sessions.expect_list().returning(move |_| {
            reads += 1;
            Ok(vec![ended(); if reads <= full { ROWS as usize } else { 1 }])
        });
        let event = |(at, stored): (usize, StoredFile)| {
            NewEvent::withdrawal(format!("{at:9}"), Withdrawal::new("MTProto", key(), stored).to_json())
        };
        let events: Vec<_> = withdrawn.into_iter().enumerate().map(event).collect();
        sessions.expect_outbox_list().returning(move |_, after, limit| {
            let rest = events.iter().filter(|event| Some(&*event.event_id) > after);
            Ok(rest.take(limit as usize).cloned().collect())
        });
        base(sessions)
    }

    /// What is known of a file that was handed over.
    async fn known(full: u32, withdrawn: Vec<StoredFile>) -> Lost {
        let (chat, asked) = (ChatId::new(HERE).unwrap(), Reading { at: ASKED, wall: ASKED });
        let handed = HandedOver::new(chat, &Caption::from("a"), SendAs::Document, 1, asked);
        with(full, withdrawn).lost(&handed).await.unwrap()
    }

    #[tokio::test]
    async fn nobody_can_tell_if_more_files_have_ended_than_are_read() {
        let here = ChatId::new(HERE).unwrap();
        let all = known(MAX_READS - 1, Vec::new()).await;
        assert!(all.all_known && all.is_known(&here, 7) && !all.is_known(&here, 8));
        assert!(!known(MAX_READS, Vec::new()).await.all_known);
    }

    #[tokio::test]
    async fn deletions_in_other_channels_are_no_matter_however_many_they_are() {
        let mut withdrawn: Vec<_> = (0..50_000).map(|id| message("-1001234567891", id)).collect();
        withdrawn.push(message(HERE, 9));
        let known = known(0, withdrawn).await;
        let here = ChatId::new(HERE).unwrap();
        assert!(known.all_known && known.is_known(&here, 9) && !known.is_known(&here, 8));
        assert_eq!(known.known.len(), 2, "with the file that ended");
    }

    #[tokio::test]
    async fn a_state_may_be_of_a_channel_that_its_user_has_no_more() {
        let [then, today] = ["-1001234567891", HERE].map(|chat| ChatId::new(chat).unwrap());
        let known = async |withdrawn| {
            let lost = Lost::new(today.clone(), Duration::ZERO);
            with(0, withdrawn).known(lost, ASKED).await.unwrap()
        };
        let few = known(vec![message(then.as_str(), 9)]).await;
        assert!(few.all_known && few.is_known(&then, 9) && !few.is_known(&then, 8));
        let many = known((0..=KNOWN as i64).map(|id| message(then.as_str(), id)).collect()).await;
        assert!(!many.all_known && many.known.len() < KNOWN + 2 + EVENTS as usize);
    }

    #[tokio::test]
    async fn other_cancelled_files_are_no_matter_however_many_they_are() {
        let mut sizes = vec![5; 2500];
        sizes.push(6);
        let mut sessions = MockSessionStore::new();
        sessions.expect_outbox_list().returning(move |_, after, limit| {
            let events = sizes.iter().enumerate().map(|(at, size)| {
                let recall = Recall::new(key(), *size, ResumeState::new("MTProto", *b"asked"));
                NewEvent::recall(format!("{at:9}"), recall.to_json())
            });
            Ok(events.filter(|event| Some(&*event.event_id) > after).take(limit as usize).collect())
        });
        let (base, mine) = (base(sessions), StorageKey::from_random([2; 16]));
        let recalled = async |size| base.is_recalled("mark", size, &mine).await.unwrap();
        assert!(recalled(6).await && recalled(5).await && !recalled(7).await);
    }
}
