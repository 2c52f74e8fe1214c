//! Workers that do the same thing at the same time.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use telestore_store::{
    Completed, Created, Lease, Limits, NewEvent, OutboxKind, PostgresSessionStore, Quota, Recorded,
    SessionStore,
};
use telestore_types::{
    AddressKey, Clock, StoredAs, StoredFile, StoredMessage, SystemClock, UserId, WorkerId,
};
use tokio::task::JoinSet;

use crate::server::{Database, Shows};
use crate::words::{chunk, new_chunk, owned, queued, unowned, worker};

/// How long what is taken here is held.
const HELD: Duration = Duration::from_secs(60);

const DEADLOCKS: &str = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";

/// No transaction had to be ended because two waited for each other.
async fn nothing_waited_for_itself(database: &Database, handles: [PostgresSessionStore; 2]) {
    for handle in handles {
        // A connection tells what it counted at its end.
        handle.close().await;
    }
    assert_eq!(database.number(DEADLOCKS).await, 0);
}

pub(crate) fn stored() -> StoredFile {
    StoredFile::new(StoredMessage::new(1, StoredAs::BotApi { file_id: "f".to_owned() }, 10))
}

async fn lease(store: &PostgresSessionStore, worker: &WorkerId) -> Option<Lease> {
    let now = SystemClock.now();
    store.lease(worker, now, now + HELD, &[]).await.unwrap()
}

/// Four tasks of each of two workers send 200 uploads of 100 users.
#[tokio::test(flavor = "multi_thread")]
async fn each_upload_is_leased_once_and_no_account_by_two() {
    const UPLOADS: usize = 200;
    let database = Database::new(Shows::Time).await;
    let (one, two) = database.twice().await;
    for upload in 0..UPLOADS {
        queued(&one, &format!("u{}", upload % 100), &format!("upload-{upload}")).await;
    }
    let sent: Arc<Mutex<Vec<(String, UserId, WorkerId)>>> = Arc::default();
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let (store, name) = if task % 2 == 0 { (one.clone(), "one") } else { (two.clone(), "two") };
        let (sent, worker) = (Arc::clone(&sent), worker(name));
        tasks.spawn(async move {
            while sent.lock().unwrap().len() < UPLOADS {
                let Some(held) = lease(&store, &worker).await else {
                    tokio::task::yield_now().await;
                    continue;
                };
                let (id, user) = (held.upload.id.as_str().to_owned(), held.upload.user_id.clone().unwrap());
                sent.lock().unwrap().push((id.clone(), user.clone(), worker.clone()));
                assert!(store.extend(&held, SystemClock.now(), SystemClock.now() + HELD).await.unwrap());
                let event = NewEvent::webhook(id, user, "{}");
                assert!(
                    store.finish(&held, &stored(), Some(&event), SystemClock.now().into()).await.unwrap()
                );
            }
        });
    }
    tasks.join_all().await;
    let sent = sent.lock().unwrap().clone();
    let names: HashSet<_> = sent.iter().map(|(id, ..)| id).collect();
    assert_eq!((sent.len(), names.len()), (UPLOADS, UPLOADS), "each once");
    let mut workers: BTreeMap<&str, HashSet<&WorkerId>> = BTreeMap::new();
    for (_, user, worker) in &sent {
        workers.entry(user.as_str()).or_default().insert(worker);
    }
    assert!(workers.values().all(|workers| workers.len() == 1), "an account was used by two: {workers:?}");
    assert_eq!(one.counts().await.unwrap().outbox, UPLOADS as u64);
    nothing_waited_for_itself(&database, [one, two]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_claimed_once_and_no_account_by_two() {
    const EVENTS: usize = 120;
    let database = Database::new(Shows::Time).await;
    let (one, two) = database.twice().await;
    for event in 0..EVENTS {
        let (user, now) = (UserId::new(format!("u{}", event % 12)), SystemClock.now());
        let event = NewEvent::withdrawal(format!("e{event}"), "{}").of_user(Some(user.clone()), None);
        let upload = unowned("gone").id;
        let added = one.add_event(&upload, &event, &worker("maker"), now, now + HELD).await.unwrap();
        assert!(one.outbox_later(&added, now).await.unwrap());
        one.leave_account(&user, &worker("maker")).await.unwrap();
    }
    let done: Arc<Mutex<Vec<(String, UserId, WorkerId)>>> = Arc::default();
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let (store, name) = if task % 2 == 0 { (one.clone(), "one") } else { (two.clone(), "two") };
        let (done, worker) = (Arc::clone(&done), worker(name));
        tasks.spawn(async move {
            while done.lock().unwrap().len() < EVENTS {
                let now = SystemClock.now();
                let kind = OutboxKind::Withdrawal;
                for event in store.outbox_lease(&worker, kind, now, now + HELD, 7, &[]).await.unwrap() {
                    assert!(store.outbox_done(&event).await.unwrap());
                    let user = event.event.user_id.unwrap();
                    done.lock().unwrap().push((event.event.event_id, user, worker.clone()));
                }
            }
        });
    }
    tasks.join_all().await;
    let done = done.lock().unwrap().clone();
    assert_eq!(done.iter().map(|(id, ..)| id).collect::<HashSet<_>>().len(), EVENTS);
    let accounts: HashSet<_> = done.iter().map(|(_, user, worker)| (user, worker)).collect();
    assert_eq!(accounts.len(), 12, "each account was used by one: {accounts:?}");
    nothing_waited_for_itself(&database, [one, two]).await;
}

