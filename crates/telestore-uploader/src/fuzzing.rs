use std::ops::Range;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use bytes::Bytes;
use telestore_types::{ByteSource, SourceError};
use tokio::runtime::{Builder, Runtime};

use crate::media;

/// What sources are read in: they never wait.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime without drivers"));

/// A file of which only the ends are known; between them are zeros.
#[derive(Debug)]
struct Ends {
    front: Bytes,
    gap: u64,
    back: Bytes,
}

impl Ends {
    /// Two bytes say how long the front is, four how long the gap, and the rest is both ends.
    fn of(input: &[u8]) -> Option<Self> {
        let (&[a, b, c, d, e, f], both) = input.split_first_chunk()?;
        let front = usize::from(u16::from_le_bytes([a, b])).min(both.len());
        let (front, back) = both.split_at(front);
        let gap = u32::from_le_bytes([c, d, e, f]).into();
        Some(Self { front: Bytes::copy_from_slice(front), gap, back: Bytes::copy_from_slice(back) })
    }

    fn behind(&self) -> u64 {
        self.front.len() as u64 + self.gap
    }
}

#[async_trait]
impl ByteSource for Ends {
    fn len(&self) -> u64 {
        self.behind() + self.back.len() as u64
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, SourceError> {
        let wanted = offset..offset + length as u64;
        let mut bytes = vec![0; length];
        for (start, end) in [(0, &self.front), (self.behind(), &self.back)] {
            let Range { start: from, end: to } =
                start.max(wanted.start)..(start + end.len() as u64).min(wanted.end);
            if from < to {
                // Both lie within what was asked for.
                let (at, within) = ((from - offset) as usize, (from - start) as usize);
                let count = (to - from) as usize;
                bytes[at..at + count].copy_from_slice(&end[within..within + count]);
            }
        }
        Ok(bytes.into())
    }
}

/// A file that somebody calls a video or music, whatever it is.
///
/// # Panics
/// If what is read of it is not within its bounds.
pub fn media(input: &[u8]) {
    let Some(ends) = Ends::of(input) else { return };
    media::check(Arc::new(ends), RUNTIME.handle());
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The inputs of the fuzz target.
    fn corpus() -> Vec<Vec<u8>> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/media");
        let entries = std::fs::read_dir(path).expect("the corpus of the fuzz target");
        entries.map(|entry| std::fs::read(entry.expect("an entry").path()).expect("bytes")).collect()
    }

    #[test]
    fn both_ends_are_where_they_are() {
        let ends = Ends::of(&[2, 0, 3, 0, 0, 0, 7, 8, 9]).expect("a file");
        assert_eq!(ends.len(), 6);
        let read = |offset, length| RUNTIME.block_on(ends.read_at(offset, length)).expect("bytes").to_vec();
        assert_eq!(read(0, 6), [7, 8, 0, 0, 0, 9]);
        assert_eq!((read(1, 2), read(4, 2)), (vec![8, 0], vec![0, 9]));
    }

    #[test]
    fn changed_films_and_music_are_read_within_bounds() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut below = move |end: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % end
        };
        for whole in corpus() {
            media(&whole);
            for _ in 0..200 {
                let mut changed = whole.clone();
                for _ in 0..=below(4) {
                    let at = below(changed.len());
                    match below(6) {
                        0 => changed[at] ^= 1 << below(8),
                        1 => changed[at] = 0xff,
                        2 => changed[at..].iter_mut().take(4).for_each(|byte| *byte = 0xff),
                        3 => changed[at..].iter_mut().take(8).for_each(|byte| *byte = 0),
                        4 => changed.truncate(at + 1),
                        _ => changed.extend_from_within(at..),
                    }
                }
                changed.truncate(64 * 1024);
                media(&changed);
            }
        }
    }
}
