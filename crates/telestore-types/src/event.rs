use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Encoded, FileDigest, FileId, Outcome, StoredFile, StoredMessage, UploadId};

/// Where a running upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stage {
    /// The worker fetches the file from where its user said.
    Fetching,
    /// Waiting for its turn, or for the time of its next attempt.
    Queued,
    /// Fetching credentials and connecting to Telegram.
    Connecting,
    /// Finding the channel.
    Resolving,
    /// Sending the bytes.
    Sending,
    /// All bytes are there; the message is being sent.
    Finishing,
    /// Over, well or not.
    Done,
}

/// The documented `status` of an upload that was completed by the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UploadStatus {
    /// Waiting or on its way.
    Uploading,
    /// In the channel.
    Completed,
    /// Given up, or cancelled.
    Failed,
}

/// What listeners of an upload are told: one vocabulary for polling, push and logs.
///
/// A bus between processes writes it as JSON (or another format of serde) and reads it back; fields may be added.
///
/// ```
/// use telestore_types::{Stage, UploadEvent, UploadId, UploadStatus};
///
/// let mut event = UploadEvent::new(UploadId::new("a")?, UploadStatus::Uploading, Stage::Sending, 1_000);
/// (event.progress, event.bytes_sent) = (60, 500);
/// let json = serde_json::to_string(&event).unwrap();
/// assert_eq!(serde_json::from_str::<UploadEvent>(&json).unwrap(), event);
/// # Ok::<(), telestore_types::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UploadEvent {
    /// Which upload.
    pub upload_id: UploadId,
    /// The documented status.
    pub status: UploadStatus,
    /// Where it is.
    pub stage: Stage,
    /// The documented percentage, 0-100; it never goes back within one run.
    pub progress: u8,
    /// Bytes that Telegram has acknowledged.
    pub bytes_sent: u64,
    /// Bytes of the file.
    pub bytes_total: u64,
    /// The attempt that is running or comes next, counted from 1.
    pub attempt: u32,
    /// How long until work goes on, while Telegram asked to wait.
    #[serde(default)]
    pub retry_after: Option<Duration>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<String>,
    /// How it ended; `None` while it has not.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// The messages in the channel, once sent.
    #[serde(default)]
    pub stored: Option<StoredFile>,
    /// The file that it has become, once sent.
    #[serde(default)]
    pub file: Option<FileId>,
    /// The SHA-256 of the file, if its client has said it; it was compared.
    #[serde(default)]
    pub sha256: Option<FileDigest>,
    /// What the messages hold, once sent: the file's bytes, or another form of them.
    #[serde(default)]
    pub encoded: Encoded,
}

impl UploadEvent {
    /// An event of the first attempt at a file of `bytes_total` bytes, of which nothing was sent.
    pub fn new(upload_id: UploadId, status: UploadStatus, stage: Stage, bytes_total: u64) -> Self {
        Self {
            upload_id,
            status,
            stage,
            progress: 0,
            bytes_sent: 0,
            bytes_total,
            attempt: 1,
            retry_after: None,
            error: None,
            outcome: None,
            stored: None,
            file: None,
            sha256: None,
            encoded: Encoded::default(),
        }
    }

    /// Whether nothing comes after it, unless the client completes a failed upload again.
    pub fn is_final(&self) -> bool {
        self.status != UploadStatus::Uploading
    }

    /// The number of the first message in the channel, once sent.
    pub fn message_id(&self) -> Option<i64> {
        self.stored.as_ref().map(StoredFile::message_id)
    }

    /// The documented `fileId`, once sent.
    pub fn file_id(&self) -> Option<String> {
        self.stored.as_ref().map(StoredFile::file_id)
    }

    /// The messages in the channel; none until it is sent.
    pub fn messages(&self) -> &[StoredMessage] {
        self.stored.as_ref().map(StoredFile::messages).unwrap_or_default()
    }
}
