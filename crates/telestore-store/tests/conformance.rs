//! Every store against the one contract.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use std::time::Duration;

use telestore_store::{
    BlobName, Change, ChunkRecord, ChunkStore, Durability, Limits, LocalChunkStore, MemoryChunkStore,
    MemorySessionStore, NewChunk, SessionStore, SqliteSessionStore, testsuite,
};
use telestore_types::{ChunkIndex, FileName, NewUpload, StorageKey, Timestamp, Upload, UploadId, UserId};

/// A new path in `dir` with each call.
fn paths(dir: &Path) -> impl Fn() -> PathBuf {
    let (dir, last) = (dir.to_owned(), Cell::new(0));
    move || {
        last.set(last.get() + 1);
        dir.join(last.get().to_string())
    }
}

fn upload() -> Upload {
    let (id, file_name) = (UploadId::new("a").unwrap(), FileName::new("a.bin").unwrap());
    let new = NewUpload::new(id, StorageKey::from_random([1; 16]), file_name, Timestamp::from_millis(5));
    Upload::new(new.in_chunks(1, 1))
}

/// Two workers of one machine.
fn twice(root: &Path) -> (LocalChunkStore, LocalChunkStore) {
    (LocalChunkStore::open(root).unwrap(), LocalChunkStore::open(root).unwrap())
}

/// Two workers in one process.
fn clones<S: Clone>(store: S) -> (S, S) {
    (store.clone(), store)
}

#[tokio::test]
async fn memory_sessions_keep_the_contract() {
    testsuite::session_store(|| async {
        let store = MemorySessionStore::new();
        (store.clone(), store)
    })
    .await;
}

#[tokio::test]
async fn memory_sessions_wake_each_other() {
    let (one, two) = (MemorySessionStore::new(), MemorySessionStore::new());
    let beside = one.clone();
    let (mut heard, mut silent) = (beside.changes(), two.changes());
    let upload = Upload { user_id: Some(UserId::new("u")), ..upload() };
    one.create(&upload, false, &Limits::NONE).await.unwrap();
    let chunk = ChunkRecord::new(ChunkIndex::new(0, 1).unwrap(), 1, 7, BlobName::new("blob"));
    let (id, key, now) = (upload.id.clone(), upload.key.clone(), upload.created_at);
    one.record_chunk(NewChunk::new(id.clone(), key.clone(), chunk, now)).await.unwrap();
    one.complete(&id, &key, now).await.unwrap();
    assert_eq!(heard.next().await, Change::Queued);
    one.complete(&id, &key, now).await.unwrap();
    one.cancel(&id, &key, now).await.unwrap();
    assert_eq!(heard.next().await, Change::Cancelled(key), "asking again changes nothing");
    let other = tokio::time::timeout(Duration::from_millis(20), silent.next()).await;
    assert!(other.is_err(), "another store has not changed");
}

#[tokio::test]
async fn sqlite_sessions_keep_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let path = paths(dir.path());
    testsuite::session_store(|| {
        let path = path();
        async move {
            (SqliteSessionStore::open(&path).await.unwrap(), SqliteSessionStore::open(&path).await.unwrap())
        }
    })
    .await;
}

#[tokio::test]
async fn durable_stores_keep_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let path = paths(dir.path());
    testsuite::session_store(|| {
        let path = path();
        async move {
            let open = async || SqliteSessionStore::open_durable(&path, Durability::Disk).await.unwrap();
            (open().await, open().await)
        }
    })
    .await;
    testsuite::chunk_store(|| {
        let (one, two) = twice(&path());
        async { (one.durable(Durability::Disk), two.durable(Durability::Disk)) }
    })
    .await;
}

#[tokio::test]
async fn memory_chunks_keep_the_contract() {
    testsuite::chunk_store(|| async { clones(MemoryChunkStore::new()) }).await;
}

#[tokio::test]
async fn local_chunks_keep_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let path = paths(dir.path());
    testsuite::chunk_store(|| {
        let workers = twice(&path());
        async { workers }
    })
    .await;
    for spool in std::fs::read_dir(dir.path()).unwrap().map(|dir| dir.unwrap().path().join("spool")) {
        assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 0, "{} is not empty", spool.display());
    }
}

