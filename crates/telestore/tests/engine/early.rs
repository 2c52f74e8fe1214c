//! Sending files while they still arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use proptest::prelude::*;
use telestore::store::{MemoryChunkStore, MemorySessionStore, SessionStore};
use telestore::types::{ManualClock, ResumeState, StoredFile, UploadState, WorkerId};
use telestore::uploader::{
    Capability, Error, ErrorKind, ProgressSink, Requirement, Result, TelegramUploader, UploadRequest,
};
use telestore::{Caller, EngineConfig, FileInfo, Running, Telestore};
use tokio::sync::watch;

use crate::hooks::Hooked;
use crate::support::{Forgotten, NOW, config, engine_on, file, id, send_chunk};
use crate::uploader::stored;

/// The bytes of a part.
const PART: usize = 4;

/// Sends parts as MTProto does: each is kept under its number until the message is made of them. Clones share it.
#[derive(Debug, Clone, Default)]
struct Parts {
    state: Arc<Mutex<State>>,
    changes: Arc<watch::Sender<()>>,
}

#[derive(Debug, Default)]
struct State {
    kept: BTreeMap<usize, Vec<u8>>,
    /// The number of every part that was sent, in order.
    log: Vec<usize>,
    messages: Vec<Vec<u8>>,
    refusals: Vec<ErrorKind>,
    early_calls: usize,
}

impl Parts {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state.lock().unwrap());
        self.changes.send_replace(());
        changed
    }

    async fn until(&self, enough: impl Fn(&State) -> bool) {
        let mut changes = self.changes.subscribe();
        while !enough(&self.state.lock().unwrap()) {
            tokio::time::timeout(Duration::from_secs(120), changes.changed())
                .await
                .expect("comes soon")
                .unwrap();
        }
    }

    fn log(&self) -> Vec<usize> {
        self.state.lock().unwrap().log.clone()
    }

    fn messages(&self) -> Vec<Vec<u8>> {
        self.state.lock().unwrap().messages.clone()
    }

    async fn send(&self, request: &UploadRequest, sink: &dyn ProgressSink, early: bool) -> Result<()> {
        let mut confirmed = confirmed(request);
        // Connecting takes a while, and a cancel ends it.
        tokio::task::yield_now().await;
        if request.cancel.is_cancelled() {
            return if early { Ok(()) } else { Err(Error::cancelled()) };
        }
        sink.checkpoint(state_of(&confirmed)).await?;
        let length = usize::try_from(request.source.len()).unwrap();
        for part in 0..length.div_ceil(PART) {
            if confirmed.contains(&part) {
                continue;
            }
            let (at, end) = (part * PART, length.min((part + 1) * PART));
            let bytes = tokio::select! {
                biased;
                () = request.cancel.cancelled() => return if early { Ok(()) } else { Err(Error::cancelled()) },
                bytes = request.source.read_at(at as u64, end - at) => bytes?,
            };
            tokio::task::yield_now().await;
            self.change(|state| {
                state.kept.insert(part, bytes.to_vec());
                state.log.push(part);
            });
            confirmed.insert(part);
            sink.acknowledged((confirmed.len() * PART).min(length) as u64);
            sink.checkpoint(state_of(&confirmed)).await?;
        }
        Ok(())
    }
}

fn state_of(confirmed: &BTreeSet<usize>) -> ResumeState {
    ResumeState::new("script", format!("parts {confirmed:?}"))
}

/// What the state says, without the parts of what has changed.
fn confirmed(request: &UploadRequest) -> BTreeSet<usize> {
    let text = request.resume.as_ref().map(|state| String::from_utf8_lossy(&state.bytes).into_owned());
    let numbers = text.as_deref().and_then(|text| text.strip_prefix("parts {")?.strip_suffix('}'));
    let numbers = numbers.unwrap_or_default().split(", ").filter_map(|number| number.parse().ok());
    let touches = |part: &usize| {
        let bytes = (part * PART) as u64..((part + 1) * PART) as u64;
        request.changed.iter().any(|range| range.start < bytes.end && bytes.start < range.end)
    };
    numbers.filter(|part| !touches(part)).collect()
}

