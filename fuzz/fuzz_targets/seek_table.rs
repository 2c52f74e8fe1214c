//! The end of a compressed file: its seek table, and frames as somebody else may have made them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telestore_zstd::{Error, MAX_FRAME_SIZE, MAX_FRAMES, SeekTable, decompress_frame};

// The first eight bytes are the length of the file.
fuzz_target!(|input: &[u8]| {
    let Some((length, tail)) = input.split_first_chunk() else { return };
    let length = u64::from_le_bytes(*length);
    match SeekTable::parse(tail, length) {
        Ok(table) => sound(&table, length),
        Err(Error::ShortTail { needed }) => assert!(needed > tail.len() && needed as u64 <= length),
        Err(Error::NoTable | Error::Table(_)) => {}
        Err(other) => panic!("{other}"),
    }
    for plain in [0, 1, tail.len(), 4096] {
        if let Ok(bytes) = decompress_frame(tail, plain) {
            assert_eq!(bytes.len(), plain);
        }
    }
});

/// The frames lie one behind the other, and a range finds those that hold it.
fn sound(table: &SeekTable, length: u64) {
    assert!(table.frames() <= MAX_FRAMES);
    let (mut compressed, mut plain) = (0, 0);
    for index in 0..table.frames() {
        let frame = table.frame(index).unwrap();
        assert_eq!((frame.index, frame.compressed.start, frame.plain.start), (index, compressed, plain));
        assert!(
            frame.compressed.start < frame.compressed.end && frame.plain.end - plain <= MAX_FRAME_SIZE as u64
        );
        (compressed, plain) = (frame.compressed.end, frame.plain.end);
    }
    assert!(compressed < length);
    assert_eq!((plain, plain == 0), (table.len(), table.is_empty()));
    for range in [0..plain, 0..1, plain / 2..plain / 2 + 1, plain / 3..u64::MAX, plain..plain + 1] {
        let end = range.end.min(plain);
        let frames: Vec<_> = table.frames_of(range.clone()).collect();
        if range.start >= end {
            assert!(frames.is_empty());
            continue;
        }
        let (first, last) = (&frames[0], &frames[frames.len() - 1]);
        assert!(first.plain.start <= range.start && range.start < first.plain.end);
        assert!(last.plain.start < end && end <= last.plain.end);
        assert!(frames.windows(2).all(|two| two[0].compressed.end == two[1].compressed.start));
    }
}
