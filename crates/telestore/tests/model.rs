//! Random interleavings of everything that can happen to three uploads, of which one is appended to, against a model of a few lines.
//!
//! The engine and the model must give the same answer to every call, show the same state after it, and put the same
//! files into the channel, even if the process dies in the middle of a send.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use proptest::prelude::*;
use telestore::backend::{NoWebhook, StaticCredentialProvider};
use telestore::store::{MemoryChunkStore, MemorySessionStore};
use telestore::types::{
    ChatId, FileName, MAX_CRASHES, ManualClock, ResumeState, Secret, StoredAs, StoredFile, StoredMessage,
    TelegramCredentials, UploadId, UploadStatus, UserId,
};
use telestore::uploader::{
    Capability, Error as UploaderError, ErrorKind, ProgressSink, Requirement, TelegramUploader, UploadRequest,
};
use telestore::{Caller, EngineConfig, Error, FileInfo, IncomingChunk, NewFile, Sealer, Telestore};
use tokio::sync::Notify;

const CHUNKS: u32 = 3;
const CHUNK_BYTES: u64 = 4;
const FILE_BYTES: u64 = CHUNK_BYTES * CHUNKS as u64;
const IDS: [&str; 3] = ["a", "b", "c"];

/// The upload that is appended to: its chunk `n` goes to offset `n * CHUNK_BYTES`.
const APPENDED: usize = 2;

/// What may happen next. The first number says to which upload.
#[derive(Debug, Clone, Copy)]
enum Op {
    Init(usize),
    /// Index, and which bytes: two that fit and one that is too long.
    Chunk(usize, u32, u8),
    Complete(usize),
    Cancel(usize),
    Send(Outcome),
    Restart,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Sent,
    Refused,
    Unavailable,
    /// The message is made, and the process dies before it hears of it.
    KilledAfterTheMessage,
    KilledBeforeTheMessage,
    /// By a way that could not make the same message again: nobody knows.
    KilledInDoubt,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let id = 0..IDS.len();
    let outcome = prop_oneof![
        4 => Just(Outcome::Sent),
        1 => Just(Outcome::Refused),
        1 => Just(Outcome::Unavailable),
        1 => Just(Outcome::KilledAfterTheMessage),
        1 => Just(Outcome::KilledBeforeTheMessage),
        1 => Just(Outcome::KilledInDoubt),
    ];
    let bytes = prop_oneof![8 => Just(0_u8), 2 => Just(1), 1 => Just(2)];
    let op = prop_oneof![
        1 => id.clone().prop_map(Op::Init),
        8 => (id.clone(), 0..CHUNKS, bytes).prop_map(|(id, index, bytes)| Op::Chunk(id, index, bytes)),
        4 => id.clone().prop_map(Op::Complete),
        1 => id.prop_map(Op::Cancel),
        4 => outcome.prop_map(Op::Send),
        1 => Just(Op::Restart),
    ];
    prop::collection::vec(op, 1..60)
}

fn piece(id: usize, index: u32, bytes: u8) -> Vec<u8> {
    let letter = b'A' + u8::try_from(id).unwrap() * 8 + u8::try_from(index).unwrap();
    vec![if bytes == 1 { letter.to_ascii_lowercase() } else { letter }; if bytes == 2 { 5 } else { 4 }]
}

// The model.

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Absent,
    Receiving,
    Queued,
    Completed,
    Failed,
    Cancelled,
}

#[derive(Debug, Clone)]
struct Life {
    state: State,
    chunks: BTreeMap<u32, u8>,
    queued_at: usize,
    /// The file of a message that was made in a send that died.
    made: Option<Vec<u8>>,
    /// Sends of this run that died.
    crashes: u32,
}

impl Life {
    fn new(state: State) -> Self {
        Self { state, chunks: BTreeMap::new(), queued_at: 0, made: None, crashes: 0 }
    }

    fn file(&self, id: usize) -> Vec<u8> {
        self.chunks.iter().flat_map(|(index, bytes)| piece(id, *index, *bytes)).collect()
    }
}

#[derive(Debug)]
struct Model {
    lives: Vec<Life>,
    channel: Vec<Vec<u8>>,
    time: usize,
}

/// How a call ended, as far as the model cares.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Said {
    Yes,
    TooLate,
    NotFound,
    Missing,
    WrongSize,
    Elsewhere,
    Conflict,
    Sent,
    NothingToSend,
}

