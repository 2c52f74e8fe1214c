//! Files that the engine fetches, from a server in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use telestore::fetch::{Ask, Error as FetchError, ErrorKind as Kind, Fetched, Fetcher, Told};
use telestore::progress::{LocalProgressBus, ProgressBus};
use telestore::store::SessionStore;
use telestore::types::{FileName, Outcome, Secret, Stage, Upload, UploadId, UploadState};
use telestore::{Caller, Error, IdempotencyKey, RemoteFile, Running, Telestore};

use crate::support::{HOUR, SECOND, TOKEN, World, config, token};

/// One file, at every address but those that begin with `bad`.
#[derive(Debug, Clone, Default)]
struct Files(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    body: Vec<u8>,
    version: Option<String>,
    name: Option<FileName>,
    /// How many of the next fetches take their task with them, in the middle.
    deaths: u32,
    /// Whether they never end, when all has come.
    hangs: bool,
    /// How the next fetches end: after so many bytes, for this reason.
    breaks: VecDeque<(usize, Kind)>,
    /// What was asked for.
    asks: Vec<(u64, Option<String>)>,
}

impl Files {
    fn of(body: &[u8]) -> Self {
        let files = Self::default();
        files.0.lock().unwrap().body = body.to_vec();
        files
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn breaking(&self, after: usize, kind: Kind) {
        self.change(|state| state.breaks.push_back((after, kind)));
    }

    fn asks(&self) -> Vec<(u64, Option<String>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).asks.clone()
    }
}

/// It comes three bytes at a time, or in a thousand pieces.
struct Coming {
    told: Told,
    left: Bytes,
    at_once: usize,
    end: Option<Kind>,
    hangs: bool,
}

#[async_trait]
impl Fetcher for Files {
    fn look_at(&self, address: &Secret) -> telestore::fetch::Result<Option<FileName>> {
        match address.expose() {
            bad if bad.starts_with("bad") => Err(FetchError::new(Kind::Address, "the address is bad")),
            good => Ok(good.rsplit('/').next().and_then(|name| FileName::new(name).ok())),
        }
    }

    async fn fetch(&self, ask: Ask) -> telestore::fetch::Result<Box<dyn Fetched>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.asks.push((ask.from, ask.version.clone()));
        if state.deaths > 0 {
            state.deaths -= 1;
            panic!("a fault of the worker");
        }
        let from = if ask.from > 0 && ask.version == state.version { ask.from } else { 0 };
        let mut told = Told::new();
        (told.from, told.length) = (from, Some(state.body.len() as u64));
        (told.version, told.file_name) = (state.version.clone(), state.name.clone());
        let mut left = Bytes::copy_from_slice(&state.body[from as usize..]);
        let end = state.breaks.pop_front();
        if let Some((after, _)) = end {
            left.truncate(after);
        }
        let (end, at_once, hangs) =
            (end.map(|(_, kind)| kind), (state.body.len() / 1000).max(3), state.hangs);
        Ok(Box::new(Coming { told, left, at_once, end, hangs }))
    }
}

#[async_trait]
impl Fetched for Coming {
    fn told(&self) -> &Told {
        &self.told
    }

    async fn next(&mut self) -> telestore::fetch::Result<Option<Bytes>> {
        if !self.left.is_empty() {
            return Ok(Some(self.left.split_to(self.left.len().min(self.at_once))));
        }
        if self.hangs {
            std::future::pending::<()>().await;
        }
        self.end.map_or(Ok(None), |kind| Err(FetchError::new(kind, "it broke")))
    }
}

fn world(files: &Files) -> World {
    let files = files.clone();
    World::with(|builder| builder.fetcher(files))
}

async fn ask(engine: &Telestore, remote: &RemoteFile) -> telestore::Result<UploadId> {
    engine.fetch(remote, &Caller::from(token(TOKEN))).await
}

fn remote() -> RemoteFile {
    RemoteFile::new("memory/film.mp4?secret".into())
}

