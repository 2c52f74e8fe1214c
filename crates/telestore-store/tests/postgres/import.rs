//! A worker that becomes many.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;
use telestore_store::{
    BlobName, Error, Import, Limits, Listing, NewChunk, NewEvent, OutboxKind, PostgresSessionStore, Quota,
    SessionStore, SqliteSessionStore, Subject,
};
use telestore_types::{
    ChatId, ChunkIndex, Clock, Outcome, Reading, ResumeState, SenderId, StorageKey, SystemClock, Upload,
    UploadOptions, UserId,
};

use crate::at_once::stored;
use crate::server::{Database, Shows};
use crate::words::{chunk, new_chunk, owned, unowned, worker};

const CHUNKS: u32 = 700;
const HELD: Duration = Duration::from_secs(60);

/// Uploads in each state. Each that has chunks has more of them than are copied at a time.
async fn fill(store: &SqliteSessionStore) {
    let limits = Limits::NONE.with_user(Quota::NONE.with_bytes_per_day(1 << 40));
    let names = ["receiving", "sending", "queued", "failed", "cancelled", "completed"];
    for (number, name) in names.into_iter().enumerate() {
        let upload = Upload {
            file_size: Some(CHUNKS.into()),
            total_chunks: Some(CHUNKS),
            options: UploadOptions::default().with_caption("a caption"),
            ..unowned(name)
        };
        store.create(&upload, false, &limits).await.unwrap();
        store.claim(&upload.id, &upload.key, &owned(&format!("u{number}")), &limits).await.unwrap();
        for index in 0..CHUNKS {
            let index = ChunkIndex::new(index, CHUNKS).unwrap();
            let mut chunk = chunk(0, 1);
            chunk.index = index;
            store.record_chunk(new_chunk(&upload, &chunk).within(limits)).await.unwrap();
        }
        bring(store, &upload).await;
    }
    store.create(&unowned("empty"), false, &limits).await.unwrap();
}

/// Brings an upload to where its name says.
async fn bring(store: &SqliteSessionStore, upload: &Upload) {
    let (name, now) = (upload.id.as_str(), SystemClock.now());
    if name == "receiving" {
        let resume = ResumeState::new("mtproto", *b"\0\xff").by(Some(SenderId::new("bot:7")));
        assert!(store.checkpoint_early(&upload.id, &upload.key, None, &resume).await.unwrap());
        return;
    }
    if name == "cancelled" {
        store.cancel(&upload.id, &upload.key, now).await.unwrap();
        return;
    }
    store.complete(&upload.id, &upload.key, now).await.unwrap();
    if name == "queued" {
        return;
    }
    let others = [UserId::new("u2")];
    let held = store.lease(&worker("old"), now, now + HELD, &others).await.unwrap().unwrap();
    assert_eq!(held.upload.id, upload.id);
    let event = NewEvent::webhook("event", UserId::new("u"), "{}");
    let written = match name {
        "failed" => store.fail(&held, "no", Outcome::GaveUp, now).await.unwrap(),
        "completed" => store.finish(&held, &stored(), Some(&event), now.into()).await.unwrap(),
        _ => true,
    };
    assert!(written);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_sqlite_database_is_there_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let old = SqliteSessionStore::open(dir.path().join("telestore.db")).await.unwrap();
    fill(&old).await;
    let (user, chat) = (UserId::new("u1"), ChatId::new("-1").unwrap());
    old.save_moved_chat(&user, &chat, &ChatId::new("-1001").unwrap()).await.unwrap();
    let bot = StorageKey::from_random([9; 16]);
    old.save_bot_key(&bot, b"sealed").await.unwrap();
    let reading = Reading { at: SystemClock.now(), wall: SystemClock.now() };
    old.save_clock(reading).await.unwrap();

    let database = Database::new(Shows::Time).await;
    let new = database.open().await;
    let import = Import::named("this one");
    assert!(!new.has_imported("this one").await.unwrap());
    new.ready_to_import().await.unwrap();
    let imported = new.import(&old, &import).await.unwrap();
    assert_eq!((imported.uploads, imported.events), (7, 1));
    let listing = Listing::first(99);
    let (before, after) = (old.list(&listing).await.unwrap(), new.list(&listing).await.unwrap());
    assert_eq!(after, before, "each upload, as it was");
    let mut chunks = 0;
    for upload in &before {
        let found = new.chunks(&upload.key).await.unwrap();
        assert_eq!(found, old.chunks(&upload.key).await.unwrap(), "{}", upload.id);
        chunks += found.len() as u64;
    }
    assert_eq!(imported.chunks, chunks);
    let now = SystemClock.now();
    let subject = Subject::User(&user);
    assert_eq!(new.usage(subject, now).await.unwrap(), old.usage(subject, now).await.unwrap());
    assert_eq!(new.counts().await.unwrap(), old.counts().await.unwrap());
    assert_eq!(new.moved_chat(&user, &chat).await.unwrap(), old.moved_chat(&user, &chat).await.unwrap());
    assert_eq!(new.bot_key(&bot).await.unwrap().as_deref(), Some(&b"sealed"[..]));
    assert_eq!(new.clock().await.unwrap(), Some(reading));
    goes_on(&new).await;

    assert!(new.has_imported("this one").await.unwrap() && !new.has_imported("other").await.unwrap());
    match new.import(&old, &import).await {
        Err(Error::Unfit { .. }) => {}
        other => panic!("it is not empty: {other:?}"),
    }
}