impl Model {
    fn apply(&mut self, op: Op) -> Said {
        self.time += 1;
        match op {
            Op::Init(id) => {
                if matches!(self.lives[id].state, State::Absent | State::Cancelled) {
                    self.lives[id] = Life::new(State::Receiving);
                }
                Said::Yes
            }
            Op::Chunk(APPENDED, index, bytes) => self.append(index, bytes),
            Op::Chunk(id, index, bytes) => self.chunk(id, index, bytes),
            Op::Complete(id) => self.complete(id),
            Op::Cancel(id) => {
                let life = &mut self.lives[id];
                match life.state {
                    State::Completed => return Said::TooLate,
                    State::Absent => {}
                    _ => *life = Life::new(State::Cancelled),
                }
                Said::Yes
            }
            Op::Send(outcome) => self.send(outcome),
            Op::Restart => Said::Yes,
        }
    }

    fn chunk(&mut self, id: usize, index: u32, bytes: u8) -> Said {
        let life = &mut self.lives[id];
        match life.state {
            State::Cancelled => return Said::Conflict,
            State::Queued | State::Completed if life.chunks.get(&index) == Some(&bytes) => return Said::Yes,
            State::Queued | State::Completed => return Said::Conflict,
            State::Absent => *life = Life::new(State::Receiving),
            State::Receiving | State::Failed => {}
        }
        // One in the place of another may be the first of several, so that their sum says nothing yet.
        let is_new = !life.chunks.contains_key(&index);
        if is_new && life.file(id).len() + piece(id, index, bytes).len() > FILE_BYTES as usize {
            return Said::WrongSize;
        }
        if life.chunks.insert(index, bytes).is_some_and(|old| old != bytes) {
            // Other bytes are another file: what a dead send has made of the old ones stands on its own.
            life.made = None;
        }
        Said::Yes
    }

    fn append(&mut self, index: u32, bytes: u8) -> Said {
        let life = &mut self.lives[APPENDED];
        match life.state {
            State::Absent => return Said::NotFound,
            State::Receiving => {}
            _ => return Said::Conflict,
        }
        let received = life.file(APPENDED).len();
        if received != index as usize * CHUNK_BYTES as usize {
            return Said::Elsewhere;
        }
        if received + piece(APPENDED, index, bytes).len() > FILE_BYTES as usize {
            return Said::WrongSize;
        }
        life.chunks.insert(index, bytes);
        Said::Yes
    }

    fn complete(&mut self, id: usize) -> Said {
        let time = self.time;
        let life = &mut self.lives[id];
        match life.state {
            State::Absent => Said::NotFound,
            State::Cancelled => Said::Conflict,
            State::Queued | State::Completed => Said::Yes,
            State::Receiving | State::Failed if id != APPENDED && life.chunks.len() < CHUNKS as usize => {
                Said::Missing
            }
            State::Receiving | State::Failed if life.file(id).len() != FILE_BYTES as usize => Said::WrongSize,
            State::Receiving | State::Failed => {
                (life.state, life.queued_at, life.crashes) = (State::Queued, time, 0);
                Said::Yes
            }
        }
    }

    fn send(&mut self, outcome: Outcome) -> Said {
        let queued = (0..IDS.len()).filter(|id| self.lives[*id].state == State::Queued);
        let Some(id) = queued.min_by_key(|id| self.lives[*id].queued_at) else { return Said::NothingToSend };
        let file = self.lives[id].file(id);
        let life = &mut self.lives[id];
        if matches!(outcome, Outcome::Sent | Outcome::KilledAfterTheMessage) && life.made.is_none() {
            self.channel.push(file.clone());
            life.made = Some(file);
        }
        match outcome {
            Outcome::Sent => life.state = State::Completed,
            Outcome::Refused | Outcome::KilledInDoubt => life.state = State::Failed,
            Outcome::KilledAfterTheMessage | Outcome::KilledBeforeTheMessage => {
                life.crashes += 1;
                if life.crashes == MAX_CRASHES {
                    life.state = State::Failed;
                }
            }
            Outcome::Unavailable => {}
        }
        Said::Sent
    }
}

// The world of the engine: a channel with random ids, as MTProto has them.

#[derive(Debug, Default)]
struct Channel {
    messages: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Debug, Clone)]