#[async_trait]
impl TelegramUploader for Parts {
    fn name(&self) -> &'static str {
        "parts"
    }

    fn capability(&self) -> Capability {
        let whole = Capability::new(1_000, Requirement::Nothing);
        whole.in_parts(PART as u32).resumable().idempotent().early_from(8)
    }

    async fn upload(&self, request: UploadRequest, sink: Arc<dyn ProgressSink>) -> Result<StoredFile> {
        self.send(&request, sink.as_ref(), false).await?;
        Ok(self.change(|state| {
            let file = state.kept.values().flatten().copied().collect();
            state.messages.push(file);
            stored(i64::try_from(state.messages.len()).unwrap())
        }))
    }

    async fn send_early(&self, request: UploadRequest, sink: Arc<dyn ProgressSink>) -> Result<()> {
        let refusal = self.change(|state| {
            state.early_calls += 1;
            state.refusals.pop()
        });
        match refusal {
            Some(kind) => Err(Error::new(kind, "no")),
            None => self.send(&request, sink.as_ref(), true).await,
        }
    }
}

/// An engine at work on stores that outlive it.
struct Life {
    engine: Telestore,
    running: Option<Running>,
    parts: Parts,
    sessions: Hooked<MemorySessionStore>,
    chunks: Hooked<MemoryChunkStore>,
    clock: ManualClock,
}

impl Life {
    async fn new() -> Self {
        Self::with(config()).await
    }

    async fn with(config: EngineConfig) -> Self {
        let sessions = Hooked::new(MemorySessionStore::new());
        let chunks = Hooked::new(MemoryChunkStore::new());
        let (parts, clock) = (Parts::default(), ManualClock::new(NOW));
        let engine = build(&sessions, &chunks, &clock, &parts, config);
        let running = Some(engine.start().await.unwrap());
        Self { engine, running, parts, sessions, chunks, clock }
    }

    /// Ends the process as a kill does, and begins the next one.
    async fn killed(&mut self) {
        drop(self.running.take());
        let config = self.engine.config().clone();
        self.engine = build(&self.sessions, &self.chunks, &self.clock, &self.parts, config);
        self.running = Some(self.engine.start().await.unwrap());
    }

    async fn chunk(&self, file: &FileInfo, index: u32, bytes: &[u8]) {
        send_chunk(&self.engine, file, index, bytes).await.unwrap();
    }

    /// Completes an upload and waits until it is in the channel.
    async fn complete(&self, name: &str) {
        let mut watch = self.engine.watch(&id(name), &Caller::nobody()).await.unwrap();
        self.engine.complete(&id(name), &Caller::nobody()).await.unwrap();
        let ended = async { while watch.next().await.unwrap().is_some() {} };
        tokio::time::timeout(Duration::from_secs(120), ended).await.expect("comes to its end");
        assert_eq!(self.sessions.inner.get(&id(name)).await.unwrap().unwrap().state, UploadState::Completed);
    }
}

fn build(
    sessions: &Hooked<MemorySessionStore>,
    chunks: &Hooked<MemoryChunkStore>,
    clock: &ManualClock,
    parts: &Parts,
    config: EngineConfig,
) -> Telestore {
    let builder = engine_on(sessions.clone(), chunks.clone(), clock, &Forgotten::default());
    builder.config(config).uploader(parts.clone()).build().unwrap()
}

#[tokio::test]
async fn parts_go_out_while_chunks_arrive() {
    let life = Life::new().await;
    let file = file("a", 13, 4);
    life.chunk(&file, 1, b"ddee").await;
    assert_eq!(life.parts.log(), [] as [usize; 0], "there is a gap before it");
    life.chunk(&file, 0, b"aabbc").await;
    life.parts.until(|state| state.log == [0, 1]).await;
    life.chunk(&file, 2, b"ff").await;
    life.chunk(&file, 3, b"gg").await;
    life.parts.until(|state| state.log == [0, 1, 2, 3]).await;
    assert_eq!(life.parts.messages().len(), 0, "nobody has asked for the message");
    life.complete("a").await;
    assert_eq!(life.parts.messages(), [b"aabbcddeeffgg"]);
    assert_eq!(life.parts.log(), [0, 1, 2, 3], "nothing is left to send");
}

