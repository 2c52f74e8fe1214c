//! An engine in memory, and the shortest words for what a client does with it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use telestore::backend::{Error as BackendError, MockCredentialProvider, WebhookSender};
use telestore::store::{ChunkStore, MemoryChunkStore, MemorySessionStore, SessionStore, SpooledChunk};
use telestore::types::{
    ChatId, FileName, ManualClock, Secret, TelegramCredentials, Timestamp, Upload, UploadEvent, UploadId,
    UploadState, UserId, WorkerId,
};
use telestore::uploader::TelegramUploader;
use telestore::{
    Caller, ChunkReceipt, EngineConfig, FileInfo, IncomingChunk, Result, Sealer, Telestore, TelestoreBuilder,
};

use tokio::time::Instant;

use crate::hooks::Hooked;
use crate::uploader::Scripted;

pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_763_790_000_000);

/// The token that most tests use; its user is `alice`.
pub(crate) const TOKEN: &str = "alice-1";

pub(crate) fn token(text: &str) -> Secret {
    Secret::new(text)
}

pub(crate) fn id(name: &str) -> UploadId {
    UploadId::new(name).unwrap()
}

/// Pauses that no jitter makes shorter than a test's patience, and patience with scripts that acknowledge nothing, on a disk as full as it may
/// be.
pub(crate) fn config() -> EngineConfig {
    EngineConfig::default().with(|config| {
        config.retry_first_pause = HOUR;
        config.retry_max_pause = HOUR;
        config.min_free_bytes = 0;
        config.stall_timeout = HOUR * 24;
        config.alone = true;
    })
}

pub(crate) fn credentials(user: &str) -> TelegramCredentials {
    let chat = ChatId::new("-1001234567890").unwrap();
    TelegramCredentials::new(UserId::new(user), chat).with_bot(Secret::new("1:bot"))
}

/// The tokens whose credentials were forgotten.
pub(crate) type Forgotten = Arc<Mutex<Vec<String>>>;

/// `alice-1` and `alice-2` are tokens of `alice`; what begins with `bad` is a token of nobody.
pub(crate) fn provider(forgotten: &Forgotten) -> MockCredentialProvider {
    let mut provider = MockCredentialProvider::new();
    provider.expect_credentials().returning(|token| match token.expose().split('-').next() {
        None | Some("bad") => Err(BackendError::InvalidToken),
        Some(user) => Ok(Arc::new(credentials(user))),
    });
    provider.expect_reach().returning(|| Ok(()));
    let forgotten = Arc::clone(forgotten);
    provider.expect_forget().returning(move |token| {
        forgotten.lock().unwrap().push(token.expose().to_owned());
    });
    provider
}

/// An engine and everything around it. Clones of the stores are the same stores.
pub(crate) struct World {
    pub(crate) engine: Telestore,
    pub(crate) sessions: Hooked<MemorySessionStore>,
    pub(crate) chunks: Hooked<MemoryChunkStore>,
    pub(crate) clock: ManualClock,
    pub(crate) uploader: Scripted,
    pub(crate) forgotten: Forgotten,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// A world whose engine differs by `change`.
    pub(crate) fn with(change: impl FnOnce(TelestoreBuilder) -> TelestoreBuilder) -> Self {
        let uploader = Scripted::new();
        Self::sending_with(uploader.clone(), |builder| change(builder.uploader(uploader)))
    }

    pub(crate) fn telling(webhooks: impl WebhookSender) -> Self {
        Self::with(|builder| builder.webhooks(webhooks))
    }

    /// A world whose uploaders `change` adds.
    pub(crate) fn sending_with(
        uploader: Scripted,
        change: impl FnOnce(TelestoreBuilder) -> TelestoreBuilder,
    ) -> Self {
        let sessions = Hooked::new(MemorySessionStore::new());
        let chunks = Hooked::new(MemoryChunkStore::new());
        let (clock, forgotten) = (ManualClock::new(NOW), Forgotten::default());
        let builder = engine_on(sessions.clone(), chunks.clone(), &clock, &forgotten);
        let engine = change(builder).build().unwrap();
        Self { engine, sessions, chunks, clock, uploader, forgotten }
    }

    /// Another engine on the same stores under the same name, as in the next process.
    pub(crate) fn second_engine(&self, uploader: impl TelegramUploader) -> Telestore {
        self.another(uploader).build().unwrap()
    }