struct Telegram {
    channel: Arc<Mutex<Channel>>,
    outcome: Arc<Mutex<Outcome>>,
    /// Says that the process dies now.
    died: Arc<Notify>,
}

impl Telegram {
    async fn die(&self) {
        self.died.notify_one();
        std::future::pending().await
    }
}

#[async_trait]
impl TelegramUploader for Telegram {
    fn name(&self) -> &'static str {
        "model"
    }

    fn capability(&self) -> Capability {
        Capability::new(1_000, Requirement::Nothing).resumable().idempotent()
    }

    async fn upload(
        &self,
        request: UploadRequest,
        progress: Arc<dyn ProgressSink>,
    ) -> Result<StoredFile, UploaderError> {
        let outcome = *self.outcome.lock().unwrap();
        let length = usize::try_from(request.source.len()).unwrap();
        let file = request.source.read_at(0, length).await?.to_vec();
        let random_id =
            request.resume.map_or_else(|| rand::random::<u64>().to_le_bytes().to_vec(), |state| state.bytes);
        progress.checkpoint(ResumeState::new("model", random_id.clone())).await?;
        match outcome {
            Outcome::KilledBeforeTheMessage => self.die().await,
            Outcome::KilledInDoubt => {
                progress.commit(None).await?;
                self.die().await
            }
            Outcome::Refused => return Err(UploaderError::new(ErrorKind::Rejected, "refused")),
            Outcome::Unavailable => return Err(UploaderError::new(ErrorKind::Unavailable, "down")),
            Outcome::Sent | Outcome::KilledAfterTheMessage => {}
        }
        let message_id = {
            let messages = &mut self.channel.lock().unwrap().messages;
            let known = messages.iter().position(|(id, _)| *id == random_id);
            known.unwrap_or_else(|| {
                messages.push((random_id, file));
                messages.len() - 1
            })
        };
        if outcome == Outcome::KilledAfterTheMessage {
            self.die().await;
        }
        let message_id = i64::try_from(message_id).unwrap();
        let stored_as = StoredAs::Mtproto { document_id: message_id };
        Ok(StoredFile::new(StoredMessage::new(message_id, stored_as, request.source.len())))
    }
}

struct World {
    engine: Telestore,
    sessions: MemorySessionStore,
    chunks: MemoryChunkStore,
    telegram: Telegram,
    clock: ManualClock,
}

const TOKEN: &str = "token";

fn engine(
    sessions: &MemorySessionStore,
    chunks: &MemoryChunkStore,
    telegram: &Telegram,
    clock: &ManualClock,
) -> Telestore {
    let credentials = TelegramCredentials::new(UserId::new("u"), ChatId::new("-1001").unwrap());
    Telestore::builder()
        .sessions(sessions.clone())
        .chunks(chunks.clone())
        .credentials(StaticCredentialProvider::new(&credentials, [Secret::new(TOKEN)]))
        .webhooks(NoWebhook)
        .uploader(telegram.clone())
        .clock(clock.clone())
        .sealer(Sealer::from_secret(&"key".into()))
        .worker(telestore::types::WorkerId::new("one").unwrap())
        .config(EngineConfig::default().with(|config| {
            config.retry_first_pause = Duration::ZERO;
            config.alone = true;
        }))
        .build()
        .unwrap()
}

impl World {
    fn new() -> Self {
        let telegram = Telegram {
            channel: Arc::default(),
            outcome: Arc::new(Mutex::new(Outcome::Sent)),
            died: Arc::default(),
        };
        let (sessions, chunks, clock) =
            (MemorySessionStore::new(), MemoryChunkStore::new(), ManualClock::default());
        Self { engine: engine(&sessions, &chunks, &telegram, &clock), sessions, chunks, telegram, clock }
    }

    /// Forgets everything that is in the engine, as a kill does.
    async fn restart(&mut self) {
        self.engine = engine(&self.sessions, &self.chunks, &self.telegram, &self.clock);
        self.engine.recover().await.unwrap();
    }

