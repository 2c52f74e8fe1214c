use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256, Sha512};
use telestore_types::{ChunkIndex, ContentDigest, StorageKey};

use crate::{Blob, BlobName, ChunkStore, Digest, Error, SpooledChunk};

/// Runs every check of the chunk store contract, each on a store of its own.
///
/// `open` makes an empty store and opens it twice, as two workers would: two processes on one directory, two clients of
/// one server. Each check runs with one of them first, and then with the other.
pub async fn chunk_store<A, B, F, R>(open: F)
where
    A: ChunkStore,
    B: ChunkStore,
    F: Fn() -> R,
    R: Future<Output = (A, B)>,
{
    macro_rules! check {
        ($($check:path),*) => {$(
            let (one, two) = open().await;
            $check(&one, &two).await;
            drop((one, two));
            let (one, two) = open().await;
            $check(&two, &one).await;
        )*};
    }
    check!(keeps_bytes, deletes_bytes, lists_by_page, takes_away_what_is_not_put);
    check!(leaves_the_spool_of_others_alone, gathers_small_pieces, compares_digests);
    check!(puts_at_once_have_names_of_their_own, no_bytes_are_bytes);
}

fn key(first: u8) -> StorageKey {
    StorageKey::from_random([first; 16])
}

fn index(index: u32) -> ChunkIndex {
    ChunkIndex::new(index, 100).expect("good index")
}

async fn spooled(store: &dyn ChunkStore, bytes: &[u8]) -> SpooledChunk {
    let mut spool = store.spool().await.expect("spools");
    spool.write(Bytes::copy_from_slice(bytes)).await.expect("writes");
    let spooled = spool.finish().await.expect("finishes");
    assert_eq!((spooled.length, spooled.crc32c), (bytes.len() as u64, Digest::of(bytes)));
    spooled
}

async fn put(store: &dyn ChunkStore, of: &StorageKey, at: u32, bytes: &[u8]) -> BlobName {
    let spooled = spooled(store, bytes).await;
    store.put(of, index(at), spooled).await.expect("puts")
}

async fn list(store: &dyn ChunkStore) -> Vec<Blob> {
    store.list(None, 1000).await.expect("lists")
}

async fn names(store: &dyn ChunkStore) -> Vec<BlobName> {
    list(store).await.into_iter().map(|blob| blob.name).collect()
}

fn sorted(mut names: Vec<BlobName>) -> Vec<BlobName> {
    names.sort();
    names
}

async fn keeps_bytes(one: &dyn ChunkStore, two: &dyn ChunkStore) {
    let (first, second) = (put(one, &key(1), 0, b"hello").await, put(two, &key(1), 0, b"world!").await);
    assert_ne!(first, second, "the same place twice has two names");
    for store in [one, two] {
        assert_eq!(&store.read_at(&first, 0, 5).await.expect("reads")[..], b"hello");
        assert_eq!(&store.read_at(&second, 2, 3).await.expect("reads")[..], b"rld");
        let more = store.read_at(&first, 3, 3).await;
        assert!(matches!(more, Err(Error::Missing)), "never fewer bytes than asked for");
        assert_eq!(names(store).await, sorted(vec![first.clone(), second.clone()]));
    }
}

async fn deletes_bytes(one: &dyn ChunkStore, two: &dyn ChunkStore) {
    let (gone, kept) = (put(one, &key(1), 0, b"a").await, put(one, &key(2), 0, b"b").await);
    two.delete(std::slice::from_ref(&gone)).await.expect("deletes what another worker has put");
    for store in [one, two] {
        store.delete(std::slice::from_ref(&gone)).await.expect("deleting again is no error");
        assert!(matches!(store.read_at(&gone, 0, 1).await, Err(Error::Missing)));
        assert_eq!(names(store).await, std::slice::from_ref(&kept));
    }
    let more = [put(one, &key(1), 1, b"c").await, gone, put(two, &key(1), 2, b"d").await];
    one.delete(&more).await.expect("deletes many, one of which is not there");
    one.delete(&[]).await.expect("deletes none");
    assert_eq!(names(two).await, [kept]);
    put(two, &key(1), 2, b"e").await;
}

async fn lists_by_page(one: &dyn ChunkStore, two: &dyn ChunkStore) {
    assert!(list(two).await.is_empty());
    let mut all = Vec::new();
    for at in 0..7 {
        all.push(put(if at % 2 == 0 { one } else { two }, &key(u8::from(at > 3)), at, b"abc").await);
    }
    let kept = spooled(one, b"not put").await;
    let all = sorted(all);
    for limit in [1, 2, 3, 7, 8] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = two.list(after.as_ref(), limit).await.expect("lists");
            assert!(page.len() <= limit, "a page of {limit} has {}", page.len());
            after = page.last().map(|blob| blob.name.clone());
            let is_last = page.len() < limit;
            // A store without a rename may show what is finished and not put.
            seen.extend(page.into_iter().map(|blob| blob.name).filter(|name| *name != kept.spool));
            if is_last {
                break;
            }
        }
        assert_eq!(seen, all, "in order, each once, in pages of {limit}");
    }
    for blob in list(two).await {
        assert!(blob.length >= 3, "{} bytes for 3", blob.length);
        assert!(blob.age < Duration::from_secs(60), "it is not older than this check: {:?}", blob.age);
    }
    one.discard(kept).await.expect("discards");
}

async fn takes_away_what_is_not_put(one: &dyn ChunkStore, two: &dyn ChunkStore) {
    let mut spool = one.spool().await.expect("spools");
    spool.write(Bytes::from_static(b"dropped in the middle")).await.expect("writes");
    drop(spool);
    let discarded = spooled(one, b"refused").await;
    let name = discarded.spool.clone();
    one.discard(discarded).await.expect("discards");
    for store in [one, two] {
        assert!(matches!(store.read_at(&name, 0, 1).await, Err(Error::Missing)), "what is discarded is gone");
        assert!(list(store).await.is_empty());
    }
}

