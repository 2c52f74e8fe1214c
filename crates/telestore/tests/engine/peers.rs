//! Two engines on one store, as in two processes.

use std::sync::Arc;
use std::time::Duration;

use telestore::backend::MockWebhookSender;
use telestore::progress::{LocalProgressBus, ProgressBus};
use telestore::store::{MemoryChunkStore, MemorySessionStore, SessionStore, SqliteSessionStore};
use telestore::types::{ManualClock, ResumeState, Stage, UploadState, UploadStatus, UserId, WorkerId};
use telestore::uploader::{Error, ErrorKind};
use telestore::{Caller, Running, Telestore};
use tokio::sync::oneshot::Receiver;
use tokio::time::Instant;

use crate::hooks::{Hooked, Hooks};
use crate::support::{
    BODY, Forgotten, HOUR, NOW, SECOND, World, chunk_of, config, engine_on, file, id, spooled, token,
};
use crate::uploader::{Scripted, stored};

/// Two workers that share everything but their ways to Telegram.
struct Pair {
    engines: [Telestore; 2],
    uploaders: [Scripted; 2],
    buses: [LocalProgressBus; 2],
    sessions: Arc<dyn SessionStore>,
    clock: ManualClock,
}

impl Pair {
    fn new(sessions: [Arc<dyn SessionStore>; 2]) -> Self {
        let (chunks, clock) = (MemoryChunkStore::new(), ManualClock::new(NOW));
        let uploaders = [Scripted::new(), Scripted::new()];
        let buses = [LocalProgressBus::new(), LocalProgressBus::new()];
        let engine = |at: usize| {
            engine_on(Arc::clone(&sessions[at]), chunks.clone(), &clock, &Forgotten::default())
                .uploader(uploaders[at].clone())
                .worker(WorkerId::new(format!("worker-{at}")).unwrap())
                .bus(buses[at].clone())
                .config(config().with(|config| config.alone = false))
                .build()
                .unwrap()
        };
        let engines = [engine(0), engine(1)];
        let [sessions, _] = sessions;
        Self { engines, uploaders, buses, sessions, clock }
    }

    fn in_memory() -> Self {
        let store = MemorySessionStore::new();
        Self::new([Arc::new(store.clone()), Arc::new(store)])
    }

    /// On one file, with two pools of connections.
    async fn on_sqlite(dir: &tempfile::TempDir) -> Self {
        let path = dir.path().join("telestore.db");
        let open = async || Arc::new(SqliteSessionStore::open(&path).await.unwrap());
        Self::new([open().await, open().await])
    }

    /// Has a file taken in by one of them, and completed with the other.
    async fn queue(&self, user: &str, name: &str, by: usize) {
        let (token, engine) = (token(&format!("{user}-1")), &self.engines[by]);
        let bytes = spooled(engine, BODY).await;
        let chunk = chunk_of(file(name, BODY.len() as u64, 1), 0);
        engine.write_chunk(&chunk, bytes, &Caller::from(&token)).await.unwrap();
        self.engines[1 - by].complete(&id(name), &Caller::from(&token)).await.unwrap();
    }

    async fn state(&self, name: &str) -> UploadState {
        self.sessions.get(&id(name)).await.unwrap().unwrap().state
    }

    /// Has the first one's next send last until it is cancelled; tells when it has begun, and when it is over.
    fn sends_until_it_is_cancelled(&self) -> (Receiver<()>, Receiver<()>) {
        let (told, reached) = tokio::sync::oneshot::channel();
        let (ended, over) = tokio::sync::oneshot::channel();
        self.uploaders[0].then(move |call| async move {
            told.send(()).unwrap();
            let cancelled = call.until_cancelled().await;
            ended.send(()).unwrap();
            cancelled
        });
        (reached, over)
    }

