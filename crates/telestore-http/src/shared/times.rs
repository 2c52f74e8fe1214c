//! Times that clients are told.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use telestore::types::Timestamp;

/// The last moment that dates in headers and in JSON have a spelling for, in milliseconds: that of the year 9999.
pub(crate) const LAST: i64 = 253_402_300_799_999;

/// What a clock showed that may have been wrong by any time, as a time that can be spelled.
pub(crate) fn spelled(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(at.as_millis().clamp(0, LAST).unsigned_abs())
}
