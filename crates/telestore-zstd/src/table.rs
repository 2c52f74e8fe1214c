//! The seek table at the end of a file: how long each frame is, compressed and plain.
//!
//! It is a skippable frame, so that programs that know nothing of it pass over it:
//!
//! ```text
//! 0x184D2A5E | length of what follows | for each frame: compressed, plain[, checksum] | frames | descriptor (1 byte) | 0x8F92EAB1
//! ```
//!
//! All numbers have four bytes, the lowest first.

use std::ops::Range;

use crate::frame::{MAX_COMPRESSED_SIZE, MAX_FRAME_SIZE};
use crate::{Error, Result};

/// The most frames that a file may have: 2²⁰, which are 1 TiB in frames of 1 MiB. It bounds the table at 12 MiB.
pub const MAX_FRAMES: usize = 1 << 20;

const SKIPPABLE: u32 = 0x184D_2A5E;
const SEEKABLE: u32 = 0x8F92_EAB1;
const HEADER: usize = 8;
const FOOTER: usize = 9;
/// The bit of the descriptor that says that entries have checksums. They are not needed: the frames have their own.
const CHECKSUMS: u8 = 0x80;
/// Those that must be zero. The lowest two may be anything.
const RESERVED: u8 = 0x7c;

/// Where each frame of a file is, compressed and plain. It takes 16 bytes of memory for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeekTable {
    /// Where each frame ends: compressed, and plain.
    ends: Vec<(u64, u64)>,
}

/// Where a frame is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableFrame {
    /// Its number, from 0.
    pub index: usize,
    /// Its bytes in the compressed file.
    pub compressed: Range<u64>,
    /// The bytes of the plain file that it holds: 16 MiB at most, and perhaps none.
    pub plain: Range<u64>,
}

impl SeekTable {
    /// Reads the table from the end of a file of `file_len` bytes. `tail` is the end: as much of it as the caller has, which
    /// may begin before the table.
    ///
    /// # Errors
    /// [`Error::NoTable`] if the file does not end with one; [`Error::ShortTail`] if `tail` does not have all of it;
    /// [`Error::Table`] if it cannot be that of this file, or is larger than anybody should read.
    ///
    /// ```
    /// use telestore_zstd::{Error, SeekTable};
    ///
    /// let nothing = [0x5e, 0x2a, 0x4d, 0x18, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0xb1, 0xea, 0x92, 0x8f];
    /// assert!(SeekTable::parse(&nothing, 17)?.is_empty());
    /// assert_eq!(SeekTable::parse(&nothing[8..], 17), Err(Error::ShortTail { needed: 17 }));
    /// assert_eq!(SeekTable::parse(b"some other file", 15), Err(Error::NoTable));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn parse(tail: &[u8], file_len: u64) -> Result<Self> {
        if tail.len() as u64 > file_len {
            return Err(Error::Table("more was read than the file has"));
        }
        let (count, entry) = footer(tail, file_len)?;
        let size = HEADER + count * entry + FOOTER;
        if size as u64 > file_len {
            return Err(Error::Table("it is longer than the file"));
        }
        let Some(begin) = tail.len().checked_sub(size) else {
            return Err(Error::ShortTail { needed: size });
        };
        let table = &tail[begin..];
        if number(table) != Some(SKIPPABLE) || number(&table[4..]) != u32::try_from(size - HEADER).ok() {
            return Err(Error::Table("it does not begin where it should"));
        }
        let entries = table[HEADER..size - FOOTER].chunks_exact(entry);
        let mut ends = Vec::with_capacity(count);
        let (mut compressed_end, mut plain_end) = (0_u64, 0_u64);
        for (compressed, plain) in entries.filter_map(|entry| number(entry).zip(number(&entry[4..]))) {
            if compressed == 0 || compressed as usize > MAX_COMPRESSED_SIZE || plain as usize > MAX_FRAME_SIZE
            {
                return Err(Error::Table("a frame is empty, or too large"));
            }
            compressed_end += u64::from(compressed);
            plain_end += u64::from(plain);
            ends.push((compressed_end, plain_end));
        }
        if compressed_end + size as u64 != file_len {
            return Err(Error::Table("the frames are not as long as the file"));
        }
        Ok(Self { ends })
    }

    /// How many plain bytes there are.
    pub fn len(&self) -> u64 {
        self.ends.last().map_or(0, |(_, plain)| *plain)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many frames there are.
    pub fn frames(&self) -> usize {
        self.ends.len()
    }

    /// The frame of this number.
    pub fn frame(&self, index: usize) -> Option<TableFrame> {
        let (compressed_end, plain_end) = *self.ends.get(index)?;
        let (compressed, plain) = index.checked_sub(1).map_or((0, 0), |before| self.ends[before]);
        Some(TableFrame { index, compressed: compressed..compressed_end, plain: plain..plain_end })
    }

    /// The frames that hold a range of the plain file, in their order. Each begins where the one before it ends, compressed and
    /// plain, so that they can be read in one go. What lies behind the end is left out.
    pub fn frames_of(&self, plain: Range<u64>) -> impl Iterator<Item = TableFrame> + use<'_> {
        let first = self.ends.partition_point(|(_, end)| *end <= plain.start);
        let end = if plain.is_empty() { 0 } else { plain.end.min(self.len()) };
        (first..self.ends.len())
            .filter_map(|index| self.frame(index))
            .take_while(move |frame| frame.plain.start < end)
    }
}

