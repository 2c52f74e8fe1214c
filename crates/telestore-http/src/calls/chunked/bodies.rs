//! What the calls on chunks take and answer.

use serde::{Deserialize, Serialize};
use telestore::ChunkStatus;
use telestore::types::{FileName, UploadEvent, UploadId};
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;

use crate::calls::call::WithToken;
use crate::forms::json;
use crate::shared::named::Named;
use crate::shared::number::{Number, Text};

/// An upload to create.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", expecting = "an object with the documented fields")]
pub(crate) struct Init {
    #[schema(schema_with = upload_id)]
    pub(crate) upload_id: Text,
    /// The name of the file: at most 255 characters, no control characters. What stands before the last `/` or
    /// `\` is cut off.
    #[schema(min_length = 1)]
    pub(crate) file_name: String,
    #[schema(schema_with = total_chunks)]
    pub(crate) total_chunks: Number,
    #[schema(schema_with = file_size)]
    pub(crate) file_size: Number,
    #[schema(schema_with = auth_token)]
    pub(crate) auth_token: Option<Text>,
    #[serde(flatten)]
    pub(crate) named: Named,
}

fn upload_id() -> Schema {
    json::text("The client's name for the upload; a number is its decimal text", false)
}

fn auth_token() -> Schema {
    json::text("The auth token, where no header has it", true)
}

fn total_chunks() -> Schema {
    json::number("How many chunks there will be", 10_000, "^([1-9][0-9]{0,3}|10000)$")
}

fn file_size() -> Schema {
    json::number("The length of the file in bytes", 2_097_152_000, "^[1-9][0-9]{0,9}$")
}

/// An upload, by its id.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", expecting = "an object with the documented fields")]
pub(crate) struct ById {
    #[schema(schema_with = upload_id)]
    pub(crate) upload_id: Text,
    #[schema(schema_with = auth_token)]
    pub(crate) auth_token: Option<Text>,
}

/// An upload to send, by its id, and how its message is to be.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", expecting = "an object with the documented fields")]
pub(crate) struct Complete {
    #[schema(schema_with = upload_id)]
    pub(crate) upload_id: Text,
    #[schema(schema_with = auth_token)]
    pub(crate) auth_token: Option<Text>,
    #[serde(flatten)]
    pub(crate) named: Named,
}

impl WithToken for Complete {
    fn take_token(&mut self) -> Option<Text> {
        self.auth_token.take()
    }
}

impl WithToken for Init {
    fn take_token(&mut self) -> Option<Text> {
        self.auth_token.take()
    }
}

impl WithToken for ById {
    fn take_token(&mut self) -> Option<Text> {
        self.auth_token.take()
    }
}

/// A chunk, its place, and the upload that it belongs to. The parts may come in any order.
#[derive(ToSchema)]
#[allow(dead_code, reason = "the schema of a form that is read part by part")]
#[schema(rename_all = "camelCase")]
pub(crate) struct ChunkForm {
    /// The bytes. The part may have a `Content-Digest`.
    #[schema(value_type = String, format = Binary, content_media_type = "application/octet-stream")]
    chunk: Vec<u8>,
    /// The client's name for the upload.
    upload_id: String,
    /// The chunk's place, from 0.
    #[schema(maximum = 9999, example = 0)]
    chunk_index: u32,
    /// How many chunks there will be.
    #[schema(minimum = 1, maximum = 10_000, example = 1)]
    total_chunks: u32,
    /// The name of the file: at most 255 characters, no control characters.
    #[schema(min_length = 1, example = "hello.txt")]
    file_name: String,
    /// The length of the file in bytes: in one chunk, that of the chunk.
    #[schema(minimum = 1, example = 14)]
    file_size: u64,
    /// The auth token, if no header has it.
    #[schema(nullable = false, example = "")]
    auth_token: Option<String>,
    /// The SHA-256 of the bytes; empty for none.
    #[schema(nullable = false, pattern = "^([0-9A-Fa-f]{64})?$", example = "")]
    chunk_sha256: Option<String>,
    /// The text of the message, to the letter; empty for none.
    #[schema(nullable = false, example = "from the holidays")]
    caption: Option<String>,
    /// The topic of the forum that the message goes into; empty for none.
    #[schema(nullable = false, pattern = "^([1-9][0-9]{0,8})?$", example = "")]
    topic_id: Option<String>,
    /// Whether the chat's members are not notified; empty for what the worker does by itself.
    #[schema(nullable = false, pattern = "^(true|false)?$", example = "")]
    silent: Option<String>,
    /// As what the file is sent; empty for what the worker does by itself.
    #[schema(nullable = false, pattern = "^(document|video|audio|photo)?$", example = "")]
    send_as: Option<String>,
    /// The SHA-256 of the whole file; empty for none.
    #[schema(nullable = false, pattern = "^([0-9A-Fa-f]{64})?$", example = "")]
    sha256: Option<String>,
    /// Whether the channel gets the file encrypted, by age; empty for what the worker does by itself.
    #[schema(nullable = false, pattern = "^(true|false)?$", example = "")]
    encrypt: Option<String>,
    /// Whether the channel gets the file compressed, by zstd, if that gains anything; empty for what the worker does by itself.
    #[schema(nullable = false, pattern = "^(true|false)?$", example = "")]
    compress: Option<String>,
    /// A picture that stands for the file: a JPEG of at most 200 kB and 320 pixels; empty for none.
    #[schema(value_type = Option<String>, nullable = false, format = Binary, content_media_type = "image/jpeg", example = "")]
    thumbnail: Option<Vec<u8>>,
    /// Ignored.
    #[schema(nullable = false, example = "")]
    user_id: Option<String>,
}

