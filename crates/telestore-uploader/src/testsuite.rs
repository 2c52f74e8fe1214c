//! What every [`TelegramUploader`] must do, as a suite that any backend can be run through.
//!
//! Implement [`Subject`] for your backend and call [`conformance`] in a test. It panics with the clause that does not
//! hold. What only some backends do (resume, one message only) is asked of those that declare it. [`strangers`] does the
//! same with a Telegram that means no good, and [`waits`] with one that asks to wait.
//!
//! The parts are public too: [`Recorder`] listens to an upload, [`sources`] has files that fail, block or count.

mod basics;
mod cancel;
mod committing;
mod early;
mod messages;
mod recorder;
mod refusals;
mod resuming;
pub mod sources;
mod strangers;
mod waits;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use telestore_types::{
    ByteSource, BytesSource, Entity, FileName, SendAs, StoredFile, TelegramCredentials, TopicId, UploadId,
};

use crate::{TelegramUploader, UploadRequest};

pub use recorder::{Event, Recorder};
pub use strangers::{Strangers, strangers};
pub use waits::{Waits, waits};

/// A backend, and a way to see what it did.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The backend.
    fn uploader(&self) -> Arc<dyn TelegramUploader>;

    /// Credentials that work.
    fn credentials(&self) -> TelegramCredentials;

    /// What lies in the channel under that name; `None` if nothing does.
    async fn received(&self, stored: &StoredFile) -> Option<Received>;

    /// How many messages the channel holds.
    async fn message_count(&self) -> usize;

    /// Whether [`how`](Self::how) tells how messages look. What is not told is not asked of a backend.
    fn tells_how(&self) -> bool {
        false
    }

    /// How the message looks that this file became.
    async fn how(&self, stored: &StoredFile) -> Option<How> {
        let _ = stored;
        None
    }

    /// A topic of the chat, if that is a forum.
    fn topic(&self) -> Option<TopicId> {
        None
    }
}

/// How a message looks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct How {
    /// What parts of its text look like.
    pub entities: Vec<Entity>,
    /// The topic that it is in.
    pub topic: Option<TopicId>,
    /// Whether it notified nobody.
    pub silent: bool,
    /// What its file is to Telegram.
    pub sent_as: SendAs,
}

impl How {
    /// The same, changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

/// A file as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its length in bytes.
    pub length: u64,
    /// Its SHA-256 in lower-case hexadecimal digits.
    pub sha256: String,
    /// The name of the document.
    pub file_name: String,
    /// Its content type.
    pub mime_type: String,
    /// The text of the message.
    pub caption: String,
}

/// Runs every clause, one after the other.
///
/// # Panics
/// If one does not hold.
pub async fn conformance(subject: &dyn Subject) {
    basics::sizes(subject).await;
    basics::names_types_and_captions(subject).await;
    if subject.tells_how() {
        messages::captions_look_as_they_should(subject).await;
        messages::long_captions_are_cut(subject).await;
        messages::silence_and_topics(subject).await;
        messages::files_are_sent_as_asked(subject).await;
    }
    basics::progress(subject).await;
    basics::in_parallel(subject).await;
    committing::before_the_message(subject).await;
    cancel::before(subject).await;
    cancel::during(subject).await;
    cancel::dropped(subject).await;
    refusals::source_errors(subject).await;
    refusals::bad_credentials(subject).await;
    refusals::unknown_channel(subject).await;
    refusals::secrets(subject).await;
    refusals::checks(subject).await;
    if subject.uploader().capability().resumable {
        resuming::sends_only_the_rest(subject).await;
        resuming::ignores_foreign_state(subject).await;
    }
    if subject.uploader().capability().idempotent {
        resuming::makes_one_message(subject).await;
    }
    if subject.uploader().capability().early_from.is_some() {
        early::sends_what_is_there(subject).await;
        early::sends_all_that_comes(subject).await;
        early::sends_again_what_has_changed(subject).await;
    }
}

/// Bytes that do not compress and are the same in every run.
pub fn bytes(seed: u64, length: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// The SHA-256 of `bytes` in lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A request that sends `source` with the subject's credentials.
pub fn request(subject: &dyn Subject, name: &str, source: Arc<dyn ByteSource>) -> UploadRequest {
    let file_name = FileName::new(name).expect("a file name");
    let id = UploadId::new("conformance").expect("an upload id");
    UploadRequest::new(id, Arc::new(subject.credentials()), file_name, source)
}

/// A request that sends `bytes`.
pub fn request_of(subject: &dyn Subject, name: &str, bytes: &Bytes) -> UploadRequest {
    request(subject, name, Arc::new(BytesSource::new(bytes.clone())))
}

/// The part size that sizes are chosen around.
fn part_size(subject: &dyn Subject) -> usize {
    match subject.uploader().capability().part_size {
        0 => 512 * 1024,
        size => size as usize,
    }
}

/// Sends `bytes` and checks that just they arrive.
async fn arrives(subject: &dyn Subject, request: UploadRequest, bytes: &[u8]) -> StoredFile {
    let sent = request.clone();
    let stored = subject.uploader().upload(request, Arc::new(crate::NoProgress)).await;
    let stored = stored.unwrap_or_else(|error| panic!("a file of {} bytes is sent: {error:?}", bytes.len()));
    check(subject, &stored, &sent, bytes).await;
    stored
}

async fn check(subject: &dyn Subject, stored: &StoredFile, sent: &UploadRequest, bytes: &[u8]) {
    let received = subject.received(stored).await.expect("the message holds the file that was named");
    assert_eq!(received.length, bytes.len() as u64, "the length arrives");
    assert_eq!(received.sha256, sha256(bytes), "the bytes of a file of {} bytes arrive", bytes.len());
    assert_eq!(received.file_name, sent.file_name.as_str(), "the name arrives");
    assert_eq!(received.caption, sent.caption.text(), "the caption arrives");
    if sent.mime_type != "application/octet-stream" {
        assert_eq!(received.mime_type, sent.mime_type, "the content type arrives");
    }
}
