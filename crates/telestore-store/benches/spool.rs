//! A chunk's way onto the disk: its digest, and gathering and writing it. `just bench-micro`.

use std::hint::black_box;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::BytesCount;
use telestore_store::{ChunkStore, Digest, LocalChunkStore};
use telestore_types::{ChunkIndex, StorageKey};
use tokio::runtime::Runtime;

const CHUNK: usize = 5 * 1024 * 1024;

fn main() {
    divan::main();
}

#[divan::bench]
fn crc32c(bencher: Bencher<'_, '_>) {
    let bytes = vec![7; CHUNK];
    bencher.counter(BytesCount::new(CHUNK)).bench(|| Digest::of(black_box(&bytes)));
}

/// In pieces as they come from a socket.
#[divan::bench(args = [4 * 1024, 64 * 1024, 1024 * 1024])]
fn spool_and_put(bencher: Bencher<'_, '_>, piece: usize) {
    let runtime = Runtime::new().expect("a runtime");
    let dir = tempfile::tempdir().expect("a directory");
    let store = LocalChunkStore::open(dir.path()).expect("a store");
    let (key, index) = (StorageKey::from_random([1; 16]), ChunkIndex::new(0, 1).expect("an index"));
    let bytes = Bytes::from(vec![7; CHUNK]);
    bencher.counter(BytesCount::new(CHUNK)).bench(|| {
        runtime.block_on(async {
            let mut spool = store.spool().await.expect("a spool");
            for start in (0..CHUNK).step_by(piece) {
                spool.write(bytes.slice(start..CHUNK.min(start + piece))).await.expect("bytes are taken");
            }
            let blob = store.put(&key, index, spool.finish().await.expect("a chunk")).await.expect("a blob");
            store.delete(&[blob]).await.expect("it goes");
        });
    });
}
