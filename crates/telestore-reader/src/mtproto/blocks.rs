//! How a range is cut into calls.

use std::ops::Range;

/// How many bytes a call reads at most. Telegram reads within one mebibyte of the file, which is a multiple of it. Less than that,
/// since a slow reader holds two or three.
pub(super) const BLOCK: u64 = 256 * 1024;

/// Telegram reads from multiples of this many bytes, and multiples of it.
const STEP: u64 = 1024;

/// One call, and what of its answer is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Where the call reads from.
    pub(super) offset: u64,
    /// How many bytes it asks for.
    pub(super) limit: u32,
    /// Which bytes of the file the answer is to have: fewer than were asked for at the end of the file.
    pub(super) wanted: Range<u64>,
}

/// The next block of a range.
pub(super) fn next(range: &Range<u64>) -> Option<Block> {
    if range.start >= range.end {
        return None;
    }
    let offset = range.start / STEP * STEP;
    // Up to the next multiple, so that all further ones begin at one.
    let end = (range.start / BLOCK + 1) * BLOCK;
    let wanted = range.start..range.end.min(end);
    let limit = (wanted.end - offset).div_ceil(STEP) * STEP;
    Some(Block { offset, limit: limit as u32, wanted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_keep_to_telegrams_rules_and_cover_the_range_once() {
        const MEBIBYTE: u64 = 1024 * 1024;
        let ends = [0, 1, 1023, 1024, 1025, BLOCK - 1, BLOCK, BLOCK + 1, MEBIBYTE, 3 * MEBIBYTE + 17];
        for start in ends {
            for end in ends.into_iter().filter(|end| start <= *end) {
                let mut rest = start..end;
                while let Some(block) = next(&rest) {
                    assert_eq!(block.wanted.start, rest.start);
                    assert!(block.wanted.end > block.wanted.start && block.wanted.end <= end);
                    let asked = block.offset..block.offset + u64::from(block.limit);
                    assert!(asked.start <= block.wanted.start && block.wanted.end <= asked.end);
                    assert!(block.offset % STEP == 0 && u64::from(block.limit) % STEP == 0);
                    assert_eq!(asked.start / MEBIBYTE, (asked.end - 1) / MEBIBYTE, "{block:?}");
                    rest.start = block.wanted.end;
                }
                assert_eq!(rest.start, end);
            }
        }
    }
}
