//! Files of other programs in the same format, which `tests/fixtures` has: `contrib.zst` of the code in zstd's own
//! `contrib/seekable_format`, with frames of 4000 bytes and checksums in the table, and `zeekstd.zst` of zeekstd 0.6, with frames of
//! about 3000 bytes whose headers do not tell a length.

use telestore_zstd::{SeekTable, decompress_frame};

fn reads_all_and_any_range(file: &[u8]) {
    let plain: Vec<u8> = (0..2000).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
    let table = SeekTable::parse(file, file.len() as u64).unwrap();
    assert_eq!(table.len(), plain.len() as u64);
    assert!(table.frames() > 3);
    for (begin, end) in
        [(0, plain.len()), (0, 1), (3999, 4001), (5000, 11_000), (plain.len() - 1, plain.len())]
    {
        let mut read = Vec::new();
        for frame in table.frames_of(begin as u64..end as u64) {
            let bytes = &file[frame.compressed.start as usize..frame.compressed.end as usize];
            let bytes = decompress_frame(bytes, (frame.plain.end - frame.plain.start) as usize).unwrap();
            let start = frame.plain.start as usize;
            read.extend_from_slice(&bytes[begin.max(start) - start..end.min(start + bytes.len()) - start]);
        }
        assert!(read == plain[begin..end], "{begin} to {end}");
    }
}

#[test]
fn files_of_zstds_own_code_are_read() {
    reads_all_and_any_range(include_bytes!("fixtures/contrib.zst"));
}

#[test]
fn files_of_zeekstd_are_read() {
    reads_all_and_any_range(include_bytes!("fixtures/zeekstd.zst"));
}
