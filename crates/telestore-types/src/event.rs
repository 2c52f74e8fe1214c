use std::time::Duration;

use serde::Serialize;

use crate::UploadId;

/// Where a running upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadStatus {
    /// Waiting or on its way.
    Uploading,
    /// In the channel.
    Completed,
    /// Given up, or cancelled.
    Failed,
}

/// What listeners of an upload are told: one vocabulary for polling, push and logs.
#[derive(Debug, Clone, PartialEq)]
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
    pub retry_after: Option<Duration>,
    /// Why it failed.
    pub error: Option<String>,
    /// The message in the channel, once sent.
    pub message_id: Option<i64>,
    /// The documented `fileId`, once sent.
    pub file_id: Option<String>,
}

impl UploadEvent {
    /// Whether nothing comes after it, unless the client completes a failed upload again.
    pub fn is_final(&self) -> bool {
        self.status != UploadStatus::Uploading
    }
}