/// What was under way goes on: what waited is leased at once, and what was sent when its lease has run out.
async fn goes_on(new: &PostgresSessionStore) {
    let (me, now) = (worker("new"), SystemClock.now());
    let first = new.lease(&me, now, now + HELD, &[]).await.unwrap().unwrap();
    assert_eq!(first.upload.id.as_str(), "queued");
    assert_eq!(new.lease(&me, now, now + HELD, &[]).await.unwrap(), None);
    assert!(new.next_due(&me).await.unwrap().is_some_and(|due| due > now), "the lease of before");
    let due = new.outbox_lease(&me, OutboxKind::Webhook, now, now + HELD, 9, &[]).await.unwrap();
    assert_eq!(due.len(), 1);
}

/// What the keys of a row say, with the clock of a machine that lagged by a day.
#[tokio::test(flavor = "multi_thread")]
async fn names_tokens_and_times_are_those_of_the_new_place() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let dir = tempfile::tempdir().unwrap();
    let old = SqliteSessionStore::open(dir.path().join("telestore.db")).await.unwrap();
    let (upload, wall) = (unowned("one"), SystemClock.now());
    let (then, limits) = (wall - DAY, Limits::NONE);
    old.create(&Upload { created_at: then, updated_at: then, ..upload.clone() }, false, &limits)
        .await
        .unwrap();
    old.claim(&upload.id, &upload.key, &owned("u"), &limits).await.unwrap();
    let sealed = old.get(&upload.id).await.unwrap().unwrap().sealed_token.expect("a token");
    let (copied, left) = (chunk(0, 5), chunk(1, 5));
    for chunk in [&copied, &left] {
        let chunk = NewChunk::new(upload.id.clone(), upload.key.clone(), chunk.clone(), then);
        old.record_chunk(chunk).await.unwrap();
    }
    old.save_clock(Reading { at: then, wall }).await.unwrap();
    let withdrawal = NewEvent::withdrawal("event", json!({ "key": upload.key.as_str() }).to_string());
    let withdrawal = withdrawal.of_user(Some(UserId::new("u")), Some(sealed.clone()));
    old.add_event(&upload.id, &withdrawal, &worker("old"), then, then).await.unwrap();

    let database = Database::new(Shows::Time).await;
    let new = database.open().await;
    // A worker that looked around there once.
    new.save_clock(Reading { at: wall, wall }).await.unwrap();
    let resealed = |key: &StorageKey, token: Vec<u8>| [key.as_str().as_bytes(), &token].concat();
    let blobs = HashMap::from([(copied.blob.clone(), BlobName::new("new/name"))]);
    let import = Import::named("this one").with_blobs(blobs).with_tokens(resealed);
    new.import(&old, &import).await.unwrap();

    let chunks = new.chunks(&upload.key).await.unwrap();
    let names: Vec<_> = chunks.iter().map(|chunk| chunk.blob.as_str()).collect();
    assert_eq!(names, ["new/name", left.blob.as_str()], "what was not copied keeps its name");
    let (found, expected) = (new.get(&upload.id).await.unwrap().unwrap(), resealed(&upload.key, sealed));
    assert_eq!(found.sealed_token.as_ref(), Some(&expected));
    let age = SystemClock.now().since(found.updated_at);
    assert!(age < Duration::from_secs(120), "it is as old as it was: {age:?}");
    let now = SystemClock.now();
    let due =
        new.outbox_lease(&worker("new"), OutboxKind::Withdrawal, now, now + HELD, 9, &[]).await.unwrap();
    assert_eq!(due[0].event.sealed_token.as_ref(), Some(&expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_worker_may_live_on_the_new_database() {
    let dir = tempfile::tempdir().unwrap();
    let old = SqliteSessionStore::open(dir.path().join("telestore.db")).await.unwrap();
    let database = Database::new(Shows::Time).await;
    let new = database.open().await;
    let (me, now) = (worker("new"), SystemClock.now());
    new.beat(&me, now + HELD).await.unwrap();
    for refused in [new.ready_to_import().await, new.import(&old, &Import::named("x")).await.map(drop)] {
        let why = refused.unwrap_err().to_string();
        assert!(why.contains("a worker runs on it"), "{why}");
    }
    while !new.release(&me, now, 9).await.unwrap().is_empty() {}
    new.ready_to_import().await.unwrap();
    assert!(!new.has_imported("x").await.unwrap());
}
