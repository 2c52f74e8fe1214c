mod files;

use std::task::{Context, Poll, Waker};

use sqlx::{ConnectOptions, Connection};
use telestore_types::{
    ChunkIndex, FileName, NewUpload, Outcome, Reading, StorageKey, StoredFile, Timestamp, UploadId,
    UploadKind, UserId, WorkerId,
};

use super::*;
use crate::Schema;
use crate::{
    BlobName, ChunkRecord, Completed, Created, Limits, NewChunk, NewEvent, Quota, Recorded, SessionStore,
    Subject, Usage,
};

const NOW: Timestamp = Timestamp::from_millis(5);

async fn store() -> (SqliteSessionStore, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (SqliteSessionStore::open(dir.path().join("telestore.db")).await.unwrap(), dir)
}

fn upload(name: &str, key: u8, total_chunks: u32) -> Upload {
    let (id, file_name) = (UploadId::new(name).unwrap(), FileName::new("a.bin").unwrap());
    let new = NewUpload::new(id, StorageKey::from_random([key; 16]), file_name, NOW);
    Upload::new(new.in_chunks(u64::from(total_chunks), total_chunks))
}

fn chunk(index: u32) -> ChunkRecord {
    let blob = BlobName::new(format!("blob-{index}"));
    ChunkRecord { index: ChunkIndex::new(index, 1000).unwrap(), length: 1, crc32c: index, blob }
}

fn new_chunk(upload: &Upload, index: u32) -> NewChunk {
    NewChunk::new(upload.id.clone(), upload.key.clone(), chunk(index), NOW)
}

fn worker() -> WorkerId {
    WorkerId::new("one").unwrap()
}

async fn record(store: &SqliteSessionStore, upload: &Upload, index: u32) -> Result<Recorded> {
    let limits = Limits { max_bytes: 1000, ..Limits::NONE };
    store.record_chunk(new_chunk(upload, index).within(limits)).await
}

async fn run(store: &SqliteSessionStore, statements: &[&'static str]) {
    for statement in statements {
        sqlx::query(*statement).execute(&store.writer).await.unwrap();
    }
}

/// A foreign key that is checked at the end makes the COMMIT itself fail, as a full disk does.
const DEFERRED: [&str; 2] = [
    "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
    "CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
];

/// Asks for chunks `0..count` while the writing connection is taken, so that all come into one group.
async fn group(store: &SqliteSessionStore, upload: &Upload, count: u32) -> Vec<Result<Recorded>> {
    let held = store.writer.acquire().await.unwrap();
    let asked = (0..count).map(|index| {
        let (store, upload) = (store.clone(), upload.clone());
        tokio::spawn(async move { record(&store, &upload, index).await })
    });
    let asked: Vec<_> = asked.collect();
    // On this one thread each of them has asked when this one goes on.
    tokio::task::yield_now().await;
    drop(held);
    let mut answers = Vec::new();
    for asked in asked {
        answers.push(asked.await.unwrap());
    }
    answers
}

async fn recorded(store: &SqliteSessionStore, upload: &Upload) -> (u32, Vec<u32>) {
    let chunks = store.chunks(&upload.key).await.unwrap();
    let found = store.get(&upload.id).await.unwrap().unwrap();
    (found.received_chunks, chunks.iter().map(|chunk| chunk.index.get()).collect())
}

#[tokio::test]
async fn a_commit_that_fails_harms_only_itself() {
    let (store, _dir) = store().await;
    run(&store, &DEFERRED).await;
    run(&store, &["CREATE TRIGGER fails AFTER INSERT ON uploads BEGIN INSERT INTO child VALUES (7); END"])
        .await;
    let (first, second) = (upload("a", 1, 1), upload("b", 2, 1));
    for _ in 0..3 {
        assert!(matches!(store.create(&first, false, &Limits::NONE).await, Err(Error::Failed { .. })));
    }
    run(&store, &["DROP TRIGGER fails"]).await;
    assert_eq!(store.create(&second, false, &Limits::NONE).await.unwrap(), Created::New);
    assert_eq!(store.get(&first.id).await.unwrap(), None);
    assert_eq!(store.get(&second.id).await.unwrap(), Some(second));
}

#[tokio::test]
async fn one_chunk_that_fails_takes_no_other_down() {
    let (store, _dir) = store().await;
    let upload = upload("a", 1, 9);
    store.create(&upload, false, &Limits::NONE).await.unwrap();
    run(
        &store,
        &["CREATE TRIGGER fails BEFORE INSERT ON chunks WHEN NEW.idx = 2 BEGIN SELECT RAISE(ABORT, 'no'); END"],
    )
    .await;
    let answers = group(&store, &upload, 5).await;
    let stored: Vec<bool> =
        answers.iter().map(|answer| matches!(answer, Ok(Recorded::Stored { .. }))).collect();
    assert_eq!(stored, [true, true, false, true, true]);
    assert!(answers[2].as_ref().unwrap_err().to_string().contains("no"));
    assert_eq!(recorded(&store, &upload).await, (4, vec![0, 1, 3, 4]), "a count of what is there");
}

#[tokio::test]
async fn a_commit_that_fails_fails_its_whole_group() {
    let (store, _dir) = store().await;
    let upload = upload("a", 1, 9);
    store.create(&upload, false, &Limits::NONE).await.unwrap();
    run(&store, &DEFERRED).await;
    let trigger = "CREATE TRIGGER fails AFTER INSERT ON chunks WHEN NEW.idx = 1 BEGIN INSERT INTO child VALUES (7); END";
    run(&store, &[trigger]).await;
    let answers = group(&store, &upload, 4).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(Error::Failed { .. }))), "{answers:?}");
    assert_eq!(recorded(&store, &upload).await, (0, vec![]));
    run(&store, &["DROP TRIGGER fails"]).await;
    assert!(group(&store, &upload, 4).await.iter().all(Result::is_ok));
    assert_eq!(recorded(&store, &upload).await, (4, vec![0, 1, 2, 3]));
}

