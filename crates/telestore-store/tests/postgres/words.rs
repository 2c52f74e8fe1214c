//! What the tests are about.

use telestore_store::rules::NewExtent;
use telestore_store::{
    BlobName, ChunkRecord, Completed, Created, Limits, NewChunk, Owner, PostgresSessionStore, SessionStore,
};
use telestore_types::{
    ChunkIndex, Clock, Completion, FileName, NewUpload, StorageKey, SystemClock, Upload, UploadId, UserId,
    WorkerId,
};

pub(crate) fn worker(name: &str) -> WorkerId {
    WorkerId::new(name).unwrap()
}

pub(crate) fn owned(user: &str) -> Owner {
    Owner::new(UserId::new(user), b"sealed".to_vec())
}

/// An upload of two chunks of 5 bytes, with a key that no other has.
pub(crate) fn unowned(name: &str) -> Upload {
    let (id, file_name) = (UploadId::new(name).unwrap(), FileName::new("a.bin").unwrap());
    let new = NewUpload::new(id, StorageKey::from_random(rand::random()), file_name, SystemClock.now());
    Upload::new(new.in_chunks(10, 2))
}

/// One whose bytes follow each other.
pub(crate) fn appended(name: &str) -> Upload {
    let (id, file_name) = (UploadId::new(name).unwrap(), FileName::new("a.bin").unwrap());
    let new = NewUpload::new(id, StorageKey::from_random(rand::random()), file_name, SystemClock.now());
    Upload::new(new.appended(Some(10)))
}

pub(crate) fn chunk(index: u32, length: u64) -> ChunkRecord {
    let blob = BlobName::new(format!("{:032x}", rand::random::<u128>()));
    ChunkRecord::new(ChunkIndex::new(index, 100).unwrap(), length, 7, blob)
}

pub(crate) fn new_chunk(upload: &Upload, chunk: &ChunkRecord) -> NewChunk {
    NewChunk::new(upload.id.clone(), upload.key.clone(), chunk.clone(), SystemClock.now())
}

pub(crate) fn extent(upload: &Upload, at: u64, length: u64) -> NewExtent {
    let chunk = chunk(0, length);
    NewExtent::new(upload.id.clone(), upload.key.clone(), at, chunk.blob, SystemClock.now()).of(length, 7)
}

/// One that waits for a runner.
pub(crate) async fn queued(store: &PostgresSessionStore, user: &str, name: &str) -> Upload {
    let upload = unowned(name);
    assert_eq!(store.create(&upload, false, &Limits::NONE).await.unwrap(), Created::New);
    store.claim(&upload.id, &upload.key, &owned(user), &Limits::NONE).await.unwrap();
    for index in 0..2 {
        store.record_chunk(new_chunk(&upload, &chunk(index, 5))).await.unwrap();
    }
    match store.complete(&upload.id, &upload.key, SystemClock.now()).await.unwrap() {
        Completed::Accepted(Completion::Queued, upload) => *upload,
        other => panic!("not queued: {other:?}"),
    }
}