    /// Lets one of them begin to send, and kills it in the middle.
    async fn die_in_the_middle(&self, at: usize) {
        let (told, reached) = tokio::sync::oneshot::channel();
        self.uploaders[at].then(move |call| async move {
            call.sink.checkpoint(ResumeState::new("script", *b"part 3")).await?;
            told.send(()).unwrap();
            std::future::pending().await
        });
        let engine = self.engines[at].clone();
        let step = tokio::spawn(async move { engine.step().await });
        reached.await.unwrap();
        step.abort();
        assert!(step.await.unwrap_err().is_cancelled());
    }
}

#[tokio::test]
async fn a_listener_hears_the_end_of_what_waited_and_was_sent_here() {
    let pair = Pair::in_memory();
    let mut listener = pair.engines[1].subscribe(&id("a"));
    pair.queue("alice", "a", 0).await;
    assert_eq!(listener.next().await.unwrap().stage, Stage::Queued);
    assert_eq!(pair.buses[1].latest(&id("a")).await, None, "the first worker may send it");

    pair.uploaders[1].then_fail(ErrorKind::Unavailable, "telegram is away");
    assert!(pair.engines[1].step().await.unwrap());
    assert_eq!(pair.state("a").await, UploadState::Queued);
    pair.clock.advance(HOUR);
    assert!(pair.engines[1].step().await.unwrap());
    let mut end = None;
    while let Some(event) = listener.next().await {
        end = Some(event);
    }
    assert_eq!(end.unwrap().status, UploadStatus::Completed);
}

#[tokio::test]
async fn a_bus_does_not_remember_what_another_worker_ends() {
    let pair = Pair::in_memory();
    pair.uploaders[0].then_fail(ErrorKind::Unavailable, "telegram is away");
    // Completed at the second one, tried by the first one, and sent by the second one.
    pair.queue("alice", "a", 0).await;
    assert!(pair.engines[0].step().await.unwrap());
    assert_eq!(pair.state("a").await, UploadState::Queued);
    pair.clock.advance(HOUR);
    assert!(pair.engines[1].step().await.unwrap());
    assert_eq!(pair.state("a").await, UploadState::Completed);
    for bus in &pair.buses {
        assert_eq!(bus.latest(&id("a")).await, None);
    }
}

async fn both_send_and_nothing_twice(pair: &Pair) {
    let names = |user: &str| (0..3).map(|n| format!("{user}-{n}")).collect::<Vec<_>>();
    let users = ["alice", "bob", "carol", "dave"];
    for (at, user) in users.iter().enumerate() {
        for name in names(user) {
            pair.queue(user, &name, at % 2).await;
        }
    }
    let drain = async |engine: &Telestore| while engine.step().await.unwrap() {};
    // Both send at once: none ends its first file before the other has begun one, and what one has, the other does not get.
    let both = Arc::new(tokio::sync::Barrier::new(2));
    for (at, uploader) in pair.uploaders.iter().enumerate() {
        let both = Arc::clone(&both);
        uploader.then(move |_| async move {
            both.wait().await;
            Ok(stored(i64::try_from(at).unwrap() + 1))
        });
    }
    tokio::join!(drain(&pair.engines[0]), drain(&pair.engines[1]));

    let sent = pair.uploaders.each_ref().map(|uploader| {
        (0..uploader.attempts())
            .map(|attempt| uploader.request(attempt).upload_id.as_str().to_owned())
            .collect::<Vec<_>>()
    });
    let mut all: Vec<String> = sent.concat();
    all.sort();
    assert_eq!(all, users.iter().flat_map(|user| names(user)).collect::<Vec<_>>(), "each once");
    assert!(sent.iter().all(|sent| !sent.is_empty()), "both send: {sent:?}");
    for user in users {
        let by = sent.iter().filter(|sent| sent.iter().any(|name| name.starts_with(user))).count();
        assert_eq!(by, 1, "the account of {user} is used by one worker: {sent:?}");
    }
}

#[tokio::test]
async fn two_engines_share_the_work() {
    both_send_and_nothing_twice(&Pair::in_memory()).await;
    let dir = tempfile::tempdir().unwrap();
    both_send_and_nothing_twice(&Pair::on_sqlite(&dir).await).await;
}

