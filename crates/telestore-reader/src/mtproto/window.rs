//! How far a stream reads ahead.

use std::time::{Duration, Instant};

/// How many blocks one stream has in flight or waiting at most: enough for 100 MB/s at a round trip of 80 ms.
const MOST: usize = 32;

/// How many blocks a stream begins with: half a mebibyte, which a player that only looks wants.
const FIRST: usize = 2;

/// How much longer than the quickest block another one may take without there being too many, if that is more than what the quickest
/// one takes. What is in flight on a connection comes before all that is asked for after it, also if nobody wants it any more: a player
/// that jumps waits for it.
const QUEUE: Duration = Duration::from_millis(100);

/// When a block was asked for, and when it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) asked: Instant,
    pub(super) came: Instant,
}

/// How many blocks a stream has in flight or waiting.
#[derive(Debug)]
pub(super) struct Window {
    blocks: usize,
    /// What the quickest block took: no other one was before it.
    quickest: Duration,
    /// How many of them come before one that says what it is to have as many.
    unsaid: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { blocks: FIRST, quickest: Duration::MAX, unsaid: 0 }
    }
}

impl Window {
    pub(super) fn blocks(&self) -> usize {
        self.blocks
    }

    /// A block came that the reader had to wait for: more of them are in flight from now on, unless they only wait behind each other,
    /// as on a line that gives all it can.
    pub(super) fn was_waited_for(&mut self, times: Times) {
        let took = times.came.saturating_duration_since(times.asked);
        self.quickest = self.quickest.min(took);
        if self.unsaid > 0 {
            self.unsaid -= 1;
            return;
        }
        let (queued, room) = (took - self.quickest, QUEUE.max(self.quickest));
        let blocks = if queued < room / 2 {
            (self.blocks * 2).min(MOST)
        } else if queued > room * 2 {
            (self.blocks * 3 / 4).max(1)
        } else {
            self.blocks
        };
        if blocks == 1 && self.blocks == 1 {
            // No other one was before it: the way has become longer.
            self.quickest = took;
        }
        if blocks != self.blocks {
            self.unsaid = self.blocks.max(blocks) - 1;
            self.blocks = blocks;
        }
    }

    /// All blocks were there before the reader wanted them: what waits for one who is slower than Telegram is memory that others
    /// need.
    pub(super) fn were_all_ready(&mut self) {
        self.blocks = (self.blocks - 1).max(1);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Reads so many blocks over a line with this round trip, in milliseconds, on which a block takes so long, and each twentieth so
    /// much longer; each is wanted at once. How many were in flight at most, and how long all took.
    fn reads(window: &mut Window, count: usize, [round_trip, block, halt]: [u64; 3]) -> (usize, Duration) {
        let start = Instant::now();
        let (mut now, mut free, mut asked, mut flight) = (start, start, 0, VecDeque::new());
        let mut most = 0;
        for _ in 0..count {
            while flight.len() < window.blocks() {
                // The answers go one behind the other.
                free = free.max(now + Duration::from_millis(round_trip)) + Duration::from_millis(block);
                asked += 1;
                if asked % 20 == 0 {
                    free += Duration::from_millis(halt);
                }
                flight.push_back(Times { asked: now, came: free });
            }
            most = most.max(flight.len());
            let times = flight.pop_front().unwrap();
            now = now.max(times.came);
            window.was_waited_for(times);
        }
        (most, now - start)
    }

    #[test]
    fn a_fast_line_is_filled() {
        for round_trip in [1, 50, 300] {
            let mut window = Window::default();
            let (blocks, took) = reads(&mut window, 400, [round_trip, 2, 0]);
            assert_eq!(blocks, MOST, "at {round_trip} ms");
            assert!(took < Duration::from_millis(400 * 10 + 5 * round_trip), "{took:?} at {round_trip} ms");
        }
    }

    #[test]
    fn on_a_slow_line_little_is_before_the_next_one_and_it_is_filled_as_well() {
        for (round_trip, block) in [(50, 20), (50, 60), (50, 250), (200, 20), (300, 60), (1, 20)] {
            let mut window = Window::default();
            let (blocks, took) = reads(&mut window, 200, [round_trip, block, 0]);
            let (before, alone) = (blocks as u64 * block, round_trip + block);
            assert!(before <= 4 * alone.max(100), "{before} ms of blocks at {round_trip}, {block}");
            let bare = Duration::from_millis(200 * block + 2 * round_trip);
            assert!(took < bare * 11 / 10, "{took:?} of {bare:?} at {round_trip}, {block}");
        }
    }

    #[test]
    fn a_line_that_halts_now_and_then_is_filled_as_well() {
        for (round_trip, block, halt) in [(50, 20, 150), (200, 25, 200), (200, 10, 400), (5, 10, 100)] {
            let mut window = Window::default();
            let (_, took) = reads(&mut window, 400, [round_trip, block, halt]);
            let bare = Duration::from_millis(400 * block + 20 * halt + 2 * round_trip);
            assert!(took < bare * 5 / 4, "{took:?} of {bare:?} at {round_trip}, {block}, {halt}");
        }
    }

    #[test]
    fn a_way_that_becomes_longer_is_filled_again() {
        let mut window = Window::default();
        reads(&mut window, 100, [1, 2, 0]);
        let (blocks, _) = reads(&mut window, 400, [400, 2, 0]);
        assert_eq!(blocks, MOST);
    }

    #[test]
    fn a_slow_reader_has_one_block() {
        let mut window = Window::default();
        reads(&mut window, 100, [50, 2, 0]);
        for _ in 0..MOST {
            window.were_all_ready();
        }
        assert_eq!(window.blocks(), 1);
    }
}
