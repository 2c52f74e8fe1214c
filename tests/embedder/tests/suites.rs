//! The parts, each through the suite that its trait has.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use embedder::bus::{LineBus, hub};
use embedder::counting::{Calls, CountingSessions};
use embedder::folder::{CHANNEL, FolderUploader};
use embedder::pack::PackChunkStore;
use telestore::progress::ProgressBus;
use telestore::store::{ChunkStore, SessionStore, SqliteSessionStore};
use telestore::types::{ChatId, ChunkIndex, StorageKey, StoredFile, TelegramCredentials, UploadId, UserId};
use telestore::uploader::TelegramUploader;
use telestore_uploader::testsuite::{Received, Subject, conformance, sha256};
use tokio::io::AsyncWriteExt;

/// Keeps folders until the end of a test.
#[derive(Default)]
struct Folders(Mutex<Vec<tempfile::TempDir>>);

impl Folders {
    fn make(&self) -> PathBuf {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_owned();
        self.0.lock().expect("no test has failed").push(folder);
        path
    }
}

#[tokio::test]
async fn the_pack_keeps_to_the_contract() {
    let folders = Folders::default();
    telestore_store::testsuite::chunk_store(async || {
        let store: Arc<dyn ChunkStore> = Arc::new(PackChunkStore::open(folders.make()).expect("opens"));
        (Arc::clone(&store), store)
    })
    .await;
}

#[tokio::test]
async fn the_pack_knows_after_a_kill_what_it_has_answered_for() {
    let folders = Folders::default();
    let folder = folders.make();
    let (key, index) = (StorageKey::from_random([7; 16]), ChunkIndex::new(0, 2).expect("an index"));
    let put = async |bytes: &'static str| {
        let store = PackChunkStore::open(&folder).expect("opens");
        let mut spool = store.spool().await.expect("spools");
        spool.write(bytes.into()).await.expect("writes");
        let spooled = spool.finish().await.expect("finishes");
        store.put(&key, index, spooled).await.expect("puts")
    };
    let first = put("hello").await;
    // Killed in the middle of a line.
    let journal = folder.join("journal");
    let mut cut = std::fs::read(&journal).expect("a journal");
    cut.extend(b"put spool/of-nobody 1 0+");
    std::fs::write(&journal, cut).expect("writes");
    let second = put("world").await;

    let store = PackChunkStore::open(&folder).expect("opens");
    for (name, bytes) in [(&first, "hello"), (&second, "world")] {
        assert_eq!(store.read_at(name, 0, 5).await.expect("reads"), bytes);
    }
    store.delete(std::slice::from_ref(&first)).await.expect("deletes");
    let names = PackChunkStore::open(&folder).expect("opens").list(None, 10).await.expect("lists");
    assert_eq!(names.into_iter().map(|blob| blob.name).collect::<Vec<_>>(), [second]);
}

#[tokio::test]
async fn the_counting_store_keeps_to_the_contract_of_the_one_in_it() {
    let (folders, calls) = (Folders::default(), Calls::default());
    telestore_store::testsuite::session_store(async || {
        let database = folders.make().join("uploads.db");
        let mut opened = Vec::new();
        for _ in 0..2 {
            let store: Arc<dyn SessionStore> =
                Arc::new(SqliteSessionStore::open(&database).await.expect("opens"));
            opened.push(CountingSessions::new(store, calls.clone()));
        }
        (opened.remove(0), opened.remove(0))
    })
    .await;
    assert!(calls.of("record_chunk") > 0 && calls.of("lease") > 0);
}

#[tokio::test]
async fn the_bus_of_lines_keeps_to_the_contract() {
    telestore_progress::testsuite::progress_bus(async || {
        let hub = hub().await.expect("a hub");
        let bus = async || LineBus::connect(hub).await.expect("connects");
        (bus().await, bus().await)
    })
    .await;
}

#[tokio::test]
async fn listeners_are_told_that_the_bus_of_lines_is_cut_off() {
    let hub = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = hub.local_addr().expect("an address");
    let (bus, dying) = tokio::join!(LineBus::connect(address), async {
        let (mut dying, _) = hub.accept().await.expect("a bus");
        dying.write_all(b"welcome\n").await.expect("is read");
        dying
    });
    let bus = bus.expect("connects");
    let mut listener = bus.subscribe(&UploadId::new("a").expect("an id"));
    drop(dying);
    assert_eq!(listener.next().await, None);
}

/// Shows the suite what lies in the folder.
struct Tested {
    uploader: Arc<FolderUploader>,
    folder: tempfile::TempDir,
}

#[async_trait]
impl Subject for Tested {
    fn uploader(&self) -> Arc<dyn TelegramUploader> {
        self.uploader.clone()
    }

    fn credentials(&self) -> TelegramCredentials {
        TelegramCredentials::new(UserId::new("somebody"), ChatId::new(CHANNEL).expect("a chat"))
    }

    async fn received(&self, stored: &StoredFile) -> Option<Received> {
        let path = self.uploader.path(stored.message_id());
        let (bytes, about) =
            (std::fs::read(&path).ok()?, std::fs::read_to_string(path.with_extension("txt")).ok()?);
        let mut lines = about.splitn(3, '\n').map(str::to_owned);
        Some(Received {
            length: bytes.len() as u64,
            sha256: sha256(&bytes),
            file_name: lines.next()?,
            mime_type: lines.next()?,
            caption: lines.next()?,
        })
    }

    async fn message_count(&self) -> usize {
        let files = std::fs::read_dir(self.folder.path()).expect("a folder").flatten();
        files.filter(|file| file.path().extension().is_some_and(|extension| extension == "txt")).count()
    }
}

#[tokio::test]
async fn the_folder_keeps_to_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    let uploader = Arc::new(FolderUploader::new(folder.path()));
    conformance(&Tested { uploader, folder }).await;
}