/// An upload was created, or was there already.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", expecting = "an object with the documented fields")]
pub(crate) struct Initialized {
    /// The file is in the channel already: the upload is complete, as one more message, and needs no bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) duplicate: Option<bool>,
    pub(crate) message: &'static str,
    pub(crate) success: bool,
    /// The client's name for the upload.
    #[schema(value_type = String)]
    pub(crate) upload_id: UploadId,
}

/// A chunk is there, and survives a killed worker.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Received {
    /// The chunk's place, from 0.
    pub(crate) chunk_index: u32,
    /// Whether all chunks are there.
    pub(crate) complete: bool,
    /// How many chunks are there.
    pub(crate) received_chunks: u32,
    pub(crate) success: bool,
    /// How many there will be.
    pub(crate) total_chunks: u32,
}

/// The upload waits to be sent, is being sent, or has been.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Started {
    /// The path to ask for progress.
    pub(crate) check_progress_at: String,
    pub(crate) message: &'static str,
    pub(crate) success: bool,
    /// The client's name for the upload.
    #[schema(value_type = String)]
    pub(crate) upload_id: UploadId,
}

/// Which chunks are there.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Chunks {
    /// Whether all chunks are there.
    complete: bool,
    /// The name of the file.
    #[schema(value_type = String)]
    file_name: FileName,
    /// Which chunks are there, in order.
    received_chunk_indices: Vec<u32>,
    /// How many chunks are there.
    received_chunks: usize,
    /// How many there will be.
    total_chunks: u32,
    /// The client's name for the upload.
    #[schema(value_type = String)]
    upload_id: UploadId,
}

impl From<ChunkStatus> for Chunks {
    fn from(status: ChunkStatus) -> Self {
        Self {
            complete: status.received.len() == status.total_chunks as usize,
            file_name: status.file_name,
            received_chunks: status.received.len(),
            received_chunk_indices: status.received,
            total_chunks: status.total_chunks,
            upload_id: status.upload_id,
        }
    }
}

/// The upload is gone; or the file was in the channel already, and here it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cancelled {
    /// Of a file that was in the channel already.
    #[serde(skip_serializing_if = "Option::is_none")]
    file_id: Option<Option<String>>,
    message: &'static str,
    /// Of a file that was in the channel already.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<Option<i64>>,
    success: bool,
}

impl From<Option<UploadEvent>> for Cancelled {
    fn from(done: Option<UploadEvent>) -> Self {
        let message = match &done {
            None => "Upload cancelled",
            Some(_) => "Upload was already completed; the file is in the channel",
        };
        let message_id = done.as_ref().map(UploadEvent::message_id);
        Self { file_id: done.map(|done| done.file_id()), message, message_id, success: true }
    }
}
