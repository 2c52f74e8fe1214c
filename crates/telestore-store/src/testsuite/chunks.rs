use std::future::Future;

use bytes::Bytes;
use sha2::{Digest as _, Sha256, Sha512};
use telestore_types::{ChunkIndex, ContentDigest, StorageKey};

use crate::{BlobName, ChunkStore, Digest, Error, Place};

/// Runs every check of the chunk store contract, each on a store of its own.
pub async fn chunk_store<S, F, R>(open: F)
where
    S: ChunkStore,
    F: Fn() -> R,
    R: Future<Output = S>,
{
    keeps_bytes(&open().await).await;
    deletes_bytes(&open().await).await;
    forgets_what_was_not_put(&open().await).await;
    gathers_small_pieces(&open().await).await;
    compares_digests(&open().await).await;
    super::sums::no_bytes_are_bytes(&open().await).await;
}

async fn put(store: &dyn ChunkStore, key: &StorageKey, index: u32, bytes: &[u8]) -> BlobName {
    let mut spool = store.spool().await.expect("spools");
    spool.write(Bytes::copy_from_slice(bytes)).await.expect("writes");
    let spooled = spool.finish().await.expect("finishes");
    assert_eq!((spooled.length, spooled.crc32c), (bytes.len() as u64, Digest::of(bytes)));
    store.put(key, ChunkIndex::new(index, 100).expect("good index"), spooled).await.expect("puts")
}

async fn keeps_bytes(store: &dyn ChunkStore) {
    let key = StorageKey::from_random([1; 16]);
    let (first, second) = (put(store, &key, 0, b"hello").await, put(store, &key, 0, b"world!").await);
    assert_ne!(first, second, "the same place twice has two names");
    assert_eq!(&store.read_at(&first, 0, 5).await.expect("reads")[..], b"hello");
    assert_eq!(&store.read_at(&second, 2, 3).await.expect("reads")[..], b"rld");
    assert!(
        matches!(store.read_at(&first, 3, 3).await, Err(Error::Missing)),
        "never fewer bytes than asked for"
    );
    let mut found: Vec<_> =
        store.list().await.expect("lists").into_iter().flat_map(|place| place.blobs).collect();
    found.sort();
    let mut expected = [first, second];
    expected.sort();
    assert_eq!(found, expected);
}

async fn deletes_bytes(store: &dyn ChunkStore) {
    let (key, other) = (StorageKey::from_random([1; 16]), StorageKey::from_random([2; 16]));
    let (gone, kept) = (put(store, &key, 0, b"a").await, put(store, &other, 0, b"b").await);
    store.delete(&gone).await.expect("deletes");
    store.delete(&gone).await.expect("deleting again is no error");
    assert!(matches!(store.read_at(&gone, 0, 1).await, Err(Error::Missing)));
    put(store, &key, 1, b"c").await;
    store.delete_all(&key).await.expect("deletes");
    store.delete_all(&key).await.expect("deleting again is no error");
    let left = store.list().await.expect("lists");
    assert_eq!(left, [Place { key: other, blobs: vec![kept] }]);
    put(store, &key, 2, b"d").await;
}

async fn forgets_what_was_not_put(store: &dyn ChunkStore) {
    let key = StorageKey::from_random([1; 16]);
    let mut spool = store.spool().await.expect("spools");
    spool.write(Bytes::from_static(b"dropped in the middle")).await.expect("writes");
    drop(spool);
    let spool = store.spool().await.expect("spools");
    drop(spool.finish().await.expect("finishes"));
    let mut spool = store.spool().await.expect("spools");
    spool.write(Bytes::from_static(b"left behind")).await.expect("writes");
    let left_behind = spool.finish().await.expect("finishes");
    store.clear_spool().await.expect("clears");
    let put = store.put(&key, ChunkIndex::new(0, 1).expect("good index"), left_behind).await;
    assert!(matches!(put, Err(Error::Missing)));
    assert!(store.list().await.expect("lists").is_empty());
}

async fn gathers_small_pieces(store: &dyn ChunkStore) {
    let key = StorageKey::from_random([1; 16]);
    let bytes: Vec<u8> = (0..600_000_u32).map(|n| u8::try_from(n % 251).unwrap_or(0)).collect();
    let mut spool = store.spool().await.expect("spools");
    let (mut rest, mut size) = (&bytes[..], 1);
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(size.min(rest.len()));
        spool.write(Bytes::copy_from_slice(piece)).await.expect("writes");
        (rest, size) = (tail, size % 9_000 + 37);
    }
    let spooled = spool.finish().await.expect("finishes");
    assert_eq!((spooled.length, spooled.crc32c), (bytes.len() as u64, Digest::of(&bytes)));
    let blob = store.put(&key, ChunkIndex::new(7, 8).expect("good index"), spooled).await.expect("puts");
    assert_eq!(&store.read_at(&blob, 0, bytes.len()).await.expect("reads")[..], &bytes[..]);
}

async fn compares_digests(store: &dyn ChunkStore) {
    let bytes: Vec<u8> = (0..1_300_000_u32).map(|n| u8::try_from(n % 251).unwrap_or(0)).collect();
    let right = [
        ContentDigest::Sha256(Sha256::digest(&bytes).into()),
        ContentDigest::Sha512(Sha512::digest(&bytes).into()),
        ContentDigest::Crc32c(Digest::of(&bytes)),
    ];
    let wrong = [ContentDigest::Sha256([1; 32]), ContentDigest::Sha512([1; 64]), ContentDigest::Crc32c(1)];
    let spool = async |digests: &[ContentDigest]| {
        let mut spool = store.spool().await.expect("spools");
        digests.iter().for_each(|digest| spool.expect(*digest));
        for piece in bytes.chunks(100_000) {
            spool.write(Bytes::copy_from_slice(piece)).await.expect("writes");
        }
        spool.finish().await
    };
    let spooled = spool(&right).await.expect("the digests are right");
    for (right, wrong) in right.into_iter().zip(wrong) {
        store.verify(&spooled, right).await.expect("the digest is right");
        let algorithm = right.algorithm();
        for found in [store.verify(&spooled, wrong).await, spool(&[right, wrong]).await.map(drop)] {
            assert!(matches!(found, Err(Error::DigestMismatch { algorithm: named }) if named == algorithm));
        }
    }
}
