//! What is known around a message whose answer was lost: the messages of other files, and files whose messages could not be told
//! from it. Several users may have one channel, so all rows count.

use std::time::Duration;

use telestore_store::{Cursor, Listing, OutboxKind, Recall, Result, Withdrawal};
use telestore_types::{HandedOver, StorageKey, Timestamp, Upload, UploadState};
use telestore_uploader::Lost;

use crate::shared::base::Base;

/// How many rows are read at once, and how often, for the messages of other files. If there are more, nobody can tell which message
/// is whose.
const ROWS: u32 = 500;
const MAX_READS: u32 = 40;

/// How many messages that are to be taken back are left out: all that there are, unless a server has hung for days. Then nobody can
/// tell, either.
const WITHDRAWALS: u32 = 10_000;

/// How many files whose messages are looked for are compared with one, at once.
const TWINS: u32 = 1000;

/// How much earlier a file must have ended, by its row, than another one was handed over, so that its message was there
/// first: clocks of workers differ.
const SURELY_EARLIER: Duration = Duration::from_secs(15 * 60);

impl Base {
    /// What is looked for, and the messages of other files, which are not it; `None` if those are too many.
    pub(crate) async fn lost(&self, handed: &HandedOver) -> Result<Option<Lost>> {
        let mut lost = Lost::new(handed.chat.clone(), handed.age(self.both_times()));
        if let Some(first) = &handed.copy_of {
            // Its row may be forgotten. It says nothing of when the new one was asked for: messages of others lie between them.
            lost.leave_out(first, false);
        }
        self.known(lost, handed.at).await
    }

    /// The same, with the messages of other files, as far as they may be as young as what was asked for at `asked`.
    pub(crate) async fn known(&self, mut lost: Lost, asked: Timestamp) -> Result<Option<Lost>> {
        let mut listing = Listing::first(ROWS).in_state(UploadState::Completed);
        let (mut reached, mut reads) = (false, 0);
        while !reached {
            if reads == MAX_READS {
                return Ok(None);
            }
            let rows = self.sessions.list(&listing).await?;
            reads += 1;
            reached = rows.len() < ROWS as usize;
            for row in &rows {
                let earlier = row.updated_at + SURELY_EARLIER <= asked;
                for message in row.result().iter().flat_map(|stored| stored.messages()) {
                    lost.leave_out(message, earlier);
                }
                reached |= earlier;
            }
            if let Some(last) = rows.last() {
                listing = listing.after(Cursor::of(last));
            }
        }
        // Those that are about to go have no rows any more, and may be there still.
        let withdrawals = self.sessions.outbox_list(OutboxKind::Withdrawal, WITHDRAWALS).await?;
        if withdrawals.len() == WITHDRAWALS as usize {
            return Ok(None);
        }
        for event in withdrawals {
            let withdrawal = Withdrawal::read(&event.body);
            for message in withdrawal.iter().flat_map(|withdrawal| withdrawal.stored.messages()) {
                lost.leave_out(message, false);
            }
        }
        Ok(Some(lost))
    }

    /// Whether another file than that of `key` with this mark is handed over, of whichever user and worker, in one of these states.
    pub(crate) async fn has_twin(
        &self,
        mark: &str,
        key: &StorageKey,
        states: &[UploadState],
    ) -> Result<bool> {
        let mut listing = Listing::first(TWINS).handed_over();
        loop {
            let rows = self.sessions.list(&listing).await?;
            let others = rows.iter().filter(|row| row.key != *key && states.contains(&row.state));
            if others.filter_map(Upload::handed_over).any(|other| other.mark == mark) {
                return Ok(true);
            }
            match rows.last().filter(|_| rows.len() == TWINS as usize) {
                Some(last) => listing = listing.after(Cursor::of(last)),
                None => return Ok(false),
            }
        }
    }

