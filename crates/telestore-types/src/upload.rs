mod chunks;
mod completion;
mod duplicate;
mod encoding;
mod extents;
mod fetching;
mod fit;
mod handed_over;
mod kind;
mod new;
mod options;
mod recovery;
mod resume;

use std::time::Duration;

use crate::id::check_total_chunks;
use crate::{
    AddressKey, ChunkIndex, Encoded, FileId, FileName, MAX_CHUNKS, Outcome, Result, Stage, StorageKey,
    StoredFile, StoredMessage, Timestamp, UploadEvent, UploadId, UploadStatus, UserId, WorkerId,
};

pub use self::chunks::ChunkVerdict;
pub use self::completion::{Completion, CompletionError};
pub use self::encoding::Encoding;
pub use self::extents::AppendError;
pub use self::handed_over::HandedOver;
pub use self::kind::UploadKind;
pub use self::new::NewUpload;
pub use self::options::{Metadata, OptionError, TopicId, UploadOption, UploadOptions};
pub use self::recovery::{MAX_CRASHES, MAX_EARLY_CRASHES, Recovery};
pub use self::resume::ResumeState;

/// The documented text for an incomplete upload.
pub const MISSING_CHUNKS: &str = "Not all chunks received";

/// Where an upload is in its life.
///
/// ```text
/// Receiving ──complete──▶ Queued ──lease──▶ Sending ──finish──▶ Completed
///     │                    ▲  ▲               │  │
///     │                    │  └──retry later──┘  └──fail──▶ Failed ──complete──▶ Queued
///     └──cancel (also from Queued, Sending, Failed)──▶ Cancelled
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UploadState {
    /// Chunks arrive.
    Receiving,
    /// All chunks are there; waits for a runner.
    Queued,
    /// A runner holds the lease.
    Sending,
    /// In the channel.
    Completed,
    /// Given up; the chunks stay, so that completing again goes on.
    Failed,
    /// Stopped by the client; the chunks go.
    Cancelled,
}

impl UploadState {
    /// The name under which stores keep it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads a stored name back.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Receiving, Self::Queued, Self::Sending, Self::Completed, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|state| state.as_str() == name)
    }

    /// Whether the bytes are of no more use.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

/// The longest time for which anything is put off: what is due later than that was written with a wrong clock, and is
/// due.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(25 * 60 * 60);

/// An upload: the client's resource, from its first chunk to the message in the channel.
///
/// Stores load it, apply one of the transitions below, and save it, all in one transaction. It is exhaustive, because a store
/// must keep every field: one that makes uploads of its rows does not compile until it has the new one.
#[derive(Debug, Clone, PartialEq)]
pub struct Upload {
    /// The client's name for it.
    pub id: UploadId,
    /// The worker's name for this life of it.
    pub key: StorageKey,
    /// The name of the file.
    pub file_name: FileName,
    /// The declared length in bytes; `None` while nobody has said it.
    pub file_size: Option<u64>,
    /// How many chunks it has; `None` while that is not known.
    pub total_chunks: Option<u32>,
    /// The content type that the client declared.
    pub mime_type: Option<String>,
    /// How its message is to be.
    pub options: UploadOptions,
    /// What its client wants to know later.
    pub metadata: Metadata,
    /// What its request was: a digest of the file and its options, by which a repeat of the request is known. `None` if nobody
    /// asks for that.
    pub fingerprint: Option<String>,
    /// Where its bytes are fetched from, sealed, while some are still to be fetched; only who sealed it reads it.
    pub source: Option<Vec<u8>>,
    /// Whose it is, once a token was seen.
    pub user_id: Option<UserId>,
    /// A name for the address that created it, if that is limited.
    pub address: Option<AddressKey>,
    /// The sealed auth token that the file will be sent with.
    pub sealed_token: Option<Vec<u8>>,
    /// How it comes, and who waits for it.
    pub kind: UploadKind,
    /// Where it is in its life.
    pub state: UploadState,
    /// Distinct chunks that were acknowledged.
    pub received_chunks: u32,
    /// Their bytes.
    pub received_bytes: u64,
    /// The highest percentage that was recorded in this run.
    pub progress: u8,
    /// How many attempts of this run have begun.
    pub attempt: u32,
    /// When the client asked for completion; the run's age counts from here.
    pub queued_at: Option<Timestamp>,
    /// Not to be tried before.
    pub next_attempt_at: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<String>,
    /// How it ended; `None` while it has not.
    pub outcome: Option<Outcome>,
    /// What Telegram gave back: see [`result`](Self::result). Before that, the messages that are there of a file that goes as
    /// several; they are taken back if it is cancelled.
    pub stored: Option<StoredFile>,
    /// What Telegram gets instead of its bytes; `None` while nothing but they are sent.
    pub encoding: Option<Encoding>,
    /// The message whose document its own message shows once more, if the file was in the channel before: it needs no bytes, and has
    /// none.
    pub duplicate_of: Option<StoredMessage>,
    /// How far the backend got.
    pub resume: Option<ResumeState>,
    /// Whether its message may be in the channel without anybody knowing: the whole file was handed over, and no
    /// answer was written down.
    pub maybe_sent: bool,
    /// Whether a process sends it early.
    pub early: bool,
    /// The worker that has it in hand: that sends it, or sent it last, or whose client waits for its end.
    pub worker: Option<WorkerId>,
    /// How often in a row a process ended while it sent this, without getting further in between.
    pub crashes: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its state last changed or a chunk arrived.
    pub updated_at: Timestamp,
}

