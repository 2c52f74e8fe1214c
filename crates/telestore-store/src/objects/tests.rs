//! The store on the client library's memory.

use std::time::Duration;

use futures_util::StreamExt;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::gathered::BLOCK;
use super::*;
use crate::{Digest, testsuite};

fn store(client: Arc<dyn ObjectStore>, options: &ObjectOptions) -> ObjectChunkStore {
    ObjectChunkStore::with(client, Cloud::S3, &Path::from("a/prefix"), options)
}

/// Two workers on one bucket.
fn twice(options: &ObjectOptions) -> (ObjectChunkStore, ObjectChunkStore) {
    let bucket: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    (store(Arc::clone(&bucket), options), store(bucket, options))
}

/// Each write takes a while, as over a network.
fn slowly(wait: Duration, options: &ObjectOptions) -> ObjectChunkStore {
    let config = ThrottleConfig { wait_put_per_call: wait, ..ThrottleConfig::default() };
    store(Arc::new(ThrottledStore::new(InMemory::new(), config)), options)
}

fn objects(store: &ObjectChunkStore) -> &Objects {
    match &store.0 {
        Kind::Objects(objects) => objects,
        Kind::Directory(_) => panic!("this is no bucket"),
    }
}

fn bytes(length: usize) -> Bytes {
    (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect::<Vec<u8>>().into()
}

async fn keys(store: &ObjectChunkStore) -> Vec<String> {
    let found = objects(store).bucket.list("chunks", None, 10_000).await.unwrap();
    found.into_iter().map(|object| object.key).collect()
}

/// Waits for what happens in the background.
async fn eventually(is_so: impl AsyncFn() -> bool) {
    let waited = timeout(Duration::from_secs(20), async {
        while !is_so().await {
            sleep(Duration::from_millis(2)).await;
        }
    });
    waited.await.expect("it has not come about");
}

#[tokio::test]
async fn objects_keep_the_contract() {
    testsuite::chunk_store(|| async { twice(&ObjectOptions::default()) }).await;
}

/// Of two blocks, so that all is cut as small as it can be.
#[tokio::test]
async fn objects_keep_the_contract_with_hardly_any_memory() {
    testsuite::chunk_store(|| async { twice(&ObjectOptions::default().memory_bytes(0)) }).await;
}

/// Fast clients, slow ones, and many of them, on a store that is slower than all: nobody waits for ever, and the budget
/// holds at each moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_stay_within_the_budget() {
    for (writers, blocks) in [(1, 2), (5, 2), (3, 16), (16, 64), (100, 64)] {
        let budget = blocks * BLOCK;
        let store = slowly(Duration::from_millis(1), &ObjectOptions::default().memory_bytes(budget));
        let whole = bytes(1_500_000);
        let mut running = JoinSet::new();
        for writer in 0..writers {
            let (store, whole) = (store.clone(), whole.clone());
            running.spawn(async move {
                let mut spool = store.spool().await.unwrap();
                for piece in whole.chunks(10_000 + writer * 1_000) {
                    spool.write(whole.slice_ref(piece)).await.unwrap();
                    assert!(objects(&store).budget.taken() <= budget);
                    tokio::task::yield_now().await;
                }
                let spooled = spool.finish().await.unwrap();
                assert_eq!((spooled.length, spooled.crc32c), (whole.len() as u64, Digest::of(&whole)));
                let key = StorageKey::from_random([1; 16]);
                let blob = store.put(&key, ChunkIndex::new(0, 1).unwrap(), spooled).await.unwrap();
                assert_eq!(store.read_at(&blob, 0, whole.len()).await.unwrap(), whole);
                store.delete(&[blob]).await.unwrap();
            });
        }
        let all = async {
            while let Some(done) = running.join_next().await {
                done.unwrap()
            }
        };
        timeout(Duration::from_secs(60), all).await.expect("somebody waits for ever");
        assert_eq!(objects(&store).budget.taken(), 0);
        assert_eq!(keys(&store).await, Vec::<String>::new());
    }
}

/// A client that holds much, and then stands still, is no wall for those that come later.
#[tokio::test]
async fn those_who_stand_still_leave_room() {
    let budget = 16 * BLOCK;
    let store = store(Arc::new(InMemory::new()), &ObjectOptions::default().memory_bytes(budget));
    let mut still = store.spool().await.unwrap();
    still.write(bytes(7 * BLOCK)).await.unwrap();
    let mut others = Vec::new();
    for _ in 0..8 {
        let mut spool = store.spool().await.unwrap();
        timeout(Duration::from_secs(20), spool.write(bytes(20 * BLOCK))).await.unwrap().unwrap();
        others.push(spool);
    }
    still.write(bytes(20 * BLOCK)).await.unwrap();
    others.push(still);
    for spool in others {
        let spooled = spool.finish().await.unwrap();
        store.discard(spooled).await.unwrap();
    }
    assert_eq!(keys(&store).await, Vec::<String>::new());
}