    /// Another engine on the same stores under another name, as in a process beside this one.
    pub(crate) fn peer(&self, uploader: impl TelegramUploader) -> Telestore {
        self.another(uploader).worker(WorkerId::new("peer").unwrap()).build().unwrap()
    }

    pub(crate) fn another(&self, uploader: impl TelegramUploader) -> TelestoreBuilder {
        engine_on(self.sessions.clone(), self.chunks.clone(), &self.clock, &self.forgotten).uploader(uploader)
    }

    pub(crate) async fn stored(&self, name: &str) -> Upload {
        self.sessions.inner.get(&id(name)).await.unwrap().expect("is there")
    }

    pub(crate) async fn progress(&self, name: &str) -> UploadEvent {
        self.engine.progress(&id(name), &Caller::nobody()).await.unwrap()
    }

    /// Has a file of one chunk taken in and completed.
    pub(crate) async fn queue(&self, name: &str) {
        queue(&self.engine, name).await;
    }

    /// Steps until nothing is due, and says how many steps that took.
    pub(crate) async fn drain(&self) -> usize {
        let mut steps = 0;
        while self.engine.step().await.unwrap() {
            steps += 1;
            assert!(steps < 100, "the queue never drains");
        }
        steps
    }
}

pub(crate) fn engine_on(
    sessions: impl SessionStore,
    chunks: impl ChunkStore,
    clock: &ManualClock,
    forgotten: &Forgotten,
) -> TelestoreBuilder {
    Telestore::builder()
        .sessions(sessions)
        .chunks(chunks)
        .clock(clock.clone())
        .credentials(provider(forgotten))
        .sealer(Sealer::from_secret(&"the key of these tests".into()))
        .worker(WorkerId::new("the-same-each-time").unwrap())
        .config(config())
}

pub(crate) fn file(name: &str, file_size: u64, total_chunks: u32) -> FileInfo {
    FileInfo::new(id(name), FileName::new("film.mp4").unwrap(), file_size, total_chunks)
}

pub(crate) fn chunk_of(file: FileInfo, index: u32) -> IncomingChunk {
    IncomingChunk::new(file, index)
}

pub(crate) async fn spooled(engine: &Telestore, bytes: &[u8]) -> SpooledChunk {
    let mut spool = engine.spool().await.unwrap();
    spool.write(Bytes::copy_from_slice(bytes)).await.unwrap();
    spool.finish().await.unwrap()
}

/// Sends one chunk of `file` with [`TOKEN`].
pub(crate) async fn send_chunk(
    engine: &Telestore,
    file: &FileInfo,
    index: u32,
    bytes: &[u8],
) -> Result<ChunkReceipt> {
    let spooled = spooled(engine, bytes).await;
    engine.write_chunk(&chunk_of(file.clone(), index), spooled, &Caller::from(token(TOKEN))).await
}

/// The bytes of what [`queue`] sends.
pub(crate) const BODY: &[u8] = b"hello telegram";

pub(crate) async fn queue(engine: &Telestore, name: &str) {
    send_chunk(engine, &file(name, BODY.len() as u64, 1), 0, BODY).await.unwrap();
    engine.complete(&id(name), &Caller::nobody()).await.unwrap();
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Has a file of `user` taken in and completed.
pub(crate) async fn queue_of(world: &World, user: &str, name: &str) {
    let token = token(&format!("{user}-1"));
    let bytes = spooled(&world.engine, BODY).await;
    let chunk = chunk_of(file(name, BODY.len() as u64, 1), 0);
    world.engine.write_chunk(&chunk, bytes, &Caller::from(&token)).await.unwrap();
    world.engine.complete(&id(name), &Caller::from(&token)).await.unwrap();
}

/// How long it takes until an upload is in the channel.
pub(crate) async fn completed(world: &World, name: &str) -> Duration {
    let began = Instant::now();
    while world.stored(name).await.state != UploadState::Completed {
        tokio::time::sleep(SECOND / 10).await;
        assert!(began.elapsed() < HOUR, "never");
    }
    began.elapsed()
}

/// Waits until so many attempts have begun.
pub(crate) async fn began(world: &World, attempts: usize) {
    while world.uploader.attempts() < attempts {
        tokio::time::sleep(SECOND / 10).await;
    }
}

/// A world whose engine's limits and times differ by `change`.
pub(crate) fn with(change: impl FnOnce(&mut EngineConfig)) -> World {
    World::with(|builder| builder.config(config().with(change)))
}
