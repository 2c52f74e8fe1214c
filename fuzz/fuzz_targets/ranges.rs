//! Reads of a merged file, against the same reads of its bytes in one piece.
#![no_main]

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use telestore_merger::MergedFile;
use telestore_store::{ChunkRecord, ChunkStore, MemoryChunkStore};
use telestore_types::{ByteSource, ChunkIndex, StorageKey};
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().unwrap());

fuzz_target!(|input: &[u8]| {
    let _ = RUNTIME.block_on(compare(&mut Unstructured::new(input)));
});

async fn compare(input: &mut Unstructured<'_>) -> Result<()> {
    let store = MemoryChunkStore::new();
    let (mut whole, mut chunks) = (Vec::new(), Vec::new());
    let count = input.int_in_range(1..=6_u32)?;
    for index in 0..count {
        let length = input.int_in_range(1..=700_usize)?;
        let bytes: Vec<u8> = (0..length).map(|at| (at as u32 * 31 + index * 7 + 1) as u8).collect();
        whole.extend_from_slice(&bytes);
        chunks.push(stored(&store, index, count, bytes.into()).await);
    }
    let total = whole.len() as u64;
    // A length that is not theirs, and chunks that are not in order, are found before a byte is read.
    let declared = if input.ratio(1, 8)? { input.arbitrary()? } else { total };
    if input.ratio(1, 8)? {
        chunks.swap(0, count as usize - 1);
    }
    let in_order = chunks.iter().enumerate().all(|(at, chunk)| chunk.index.get() as usize == at);
    let file = MergedFile::new(Arc::new(store), chunks, declared);
    assert_eq!(file.is_ok(), declared == total && in_order);
    let Ok(file) = file else { return Ok(()) };
    while !input.is_empty() {
        let offset =
            if input.ratio(1, 8)? { input.arbitrary()? } else { input.int_in_range(0..=total + 2)? };
        let length =
            if input.ratio(1, 8)? { input.arbitrary()? } else { input.int_in_range(0..=whole.len() + 2)? };
        let end = offset.checked_add(length as u64).filter(|end| *end <= total);
        let read = file.read_at(offset, length).await;
        match end {
            Some(end) => assert_eq!(
                read.unwrap(),
                whole[offset as usize..end as usize],
                "{length} bytes from {offset}"
            ),
            None => assert!(read.is_err(), "{length} bytes from {offset} of {total}"),
        }
    }
    Ok(())
}

async fn stored(store: &MemoryChunkStore, index: u32, count: u32, bytes: Bytes) -> ChunkRecord {
    let index = ChunkIndex::new(index, count).unwrap();
    let mut spool = store.spool().await.unwrap();
    spool.write(bytes).await.unwrap();
    let spooled = spool.finish().await.unwrap();
    let (length, crc32c) = (spooled.length, spooled.crc32c);
    let blob = store.put(&StorageKey::from_random([1; 16]), index, spooled).await.unwrap();
    ChunkRecord::new(index, length, crc32c, blob)
}