#[tokio::test(start_paused = true)]
async fn chunks_that_another_worker_took_in_are_sent_too() {
    let life = Life::with(config().with(|config| config.alone = false)).await;
    let file = file("a", 12, 3);
    let other = engine_on(life.sessions.clone(), life.chunks.clone(), &life.clock, &Forgotten::default())
        .config(config().with(|config| config.alone = false))
        .worker(WorkerId::new("other").unwrap())
        .uploader(Parts::default())
        .build()
        .unwrap();
    life.chunk(&file, 0, b"aaaa").await;
    life.parts.until(|state| state.log == [0]).await;
    send_chunk(&other, &file, 2, b"cccc").await.unwrap();
    send_chunk(&other, &file, 1, b"bbbb").await.unwrap();
    life.parts.until(|state| state.log == [0, 1, 2]).await;
    life.complete("a").await;
    assert_eq!((life.parts.messages(), life.parts.log()), (vec![b"aaaabbbbcccc".to_vec()], vec![0, 1, 2]));
}

#[tokio::test]
async fn a_runner_goes_on_where_early_sending_was() {
    let life = Life::new().await;
    let file = file("a", 12, 3);
    life.chunk(&file, 0, b"aaaa").await;
    life.parts.until(|state| state.log == [0]).await;
    life.chunk(&file, 1, b"bbbb").await;
    life.chunk(&file, 2, b"cccc").await;
    life.complete("a").await;
    assert_eq!((life.parts.messages(), life.parts.log()), (vec![b"aaaabbbbcccc".to_vec()], vec![0, 1, 2]));
}

#[tokio::test]
async fn other_bytes_for_a_chunk_are_sent_again() {
    let life = Life::new().await;
    let file = file("a", 12, 3);
    life.chunk(&file, 0, b"aaaa").await;
    life.chunk(&file, 1, b"bbbb").await;
    life.parts.until(|state| state.log == [0, 1]).await;
    life.chunk(&file, 0, b"AAAA").await;
    life.parts.until(|state| state.log == [0, 1, 0]).await;
    life.chunk(&file, 2, b"cccc").await;
    life.complete("a").await;
    assert_eq!(life.parts.messages(), [b"AAAAbbbbcccc"]);
    assert_eq!(life.parts.log(), [0, 1, 0, 2], "only its parts go again");
}

#[tokio::test]
async fn the_same_bytes_again_are_not() {
    let life = Life::new().await;
    let file = file("a", 12, 3);
    life.chunk(&file, 0, b"aaaa").await;
    life.parts.until(|state| state.log == [0]).await;
    life.chunk(&file, 0, b"aaaa").await;
    life.chunk(&file, 1, b"bbbb").await;
    life.parts.until(|state| state.log == [0, 1]).await;
    life.chunk(&file, 2, b"cccc").await;
    life.complete("a").await;
    assert_eq!((life.parts.messages(), life.parts.log()), (vec![b"aaaabbbbcccc".to_vec()], vec![0, 1, 2]));
}

#[tokio::test]
async fn bytes_that_are_replaced_while_early_sending_begins_are_seen() {
    for at in ["checkpoint_early", "chunks"] {
        let life = Life::new().await;
        let file = file("a", 12, 3);
        let (engine, again) = (life.engine.clone(), file.clone());
        life.sessions.hooks.after(at, async move {
            send_chunk(&engine, &again, 0, b"AAAA").await.unwrap();
        });
        life.chunk(&file, 0, b"aaaa").await;
        life.parts.until(|state| state.kept.get(&0).is_some_and(|part| part == b"AAAA")).await;
        life.chunk(&file, 1, b"bbbb").await;
        life.chunk(&file, 2, b"cccc").await;
        life.complete("a").await;
        assert_eq!(life.parts.messages(), [b"AAAAbbbbcccc"], "{at}");
    }
}