impl Upload {
    /// An upload that waits for its first chunk.
    pub fn new(new: NewUpload) -> Self {
        Self {
            id: new.id,
            key: new.key,
            file_name: new.file_name,
            file_size: new.file_size,
            total_chunks: new.total_chunks,
            mime_type: new.mime_type,
            options: new.options,
            metadata: new.metadata,
            fingerprint: new.fingerprint,
            source: new.source,
            user_id: None,
            address: None,
            sealed_token: None,
            kind: new.kind,
            state: UploadState::Receiving,
            received_chunks: 0,
            received_bytes: 0,
            progress: 0,
            attempt: 0,
            queued_at: None,
            next_attempt_at: None,
            error: None,
            outcome: None,
            stored: None,
            encoding: None,
            duplicate_of: None,
            resume: None,
            maybe_sent: false,
            early: false,
            worker: None,
            crashes: 0,
            created_at: new.now,
            updated_at: new.now,
        }
    }

    /// Checks that a number of chunks is allowed.
    ///
    /// # Errors
    /// [`Error::TotalChunks`](crate::Error::TotalChunks) outside of 1-10000.
    pub fn check_total_chunks(total: u32) -> Result<()> {
        check_total_chunks(total)
    }

    /// Whether a request speaks of the same file. [Names](FileName::is_same) may be written in two ways.
    pub fn describes(&self, file_name: &FileName, file_size: u64, total_chunks: u32) -> bool {
        self.file_name.is_same(file_name)
            && self.file_size == Some(file_size)
            && self.total_chunks == Some(total_chunks)
    }

    /// The length of the file: what was declared, or what is there while nothing was.
    pub fn size(&self) -> u64 {
        self.file_size.unwrap_or(self.received_bytes)
    }

    /// How many bytes Telegram gets.
    pub fn sent_size(&self) -> u64 {
        self.encoding.as_ref().map_or_else(|| self.size(), |encoding| encoding.size)
    }

    /// Asks for the file to be sent. Asking again changes nothing; after a failure it starts a new run.
    ///
    /// # Errors
    /// See [`CompletionError`]; nothing has changed then.
    pub fn complete(&mut self, now: Timestamp) -> std::result::Result<Completion, CompletionError> {
        if self.may_complete()? == Completion::Already {
            return Ok(Completion::Already);
        }
        if self.user_id.is_none() {
            return Err(CompletionError::NoOwner);
        }
        self.state = UploadState::Queued;
        // Of one that was appended to, this is known only now.
        self.total_chunks = Some(self.total_chunks.unwrap_or(self.received_chunks));
        self.queued_at = Some(now);
        self.next_attempt_at = None;
        self.attempt = 0;
        self.progress = 0;
        self.crashes = 0;
        self.early = false;
        self.source = None;
        self.maybe_sent = false;
        self.insist();
        (self.error, self.outcome) = (None, None);
        self.updated_at = now;
        Ok(Completion::Queued)
    }