/// Lets time pass until an upload has ended.
async fn ended(world: &World, id: &UploadId) -> Upload {
    for _ in 0..1_000 {
        let upload = world.sessions.inner.get(id).await.unwrap().unwrap();
        if matches!(upload.state, UploadState::Completed | UploadState::Failed | UploadState::Cancelled) {
            return upload;
        }
        world.clock.advance(SECOND);
        tokio::time::sleep(SECOND).await;
    }
    panic!("it never ends");
}

const BODY: &[u8] = b"a file that lies elsewhere";

/// An engine that runs, and has been asked for a file.
async fn begun(files: &Files) -> (World, Running, UploadId) {
    let world = world(files);
    let running = world.engine.start().await.unwrap();
    let id = ask(&world.engine, &remote()).await.unwrap();
    (world, running, id)
}

/// The same of [`BODY`], after seven bytes of it have come and the line broke.
async fn broken(version: Option<&str>) -> (Files, World, Running, UploadId) {
    let files = Files::of(BODY);
    files.change(|state| state.version = version.map(str::to_owned));
    files.breaking(7, Kind::Passing);
    let (world, running, id) = begun(&files).await;
    while files.asks().is_empty() {
        tokio::time::sleep(SECOND / 10).await;
    }
    tokio::time::sleep(SECOND).await;
    (files, world, running, id)
}