#[tokio::test]
async fn a_restart_goes_on_with_the_next_chunk() {
    let mut life = Life::new().await;
    let file = file("a", 12, 3);
    life.chunk(&file, 0, b"aaaa").await;
    life.parts.until(|state| state.log == [0]).await;
    // The part is sent; a chunk more shows that it is also written down.
    life.chunk(&file, 1, b"bbbb").await;
    life.parts.until(|state| state.log == [0, 1]).await;
    life.killed().await;
    life.chunk(&file, 2, b"cccc").await;
    life.parts.until(|state| state.log.contains(&2)).await;
    life.complete("a").await;
    assert_eq!(life.parts.messages(), [b"aaaabbbbcccc"]);
    assert!(!life.parts.log()[1..].contains(&0), "what was written down is not sent again");
}

#[tokio::test]
async fn what_is_not_worth_it_waits_for_completion() {
    let off = config().with(|config| config.eager = false);
    for (config, length, chunks) in [(off, 12, 2), (config(), 7, 2), (config(), 12, 1)] {
        let life = Life::with(config).await;
        let file = file("a", length, chunks);
        life.chunk(&file, 0, &vec![b'a'; length as usize - chunks as usize + 1]).await;
        if chunks == 2 {
            life.chunk(&file, 1, b"b").await;
        }
        life.complete("a").await;
        assert_eq!(life.parts.state.lock().unwrap().early_calls, 0);
        assert_eq!(life.parts.messages().len(), 1);
    }
}

