//! Connections that are cut, servers that are gone, and answers that are lost.

use std::time::{Duration, Instant};

use telestore_store::{
    Appended, Change, Changes, Claim, Limits, NewEvent, OutboxKind, PostgresOptions, PostgresSessionStore,
    Recorded, SessionStore,
};
use telestore_types::{Clock, SystemClock, UploadState, UserId, Verdict};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::at_once::stored;
use crate::proxy::{Does, Proxy};
use crate::server::{Database, Shows, server};
use crate::words::{appended, chunk, extent, new_chunk, owned, queued, unowned, worker};

const HELD: Duration = Duration::from_secs(60);

/// A worker behind a proxy, and one beside it.
async fn behind_a_proxy() -> (Database, Proxy, PostgresSessionStore, PostgresSessionStore) {
    let (database, proxy) = (Database::new(Shows::Time).await, Proxy::before(&server()).await);
    let options = PostgresOptions::new(&database.at(&proxy.url)).unwrap();
    let behind = PostgresSessionStore::connect(&options).await.unwrap();
    let beside = database.open().await;
    (database, proxy, behind, beside)
}

/// How an attempt ended is told right, and written once, whichever way the line is cut.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_commit_is_found_out() {
    let (_, proxy, store, beside) = behind_a_proxy().await;
    for (round, does) in [Does::LoseTheAnswer, Does::LoseTheCommit].into_iter().enumerate() {
        let name = format!("upload-{round}");
        queued(&store, "u", &name).await;
        let now = SystemClock.now();
        let held = store.lease(&worker("one"), now, now + HELD, &[]).await.unwrap().unwrap();
        proxy.set(does);
        let event = NewEvent::webhook(name, UserId::new("u"), "{}");
        assert!(store.finish(&held, &stored(), Some(&event), now.into()).await.unwrap(), "{does:?}");
        assert!(proxy.has_done());
        let found = beside.get(&held.upload.id).await.unwrap().unwrap();
        assert_eq!(found.state, UploadState::Completed);
    }
    assert_eq!(beside.counts().await.unwrap().outbox, 2);
}

/// After a crash another transaction may have the name of one that the crash has undone.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_means_nothing_after_a_crash() {
    let (database, proxy, store, beside) = behind_a_proxy().await;
    let upload = appended("appended");
    store.create(&upload, false, &Limits::NONE).await.unwrap();
    queued(&store, "u", "queued").await;
    let now = SystemClock.now();
    let held = store.lease(&worker("one"), now, now + HELD, &[]).await.unwrap().unwrap();
    // As if the server had crashed between each transaction and the question what became of it.
    database
        .run(
            "CREATE FUNCTION crash() RETURNS TRIGGER LANGUAGE plpgsql AS \
             $$ BEGIN UPDATE boots SET name = gen_random_uuid()::TEXT; RETURN NULL; END $$; \
             CREATE TRIGGER crashes AFTER UPDATE ON uploads EXECUTE FUNCTION crash()",
        )
        .await;
    proxy.set(Does::LoseTheAnswer);
    let error = store.append(&extent(&upload, 0, 5)).await.unwrap_err();
    assert!(error.to_string().contains("not known"), "{error}");
    let again = store.append(&extent(&upload, 0, 5)).await.unwrap();
    assert!(matches!(again, Appended::Refused(..)), "{again:?}");
    assert_eq!(beside.get(&upload.id).await.unwrap().unwrap().received_bytes, 5);

    // What must be certain is made again.
    proxy.set(Does::LoseTheAnswer);
    let event = NewEvent::webhook("event", UserId::new("u"), "{}");
    assert!(!store.finish(&held, &stored(), Some(&event), now.into()).await.unwrap(), "it is over by then");
    assert!(proxy.has_done());
    assert_eq!(beside.get(&held.upload.id).await.unwrap().unwrap().state, UploadState::Completed);
    assert_eq!(beside.counts().await.unwrap().outbox, 1);

    proxy.set(Does::LoseTheCommit);
    assert!(matches!(store.append(&extent(&upload, 5, 5)).await.unwrap(), Appended::Stored(..)));
}

/// Bytes whose acknowledgement was lost are told as what they are: stored, once, at their offset.
#[tokio::test(flavor = "multi_thread")]
async fn an_append_is_not_made_twice() {
    let (_, proxy, store, beside) = behind_a_proxy().await;
    let upload = appended("appended");
    store.create(&upload, false, &Limits::NONE).await.unwrap();
    for (at, does) in [(0, Does::LoseTheAnswer), (5, Does::LoseTheCommit)] {
        proxy.set(does);
        let told = store.append(&extent(&upload, at, 5)).await.unwrap();
        assert!(matches!(told, Appended::Stored(..)), "{does:?}: {told:?}");
    }
    assert_eq!(beside.get(&upload.id).await.unwrap().unwrap().received_bytes, 10);
    assert_eq!(beside.chunks(&upload.key).await.unwrap().len(), 2);
}

/// An event is added once, and an id makes one upload, also for a caller that asks again.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_may_be_made_again() {
    let database = Database::new(Shows::Time).await;
    let (one, two) = database.twice().await;
    let event = NewEvent::withdrawal("event", "{}").of_user(Some(UserId::new("u")), None);
    let (upload, now, me) = (unowned("again"), SystemClock.now(), worker("one"));
    for store in [&one, &two] {
        store.create(&upload, false, &Limits::NONE).await.unwrap();
        let claimed = store.claim(&upload.id, &upload.key, &owned("u"), &Limits::NONE).await.unwrap();
        assert_eq!(claimed, Claim::Owned);
        let recorded = store.record_chunk(new_chunk(&upload, &chunk(0, 5))).await.unwrap();
        assert!(matches!(recorded, Recorded::Stored { .. }));
        store.add_event(&upload.id, &event, &me, now, now + HELD).await.unwrap();
    }
    assert_eq!(one.get(&upload.id).await.unwrap().unwrap().received_bytes, 5);
    assert_eq!(one.counts().await.unwrap().outbox, 1);
}

