//! What comes in: uploads are made, their chunks are put and recorded, and completion and cancellation are asked for.

pub(crate) mod chunks;
pub(crate) mod complete;
pub(crate) mod direct;
pub(crate) mod waiting;

use std::sync::Arc;

use telestore_types::{FileName, UploadId};

use crate::shared::access::Access;
use crate::shared::base::Base;
use crate::shared::bytes::Bytes;
use crate::shared::events::Events;
use crate::shared::ports::Arrivals;
use crate::shared::sends::Sends;

/// What a client says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// The client's name for the upload.
    pub id: UploadId,
    /// The name of the file.
    pub file_name: FileName,
    /// Its length in bytes.
    pub file_size: u64,
    /// How many chunks it comes in.
    pub total_chunks: u32,
}

/// What a client says of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingChunk {
    /// The file that it is of.
    pub file: FileInfo,
    /// Its place, counted from 0.
    pub index: u32,
    /// The declared content type of the chunk, if any.
    pub mime_type: Option<String>,
}

/// A chunk is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkReceipt {
    /// Its place.
    pub index: u32,
    /// How many distinct chunks are there now.
    pub received_chunks: u32,
    /// How many there should be.
    pub total_chunks: u32,
}

impl ChunkReceipt {
    /// Whether all are there.
    pub fn is_complete(&self) -> bool {
        self.received_chunks >= self.total_chunks
    }
}

/// Takes uploads in. Clones are the same intake.
#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) base: Arc<Base>,
    pub(crate) access: Arc<Access>,
    pub(crate) bytes: Arc<Bytes>,
    pub(crate) events: Arc<Events>,
    pub(crate) sends: Arc<Sends>,
    pub(crate) arrivals: Arc<dyn Arrivals>,
}
