use std::time::Duration;

/// The bytes of every part but the last: the most that Telegram takes, and what it recommends.
pub(crate) const PART_SIZE: usize = 512 * 1024;

/// The most parts that a file of an account without Premium may have.
const MAX_PARTS: u64 = 4000;

/// What an uploader keeps to.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// The largest file that is sent, in bytes.
    pub(crate) max_bytes: u64,
    /// The most parts in flight of one account, over all of its uploads.
    pub(crate) window: usize,
    /// How old confirmed parts may be.
    pub(crate) resume_max_age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: MAX_PARTS * PART_SIZE as u64,
            window: 16,
            resume_max_age: Duration::from_secs(2 * 60 * 60),
        }
    }
}
