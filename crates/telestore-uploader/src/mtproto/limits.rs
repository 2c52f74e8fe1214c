use std::time::Duration;

use telestore_mtproto::Allowance;

/// The bytes of every part but the last: the most that Telegram takes, and what it recommends.
pub(crate) const PART_SIZE: usize = 512 * 1024;

/// What every account may send, in bytes: of larger files it is asked.
pub(crate) const WHOLE_BYTES: u64 = bytes_in(Allowance::PARTS);

/// What so many parts hold, in bytes.
const fn bytes_in(parts: u32) -> u64 {
    parts as u64 * PART_SIZE as u64
}

/// What an uploader keeps to.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// The largest file that is sent, in bytes; `None` if the account alone decides.
    pub(crate) max_bytes: Option<u64>,
    /// The most parts in flight of one account, over all of its uploads.
    pub(crate) window: usize,
    /// How old confirmed parts may be.
    pub(crate) resume_max_age: Duration,
}

impl Limits {
    /// The largest file that may be sent, in bytes.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_bytes.unwrap_or(bytes_in(Allowance::PARTS_PREMIUM))
    }

    /// What one message holds of an account that may send so many parts, in bytes.
    pub(crate) fn bytes_of(&self, parts: u32) -> u64 {
        bytes_in(parts).min(self.max_bytes.unwrap_or(u64::MAX))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: None, window: 16, resume_max_age: Duration::from_secs(2 * 60 * 60) }
    }
}