#[tokio::test(start_paused = true)]
async fn a_file_is_fetched_and_sent() {
    let files = Files::of(BODY);
    files.change(|state| state.name = FileName::new("theirs.mp4").ok());
    let world = world(&files);
    let id = ask(&world.engine, &remote()).await.unwrap();
    let queued = world.sessions.inner.get(&id).await.unwrap().unwrap();
    assert_eq!(queued.event(queued.created_at).unwrap().stage, Stage::Fetching);
    let source = queued.source.unwrap();
    assert!(!source.windows(6).any(|window| window == b"secret"), "it is sealed");
    let running = world.engine.start().await.unwrap();
    let upload = ended(&world, &id).await;
    assert_eq!((upload.state, upload.file_name.as_str()), (UploadState::Completed, "theirs.mp4"));
    assert_eq!(upload.source, None);
    assert_eq!(world.uploader.sent(), [BODY]);
    let own = remote().with_file_name(FileName::new("own.mp4").ok());
    let id = ask(&world.engine, &own).await.unwrap();
    assert_eq!(ended(&world, &id).await.file_name.as_str(), "own.mp4");
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_breaks_goes_on_by_its_version_or_is_compared() {
    for version in [Some("v1".to_owned()), None] {
        let files = Files::of(BODY);
        files.change(|state| state.version.clone_from(&version));
        for after in [0, 7, 4] {
            files.breaking(after, Kind::Passing);
        }
        let (world, running, id) = begun(&files).await;
        assert_eq!(ended(&world, &id).await.state, UploadState::Completed);
        assert_eq!(world.uploader.sent(), [BODY]);
        let from: Vec<u64> = files.asks().iter().map(|(from, _)| *from).collect();
        assert_eq!(from, if version.is_some() { [0, 0, 7, 11] } else { [0; 4] });
        running.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_has_changed_is_not_put_together_of_two() {
    let (files, world, running, id) = broken(None).await;
    files.change(|state| state.body[0] = b'A');
    let upload = ended(&world, &id).await;
    assert_eq!(upload.outcome, Some(Outcome::Refused));
    assert!(upload.error.unwrap().contains("another one than when"));
    assert_eq!((upload.received_bytes, world.chunks.inner.blobs()), (0, 0));
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_version_is_not_taken_for_that_of_bytes_that_have_not_come_again() {
    for further in [3, 0] {
        let (files, world, running, id) = broken(Some("v1")).await;
        files.change(|state| {
            state.body[0] = b'A';
            state.version = Some("v2".to_owned());
        });
        // It breaks before the first byte that is another one was compared.
        files.breaking(further, Kind::Passing);
        let upload = ended(&world, &id).await;
        assert_eq!(upload.outcome, Some(Outcome::Refused));
        assert!(world.uploader.sent().is_empty());
        running.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_is_known_again_when_all_that_is_there_has_come_again() {
    let (files, world, running, id) = broken(Some("v1")).await;
    // The same bytes.
    files.change(|state| state.version = Some("v2".to_owned()));
    files.breaking(12, Kind::Passing);
    assert_eq!(ended(&world, &id).await.state, UploadState::Completed);
    let from: Vec<u64> = files.asks().iter().map(|(from, _)| *from).collect();
    assert_eq!(from, [0, 7, 12]);
    assert_eq!(world.uploader.sent(), [BODY]);
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_there_in_full_is_asked_for_no_more() {
    let files = Files::of(BODY);
    let world = world(&files);
    world.sessions.hooks.fail("complete", 1);
    let running = world.engine.start().await.unwrap();
    let id = ask(&world.engine, &remote()).await.unwrap();
    assert_eq!(ended(&world, &id).await.state, UploadState::Completed);
    assert_eq!(files.asks().len(), 1);
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_end_that_cannot_be_written_down_is_written_down_later() {
    let files = Files::of(BODY);
    files.breaking(7, Kind::Passing);
    let world = world(&files);
    let hooks = world.sessions.hooks.clone();
    let (reached, go_on) = hooks.halt("append");
    let running = world.engine.start().await.unwrap();
    let id = ask(&world.engine, &remote()).await.unwrap();
    reached.notified().await;
    hooks.break_down("note_fetch");
    go_on.notify_one();
    tokio::time::sleep(SECOND * 60).await;
    assert_eq!(files.asks().len(), 1, "it may not be asked for yet");
    hooks.mend("note_fetch");
    assert_eq!(ended(&world, &id).await.state, UploadState::Completed);
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_is_not_written_down_ends_no_fetch() {
    let files = Files::of(BODY);
    let world = world(&files);
    let (reached, go_on) = world.sessions.hooks.halt("append");
    let running = world.engine.start().await.unwrap();
    let id = ask(&world.engine, &remote()).await.unwrap();
    reached.notified().await;
    world.sessions.hooks.fail("cancel", 1);
    world.engine.cancel(&id, &Caller::from(token(TOKEN))).await.unwrap_err();
    go_on.notify_one();
    assert_eq!(ended(&world, &id).await.state, UploadState::Completed);
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_fetch_is_given_up_after_five_tries_or_by_a_word() {
    for (kind, tries, outcome) in [(Kind::Passing, 5, Outcome::GaveUp), (Kind::Refused, 1, Outcome::Refused)]
    {
        let files = Files::of(BODY);
        for _ in 0..9 {
            files.breaking(0, kind);
        }
        let (world, running, id) = begun(&files).await;
        let upload = ended(&world, &id).await;
        assert_eq!((files.asks().len(), upload.outcome), (tries, Some(outcome)));
        let error = upload.error.unwrap();
        assert!(error.starts_with("it broke") && !error.contains("secret"), "{error}");
        running.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_dies_is_tried_again_and_given_up_like_others() {
    let files = Files::of(BODY);
    files.change(|state| state.deaths = 2);
    let (world, running, id) = begun(&files).await;
    assert_eq!(ended(&world, &id).await.state, UploadState::Completed);
    assert_eq!((files.asks().len(), world.uploader.sent()), (3, vec![BODY.to_vec()]));

    files.change(|state| state.deaths = u32::MAX);
    let id = ask(&world.engine, &remote()).await.unwrap();
    let upload = ended(&world, &id).await;
    assert_eq!((upload.state, upload.outcome), (UploadState::Failed, Some(Outcome::GaveUp)));
    assert!(upload.error.unwrap().contains("tried 5 times"));
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_bus_does_not_remember_a_fetch_that_is_cancelled_at_another_worker() {
    let files = Files::of(&vec![7; 9 << 20]);
    files.change(|state| state.hangs = true);
    let bus = LocalProgressBus::new();
    let world = World::with(|builder| {
        let shared = config().with(|config| config.alone = false);
        builder.fetcher(files.clone()).bus(bus.clone()).config(shared)
    });
    let running = world.engine.start().await.unwrap();
    let id = ask(&world.engine, &remote()).await.unwrap();
    while bus.latest(&id).await.is_none() {
        tokio::time::sleep(SECOND / 10).await;
    }
    let row = world.sessions.inner.get(&id).await.unwrap().unwrap();
    assert!(row.received_bytes > 0);
    world.sessions.inner.cancel(&id, &row.key, row.updated_at).await.unwrap();
    tokio::time::sleep(HOUR).await;
    assert_eq!(bus.latest(&id).await, None);
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_version_is_not_known_any_more_after_a_fetch_has_died() {
    // Seven bytes of it are there.
    let (files, world, running, id) = broken(Some("v1")).await;
    files.change(|state| state.deaths = 1);
    ended(&world, &id).await;
    assert_eq!(files.asks().last(), Some(&(0, None)), "it is compared");
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_next_process_goes_on_with_what_is_there() {
    let files = Files::of(BODY);
    files.change(|state| state.version = Some("v1".to_owned()));
    files.breaking(7, Kind::Passing);
    let world = world(&files);
    // Killed when the bytes are there and before it is written down how the fetch ended.
    let (reached, _) = world.sessions.hooks.halt("append");
    let running = world.engine.start().await.unwrap();
    let id = ask(&world.engine, &remote()).await.unwrap();
    reached.notified().await;
    drop(running);
    let next = world.another(world.uploader.clone()).fetcher(files.clone()).build().unwrap();
    let running = next.start().await.unwrap();
    assert_eq!(ended(&world, &id).await.state, UploadState::Completed);
    assert_eq!(files.asks(), [(0, None), (7, Some("v1".to_owned()))]);
    assert_eq!(world.uploader.sent(), [BODY]);
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_ends_a_fetch() {
    let files = Files::of(BODY);
    let world = world(&files);
    let (reached, go_on) = world.sessions.hooks.halt("note_fetch");
    let running = world.engine.start().await.unwrap();
    let id = ask(&world.engine, &remote()).await.unwrap();
    reached.notified().await;
    world.engine.cancel(&id, &Caller::from(token(TOKEN))).await.unwrap();
    go_on.notify_one();
    tokio::time::sleep(SECOND * 30).await;
    let upload = world.sessions.inner.get(&id).await.unwrap().unwrap();
    assert_eq!((upload.state, upload.source), (UploadState::Cancelled, None));
    assert_eq!((world.uploader.attempts(), world.chunks.inner.blobs()), (0, 0));
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_again_is_one_upload() {
    let files = Files::of(BODY);
    let world = world(&files);
    let keyed = || remote().with_key(IdempotencyKey::new("a-key").ok());
    let running = world.engine.start().await.unwrap();
    files.breaking(0, Kind::Refused);
    let id = ask(&world.engine, &keyed()).await.unwrap();
    assert_eq!(ask(&world.engine, &keyed()).await.unwrap(), id);
    assert_eq!(ended(&world, &id).await.state, UploadState::Failed);
    // What failed is begun anew.
    assert_eq!(ask(&world.engine, &keyed()).await.unwrap(), id);
    assert_eq!(ended(&world, &id).await.state, UploadState::Completed);
    assert_eq!(ask(&world.engine, &keyed()).await.unwrap(), id);
    assert_eq!(world.uploader.attempts(), 1);
    let other = RemoteFile::new("memory/other.mp4".into()).with_key(IdempotencyKey::new("a-key").ok());
    let refused = ask(&world.engine, &other).await;
    assert!(matches!(refused, Err(Error::OtherRequest)), "{refused:?}");
    running.shutdown().await;
}

#[tokio::test]
async fn an_address_a_token_and_a_fetcher_are_needed() {
    let world = world(&Files::of(BODY));
    let refused = ask(&world.engine, &RemoteFile::new("bad".into())).await;
    assert!(matches!(refused, Err(Error::Invalid(words)) if words == "the address is bad"));
    let refused = world.engine.fetch(&remote(), &Caller::nobody()).await;
    assert!(matches!(refused, Err(Error::Unauthorized(_))), "{refused:?}");
    let without = World::new();
    assert!(world.engine.can_fetch() && !without.engine.can_fetch());
    assert!(matches!(ask(&without.engine, &remote()).await, Err(Error::FetchesNothing)));
}
