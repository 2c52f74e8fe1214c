//! How much a connection may say that nobody asked for.
//!
//! Telegram tells a login of what happens in its chats, and confirms what it got. A stranger could keep a core busy with
//! packets that are worth nothing, so they draw on an account that fills up slowly, and with each answer.

use std::time::Duration;

use tokio::time::Instant;

/// What may come at once. A login that was away for long is told much.
const MOST: usize = 4 * 1024 * 1024;

/// What is added each second.
const EACH_SECOND: usize = 64 * 1024;

/// What is added for an answer: parts are confirmed once more, in a packet of their own.
const EACH_ANSWER: usize = 4 * 1024;

/// What a packet costs at least: to open a small one takes as long.
const LEAST: usize = 512;

#[derive(Debug)]
pub(super) struct Unasked {
    left: usize,
    filled: Instant,
}

impl Unasked {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: MOST, filled: now }
    }

    /// Counts a packet of so many bytes; says whether the connection may go on.
    pub(super) fn count(&mut self, bytes: usize, asked: bool, now: Instant) -> bool {
        if asked {
            self.left = self.left.saturating_add(EACH_ANSWER).min(MOST);
            return true;
        }
        let passed = now.saturating_duration_since(self.filled);
        if passed >= Duration::from_secs(1) {
            let seconds = usize::try_from(passed.as_secs()).unwrap_or(usize::MAX);
            self.left = self.left.saturating_add(seconds.saturating_mul(EACH_SECOND)).min(MOST);
            self.filled = now;
        }
        match self.left.checked_sub(bytes.max(LEAST)) {
            Some(left) => self.left = left,
            None => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_packets_end_a_connection_after_a_while_and_answers_do_not() {
        let now = Instant::now();
        let mut unasked = Unasked::new(now);
        for _ in 0..100_000 {
            assert!(unasked.count(100, true, now));
        }
        let packets = (0..100_000).take_while(|_| unasked.count(100, false, now)).count();
        assert_eq!(packets, MOST / LEAST);
    }

    #[test]
    fn what_a_busy_login_is_told_is_fine_for_ever() {
        let start = Instant::now();
        let mut unasked = Unasked::new(start);
        for second in 0..10_000 {
            let now = start + Duration::from_secs(second);
            for _ in 0..30 {
                assert!(unasked.count(2000, false, now), "{second}");
            }
        }
    }

    #[test]
    fn a_part_may_be_confirmed_beside_its_answer() {
        let now = Instant::now();
        let mut unasked = Unasked::new(now);
        for _ in 0..100_000 {
            assert!(unasked.count(100, true, now) && unasked.count(200, false, now));
        }
    }
}