/// How many frames there are, and how many bytes an entry has.
fn footer(tail: &[u8], file_len: u64) -> Result<(usize, usize)> {
    let Some(footer) = tail.last_chunk::<FOOTER>() else {
        let needed = HEADER + FOOTER;
        return Err(if file_len < needed as u64 { Error::NoTable } else { Error::ShortTail { needed } });
    };
    if number(&footer[5..]) != Some(SEEKABLE) {
        return Err(Error::NoTable);
    }
    if footer[4] & RESERVED != 0 {
        return Err(Error::Table("it is of a later version"));
    }
    let count = number(footer).unwrap_or(u32::MAX) as usize;
    if count > MAX_FRAMES {
        return Err(Error::Table("it has too many frames"));
    }
    Ok((count, if footer[4] & CHECKSUMS == 0 { 8 } else { 12 }))
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// How long the table of so many frames is.
pub(crate) fn table_size(frames: usize) -> usize {
    HEADER + 8 * frames + FOOTER
}

/// The table of frames of these lengths, compressed and plain. There are no more than [`MAX_FRAMES`].
pub(crate) fn table_of(frames: impl ExactSizeIterator<Item = (u32, u32)>) -> Vec<u8> {
    let count = frames.len();
    let size = table_size(count);
    let mut table = Vec::with_capacity(size);
    table.extend_from_slice(&SKIPPABLE.to_le_bytes());
    table.extend_from_slice(&((size - HEADER) as u32).to_le_bytes());
    for (compressed, plain) in frames {
        table.extend_from_slice(&compressed.to_le_bytes());
        table.extend_from_slice(&plain.to_le_bytes());
    }
    table.extend_from_slice(&(count as u32).to_le_bytes());
    table.push(0);
    table.extend_from_slice(&SEEKABLE.to_le_bytes());
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: [(u32, u32); 5] = [(100, 1000), (12, 0), (90, 1000), (80, 1), (9, 0)];
    const FILE: u64 = 291 + 57;

    fn table() -> Vec<u8> {
        table_of(LENGTHS.into_iter())
    }

    #[test]
    fn what_is_written_is_read() {
        let read = SeekTable::parse(&table(), FILE).unwrap();
        assert_eq!((read.len(), read.frames()), (2001, 5));
        assert_eq!(read.frame(2), Some(TableFrame { index: 2, compressed: 112..202, plain: 1000..2000 }));
        assert_eq!(read.frame(5), None);
        let more = [&[7; 200][..], &table()].concat();
        assert_eq!(SeekTable::parse(&more, FILE).unwrap(), read, "what is before it does not matter");
    }

    #[test]
    fn a_range_finds_its_frames_in_one_piece() {
        let table = SeekTable::parse(&table(), FILE).unwrap();
        for (range, indices) in [
            (0..1, vec![0]),
            (0..1000, vec![0]),
            (999..1001, vec![0, 1, 2]),
            (1000..1001, vec![2]),
            (0..2001, vec![0, 1, 2, 3]),
            (2000..9999, vec![3]),
            (2001..u64::MAX, vec![]),
            (5..5, vec![]),
            (2001..2001, vec![]),
        ] {
            let frames: Vec<_> = table.frames_of(range.clone()).collect();
            assert_eq!(frames.iter().map(|frame| frame.index).collect::<Vec<_>>(), indices, "{range:?}");
            for two in frames.windows(2) {
                assert_eq!(two[0].compressed.end, two[1].compressed.start);
                assert_eq!(two[0].plain.end, two[1].plain.start);
            }
        }
    }

    #[test]
    fn entries_with_checksums_are_read() {
        let mut with = Vec::new();
        with.extend_from_slice(&table()[..4]);
        with.extend_from_slice(&(5 * 12 + 9_u32).to_le_bytes());
        for (compressed, plain) in LENGTHS {
            with.extend([compressed, plain, 0x1234_5678].iter().flat_map(|number| number.to_le_bytes()));
        }
        with.extend_from_slice(&5_u32.to_le_bytes());
        with.push(0x80 | 0x03);
        with.extend_from_slice(&SEEKABLE.to_le_bytes());
        let read = SeekTable::parse(&with, 291 + 77).unwrap();
        assert_eq!(read, SeekTable::parse(&table(), FILE).unwrap());
    }

    #[test]
    fn a_short_tail_says_how_much_is_needed() {
        for cut in 9..57 {
            let tail = &table()[57 - cut..];
            assert_eq!(SeekTable::parse(tail, FILE), Err(Error::ShortTail { needed: 57 }), "{cut}");
        }
        for cut in 0..9 {
            let tail = &table()[57 - cut..];
            assert_eq!(SeekTable::parse(tail, FILE), Err(Error::ShortTail { needed: 17 }), "{cut}");
        }
        for length in 0..17 {
            assert_eq!(SeekTable::parse(&vec![0; length], length as u64), Err(Error::NoTable));
        }
    }

    /// The table with four bytes changed.
    fn with(at: usize, number: u32) -> Vec<u8> {
        let mut table = table();
        table[at..at + 4].copy_from_slice(&number.to_le_bytes());
        table
    }

    #[test]
    fn a_hostile_table_is_refused() {
        let refused = |table: &[u8], file_len| match SeekTable::parse(table, file_len) {
            Err(Error::Table(why)) => why,
            other => panic!("{other:?}"),
        };
        let longer = refused(&table(), FILE + 1);
        assert_eq!(longer, "the frames are not as long as the file");
        assert_eq!(refused(&table(), FILE - 1), longer);
        assert_eq!(refused(&table(), 56), "more was read than the file has");
        assert_eq!(refused(&with(8, 101), FILE), longer);
        // Lengths that pass the end of the numbers one by one.
        assert_eq!(refused(&with(8, u32::MAX), FILE), "a frame is empty, or too large");
        assert_eq!(refused(&with(8, 0), FILE), "a frame is empty, or too large");
        assert_eq!(refused(&with(12, MAX_FRAME_SIZE as u32 + 1), FILE), "a frame is empty, or too large");
        assert_eq!(refused(&with(0, 0x184D_2A5F), FILE), "it does not begin where it should");
        assert_eq!(refused(&with(4, 50), FILE), "it does not begin where it should");
        assert_eq!(refused(&with(48, 4), FILE), "it does not begin where it should");
        assert_eq!(refused(&with(48, 42), FILE), "it is longer than the file");
        assert_eq!(refused(&with(48, u32::MAX), u64::MAX), "it has too many frames");
        for bit in 2..7 {
            let mut later = table();
            later[52] = 1 << bit;
            assert_eq!(refused(&later, FILE), "it is of a later version");
        }
        assert_eq!(SeekTable::parse(&with(53, 0), FILE), Err(Error::NoTable));
    }
}