async fn one_dies_and_the_other_goes_on(pair: &Pair) {
    pair.queue("alice", "a", 0).await;
    pair.die_in_the_middle(0).await;
    assert!(!pair.engines[1].step().await.unwrap(), "nobody knows yet that it is dead");
    pair.clock.advance(HOUR);
    assert!(pair.engines[1].step().await.unwrap());
    assert_eq!(pair.uploaders[1].request(0).resume, Some(ResumeState::new("script", *b"part 3")));
    assert_eq!(pair.state("a").await, UploadState::Completed);
    assert_eq!(pair.uploaders[1].attempts(), 1);
}

#[tokio::test]
async fn what_one_was_sending_when_it_died_the_other_goes_on_with() {
    one_dies_and_the_other_goes_on(&Pair::in_memory()).await;
    let dir = tempfile::tempdir().unwrap();
    one_dies_and_the_other_goes_on(&Pair::on_sqlite(&dir).await).await;
}

#[tokio::test]
async fn a_start_leaves_alone_what_others_send() {
    let pair = Pair::in_memory();
    pair.queue("alice", "a", 0).await;
    pair.queue("bob", "b", 0).await;
    pair.die_in_the_middle(0).await;
    let (told, reached) = tokio::sync::oneshot::channel();
    let (goes, go) = tokio::sync::oneshot::channel::<()>();
    pair.uploaders[1].then(move |_| async move {
        told.send(()).unwrap();
        go.await.unwrap();
        Ok(stored(7))
    });
    let other = pair.engines[1].clone();
    let sending = tokio::spawn(async move { other.step().await });
    reached.await.unwrap();

    // The first comes back under its name, while the other one is in the middle of a send.
    pair.engines[0].recover().await.unwrap();
    assert!(pair.engines[0].step().await.unwrap(), "its own goes on at once");
    assert_eq!(pair.uploaders[0].request(1).resume, Some(ResumeState::new("script", *b"part 3")));
    assert!(!pair.engines[0].step().await.unwrap());
    goes.send(()).unwrap();
    assert!(sending.await.unwrap().unwrap());
    assert_eq!(
        (pair.state("a").await, pair.state("b").await),
        (UploadState::Completed, UploadState::Completed)
    );
    assert_eq!(pair.uploaders[1].attempts(), 1);
}

#[tokio::test]
async fn an_event_is_told_by_one_of_them() {
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let webhooks = || {
        let (told, mut webhooks) = (Arc::clone(&told), MockWebhookSender::new());
        webhooks.expect_is_wanted().return_const(true);
        webhooks.expect_send().returning(move |event_id, _| {
            told.lock().unwrap().push(event_id.to_owned());
            Ok(())
        });
        webhooks
    };
    let world = World::telling(webhooks());
    let other = engine_on(world.sessions.clone(), world.chunks.clone(), &world.clock, &world.forgotten)
        .uploader(Scripted::new())
        .webhooks(webhooks())
        .worker(WorkerId::new("other").unwrap())
        .build()
        .unwrap();
    for n in 0..20 {
        world.queue(&format!("a{n}")).await;
    }
    assert_eq!(world.drain().await, 20);
    loop {
        let (one, two) = tokio::join!(world.engine.deliver(), other.deliver());
        if one.unwrap() + two.unwrap() == 0 {
            break;
        }
    }
    let mut told = told.lock().unwrap().clone();
    assert_eq!(told.len(), 20);
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 20, "each once");
}

