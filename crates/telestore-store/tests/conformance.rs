//! Every store against the one contract.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use telestore_store::{
    ChunkStore, Durability, Limits, LocalChunkStore, MemoryChunkStore, MemorySessionStore, SessionStore,
    SqliteSessionStore, testsuite,
};
use telestore_types::{FileName, NewUpload, StorageKey, Timestamp, Upload, UploadId};

/// A new path in `dir` with each call.
fn paths(dir: &Path) -> impl Fn() -> PathBuf {
    let (dir, last) = (dir.to_owned(), Cell::new(0));
    move || {
        last.set(last.get() + 1);
        dir.join(last.get().to_string())
    }
}

#[tokio::test]
async fn memory_sessions_keep_the_contract() {
    testsuite::session_store(|| async { MemorySessionStore::new() }).await;
}

#[tokio::test]
async fn sqlite_sessions_keep_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let path = paths(dir.path());
    testsuite::session_store(|| {
        let path = path();
        async { SqliteSessionStore::open(path).await.unwrap() }
    })
    .await;
}

#[tokio::test]
async fn durable_stores_keep_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let path = paths(dir.path());
    testsuite::session_store(|| {
        let path = path();
        async { SqliteSessionStore::open_durable(path, Durability::Disk).await.unwrap() }
    })
    .await;
    testsuite::chunk_store(|| {
        let store = LocalChunkStore::open(path()).unwrap();
        async { store.durable(Durability::Disk) }
    })
    .await;
}

#[tokio::test]
async fn memory_chunks_keep_the_contract() {
    testsuite::chunk_store(|| async { MemoryChunkStore::new() }).await;
}

#[tokio::test]
async fn local_chunks_keep_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let path = paths(dir.path());
    testsuite::chunk_store(|| {
        let store = LocalChunkStore::open(path()).unwrap();
        async { store }
    })
    .await;
    for spool in std::fs::read_dir(dir.path()).unwrap().map(|dir| dir.unwrap().path().join("spool")) {
        assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 0, "{} is not empty", spool.display());
    }
}

/// Stores are chosen at run time: what holds any store is one.
#[tokio::test]
async fn what_holds_a_store_keeps_the_contract() {
    testsuite::session_store(|| async { Arc::new(MemorySessionStore::new()) as Arc<dyn SessionStore> }).await;
    testsuite::session_store(|| async { Box::new(MemorySessionStore::new()) as Box<dyn SessionStore> }).await;
    testsuite::chunk_store(|| async { Arc::new(MemoryChunkStore::new()) as Arc<dyn ChunkStore> }).await;
    testsuite::chunk_store(|| async { Box::new(MemoryChunkStore::new()) as Box<dyn ChunkStore> }).await;
}

#[tokio::test]
async fn sqlite_sessions_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("telestore.db");
    let (id, file_name) = (UploadId::new("a").unwrap(), FileName::new("a.bin").unwrap());
    let new = NewUpload::new(id, StorageKey::from_random([1; 16]), file_name, Timestamp::from_millis(5));
    let upload = Upload::new(new.in_chunks(1, 1));
    let store = SqliteSessionStore::open(&path).await.unwrap();
    store.create(&upload, false, &Limits::NONE).await.unwrap();
    // No orderly close: a killed process has none either.
    drop(store);
    let store = SqliteSessionStore::open(&path).await.unwrap();
    assert_eq!(store.get(&upload.id).await.unwrap(), Some(upload));
}