    async fn apply(&mut self, op: Op) -> Said {
        // Longer than the pause of an upload that has ended a process.
        self.clock.advance(Duration::from_secs(60));
        let token = Secret::new(TOKEN);
        let done = match op {
            Op::Init(APPENDED) => {
                let FileInfo { id, file_name, file_size, .. } = file(APPENDED);
                let begun = self
                    .engine
                    .begin(&NewFile::new(id, file_name).of_size(file_size), &Caller::from(&token))
                    .await;
                begun.map(drop)
            }
            Op::Init(id) => self.engine.init(&file(id), &Caller::from(&token)).await.map(drop),
            Op::Chunk(id, index, bytes) => {
                let mut spool = self.engine.spool().await.unwrap();
                spool.write(Bytes::from(piece(id, index, bytes))).await.unwrap();
                let spooled = spool.finish().await.unwrap();
                if id == APPENDED {
                    let offset = u64::from(index) * CHUNK_BYTES;
                    self.engine.append(&file(id).id, offset, spooled, &Caller::from(&token)).await.map(drop)
                } else {
                    let chunk = IncomingChunk::new(file(id), index);
                    self.engine.write_chunk(&chunk, spooled, &Caller::from(&token)).await.map(drop)
                }
            }
            Op::Complete(id) => self.engine.complete(&file(id).id, &Caller::nobody()).await,
            Op::Cancel(id) => match self.engine.cancel(&file(id).id, &Caller::nobody()).await {
                Ok(Some(_)) => return Said::TooLate,
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            },
            Op::Send(outcome) => return self.send(outcome).await,
            Op::Restart => {
                self.restart().await;
                Ok(())
            }
        };
        match done {
            Ok(()) => Said::Yes,
            Err(Error::NotFound) => Said::NotFound,
            Err(Error::MissingChunks { .. }) => Said::Missing,
            Err(Error::SizeMismatch { .. }) => Said::WrongSize,
            Err(Error::Offset { .. }) => Said::Elsewhere,
            Err(Error::Conflict(_)) => Said::Conflict,
            Err(other) => panic!("{other:?}"),
        }
    }

    async fn send(&mut self, outcome: Outcome) -> Said {
        *self.telegram.outcome.lock().unwrap() = outcome;
        let sent = tokio::select! {
            sent = self.engine.step() => Some(sent.unwrap()),
            () = self.telegram.died.notified() => None,
        };
        match sent {
            Some(true) => Said::Sent,
            Some(false) => Said::NothingToSend,
            None => {
                self.restart().await;
                Said::Sent
            }
        }
    }

    async fn state(&self, id: usize) -> State {
        let id = file(id).id;
        match self.engine.progress(&id, &Caller::nobody()).await {
            Ok(event) => match (event.status, event.error.as_deref()) {
                (UploadStatus::Uploading, _) => State::Queued,
                (UploadStatus::Completed, _) => State::Completed,
                (UploadStatus::Failed, Some("Upload cancelled")) => State::Cancelled,
                _ => State::Failed,
            },
            Err(Error::NotStarted) => match self.engine.status(&id, &Caller::nobody()).await {
                Ok(_) => State::Receiving,
                Err(Error::NotFound) => State::Absent,
                Err(other) => panic!("{other:?}"),
            },
            Err(other) => panic!("{other:?}"),
        }
    }

    async fn received(&self, id: usize) -> Vec<u32> {
        self.engine
            .status(&file(id).id, &Caller::nobody())
            .await
            .map(|status| status.received)
            .unwrap_or_default()
    }
}

fn file(id: usize) -> FileInfo {
    let (id, name) = (UploadId::new(IDS[id]).unwrap(), FileName::new("file.bin").unwrap());
    FileInfo::new(id, name, FILE_BYTES, CHUNKS)
}

async fn agree(ops: &[Op]) {
    let mut world = World::new();
    let mut model = Model { lives: vec![Life::new(State::Absent); IDS.len()], channel: Vec::new(), time: 0 };
    for (step, op) in ops.iter().enumerate() {
        let (expected, said) = (model.apply(*op), world.apply(*op).await);
        assert_eq!(said, expected, "step {step}: {op:?}");
        for (id, life) in model.lives.iter().enumerate() {
            assert_eq!(world.state(id).await, life.state, "upload {id} after step {step}: {op:?}");
            let received: Vec<u32> = life.chunks.keys().copied().collect();
            assert_eq!(world.received(id).await, received, "upload {id} after step {step}: {op:?}");
        }
    }
    let sent: Vec<Vec<u8>> =
        world.telegram.channel.lock().unwrap().messages.iter().map(|(_, file)| file.clone()).collect();
    assert_eq!(sent, model.channel, "the channel holds other files");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn engine_and_model_agree(ops in ops()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(agree(&ops));
    }
}