    /// Whether the message of a cancelled file with this mark, other than that of `key`, may come yet. Of what a backend was asked
    /// for, only the size is known here.
    pub(crate) async fn is_recalled(&self, mark: &str, size: u64, key: &StorageKey) -> Result<bool> {
        let recalls = self.sessions.outbox_list(OutboxKind::Recall, TWINS).await?;
        let others = recalls.iter().filter_map(|event| Recall::read(&event.body));
        let mut others = others.filter(|other| other.key != *key);
        let looks_like_it = |other: Recall| match other.state().handed_over() {
            Some(handed) => handed.mark == mark,
            None => other.size == size,
        };
        Ok(others.any(looks_like_it) || recalls.len() == TWINS as usize)
    }

    /// Whether another file than that of `key`, of `size` bytes, may be a message by now although no row names one. Whoever takes a
    /// message back looks at that first and at those that rows name then, so that one that ends meanwhile is seen.
    ///
    /// If the message is a `piece` of so many bytes, any file that is larger may have such a piece.
    pub(crate) async fn is_under_way(&self, key: &StorageKey, size: u64, piece: Option<u64>) -> Result<bool> {
        for state in [UploadState::Sending, UploadState::Queued, UploadState::Failed] {
            let (mut listing, mut reads) = (Listing::first(ROWS).in_state(state), 0);
            loop {
                let rows = self.sessions.list(&listing).await?;
                reads += 1;
                let mut others = rows.iter().filter(|row| row.key != *key);
                if others.any(|other| may_be_a_message(other, size, piece)) || reads == MAX_READS {
                    return Ok(true);
                }
                match rows.last().filter(|_| rows.len() == ROWS as usize) {
                    Some(last) => listing = listing.after(Cursor::of(last)),
                    None => break,
                }
            }
        }
        Ok(false)
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

    use telestore_store::{MockSessionStore, NewEvent, WorkerInfo};
    use telestore_types::{
        ChatId, FileName, NewUpload, SteadyClock, StoredAs, StoredFile, StoredMessage, UploadId, WorkerId,
    };

    use super::*;
    use crate::shared::config::EngineConfig;

    const ASKED: Timestamp = Timestamp::from_millis(1_000_000_000);

    fn here() -> ChatId {
        ChatId::new("-1001").unwrap()
    }

    /// A file that ended after the message was asked for.
    fn ended() -> Upload {
        let (id, name) = (UploadId::new("a").unwrap(), FileName::new("a").unwrap());
        let mut upload = Upload::new(NewUpload::new(id, StorageKey::from_random([1; 16]), name, ASKED));
        let mut message = StoredMessage::new(7, StoredAs::Mtproto { document_id: 1 }, 1);
        message.chat_id = Some(here());
        upload.finish(StoredFile::new(message), ASKED + Duration::from_secs(1));
        upload
    }

    /// What is known if so many reads are full of files that ended later.
    async fn known(full: u32, withdrawals: u32) -> Option<Lost> {
        let (mut sessions, mut reads) = (MockSessionStore::new(), 0);
        sessions.expect_list().returning(move |_| {
            reads += 1;
            Ok(vec![ended(); if reads <= full { ROWS as usize } else { 1 }])
        });
        sessions
            .expect_outbox_list()
            .returning(move |_, _| Ok(vec![NewEvent::withdrawal("b", ""); withdrawals as usize]));
        let me = (WorkerId::new("one").unwrap(), WorkerInfo::of_version("1"));
        let base = Base::new(Arc::new(sessions), Arc::new(SteadyClock::new()), EngineConfig::default(), me);
        base.known(Lost::new(here(), Duration::ZERO), ASKED).await.unwrap()
    }

    #[tokio::test]
    async fn nobody_can_tell_if_more_files_have_ended_than_are_read() {
        let all = known(MAX_READS - 1, WITHDRAWALS - 1).await.unwrap();
        assert!(all.is_known(&here(), 7) && !all.is_known(&here(), 8));
        assert!(known(MAX_READS, 0).await.is_none());
        assert!(known(0, WITHDRAWALS).await.is_none());
    }
}
