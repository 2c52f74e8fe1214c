//! The index of files: what a migration and an import bring into it.

use std::time::Duration;

use sqlx::migrate::Migrator;
use telestore_store::{FileListing, Import, Limits, PostgresSessionStore, SessionStore, SqliteSessionStore};
use telestore_types::{Clock, FileName, IndexedFile, Reading, SystemClock, Upload, UserId};

use crate::at_once::stored;
use crate::server::{Database, Shows};
use crate::words::{chunk, new_chunk, owned, queued, unowned, worker};

const HELD: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The last version without an index of files.
const BEFORE: i64 = 7;

fn of_u() -> FileListing {
    FileListing::first(9999)
}

fn ids(files: &[IndexedFile]) -> Vec<&str> {
    files.iter().map(|file| file.upload_id.as_str()).collect()
}

/// A database with the tables of before, and these statements.
async fn before(statements: &str) -> Database {
    let database = Database::bare().await;
    let all = sqlx::migrate!("./migrations/postgres");
    let migrations = all.iter().filter(|migration| migration.version <= BEFORE).cloned().collect();
    let old = Migrator { migrations, ..Migrator::DEFAULT };
    old.run(&mut database.connect().await).await.unwrap();
    database.run(statements).await;
    database
}

#[tokio::test(flavor = "multi_thread")]
async fn completed_uploads_become_files_whatever_their_options_are() {
    let digest = "ab".repeat(32);
    let options = [
        r"NULL".to_owned(),
        r#"'{"caption":"a\u0000b"}'"#.to_owned(),
        format!(r#"'{{"caption":"\"sha256\":\"{}\"","sha256":"{digest}"}}'"#, "cd".repeat(32)),
        "'no JSON'".to_owned(),
    ];
    let rows = options.iter().enumerate().map(|(number, options)| {
        format!(
            "INSERT INTO uploads (id, key, file_name, file_size, total_chunks, options, user_id, kind, state, received_chunks, \
             received_bytes, progress, attempt, stored, created_at, updated_at) \
             VALUES ('id-{number}', '{number:032x}', 'ÜBUNG', 2, 1, {options}, 'u', 'chunked', 'completed', 1, 2, \
             100, 1, '{{\"message_id\":7,\"stored_as\":{{\"bot_api\":{{\"file_id\":\"f\"}}}}}}', 5, {});",
            1000 + number
        )
    });
    let database = before(&rows.collect::<String>()).await;
    let store = database.open().await;
    let files = store.files(&UserId::new("u"), &of_u().named("u\u{308}bung")).await.unwrap();
    assert_eq!(ids(&files), ["id-3", "id-2", "id-1", "id-0"]);
    let digests: Vec<_> = files.iter().map(|file| file.sha256.map(|sha256| sha256.to_string())).collect();
    assert_eq!(digests, [None, Some(digest), None, None]);
    assert_eq!(files[0].created_at.as_millis(), 1003);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_start_together_fold_the_names_of_all_files() {
    let database = before(
        "INSERT INTO uploads (id, key, file_name, file_size, total_chunks, user_id, kind, state, received_chunks, received_bytes, \
         progress, attempt, stored, created_at, updated_at) \
         SELECT 'id-' || n, lpad(n::TEXT, 32, '0'), 'Übung ' || n || chr(1) || chr(1), 2, 1, 'u', 'chunked', 'completed', 1, 2, 100, 1, \
         '{\"message_id\":7,\"stored_as\":{\"bot_api\":{\"file_id\":\"f\"}}}', 5, n FROM generate_series(1, 1501) AS n",
    )
    .await;
    let (one, two, three) = tokio::join!(database.open(), database.open(), database.open());
    for store in [&one, &two, &three] {
        assert_eq!(store.files(&UserId::new("u"), &of_u().named("ÜBUNG")).await.unwrap().len(), 1501);
    }
    // What stands in a row is written as ever.
    assert_eq!(ids(&one.files(&UserId::new("u"), &of_u().named("g 77\u{1}")).await.unwrap()), ["id-77"]);
    assert_eq!(database.number("SELECT COUNT(*) FROM files WHERE folded IS NULL").await, 0);
}

/// An upload of `u` that has become a file.
async fn sent(store: &SqliteSessionStore, name: &str) {
    let limits = Limits::NONE;
    let upload = Upload { file_name: FileName::new("Übung").unwrap(), ..unowned(name) };
    store.create(&upload, false, &limits).await.unwrap();
    store.claim(&upload.id, &upload.key, &owned("u"), &limits).await.unwrap();
    for index in 0..2 {
        store.record_chunk(new_chunk(&upload, &chunk(index, 5))).await.unwrap();
    }
    let now = SystemClock.now();
    store.complete(&upload.id, &upload.key, now).await.unwrap();
    let held = store.lease(&worker("old"), now, now + HELD, &[]).await.unwrap().unwrap();
    assert!(store.finish(&held, &stored(), None, now.into()).await.unwrap());
}

async fn sent_by_new(store: &PostgresSessionStore, name: &str) {
    let (upload, now) = (queued(store, "u", name).await, SystemClock.now());
    let held = store.lease(&worker("new"), now, now + HELD, &[]).await.unwrap().unwrap();
    assert_eq!(held.upload.id, upload.id);
    assert!(store.finish(&held, &stored(), None, now.into()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_the_same_after_an_import_and_new_ones_come_before_them() {
    let dir = tempfile::tempdir().unwrap();
    let old = SqliteSessionStore::open(dir.path().join("telestore.db")).await.unwrap();
    for name in ["one", "two", "three"] {
        sent(&old, name).await;
    }
    let files = old.files(&UserId::new("u"), &of_u()).await.unwrap();
    assert_eq!(ids(&files), ["three", "two", "one"]);
    old.delete_file(&UserId::new("u"), &files[1].id, &[], SystemClock.now()).await.unwrap().unwrap();
    // The old worker's own clock lagged, and not that of its machine, which tells when files came.
    let wall = SystemClock.now();
    old.save_clock(Reading { at: wall - DAY, wall }).await.unwrap();

    let database = Database::new(Shows::Time).await;
    let new = database.open().await;
    new.import(&old, &Import::named("this one")).await.unwrap();
    let before = old.files(&UserId::new("u"), &of_u()).await.unwrap();
    assert_eq!(before.len(), 2);
    assert_eq!(
        new.files(&UserId::new("u"), &of_u()).await.unwrap(),
        before,
        "each file, as it was and where it was"
    );
    assert_eq!(ids(&new.files(&UserId::new("u"), &of_u().named("übung")).await.unwrap()), ["three", "one"]);
    sent_by_new(&new, "four").await;
    let after = new.files(&UserId::new("u"), &of_u()).await.unwrap();
    assert_eq!(ids(&after), ["four", "three", "one"]);
    assert!(after[0].place > after[1].place, "{after:?}");
}