/// A worker that starts clears the spool of the dead, and others live.
async fn leaves_the_spool_of_others_alone(one: &dyn ChunkStore, two: &dyn ChunkStore) {
    let mut arriving = one.spool().await.expect("spools");
    arriving.write(Bytes::from_static(b"not yet ")).await.expect("writes");
    let mut waiting = spooled(one, b"put later").await;
    for store in [two, one] {
        store.clear_spool().await.expect("clears");
        assert_eq!(&one.read_at(&waiting.spool, 4, 5).await.expect("reads")[..], b"later");
        let name = one.put(&key(1), index(0), waiting).await.expect("puts after another one has cleared");
        assert_eq!(&two.read_at(&name, 0, 9).await.expect("reads")[..], b"put later");
        waiting = spooled(one, b"put later").await;
    }
    arriving.write(Bytes::from_static(b"at its end")).await.expect("goes on");
    let arrived = arriving.finish().await.expect("finishes");
    two.clear_spool().await.expect("clears");
    let name = one.put(&key(1), index(1), arrived).await.expect("puts");
    assert_eq!(&two.read_at(&name, 0, 18).await.expect("reads")[..], b"not yet at its end");
    one.discard(waiting).await.expect("discards");
    assert_eq!(names(two).await.len(), 3, "what was put stays as well");
}

/// Two workers that put one chunk at the same moment, and a third thing that deletes beside them.
async fn puts_at_once_have_names_of_their_own(one: &dyn ChunkStore, two: &dyn ChunkStore) {
    let mut last = Vec::new();
    let key = key(1);
    for round in 0..20 {
        let (first, second) = (spooled(one, b"one").await, spooled(two, b"two").await);
        let (first, second, deleted) =
            tokio::join!(one.put(&key, index(0), first), two.put(&key, index(0), second), one.delete(&last));
        deleted.expect("deletes");
        last = vec![first.expect("puts"), second.expect("puts")];
        assert_eq!(&two.read_at(&last[0], 0, 3).await.expect("reads")[..], b"one", "round {round}");
        assert_eq!(&one.read_at(&last[1], 0, 3).await.expect("reads")[..], b"two", "round {round}");
    }
    assert_eq!(names(one).await, sorted(last));
}

async fn gathers_small_pieces(one: &dyn ChunkStore, two: &dyn ChunkStore) {
    let bytes: Vec<u8> = (0..600_000_u32).map(|n| u8::try_from(n % 251).unwrap_or(0)).collect();
    let mut spool = one.spool().await.expect("spools");
    let (mut rest, mut size) = (&bytes[..], 1);
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(size.min(rest.len()));
        spool.write(Bytes::copy_from_slice(piece)).await.expect("writes");
        (rest, size) = (tail, size % 9_000 + 37);
    }
    let spooled = spool.finish().await.expect("finishes");
    assert_eq!((spooled.length, spooled.crc32c), (bytes.len() as u64, Digest::of(&bytes)));
    let blob = one.put(&key(1), index(7), spooled).await.expect("puts");
    assert_eq!(&two.read_at(&blob, 0, bytes.len()).await.expect("reads")[..], &bytes[..]);
}

async fn compares_digests(one: &dyn ChunkStore, _: &dyn ChunkStore) {
    let bytes: Vec<u8> = (0..1_300_000_u32).map(|n| u8::try_from(n % 251).unwrap_or(0)).collect();
    let right = [
        ContentDigest::Sha256(Sha256::digest(&bytes).into()),
        ContentDigest::Sha512(Sha512::digest(&bytes).into()),
        ContentDigest::Crc32c(Digest::of(&bytes)),
    ];
    let wrong = [ContentDigest::Sha256([1; 32]), ContentDigest::Sha512([1; 64]), ContentDigest::Crc32c(1)];
    let spool = async |digests: &[ContentDigest]| {
        let mut spool = one.spool().await.expect("spools");
        digests.iter().for_each(|digest| spool.expect(*digest));
        for piece in bytes.chunks(100_000) {
            spool.write(Bytes::copy_from_slice(piece)).await.expect("writes");
        }
        spool.finish().await
    };
    let spooled = spool(&right).await.expect("the digests are right");
    for (right, wrong) in right.into_iter().zip(wrong) {
        one.verify(&spooled, right).await.expect("the digest is right");
        let algorithm = right.algorithm();
        for found in [one.verify(&spooled, wrong).await, spool(&[right, wrong]).await.map(drop)] {
            assert!(matches!(found, Err(Error::DigestMismatch { algorithm: named }) if named == algorithm));
        }
    }
}

/// Of a chunk without bytes there is a name as of any other.
async fn no_bytes_are_bytes(one: &dyn ChunkStore, two: &dyn ChunkStore) {
    let spool = one.spool().await.expect("spools");
    let spooled = spool.finish().await.expect("finishes");
    assert_eq!((spooled.length, spooled.crc32c), (0, 0));
    let blob = one.put(&key(3), index(1), spooled).await.expect("puts");
    for store in [one, two] {
        assert_eq!(store.read_at(&blob, 0, 0).await.expect("reads").len(), 0);
        assert!(store.read_at(&blob, 0, 1).await.is_err(), "there is nothing");
        assert_eq!(names(store).await, std::slice::from_ref(&blob));
    }
    two.delete(&[blob]).await.expect("deletes");
    assert!(list(one).await.is_empty());
}