#[tokio::test(start_paused = true)]
async fn a_cancel_by_one_stops_the_send_of_the_other_soon() {
    let pair = Pair::in_memory();
    let (reached, over) = pair.sends_until_it_is_cancelled();
    let running = pair.engines[0].start().await.unwrap();
    pair.queue("alice", "a", 0).await;
    reached.await.unwrap();
    let began = Instant::now();
    pair.engines[1].cancel(&id("a"), &Caller::from(token("alice-1"))).await.unwrap();
    over.await.unwrap();
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    running.shutdown().await;
    assert_eq!(pair.state("a").await, UploadState::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn what_one_has_taken_in_wakes_the_other() {
    let pair = Pair::in_memory();
    let running = pair.engines[0].start().await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let began = Instant::now();
    // The engine that completes it does not send.
    pair.queue("alice", "a", 0).await;
    while pair.state("a").await != UploadState::Completed {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(began.elapsed() < SECOND, "it waits until the other looks by itself");
    }
    running.shutdown().await;
}

/// Two workers of which the first one's questions to the store are counted, or left unanswered.
fn watched_pair() -> (Pair, Hooks) {
    let (store, hooks) = (MemorySessionStore::new(), Hooks::default());
    let watched = Hooked { inner: store.clone(), hooks: hooks.clone() };
    (Pair::new([Arc::new(watched), Arc::new(store)]), hooks)
}

/// Starts the first one and waits until it has looked by itself, which it does every few seconds. Gives how often it has tried
/// to take something by then.
async fn started(pair: &Pair, hooks: &Hooks) -> (Running, usize) {
    let running = pair.engines[0].start().await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    (running, hooks.calls("lease"))
}

#[tokio::test(start_paused = true)]
async fn a_question_that_the_store_leaves_unanswered_holds_up_no_cancel() {
    let (pair, hooks) = watched_pair();
    let (reached, over) = pair.sends_until_it_is_cancelled();
    let _running = pair.engines[0].start().await.unwrap();
    pair.queue("alice", "a", 0).await;
    reached.await.unwrap();
    hooks.hang("next_due");
    pair.queue("bob", "b", 0).await;
    while hooks.waiting("next_due") == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(SECOND).await;
    let began = Instant::now();
    pair.engines[1].cancel(&id("a"), &Caller::from(token("alice-1"))).await.unwrap();
    over.await.unwrap();
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn nobody_tries_to_take_what_the_other_took_and_told_of() {
    let (pair, hooks) = watched_pair();
    let (running, before) = started(&pair, &hooks).await;
    for n in 0..3 {
        pair.queue("alice", &format!("a{n}"), 0).await;
        assert!(pair.engines[1].step().await.unwrap());
    }
    tokio::time::sleep(SECOND).await;
    assert_eq!(hooks.calls("lease"), before);
    // One that stays is taken, if its account is free.
    pair.queue("bob", "left", 0).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(pair.state("left").await, UploadState::Completed);
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_has_just_come_is_left_to_the_one_that_told_of_it() {
    let (pair, hooks) = watched_pair();
    let (running, before) = started(&pair, &hooks).await;
    // There is always one that waits, and never one that waits for long.
    let a_moment = Duration::from_millis(70);
    for n in 0..43 {
        pair.queue(&format!("user{n}"), &format!("a{n}"), 0).await;
        tokio::time::sleep(a_moment).await;
        assert!(pair.engines[1].step().await.unwrap());
        pair.clock.advance(a_moment);
    }
    assert_eq!(hooks.calls("lease"), before);
    running.shutdown().await;
}

#[tokio::test]
async fn a_poll_at_another_worker_asks_the_store_once() {
    let (pair, hooks) = watched_pair();
    pair.uploaders[1].then(|call| async move { call.until_cancelled().await });
    pair.queue("alice", "a", 0).await;
    let engine = pair.engines[1].clone();
    let sending = tokio::spawn(async move { engine.step().await });
    while pair.state("a").await != UploadState::Sending {
        tokio::task::yield_now().await;
    }
    let before = hooks.calls("get");
    let told = pair.engines[0].progress(&id("a"), &Caller::from(token("alice-1"))).await.unwrap();
    assert_eq!((told.stage, hooks.calls("get")), (Stage::Connecting, before + 1));
    pair.engines[1].cancel(&id("a"), &Caller::nobody()).await.unwrap();
    sending.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_due_soon_is_waited_for() {
    let (pair, hooks) = watched_pair();
    // As by a worker whose clock is ahead.
    let (ahead, now) = (Duration::from_secs(2), NOW);
    pair.clock.set(now + ahead);
    let (running, before) = started(&pair, &hooks).await;
    pair.queue("alice", "a", 0).await;
    pair.clock.set(now);
    tokio::time::sleep(SECOND).await;
    assert!(hooks.calls("lease") > before, "it waits until it looks by itself");
    pair.clock.set(now + ahead);
    tokio::time::sleep(ahead).await;
    assert_eq!(pair.state("a").await, UploadState::Completed);
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_listener_hears_of_a_send_of_the_other_within_a_second() {
    let pair = Pair::in_memory();
    let alice = Caller::from(token("alice-1"));
    let (goes, go) = tokio::sync::oneshot::channel::<()>();
    pair.uploaders[0].then(move |call| async move {
        call.sink.stage(Stage::Sending);
        call.sink.acknowledged(BODY.len() as u64 / 2);
        go.await.unwrap();
        Ok(stored(7))
    });
    // Only the first one sends: the other takes an upload in and listens.
    let sender = pair.engines[0].start().await.unwrap();
    let listening = pair.engines[1].start().await.unwrap();
    pair.sessions
        .hold_account(&UserId::new("alice"), &WorkerId::new("worker-0").unwrap(), NOW, NOW + HOUR)
        .await
        .unwrap();
    pair.queue("alice", "a", 1).await;
    let mut watch = pair.engines[1].watch(&id("a"), &alice).await.unwrap();
    while watch.next().await.unwrap().unwrap().progress < 40 {}
    goes.send(()).unwrap();
    let ended = Instant::now();
    let last = loop {
        let event = watch.next().await.unwrap().expect("the end is told");
        if event.is_final() {
            break event;
        }
    };
    assert!(ended.elapsed() <= SECOND * 2, "{:?}", ended.elapsed());
    assert_eq!(last.stored.map(|stored| stored.message_id()), Some(7));
    assert_eq!(pair.uploaders[1].attempts(), 0);
    sender.shutdown().await;
    listening.shutdown().await;
}

#[tokio::test]
async fn one_that_leaves_lets_the_other_go_on_at_once() {
    let pair = Pair::in_memory();
    pair.queue("alice", "a", 0).await;
    assert!(pair.engines[0].step().await.unwrap());
    pair.queue("alice", "b", 0).await;
    assert!(!pair.engines[1].step().await.unwrap(), "the other one has the account");
    pair.engines[0].leave().await.unwrap();
    assert!(pair.engines[1].step().await.unwrap());
    assert_eq!(pair.state("b").await, UploadState::Completed);
    assert_eq!(pair.uploaders.each_ref().map(Scripted::closed), [1, 0], "its connections end first");
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_one_held_is_free_before_its_time() {
    let pair = Pair::in_memory();
    let dead = pair.engines[0].start().await.unwrap();
    pair.queue("alice", "a", 0).await;
    while pair.state("a").await != UploadState::Completed {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(dead);
    // By then it has not said for long that it lives, and the account would be its own still.
    pair.clock.advance(SECOND * 40);
    pair.queue("alice", "b", 1).await;
    let running = pair.engines[1].start().await.unwrap();
    let freed = Instant::now();
    while pair.state("b").await != UploadState::Completed {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(freed.elapsed() < SECOND * 15, "it waits for the account to run out");
    }
    running.shutdown().await;
}

#[tokio::test]
async fn a_file_goes_by_the_worker_that_uses_its_login() {
    let pair = Pair::in_memory();
    pair.queue("alice", "file", 0).await;
    pair.uploaders[0].then(|_| async { Err(Error::new(ErrorKind::LoginBusy, "another worker uses it")) });
    assert!(pair.engines[0].step().await.unwrap());
    assert_eq!(pair.state("file").await, UploadState::Queued);
    assert!(!pair.engines[1].step().await.unwrap(), "it rests for a moment");
    pair.clock.advance(SECOND * 2);
    assert!(pair.engines[1].step().await.unwrap(), "the first has let the account go");
    assert_eq!(pair.state("file").await, UploadState::Completed);
    let found = pair.sessions.get(&id("file")).await.unwrap().unwrap();
    assert_eq!(found.attempt, 1, "what the first could not do does not count");
}