#[tokio::test]
async fn a_transaction_that_sqlite_gives_up_fails_its_whole_group() {
    let (store, _dir) = store().await;
    let upload = upload("a", 1, 9);
    store.create(&upload, false, &Limits::NONE).await.unwrap();
    // As a full disk may: everything of the transaction is taken back, its savepoints too.
    let trigger = "CREATE TRIGGER fails BEFORE INSERT ON chunks WHEN NEW.idx = 2 \
                   BEGIN SELECT RAISE(ROLLBACK, 'no'); END";
    run(&store, &[trigger]).await;
    assert!(group(&store, &upload, 4).await.iter().all(Result::is_err));
    assert_eq!(recorded(&store, &upload).await, (0, vec![]));
    assert!(group(&store, &upload, 2).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_caller_that_goes_away_holds_nobody_up() {
    let (store, _dir) = store().await;
    let upload = upload("a", 1, 9);
    store.create(&upload, false, &Limits::NONE).await.unwrap();
    let held = store.writer.acquire().await.unwrap();
    let mut gone = Box::pin(record(&store, &upload, 0));
    let polled = gone.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Pending));
    drop(gone);
    drop(held);
    assert!(record(&store, &upload, 1).await.is_ok());
    let (count, chunks) = recorded(&store, &upload).await;
    assert!(chunks.contains(&1) && chunks.len() == count as usize);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_each_get_their_own_answer() {
    let (store, _dir) = store().await;
    let upload = upload("a", 1, 640);
    store.create(&upload, false, &Limits::NONE).await.unwrap();
    let callers: Vec<_> = (0..64)
        .map(|caller| {
            let (store, upload) = (store.clone(), upload.clone());
            tokio::spawn(async move {
                for index in (caller * 10)..(caller * 10 + 10) {
                    let answer = record(&store, &upload, index).await.unwrap();
                    assert!(matches!(answer, Recorded::Stored { replaced: None, .. }));
                    let again = record(&store, &upload, index).await.unwrap();
                    let blob = chunk(index).blob;
                    assert!(matches!(again, Recorded::Stored { replaced: Some(old), .. } if old == blob));
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(recorded(&store, &upload).await, (640, (0..640).collect()));
}

#[tokio::test]
async fn bytes_of_a_record_that_fails_are_not_counted() {
    let (store, _dir) = store().await;
    let upload = Upload { user_id: Some(UserId::new("u")), ..upload("a", 1, 9) };
    let user = Quota { bytes_per_day: Some(100), ..Quota::NONE };
    let limits = Limits { user, ..Limits::NONE };
    store.create(&upload, false, &limits).await.unwrap();
    let trigger =
        "CREATE TRIGGER fails BEFORE INSERT ON chunks WHEN NEW.idx = 1 BEGIN SELECT RAISE(ABORT, 'no'); END";
    run(&store, &[trigger]).await;
    for (index, good) in [(0, true), (1, false), (2, true)] {
        let recorded = store.record_chunk(new_chunk(&upload, index).within(limits)).await;
        assert_eq!(recorded.is_ok(), good, "{recorded:?}");
    }
    let used = store.usage(Subject::User(&UserId::new("u")), NOW).await.unwrap();
    assert_eq!(used, Usage { sessions: 1, stored_bytes: 2, bytes_today: 2 });
}

#[tokio::test]
async fn a_file_is_looked_at_without_touching_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("telestore.db");
    assert_eq!(SqliteSessionStore::schema(&path).await.unwrap(), Schema::Missing);
    assert!(matches!(SqliteSessionStore::attach(&path, Durability::Process).await, Err(Error::Missing)));
    assert!(!path.exists(), "looking makes no file");
    let store = SqliteSessionStore::open(&path).await.unwrap();
    assert_eq!(SqliteSessionStore::schema(&path).await.unwrap(), Schema::Current);
    // A second process on the same file sees what the first one writes.
    let beside = SqliteSessionStore::attach(&path, Durability::Process).await.unwrap();
    let upload = upload("a", 1, 1);
    store.create(&upload, false, &Limits::NONE).await.unwrap();
    assert_eq!(beside.get(&upload.id).await.unwrap(), Some(upload));

    run(&store, &["DELETE FROM _sqlx_migrations WHERE version > 1"]).await;
    assert_eq!(SqliteSessionStore::schema(&path).await.unwrap(), Schema::Older);
    run(&store, &["UPDATE _sqlx_migrations SET version = 9999"]).await;
    assert_eq!(SqliteSessionStore::schema(&path).await.unwrap(), Schema::Newer);
    assert!(SqliteSessionStore::attach(&path, Durability::Process).await.is_err());
    std::fs::write(dir.path().join("garbage"), [7; 5000]).unwrap();
    assert!(SqliteSessionStore::schema(dir.path().join("garbage")).await.is_err());
}

#[tokio::test]
async fn the_rows_of_an_older_version_are_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("telestore.db");
    // As the version before limits made it.
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut old = options.connect().await.unwrap();
    let migrations = schema::MIGRATIONS.iter().filter(|migration| migration.version <= 2).cloned().collect();
    let before = sqlx::migrate::Migrator { migrations, ..sqlx::migrate::Migrator::DEFAULT };
    before.run(&mut old).await.unwrap();
    let key = StorageKey::from_random([7; 16]);
    for statement in [
        format!(
            "INSERT INTO uploads (id, key, file_name, file_size, total_chunks, user_id, sealed_token, state, \
             received_chunks, received_bytes, progress, attempt, created_at, updated_at) \
             VALUES ('a', '{key}', 'a.bin', 2, 2, 'u', x'01', 'receiving', 1, 1, 0, 1, 5, 5)"
        ),
        format!("INSERT INTO chunks VALUES ('{key}', 0, 1, 0, 'blob-0')"),
        "INSERT INTO outbox VALUES ('event', 'b', '{}', 0, 5, 5)".to_owned(),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut old).await.unwrap();
    }
    old.close().await.unwrap();
    assert_eq!(SqliteSessionStore::schema(&path).await.unwrap(), Schema::Older);

    let store = SqliteSessionStore::open(&path).await.unwrap();
    assert_eq!(SqliteSessionStore::schema(&path).await.unwrap(), Schema::Current);
    let used = store.usage(Subject::User(&UserId::new("u")), NOW).await.unwrap();
    assert_eq!(used, Usage { sessions: 1, stored_bytes: 1, bytes_today: 0 });
    let upload = store.get(&UploadId::new("a").unwrap()).await.unwrap().unwrap();
    assert_eq!(store.chunks(&upload.key).await.unwrap().len(), 1);
    assert!(matches!(record(&store, &upload, 1).await.unwrap(), Recorded::Stored { .. }));
    assert!(matches!(store.complete(&upload.id, &upload.key, NOW).await.unwrap(), Completed::Accepted(..)));
    assert_eq!(
        store.outbox_lease(&worker(), crate::OutboxKind::Webhook, NOW, NOW, 1, &[]).await.unwrap().len(),
        1
    );
}

#[tokio::test]
async fn a_flushed_transaction_flushes_and_the_next_one_does_not() {
    let (store, _dir) = store().await;
    let mode = |tx: Tx| async move {
        let mut tx = tx;
        let mode: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *tx).await.unwrap();
        tx.unchanged(mode).await.unwrap()
    };
    // FULL, and NORMAL. <https://www.sqlite.org/pragma.html#pragma_synchronous>
    for _ in 0..2 {
        assert_eq!(mode(store.begin_flushed().await.unwrap()).await, 2);
        assert_eq!(mode(store.begin().await.unwrap()).await, 1);
    }
    // One that is dropped in the middle takes its connection with it.
    drop(store.begin_flushed().await.unwrap());
    assert_eq!(mode(store.begin().await.unwrap()).await, 1);
}

#[tokio::test]
async fn what_cannot_be_repeated_is_flushed() {
    let (store, _dir) = store().await;
    let upload = Upload { user_id: Some(UserId::new("u")), kind: UploadKind::Direct, ..upload("a", 1, 1) };
    store.create(&upload, false, &Limits::NONE).await.unwrap();
    record(&store, &upload, 0).await.unwrap();
    store.complete(&upload.id, &upload.key, NOW).await.unwrap();
    let flushed = || store.flushed.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(flushed(), 0, "chunks are flushed by the store's own setting");
    store.keep(&upload.id, &upload.key).await.unwrap();
    assert_eq!(flushed(), 1);
    let lease = store.lease(&worker(), NOW, NOW + Duration::from_secs(1), &[]).await.unwrap().unwrap();
    store.commit(&lease, 50, None).await.unwrap();
    assert_eq!(flushed(), 2);
    let stored_as = telestore_types::StoredAs::BotApi { file_id: "f".to_owned() };
    let stored = StoredFile::new(telestore_types::StoredMessage::new(1, stored_as, 1));
    store.finish(&lease, &stored, None, NOW.into()).await.unwrap();
    assert_eq!(flushed(), 3);
    let event = NewEvent::webhook("e", UserId::new("u"), "{}");
    store.add_event(&upload.id, &event, &worker(), NOW, NOW).await.unwrap();
    assert_eq!(flushed(), 4);
}

#[tokio::test]
async fn what_version_0_1_told_by_ids_and_words_stands_in_rows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("telestore.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut old = options.connect().await.unwrap();
    let migrations = schema::MIGRATIONS.iter().filter(|migration| migration.version <= 3).cloned().collect();
    let before = sqlx::migrate::Migrator { migrations, ..sqlx::migrate::Migrator::DEFAULT };
    before.run(&mut old).await.unwrap();
    let direct = format!("direct-{:032x}", 7);
    for (key, id, state, error) in [
        (1, direct.as_str(), "queued", ""),
        (2, "direct-mine", "receiving", ""),
        (3, "lost", "failed", "no answer. The file may be in the channel already: look there"),
        (4, "refused", "failed", "Could not resolve channel ID"),
        (5, "cut-off", "sending", ""),
        (6, "sent", "completed", ""),
    ] {
        let key = StorageKey::from_random([key; 16]);
        let row = format!(
            "INSERT INTO uploads (id, key, file_name, file_size, total_chunks, state, received_chunks, \
             received_bytes, progress, attempt, error, created_at, updated_at) \
             VALUES ('{id}', '{key}', 'a.bin', 2, 2, '{state}', 0, 0, 0, 1, '{error}', 5, 9)"
        );
        sqlx::query(sqlx::AssertSqlSafe(row)).execute(&mut old).await.unwrap();
    }
    let sent = r#"UPDATE uploads SET stored = '{"message_id":7,"stored_as":{"bot_api":{"file_id":"f"}}}', resume = x'6d696e65'
                  WHERE id = 'sent'"#;
    sqlx::query(sent).execute(&mut old).await.unwrap();
    old.close().await.unwrap();
    let store = SqliteSessionStore::open(&path).await.unwrap();
    for (id, kind, maybe_sent, outcome) in [
        (direct.as_str(), UploadKind::Kept, false, None),
        ("direct-mine", UploadKind::Chunked, false, None),
        ("lost", UploadKind::Chunked, true, Some(Outcome::Ambiguous)),
        ("refused", UploadKind::Chunked, false, Some(Outcome::Failed)),
        ("cut-off", UploadKind::Chunked, true, None),
        ("sent", UploadKind::Chunked, false, Some(Outcome::Stored)),
    ] {
        let found = store.get(&UploadId::new(id).unwrap()).await.unwrap().unwrap();
        assert_eq!((found.kind, found.maybe_sent, found.outcome), (kind, maybe_sent, outcome), "{id}");
        let state = found.resume.map(|state| (state.backend, state.bytes));
        assert_eq!(state, (id == "sent").then(|| (String::new(), b"mine".to_vec())), "{id}");
    }
    let sent = store.get(&UploadId::new("sent").unwrap()).await.unwrap().unwrap().stored.unwrap();
    assert_eq!((sent.message_id(), sent.file_id().as_str(), sent.size()), (7, "f", 2));
    let latest = Timestamp::from_millis(9);
    assert_eq!(store.clock().await.unwrap(), Some(Reading { at: latest, wall: latest }));
    // A clock that was ahead when that version wrote a row makes nothing old.
    run(&store, &["UPDATE uploads SET updated_at = 9000000000000000 WHERE id = 'lost'"]).await;
    let at = store.clock().await.unwrap().unwrap().at;
    let wall = telestore_types::Clock::now(&telestore_types::SystemClock);
    assert!(at <= wall && wall.since(at) < Duration::from_secs(60), "{at}");
}
