//! Two clocks: the database's, by which everything is kept, and the caller's, in which it asks and is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use telestore_types::{Timestamp, Upload};

use crate::{
    Appended, Cancelled, Completed, Concatenated, Counts, Created, Cursor, Declared, Expired, KnownWorker,
    Lease, OptionsSet, OutboxEvent, OutboxKind, Recorded, Released,
};

/// Clocks that differ by less than this are told as one, so that a moment reads the same each time.
const SAME: i64 = 2_000;

/// By how many milliseconds the database's clock is ahead of the callers', as far as is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Skew(Arc<AtomicI64>);

impl Skew {
    /// Takes note of what both showed.
    pub(super) fn learn(&self, ahead: i64) {
        let known = self.0.load(Ordering::Relaxed);
        let ahead = if ahead.abs() < SAME { 0 } else { ahead };
        if known.abs_diff(ahead) >= SAME.unsigned_abs() {
            self.0.store(ahead, Ordering::Relaxed);
        }
    }

    pub(super) fn known(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// A moment of the callers, by the database's clock.
    pub(super) fn kept(&self, told: Timestamp) -> Timestamp {
        moved(told, self.known())
    }

    /// The place of an upload that was told, by the database's clock.
    pub(super) fn cursor(&self, last: &Cursor) -> Cursor {
        Cursor { updated_at: self.kept(last.updated_at), id: last.id.clone() }
    }

    /// What was read, by the callers' clocks.
    pub(super) fn told<T: Times>(&self, mut kept: T) -> T {
        let ahead = self.known();
        if ahead != 0 {
            kept.shift(-ahead);
        }
        kept
    }
}

pub(super) fn moved(at: Timestamp, by: i64) -> Timestamp {
    Timestamp::from_millis(at.as_millis().saturating_add(by))
}

/// What holds moments.
pub(super) trait Times {
    /// Moves each of them by so many milliseconds.
    fn shift(&mut self, by: i64);
}

impl Times for Timestamp {
    fn shift(&mut self, by: i64) {
        *self = moved(*self, by);
    }
}

impl<T: Times> Times for Option<T> {
    fn shift(&mut self, by: i64) {
        self.iter_mut().for_each(|held| held.shift(by));
    }
}

impl<T: Times> Times for Vec<T> {
    fn shift(&mut self, by: i64) {
        self.iter_mut().for_each(|held| held.shift(by));
    }
}

impl Times for Upload {
    fn shift(&mut self, by: i64) {
        self.created_at.shift(by);
        self.updated_at.shift(by);
        self.queued_at.shift(by);
        self.next_attempt_at.shift(by);
    }
}

impl Times for Lease {
    fn shift(&mut self, by: i64) {
        self.upload.shift(by);
        self.until.shift(by);
    }
}

impl Times for (OutboxKind, Timestamp) {
    fn shift(&mut self, by: i64) {
        self.1.shift(by);
    }
}

impl Times for OutboxEvent {
    fn shift(&mut self, by: i64) {
        self.created_at.shift(by);
    }
}

impl Times for Released {
    fn shift(&mut self, by: i64) {
        self.upload.shift(by);
    }
}

impl Times for Expired {
    fn shift(&mut self, by: i64) {
        self.upload.shift(by);
    }
}

impl Times for Counts {
    fn shift(&mut self, by: i64) {
        self.oldest_queued.shift(by);
    }
}

impl Times for KnownWorker {
    fn shift(&mut self, by: i64) {
        self.since.shift(by);
        self.until.shift(by);
    }
}

impl Times for Created {
    fn shift(&mut self, by: i64) {
        match self {
            Self::Exists(upload) => upload.shift(by),
            Self::New | Self::TooMuch(_) => {}
        }
    }
}

impl Times for Recorded {
    fn shift(&mut self, by: i64) {
        match self {
            Self::Stored { upload, .. } | Self::Refused { upload, .. } => upload.shift(by),
            Self::TooLarge { .. } | Self::Unfit(_) | Self::TooMuch(_) | Self::NotFound => {}
        }
    }
}

impl Times for Appended {
    fn shift(&mut self, by: i64) {
        match self {
            Self::Stored(upload, _) | Self::Refused(_, upload) => upload.shift(by),
            Self::TooLarge { .. } | Self::TooMuch(_) | Self::NotFound => {}
        }
    }
}

impl Times for Concatenated {
    fn shift(&mut self, by: i64) {
        if let Self::Made(upload) = self {
            upload.shift(by);
        }
    }
}

impl Times for Declared {
    fn shift(&mut self, by: i64) {
        match self {
            Self::Known(upload) => upload.shift(by),
            Self::Refused(_) | Self::NotFound => {}
        }
    }
}

impl Times for OptionsSet {
    fn shift(&mut self, by: i64) {
        match self {
            Self::Known { upload, .. } => upload.shift(by),
            Self::Refused(_) | Self::NotFound => {}
        }
    }
}

impl Times for Completed {
    fn shift(&mut self, by: i64) {
        match self {
            Self::Accepted(_, upload) => upload.shift(by),
            Self::Refused(_) | Self::NotFound => {}
        }
    }
}

impl Times for Cancelled {
    fn shift(&mut self, by: i64) {
        match self {
            Self::Now { upload, .. } | Self::Over(upload) => upload.shift(by),
            Self::NotFound => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_differences_are_none() {
        let skew = Skew::default();
        for (ahead, known) in
            [(1_999, 0), (-1_999, 0), (3_600_000, 3_600_000), (3_600_900, 3_600_000), (5, 0)]
        {
            skew.learn(ahead);
            assert_eq!(skew.known(), known, "{ahead}");
        }
    }
}