#[tokio::test]
async fn a_user_has_a_limit_for_what_is_not_completed() {
    let life = Life::with(config().with(|config| config.eager_max_bytes = 4)).await;
    let (first, second) = (file("a", 12, 2), file("b", 12, 2));
    life.chunk(&first, 0, b"aaaabbbb").await;
    life.parts.until(|state| state.log == [0]).await;
    life.chunk(&second, 0, b"xxxx").await;
    life.chunk(&first, 1, b"cccc").await;
    life.complete("a").await;
    assert_eq!(life.parts.log(), [0, 1, 2], "the other one has not begun");
    // What is completed does not count any more.
    life.chunk(&second, 1, b"yyyyzzzz").await;
    life.parts.until(|state| state.log == [0, 1, 2, 0]).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_upload_leaves_its_place() {
    let life = Life::with(config().with(|config| config.max_concurrent_uploads = 1)).await;
    let (first, second) = (file("a", 12, 3), file("b", 12, 3));
    life.chunk(&first, 0, b"aaaa").await;
    life.parts.until(|state| state.early_calls == 1 && state.log == [0]).await;
    life.chunk(&second, 0, b"xxxx").await;
    tokio::time::sleep(config().eager_idle + Duration::from_secs(1)).await;
    life.chunk(&second, 1, b"yyyy").await;
    life.parts.until(|state| state.early_calls == 2 && state.log == [0, 0, 1]).await;
}

#[tokio::test]
async fn a_cancel_ends_it() {
    let life = Life::new().await;
    let file = file("a", 12, 3);
    life.chunk(&file, 0, b"aaaa").await;
    life.parts.until(|state| state.log == [0]).await;
    assert_eq!(life.engine.cancel(&id("a"), &Caller::nobody()).await.unwrap(), None);
    assert_eq!(life.chunks.inner.blobs(), 0);
    life.running.unwrap().shutdown().await;
    assert_eq!(life.parts.log(), [0]);
}

#[tokio::test]
async fn a_backend_that_refuses_is_left_alone_until_completion() {
    let life = Life::new().await;
    life.parts.change(|state| state.refusals.push(ErrorKind::NotAuthorized));
    let file = file("a", 12, 3);
    life.chunk(&file, 0, b"aaaa").await;
    life.parts.until(|state| state.early_calls == 1).await;
    life.chunk(&file, 1, b"bbbb").await;
    life.chunk(&file, 2, b"cccc").await;
    life.complete("a").await;
    assert_eq!(life.parts.messages(), [b"aaaabbbbcccc"]);
    assert_eq!(life.parts.state.lock().unwrap().early_calls, 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_passes_is_tried_again() {
    let quick = config().with(|config| config.retry_first_pause = Duration::from_secs(1));
    let life = Life::with(quick).await;
    life.parts.change(|state| state.refusals = vec![ErrorKind::Unavailable; 3]);
    life.chunk(&file("a", 12, 3), 0, b"aaaa").await;
    life.parts.until(|state| state.early_calls == 4 && state.log == [0]).await;
}

#[tokio::test]
async fn a_stop_lets_it_write_down_how_far_it_is() {
    let life = Life::new().await;
    life.chunk(&file("a", 12, 3), 0, b"aaaa").await;
    life.parts.until(|state| state.log == [0]).await;
    life.running.unwrap().shutdown().await;
    let upload = life.sessions.inner.get(&id("a")).await.unwrap().unwrap();
    assert_eq!(upload.resume, Some(state_of(&BTreeSet::from([0]))));
}

/// Tries again at once.
fn quick() -> EngineConfig {
    config().with(|config| config.retry_first_pause = Duration::from_micros(1))
}

#[tokio::test]
async fn a_chunk_that_is_replaced_while_the_last_replacement_is_taken_in_is_not_forgotten() {
    let life = Life::with(quick()).await;
    let file = file("a", 12, 3);
    life.chunk(&file, 0, b"aaaa").await;
    life.chunk(&file, 1, b"bbbb").await;
    life.parts.until(|state| state.log == [0, 1]).await;
    life.parts.change(|state| state.refusals.push(ErrorKind::Unavailable));
    let (engine, again) = (life.engine.clone(), file.clone());
    life.sessions.hooks.after("chunks", async move {
        send_chunk(&engine, &again, 1, b"BBBB").await.unwrap();
    });
    life.chunk(&file, 0, b"AAAA").await;
    life.parts.until(|state| state.refusals.is_empty()).await;
    life.chunk(&file, 2, b"cccc").await;
    life.complete("a").await;
    assert_eq!(life.parts.messages(), [b"AAAABBBBcccc"]);
}

/// What a client, or fate, does next.
#[derive(Debug, Clone)]
enum Act {
    Chunk {
        index: u32,
        variant: u8,
    },
    /// Lets the others work for a while.
    Yield(u8),
    /// Lets the next try to send early fail before it has begun.
    Refuse,
    Kill,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0..4_u32, 0..3_u8).prop_map(|(index, variant)| Act::Chunk { index, variant }),
        3 => (0..40_u8).prop_map(Act::Yield),
        1 => Just(Act::Refuse),
        1 => Just(Act::Kill),
    ]
}

/// Chunks of different lengths that keep the file's length, in different letters.
fn bytes(index: u32, variant: u8) -> Vec<u8> {
    vec![b'a' + index as u8 * 3 + variant; [5, 3, 6, 4][index as usize]]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_file_is_what_was_acknowledged_last(acts in prop::collection::vec(act(), 0..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut life = Life::with(quick()).await;
            let file = file("a", 18, 4);
            let mut expected = BTreeMap::new();
            for act in acts {
                match act {
                    Act::Chunk { index, variant } => {
                        life.chunk(&file, index, &bytes(index, variant)).await;
                        expected.insert(index, variant);
                    }
                    Act::Yield(times) => for _ in 0..times { tokio::task::yield_now().await },
                    Act::Refuse => life.parts.change(|state| state.refusals.push(ErrorKind::Unavailable)),
                    Act::Kill => life.killed().await,
                }
            }
            for index in 0..4 {
                if let std::collections::btree_map::Entry::Vacant(place) = expected.entry(index) {
                    life.chunk(&file, index, &bytes(index, 0)).await;
                    place.insert(0);
                }
            }
            life.complete("a").await;
            let whole: Vec<u8> = expected.iter().flat_map(|(index, variant)| bytes(*index, *variant)).collect();
            assert_eq!(life.parts.messages(), [whole]);
        });
    }
}