#[tokio::test]
async fn every_range_is_read_across_pieces() {
    let store = store(Arc::new(InMemory::new()), &ObjectOptions::default().memory_bytes(4 * BLOCK));
    let whole = bytes(5 * BLOCK + 77);
    let mut spool = store.spool().await.unwrap();
    spool.write(whole.clone()).await.unwrap();
    let spooled = spool.finish().await.unwrap();
    assert_eq!(keys(&store).await.len(), 3, "two blocks each");
    for step in [1_000, 30_000, BLOCK, 100_000, 300_000] {
        for from in [0, 1, BLOCK, 150_000] {
            // One behind the other, as a sender reads, and beside it another that begins over and over again.
            for offset in (from..whole.len()).step_by(step) {
                let upto = whole.len().min(offset + step);
                let read = store.read_at(&spooled.spool, offset as u64, upto - offset).await.unwrap();
                assert_eq!(read, whole.slice(offset..upto), "{offset}..{upto}");
                assert_eq!(store.read_at(&spooled.spool, 7, 9).await.unwrap(), whole.slice(7..16));
            }
        }
    }
    for (offset, length) in [(0, whole.len() + 1), (whole.len(), 1), (usize::MAX, 1)] {
        let read = store.read_at(&spooled.spool, offset as u64, length).await;
        assert!(matches!(read, Err(Error::Missing)), "{offset} {length}");
    }
}

#[tokio::test]
async fn what_a_client_leaves_in_the_middle_is_taken_away() {
    let store = slowly(Duration::from_millis(5), &ObjectOptions::default().memory_bytes(4 * BLOCK));
    let mut spool = store.spool().await.unwrap();
    spool.write(bytes(9 * BLOCK)).await.unwrap();
    assert!(!keys(&store).await.is_empty());
    drop(spool);
    eventually(async || keys(&store).await.is_empty()).await;
    // Finished, and its request was dropped before it was put.
    let mut spool = store.spool().await.unwrap();
    spool.write(bytes(9 * BLOCK)).await.unwrap();
    let spooled = spool.finish().await.unwrap();
    drop(spooled);
    eventually(async || keys(&store).await.is_empty()).await;
    assert_eq!(objects(&store).budget.taken(), 0);
}

/// Whichever handle puts it: the guard of the one that spooled it leaves it alone.
#[tokio::test]
async fn what_was_put_stays() {
    let (one, two) = twice(&ObjectOptions::default());
    let mut spool = one.spool().await.unwrap();
    spool.write("abc".into()).await.unwrap();
    let spooled = spool.finish().await.unwrap();
    let again = SpooledChunk::new(spooled.spool.clone(), 3, spooled.crc32c);
    let (key, index) = (StorageKey::from_random([1; 16]), ChunkIndex::new(0, 1).unwrap());
    let blob = two.put(&key, index, spooled).await.unwrap();
    assert_eq!(&two.read_at(&blob, 0, 3).await.unwrap()[..], b"abc");
    assert!(matches!(two.put(&key, index, again).await, Err(Error::Missing)), "it is put once");
    assert_eq!(keys(&one).await.len(), 1);
}

/// The process is killed: the pieces stay, and nobody may take them for those of a client that is slow.
#[tokio::test]
async fn pieces_of_the_dead_are_orphans_a_day_later() {
    let (one, two) = twice(&ObjectOptions::default().memory_bytes(0));
    let mut spool = one.spool().await.unwrap();
    spool.write(bytes(4 * BLOCK)).await.unwrap();
    eventually(async || keys(&two).await.len() == 3).await;
    // What a process that is killed does not do.
    std::mem::forget(spool);
    let now = std::time::SystemTime::now();
    let hours = async |hours: u64| {
        let later = now + Duration::from_secs(hours * 3600);
        listing::page(&objects(&two).bucket, None, 10, later).await.unwrap()
    };
    let young = hours(23).await;
    assert_eq!((young.len(), young[0].age, young[0].length), (1, Duration::ZERO, 3 * BLOCK as u64));
    let old = hours(26).await;
    assert!(old[0].age > Duration::from_secs(3600), "{:?}", old[0].age);
    assert_eq!(two.list(Some(&old[0].name), 10).await.unwrap(), []);
    two.delete(&[old[0].name.clone()]).await.unwrap();
    assert_eq!(keys(&two).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_not_the_stores_is_left_alone() {
    let bucket: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let store = store(Arc::clone(&bucket), &ObjectOptions::default());
    for key in ["a/prefix/chunks/README", "a/prefix/chunks/0/z1", "a/prefix/other", "chunks/x"] {
        bucket.put(&Path::from(key), "theirs".into()).await.unwrap();
    }
    assert_eq!(store.list(None, 10).await.unwrap(), []);
    store.delete(&[BlobName::new("chunks/README"), BlobName::new("other")]).await.unwrap();
    assert!(matches!(store.read_at(&BlobName::new("other"), 0, 1).await, Err(Error::Missing)));
    store.try_out().await.unwrap();
    store.clear_spool().await.unwrap();
    assert_eq!(bucket.list(None).count().await, 4);
}

/// A listing of many pages, each blob of many pieces.
#[tokio::test]
async fn pages_hold_whole_blobs() {
    let (one, two) = twice(&ObjectOptions::default().memory_bytes(0));
    let mut names = Vec::new();
    for blob in 0..30 {
        let mut spool = one.spool().await.unwrap();
        spool.write(bytes(BLOCK * 2 * blob + 1)).await.unwrap();
        let spooled = spool.finish().await.unwrap();
        names.push((spooled.spool.clone(), spooled.length));
        // Waits for nobody.
        std::mem::forget(spooled);
    }
    names.sort();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = two.list(after.as_ref(), 7).await.unwrap();
        let is_last = page.len() < 7;
        after = page.last().map(|blob| blob.name.clone());
        seen.extend(page.into_iter().map(|blob| (blob.name, blob.length)));
        if is_last {
            break;
        }
    }
    assert_eq!(seen, names);
    let names: Vec<BlobName> = names.into_iter().map(|(name, _)| name).collect();
    one.delete(&names).await.unwrap();
    assert_eq!(keys(&two).await, Vec::<String>::new());
}
