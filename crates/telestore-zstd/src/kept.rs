//! The frames that are being read: made once, for all who read them at about the same time.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OnceCell;

/// How many frames are kept at most: as many as parts are on their way to Telegram, since each of those begins in one frame and ends
/// in another. They are compressed, so this is seldom more than a few MiB.
const KEPT: usize = 16;

/// The last frames that were read and not read to their end, the latest last.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    frames: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    index: usize,
    frame: Arc<OnceCell<Bytes>>,
    /// How many bytes of it were handed out.
    handed: u64,
}

impl Kept {
    /// The place of a frame. Who finds it empty makes the frame, and others wait for that.
    pub(crate) fn place(&mut self, index: usize) -> Arc<OnceCell<Bytes>> {
        let known = self.frames.iter().position(|entry| entry.index == index);
        let entry = known.and_then(|at| self.frames.remove(at)).unwrap_or_else(|| Entry {
            index,
            frame: Arc::default(),
            handed: 0,
        });
        if self.frames.len() == KEPT {
            self.frames.pop_front();
        }
        let place = Arc::clone(&entry.frame);
        self.frames.push_back(entry);
        place
    }

    /// So many bytes of a frame were handed out, which has `length`. Once all were, nobody is likely to ask again.
    pub(crate) fn handed(&mut self, index: usize, bytes: u64, length: u64) {
        if let Some(at) = self.frames.iter().position(|entry| entry.index == index) {
            self.frames[at].handed += bytes;
            if self.frames[at].handed >= length {
                self.frames.remove(at);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_kept_until_all_of_it_was_handed_out() {
        let mut kept = Kept::default();
        let place = kept.place(3);
        assert!(Arc::ptr_eq(&place, &kept.place(3)));
        kept.handed(3, 60, 100);
        kept.handed(4, 60, 100);
        assert!(Arc::ptr_eq(&place, &kept.place(3)));
        kept.handed(3, 40, 100);
        assert_eq!(kept.len(), 0);
    }

    #[test]
    fn the_frame_that_was_read_longest_ago_goes_first() {
        let mut kept = Kept::default();
        let places: Vec<_> = (0..KEPT).map(|index| kept.place(index)).collect();
        kept.place(0);
        kept.place(KEPT);
        assert_eq!(kept.len(), KEPT);
        assert!(Arc::ptr_eq(&places[0], &kept.place(0)));
        assert!(!Arc::ptr_eq(&places[1], &kept.place(1)));
    }
}
