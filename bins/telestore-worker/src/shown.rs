//! What commands say, and how.

use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use telestore::types::Timestamp;

/// A moment as RFC 3339 writes it, to the second.
pub(crate) fn time(at: Timestamp) -> String {
    let since = Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0));
    let time: SystemTime = UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH);
    humantime::format_rfc3339_seconds(time).to_string()
}

/// Says it on standard output.
pub(crate) fn say(text: &str) {
    // If standard output is closed, nobody is left to be told.
    let _ = writeln!(io::stdout(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        assert_eq!(time(Timestamp::from_millis(1_763_790_000_999)), "2025-11-22T05:40:00Z");
    }
}
