//! Reading a file in parts from its chunks, digests checked. `just bench-micro`.

use std::sync::Arc;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::BytesCount;
use telestore_merger::MergedFile;
use telestore_store::{ChunkRecord, ChunkStore, LocalChunkStore, MemoryChunkStore};
use telestore_types::{ByteSource, ChunkIndex, StorageKey};
use tokio::runtime::Runtime;

const CHUNK: usize = 5 * 1024 * 1024;
const CHUNKS: u32 = 8;
const PART: usize = 512 * 1024;

fn main() {
    divan::main();
}

#[divan::bench]
fn from_disk(bencher: Bencher<'_, '_>) {
    let dir = tempfile::tempdir().expect("a directory");
    parts(bencher, Arc::new(LocalChunkStore::open(dir.path()).expect("a store")));
}

#[divan::bench]
fn from_memory(bencher: Bencher<'_, '_>) {
    parts(bencher, Arc::new(MemoryChunkStore::new()));
}

fn parts(bencher: Bencher<'_, '_>, store: Arc<dyn ChunkStore>) {
    let runtime = Runtime::new().expect("a runtime");
    let chunks = runtime.block_on(fill(store.as_ref()));
    let length = CHUNK as u64 * u64::from(CHUNKS);
    bencher
        .counter(BytesCount::new(length))
        // A file is digested while it is read for the first time.
        .with_inputs(|| MergedFile::new(Arc::clone(&store), chunks.clone(), length).expect("a file"))
        .bench_refs(|file| {
            runtime.block_on(async {
                for offset in (0..length).step_by(PART) {
                    divan::black_box(file.read_at(offset, PART).await.expect("a part"));
                }
            });
        });
}

async fn fill(store: &dyn ChunkStore) -> Vec<ChunkRecord> {
    let key = StorageKey::from_random([1; 16]);
    let mut chunks = Vec::new();
    for index in 0..CHUNKS {
        let index = ChunkIndex::new(index, CHUNKS).expect("an index");
        let mut spool = store.spool().await.expect("a spool");
        spool.write(Bytes::from(vec![7; CHUNK])).await.expect("bytes are taken");
        let spooled = spool.finish().await.expect("a chunk");
        let (length, crc32c) = (spooled.length, spooled.crc32c);
        let blob = store.put(&key, index, spooled).await.expect("a blob");
        chunks.push(ChunkRecord::new(index, length, crc32c, blob));
    }
    chunks
}