/// A worker that is frozen in the middle of a transaction holds its rows until the server ends it, and what it meant to
/// write is not written when it wakes up.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_worker_keeps_nobody_from_its_rows() {
    let (_, proxy, store, beside) = behind_a_proxy().await;
    let upload = unowned("frozen");
    store.create(&upload, false, &Limits::NONE).await.unwrap();
    proxy.set(Does::FreezeBeforeCommit);
    let began = Instant::now();
    let frozen = tokio::spawn({
        let (store, new) = (store.clone(), new_chunk(&upload, &chunk(0, 5)));
        async move { store.record_chunk(new).await }
    });
    while !proxy.has_done() {
        tokio::task::yield_now().await;
    }
    let cancelled = beside.cancel(&upload.id, &upload.key, SystemClock.now()).await.unwrap();
    assert!(matches!(cancelled, telestore_store::Cancelled::Now { .. }), "{cancelled:?}");
    assert!(began.elapsed() > Duration::from_secs(3), "it had to wait");
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    frozen.abort();
    assert!(beside.chunks(&upload.key).await.unwrap().is_empty());
}

/// Without a database each call is a temporary error soon, and is well again when there is one.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone_is_a_temporary_error() {
    let (_, proxy, store, _) = behind_a_proxy().await;
    let upload = unowned("before");
    store.create(&upload, false, &Limits::NONE).await.unwrap();
    proxy.set(Does::Cut);
    let began = Instant::now();
    let now = SystemClock.now();
    for error in [
        store.get(&upload.id).await.err(),
        store.create(&unowned("during"), false, &Limits::NONE).await.err(),
        store.lease(&worker("one"), now, now + HELD, &[]).await.err(),
        store.probe().await.err(),
    ] {
        assert_eq!(error.expect("it is gone").verdict(), Verdict::Temporary);
    }
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    proxy.set(Does::HandOn);
    assert!(store.get(&upload.id).await.unwrap().is_some());
    store.create(&unowned("after"), false, &Limits::NONE).await.unwrap();
}

const CUT: &str = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";

/// While every connection is cut again and again, each chunk is recorded once, and no call fails but for a while.
#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_lose_nothing() {
    const CHUNKS: u32 = 60;
    let database = Database::new(Shows::Time).await;
    let (one, two) = database.twice().await;
    let mut tasks = JoinSet::new();
    for task in 0..6 {
        let store = if task % 2 == 0 { one.clone() } else { two.clone() };
        tasks.spawn(async move {
            let mut upload = unowned(&format!("upload-{task}"));
            (upload.file_size, upload.total_chunks) = (Some(u64::from(CHUNKS)), Some(CHUNKS));
            insist(|| store.create(&upload, false, &Limits::NONE)).await;
            for index in 0..CHUNKS {
                let new = new_chunk(&upload, &chunk(index, 1));
                let recorded = insist(|| store.record_chunk(new.clone())).await;
                assert!(matches!(recorded, Recorded::Stored { .. }), "{recorded:?}");
            }
            upload
        });
    }
    let cutting = tokio::spawn({
        let database = database.clone();
        async move {
            loop {
                database.number(CUT).await;
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
        }
    });
    let uploads = tasks.join_all().await;
    cutting.abort();
    for upload in uploads {
        let found = one.get(&upload.id).await.unwrap().unwrap();
        assert_eq!((found.received_chunks, found.received_bytes), (CHUNKS, u64::from(CHUNKS)));
    }
}

/// Makes a call until it is done. It may fail for a while only.
async fn insist<T, F: Future<Output = telestore_store::Result<T>>>(call: impl Fn() -> F) -> T {
    loop {
        match call().await {
            Ok(done) => return done,
            Err(error) => assert_eq!(error.verdict(), Verdict::Temporary, "{error}"),
        }
    }
}

/// The next change of these that is not just a word of caution.
async fn next(changes: &mut Changes) -> Change {
    loop {
        match timeout(Duration::from_secs(20), changes.next()).await.expect("a change is told") {
            Change::Unknown => {}
            change => return change,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_hear_of_each_other_also_after_the_line_was_cut() {
    let database = Database::new(Shows::Time).await;
    let (one, two) = database.twice().await;
    let mut changes = two.changes();
    assert_eq!(
        timeout(Duration::from_secs(20), changes.next()).await.unwrap(),
        Change::Unknown,
        "it listens"
    );
    let upload = queued(&one, "u", "first").await;
    assert_eq!(next(&mut changes).await, Change::Queued, "and no chunk before it was told");

    database.number(CUT).await;
    assert_eq!(
        timeout(Duration::from_secs(20), changes.next()).await.unwrap(),
        Change::Unknown,
        "it was cut"
    );
    one.cancel(&upload.id, &upload.key, SystemClock.now()).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Cancelled(upload.key));

    let now = SystemClock.now();
    queued(&one, "v", "second").await;
    assert_eq!(next(&mut changes).await, Change::Queued);
    let held = one.lease(&worker("one"), now, now + HELD, &[]).await.unwrap().unwrap();
    let event = NewEvent::webhook("event", UserId::new("v"), "{}");
    assert!(one.finish(&held, &stored(), Some(&event), now.into()).await.unwrap());
    assert_eq!(next(&mut changes).await, Change::Event);
    let due = two.outbox_lease(&worker("two"), OutboxKind::Webhook, now, now + HELD, 9, &[]).await;
    assert_eq!(due.unwrap().len(), 1);
}