/// Two machines on one directory, of which each knows only the path.
#[cfg(feature = "object-store")]
#[tokio::test]
async fn a_shared_directory_keeps_the_contract() {
    use telestore_store::{ObjectChunkStore, ObjectOptions};

    let dir = tempfile::tempdir().unwrap();
    let path = paths(dir.path());
    for durability in [Durability::Process, Durability::Disk] {
        testsuite::chunk_store(|| {
            let root = path();
            std::fs::create_dir(&root).unwrap();
            let open = move || {
                let options = ObjectOptions::default().durability(durability);
                ObjectChunkStore::open(&format!("file://{}", root.display()), options).unwrap()
            };
            async move { (open(), open()) }
        })
        .await;
    }
    let missing = format!("file://{}/not-mounted", dir.path().display());
    let refused = ObjectChunkStore::open(&missing, ObjectOptions::default()).unwrap_err().to_string();
    assert!(refused.contains("make or mount it"), "{refused}");
}

/// Stores are chosen at run time: what holds any store is one.
#[tokio::test]
async fn what_holds_a_store_keeps_the_contract() {
    testsuite::session_store(|| async {
        let store = Arc::new(MemorySessionStore::new());
        (Arc::clone(&store) as Arc<dyn SessionStore>, Box::new(store) as Box<dyn SessionStore>)
    })
    .await;
    testsuite::chunk_store(|| async {
        let store = Arc::new(MemoryChunkStore::new());
        (Arc::clone(&store) as Arc<dyn ChunkStore>, Box::new(store) as Box<dyn ChunkStore>)
    })
    .await;
}

#[tokio::test]
async fn sqlite_sessions_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("telestore.db");
    let upload = upload();
    let store = SqliteSessionStore::open(&path).await.unwrap();
    store.create(&upload, false, &Limits::NONE).await.unwrap();
    // No orderly close: a killed process has none either.
    drop(store);
    let store = SqliteSessionStore::open(&path).await.unwrap();
    assert_eq!(store.get(&upload.id).await.unwrap(), Some(upload));
}

/// A killed worker has no time to clean up; the one that starts next does, beside others that live.
#[tokio::test]
async fn what_a_dead_worker_spooled_goes() {
    let dir = tempfile::tempdir().unwrap();
    let (dead, living) = twice(dir.path());
    let spool = async |store: &LocalChunkStore| {
        let mut spool = store.spool().await.unwrap();
        spool.write("abc".into()).await.unwrap();
        spool.finish().await.unwrap()
    };
    let (mut left, kept) = (spool(&dead).await, spool(&living).await);
    let name = left.spool.clone();
    // Its file stays and its lock goes, as when the process is killed.
    let file = dir.path().join(name.as_str());
    let copy = std::fs::read(&file).unwrap();
    let guard = left.guard.take();
    drop(guard);
    std::fs::write(&file, copy).unwrap();
    drop((left, dead));
    assert!(file.is_file());
    LocalChunkStore::open(dir.path()).unwrap().clear_spool().await.unwrap();
    assert!(!file.exists());
    living.read_at(&kept.spool, 0, 3).await.unwrap();
}

/// Chunks lie where 0.1 put them, and what it spooled goes.
#[tokio::test]
async fn a_directory_of_an_earlier_version_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let key = StorageKey::from_random([1; 16]);
    std::fs::create_dir_all(dir.path().join("spool")).unwrap();
    std::fs::create_dir_all(dir.path().join(format!("chunks/{key}"))).unwrap();
    std::fs::write(dir.path().join("spool/0123456789abcdef"), "left").unwrap();
    let name = format!("chunks/{key}/00000-0123456789abcdef");
    std::fs::write(dir.path().join(&name), "abc").unwrap();
    let store = LocalChunkStore::open(dir.path()).unwrap();
    store.clear_spool().await.unwrap();
    assert_eq!(std::fs::read_dir(dir.path().join("spool")).unwrap().count(), 0);
    let found = store.list(None, 9).await.unwrap();
    assert_eq!(found.iter().map(|blob| blob.name.as_str()).collect::<Vec<_>>(), [name.as_str()]);
    assert_eq!(&store.read_at(&found[0].name, 0, 3).await.unwrap()[..], b"abc");
    store.delete(&[found[0].name.clone()]).await.unwrap();
    assert_eq!(
        std::fs::read_dir(dir.path().join("chunks")).unwrap().count(),
        0,
        "its place goes with the last one"
    );
}
