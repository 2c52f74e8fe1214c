//! Chunks that arrive.

use super::{ResumeState, Upload, UploadKind, UploadState};
use crate::Timestamp;

/// What to do with a chunk that has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkVerdict {
    /// Keep it; it takes the place of an earlier one with the same index.
    Store,
    /// The same bytes are already on their way: say yes and drop it.
    Duplicate,
    /// Other bytes for a file that is already on its way: refuse it.
    Conflict,
    /// The upload was cancelled: refuse it.
    Cancelled,
}

impl Upload {
    /// What to do with a chunk of `new` length and digest, where `old` is what its place holds now.
    pub fn chunk_verdict(&self, old: Option<(u64, u32)>, new: (u64, u32)) -> ChunkVerdict {
        match self.state {
            UploadState::Queued | UploadState::Sending | UploadState::Completed if self.is_duplicate() => {
                ChunkVerdict::Duplicate
            }
            // Nothing is sent of bytes.
            UploadState::Receiving | UploadState::Failed if self.is_duplicate() => ChunkVerdict::Conflict,
            // Its bytes have no places but the next one.
            UploadState::Receiving | UploadState::Failed
                if self.kind.is_appended_to() || self.kind == UploadKind::Concatenated =>
            {
                ChunkVerdict::Conflict
            }
            UploadState::Receiving | UploadState::Failed => ChunkVerdict::Store,
            UploadState::Cancelled => ChunkVerdict::Cancelled,
            _ if old == Some(new) => ChunkVerdict::Duplicate,
            _ => ChunkVerdict::Conflict,
        }
    }

    /// Counts a chunk that takes the place of `old`.
    ///
    /// Other bytes than before make what was already sent worthless, so the resume state goes.
    pub fn chunk_stored(&mut self, old: Option<(u64, u32)>, new: (u64, u32), now: Timestamp) {
        match old {
            None => self.received_chunks = self.received_chunks.saturating_add(1),
            Some(old) => {
                self.received_bytes = self.received_bytes.saturating_sub(old.0);
                // Two files may have the same CRC-32C, and one key must not meet both.
                if old != new || self.encoding.is_some() {
                    self.resume = self.resume.take().and_then(ResumeState::without_bytes);
                    self.encoding = None;
                }
            }
        }
        self.received_bytes = self.received_bytes.saturating_add(new.0);
        self.updated_at = now;
    }
}