    /// Whether [`complete`](Self::complete) may do its work, once the upload has an owner.
    ///
    /// # Errors
    /// Those of [`complete`](Self::complete) but [`CompletionError::NoOwner`].
    pub fn may_complete(&self) -> std::result::Result<Completion, CompletionError> {
        match self.state {
            UploadState::Queued | UploadState::Sending | UploadState::Completed => {
                return Ok(Completion::Already);
            }
            UploadState::Cancelled => return Err(CompletionError::Cancelled),
            UploadState::Receiving | UploadState::Failed if self.kind == UploadKind::Partial => {
                return Err(CompletionError::Partial);
            }
            UploadState::Receiving | UploadState::Failed => {}
        }
        self.check_whole()?;
        Ok(Completion::Queued)
    }

    /// Gives it to a runner.
    pub fn start_attempt(&mut self, now: Timestamp) {
        self.state = UploadState::Sending;
        self.attempt = self.attempt.saturating_add(1);
        self.next_attempt_at = None;
        self.early = false;
        self.maybe_sent = false;
        if self.resume.as_ref().is_none_or(|resume| resume.bytes.is_empty()) {
            // Nothing goes on from what was made of other bytes.
            (self.resume, self.stored) = (None, None);
        }
        self.updated_at = now;
    }

    /// Whether a queued one may be tried now.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.next_attempt_at.is_none_or(|at| is_due(at, now))
    }

    /// Records how far a run is. The percentage never goes back.
    pub fn checkpoint(&mut self, progress: u8, resume: Option<ResumeState>) {
        let progress = progress.min(100);
        if progress > self.progress {
            self.progress = progress;
            self.crashes = 0;
        }
        let Some(resume) = resume else { return };
        if resume.made.len() > self.stored.as_ref().map_or(0, |stored| stored.messages().len()) {
            // What was handed over has become a message.
            self.maybe_sent = false;
        }
        self.stored = StoredFile::of(resume.made.clone());
        self.resume = Some(resume);
    }

    /// Records what Telegram gets instead of its bytes. What was made of others is of no more use, and nothing goes on from it.
    pub fn encode(&mut self, encoding: Encoding) {
        self.encoding = Some(encoding);
        (self.resume, self.stored) = (None, None);
    }

    /// Records that the message may exist from here on. Without a state that would make the same message again, the
    /// attempt is not repeated by itself; if the state says what was [handed over](HandedOver), the message is looked for first.
    pub fn commit(&mut self, progress: u8, resume: Option<ResumeState>) {
        let maybe_sent = resume.as_ref().is_none_or(|resume| resume.handed_over().is_some());
        self.checkpoint(progress, resume);
        self.maybe_sent = maybe_sent;
    }

    /// Records that a process begins to send it before it is whole; says no, and changes nothing, if that is not to
    /// be.
    pub fn begin_early(&mut self) -> bool {
        let may = self.state == UploadState::Receiving && self.crashes < MAX_EARLY_CRASHES;
        self.early |= may;
        may
    }

    /// Records that the client of a direct upload does not wait any more.
    pub fn keep(&mut self) {
        if self.kind == UploadKind::Direct {
            self.kind = UploadKind::Kept;
        }
    }

    /// Records how far a backend is with a file that is still arriving; says no, and changes nothing, if that has
    /// become worthless: completion was asked for, or the state is not `expected` any more, since other bytes took the
    /// place of a chunk.
    pub fn checkpoint_early(&mut self, expected: Option<&ResumeState>, resume: &ResumeState) -> bool {
        let valid = self.state == UploadState::Receiving && self.resume.as_ref() == expected;
        if valid {
            self.resume = Some(resume.clone());
        }
        valid
    }

    /// Ends it well.
    pub fn finish(&mut self, stored: StoredFile, now: Timestamp) {
        self.state = UploadState::Completed;
        self.progress = 100;
        self.stored = Some(stored);
        (self.error, self.outcome) = (None, Some(Outcome::Stored));
        self.resume = None;
        if let Some(encoding) = &mut self.encoding {
            encoding.sealed = None;
        }
        self.sealed_token = None;
        self.maybe_sent = false;
        self.crashes = 0;
        self.updated_at = now;
    }

    /// Ends the run badly: `error` is for the person who waits, `outcome` for the code that decides what to do next. Chunks and
    /// resume state stay.
    pub fn fail(&mut self, error: &str, outcome: Outcome, now: Timestamp) {
        self.state = UploadState::Failed;
        (self.error, self.outcome) = (Some(error.to_owned()), Some(outcome));
        self.maybe_sent = outcome == Outcome::Ambiguous;
        if !self.maybe_sent {
            self.needs_its_bytes();
        }
        self.crashes = 0;
        self.next_attempt_at = None;
        self.updated_at = now;
    }

    /// Puts it back in the queue for a later attempt. A wait that Telegram asked for is not counted as an attempt.
    pub fn retry_later(&mut self, at: Timestamp, counted: bool, now: Timestamp) {
        self.state = UploadState::Queued;
        self.next_attempt_at = Some(at);
        self.maybe_sent = false;
        if !counted {
            self.attempt = self.attempt.saturating_sub(1);
        }
        self.updated_at = now;
    }

    /// Stops it, unless it is already in the channel. Says whether it did.
    pub fn cancel(&mut self, now: Timestamp) -> bool {
        if self.state.is_over() {
            return false;
        }
        self.state = UploadState::Cancelled;
        (self.error, self.outcome) = (Some("Upload cancelled".to_owned()), Some(Outcome::Cancelled));
        (self.resume, self.encoding) = (None, None);
        self.stored = None;
        (self.sealed_token, self.source) = (None, None);
        self.next_attempt_at = None;
        self.early = false;
        self.updated_at = now;
        true
    }

    /// The messages that hold all of it, once it is completed.
    pub fn result(&self) -> Option<&StoredFile> {
        self.stored.as_ref().filter(|_| self.state == UploadState::Completed)
    }

    /// What the stored row alone tells a listener; `None` before completion was asked for, unless the worker fetches it.
    pub fn event(&self, now: Timestamp) -> Option<UploadEvent> {
        let (status, stage) = match self.state {
            UploadState::Receiving if self.is_to_fetch() => (UploadStatus::Uploading, Stage::Fetching),
            UploadState::Receiving => return None,
            UploadState::Queued => (UploadStatus::Uploading, Stage::Queued),
            UploadState::Sending => (UploadStatus::Uploading, Stage::Connecting),
            UploadState::Completed => (UploadStatus::Completed, Stage::Done),
            UploadState::Failed | UploadState::Cancelled => (UploadStatus::Failed, Stage::Done),
        };
        let wait = self.next_attempt_at.map(|at| at.since(now)).filter(|wait| !wait.is_zero());
        Some(UploadEvent {
            progress: self.progress,
            bytes_sent: if status == UploadStatus::Completed { self.size() } else { 0 },
            attempt: self.attempt.max(1),
            retry_after: wait,
            error: self.error.clone(),
            outcome: self.outcome,
            stored: self.result().cloned(),
            file: self.result().and_then(|_| Some(FileId::of(&self.key)).filter(|_| self.user_id.is_some())),
            sha256: self.result().and(self.options.sha256),
            encoded: self.result().and(self.encoding.as_ref()).map(Encoded::from).unwrap_or_default(),
            ..UploadEvent::new(self.id.clone(), status, stage, self.size())
        })
    }

    /// Checks that `index` is one of this upload's chunks.
    ///
    /// # Errors
    /// [`Error::ChunkIndex`](crate::Error::ChunkIndex) if it is not.
    pub fn chunk_index(&self, index: u32) -> Result<ChunkIndex> {
        ChunkIndex::new(index, self.total_chunks.unwrap_or(MAX_CHUNKS))
    }
}

/// Whether what was put off until `at` is due: even if that is further off than anything is ever put off.
pub fn is_due(at: Timestamp, now: Timestamp) -> bool {
    at <= now || at > now + LONGEST_PAUSE
}

#[cfg(test)]
mod tests;