/// Both workers fill what a user, and the clients at an address, may have; nothing more goes in.
#[tokio::test(flavor = "multi_thread")]
async fn quotas_hold_over_both() {
    let database = Database::new(Shows::Time).await;
    let (one, two) = database.twice().await;
    let quota = Quota::NONE.with_sessions(10).with_stored_bytes(50);
    let limits = Limits::NONE.with_address(quota).with_user(quota);
    let mut tasks = JoinSet::new();
    for task in 0..40 {
        let store = if task % 2 == 0 { one.clone() } else { two.clone() };
        tasks.spawn(async move {
            let mut upload = unowned(&format!("upload-{task}"));
            upload.address = Some(AddressKey::new("a"));
            let created = store.create(&upload, false, &limits).await.unwrap();
            (created == Created::New).then_some(upload)
        });
    }
    let made: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(made.len(), 10, "as many as allowed");
    let mut tasks = JoinSet::new();
    for (task, upload) in made.into_iter().enumerate() {
        let store = if task % 2 == 0 { one.clone() } else { two.clone() };
        tasks.spawn(async move {
            store.claim(&upload.id, &upload.key, &owned("u"), &limits).await.unwrap();
            let mut bytes = 0;
            for index in 0..2 {
                let new = new_chunk(&upload, &chunk(index, 5)).within(limits);
                match store.record_chunk(new).await.unwrap() {
                    Recorded::Stored { .. } => bytes += 5,
                    Recorded::TooMuch(_) => {}
                    other => panic!("{other:?}"),
                }
            }
            bytes
        });
    }
    assert_eq!(tasks.join_all().await.iter().sum::<u64>(), 50, "as many as allowed");
    nothing_waited_for_itself(&database, [one, two]).await;
}

/// Strangers come by both, some are told apart meanwhile, and what comes for one id makes one upload.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_few_over_both() {
    let database = Database::new(Shows::Time).await;
    let (one, two) = database.twice().await;
    let much = Quota::NONE.with_sessions(1_000).with_bytes_per_day(1_000);
    let limits = Limits::NONE.with_unowned(5).with_address(much).with_user(much);
    let mut tasks = JoinSet::new();
    for task in 0..60 {
        let store = if task % 2 == 0 { one.clone() } else { two.clone() };
        tasks.spawn(async move {
            let mut upload = unowned(&format!("upload-{}", task / 2));
            upload.address = Some(AddressKey::new(format!("a{}", task % 7)));
            let made = store.create(&upload, false, &limits).await.unwrap() == Created::New;
            if made && task % 3 == 0 {
                store.claim(&upload.id, &upload.key, &owned("u"), &limits).await.unwrap();
                store.record_chunk(new_chunk(&upload, &chunk(0, 5)).within(limits)).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let left = database.number("SELECT COUNT(*) FROM uploads WHERE user_id IS NULL").await;
    assert!((1..=5).contains(&left), "{left}");
    nothing_waited_for_itself(&database, [one, two]).await;
}

/// Chunks, completions, cancels, leases, releases and sweeps of a few uploads, all at once: nothing waits for itself.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_meets_goes_on() {
    let database = Database::new(Shows::Time).await;
    let (one, two) = database.twice().await;
    let mut tasks = JoinSet::new();
    for task in 0..12_u32 {
        let store = if task % 2 == 0 { one.clone() } else { two.clone() };
        tasks.spawn(async move {
            let me = worker(if task % 2 == 0 { "one" } else { "two" });
            for round in 0..25_u32 {
                let now = SystemClock.now();
                let upload = unowned(&format!("upload-{}", (task + round) % 5));
                match (task + round) % 7 {
                    0 => drop(store.create(&upload, true, &Limits::NONE.with_unowned(3)).await.unwrap()),
                    1 => drop(store.release_gone(&me, now, 9).await.unwrap()),
                    2 => {
                        if let Some(held) = lease(&store, &me).await {
                            store.retry_later(&held, now, false, now).await.unwrap();
                        }
                    }
                    3 => store.beat(&me, now + HELD).await.unwrap(),
                    step => {
                        let Some(found) = store.get(&upload.id).await.unwrap() else { continue };
                        if step == 6 && round % 4 == 0 {
                            store.cancel(&found.id, &found.key, now).await.unwrap();
                            continue;
                        }
                        store.claim(&found.id, &found.key, &owned("u"), &Limits::NONE).await.unwrap();
                        for index in 0..2 {
                            store.record_chunk(new_chunk(&found, &chunk(index, 5))).await.unwrap();
                        }
                        let done = store.complete(&found.id, &found.key, now).await.unwrap();
                        assert!(
                            !matches!(done, Completed::Refused(error) if error.to_string().contains("bytes"))
                        );
                    }
                }
            }
        });
    }
    tasks.join_all().await;
    nothing_waited_for_itself(&database, [one, two]).await;
}
