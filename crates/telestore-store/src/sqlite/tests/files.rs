//! The index of files in a database of before it.

use sqlx::SqliteConnection;
use telestore_types::{FileDigest, StoredAs, StoredMessage};

use super::*;
use crate::FileListing;
use crate::row::FOLDED_AT_ONCE;

/// Brings the tables up to what a version had.
async fn tables_of(on: &mut SqliteConnection, version: i64) {
    let migrations =
        schema::MIGRATIONS.iter().filter(|migration| migration.version <= version).cloned().collect();
    let before = sqlx::migrate::Migrator { migrations, ..sqlx::migrate::Migrator::DEFAULT };
    before.run(on).await.unwrap();
}

/// Adds a row that is over, by columns that 0.1 had.
async fn add(on: &mut SqliteConnection, number: i64, user: Option<&str>, name: &str, state: &str) {
    let add = "INSERT INTO uploads (id, key, file_name, file_size, total_chunks, mime_type, user_id, state, received_chunks, \
               received_bytes, progress, attempt, stored, created_at, updated_at) \
               VALUES (?, ?, ?, 2, 1, 'text/plain', ?, ?, 1, 2, 100, 1, ?, 5, ?)";
    let stored = r#"{"message_id":7,"stored_as":{"bot_api":{"file_id":"f"}}}"#;
    let add = sqlx::query(add).bind(format!("id-{number}")).bind(format!("{number:032x}")).bind(name);
    let add = add.bind(user).bind(state).bind(stored).bind(1000 + number);
    add.execute(on).await.unwrap();
}

async fn found(store: &SqliteSessionStore, search: &str) -> Vec<String> {
    let listing = FileListing::first(9).named(search);
    let files = store.files(&UserId::new("u"), &listing).await.unwrap();
    files.iter().map(|file| file.upload_id.to_string()).collect()
}

#[tokio::test]
async fn what_0_1_completed_is_in_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("telestore.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut old = options.connect().await.unwrap();
    tables_of(&mut old, 3).await;
    add(&mut old, 3, Some("u"), "ÜBUNG 3.pdf", "completed").await;
    add(&mut old, 2, Some("u"), "u\u{308}bung 2.PDF", "completed").await;
    add(&mut old, 4, Some("v"), "Übung of another.pdf", "completed").await;
    add(&mut old, 5, None, "Übung of nobody.pdf", "completed").await;
    add(&mut old, 6, Some("u"), "Übung that failed.pdf", "failed").await;
    // What came between 0.1 and the index has options.
    tables_of(&mut old, 13).await;
    add(&mut old, 7, Some("u"), "with options", "completed").await;
    let digest = FileDigest::parse(&"ab".repeat(32)).unwrap();
    let named = format!(r#"{{"caption":"\u0000 \"sha256\":\"{}\"","sha256":"{digest}"}}"#, "cd".repeat(32));
    sqlx::query("UPDATE uploads SET options = ? WHERE id = 'id-7'")
        .bind(named)
        .execute(&mut old)
        .await
        .unwrap();
    old.close().await.unwrap();

    let store = SqliteSessionStore::open(&path).await.unwrap();
    assert_eq!(found(&store, "").await, ["id-7", "id-3", "id-2"], "the last that ended is the newest");
    assert_eq!(found(&store, "übung").await, ["id-3", "id-2"]);
    let files = store.files(&UserId::new("u"), &FileListing::first(9)).await.unwrap();
    let [with_options, three, _] = files.as_slice() else { panic!("three files") };
    assert_eq!(with_options.sha256, Some(digest));
    assert_eq!((three.file_name.as_str(), three.size, three.sha256), ("ÜBUNG 3.pdf", 2, None));
    assert_eq!(
        (three.id.as_str(), three.mime_type.as_deref()),
        (&*format!("{:032x}", 3), Some("text/plain"))
    );
    // 0.1 had no clock but the machine's.
    assert_eq!(three.created_at, Timestamp::from_millis(1003));
    let stored_as = StoredAs::BotApi { file_id: "f".to_owned() };
    assert_eq!(three.stored, StoredFile::new(StoredMessage::new(7, stored_as, 2)));
}

#[tokio::test]
async fn names_that_were_not_folded_are_when_the_database_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("telestore.db");
    let mut old =
        SqliteConnectOptions::new().filename(&path).create_if_missing(true).connect().await.unwrap();
    tables_of(&mut old, 13).await;
    let many = 2 * FOLDED_AT_ONCE + 1;
    for number in 0..many {
        add(&mut old, number, Some("u"), "Übung", "completed").await;
    }
    old.close().await.unwrap();
    let store = SqliteSessionStore::open(&path).await.unwrap();
    let all = FileListing::first(u32::MAX).named("ÜBUNG");
    assert_eq!(store.files(&UserId::new("u"), &all).await.unwrap().len() as i64, many);
    // As a process leaves them that is killed meanwhile; and what is folded is not folded again.
    run(&store, &["UPDATE files SET folded = NULL WHERE place % 2 = 0"]).await;
    run(&store, &["UPDATE files SET folded = 'else' WHERE place = 1"]).await;
    store.close().await;
    let store = SqliteSessionStore::open(&path).await.unwrap();
    assert_eq!(store.files(&UserId::new("u"), &all).await.unwrap().len() as i64, many - 1);
}

#[tokio::test]
async fn a_file_is_left_out_only_because_it_is_there() {
    let (store, _dir) = store().await;
    run(&store, &["CREATE UNIQUE INDEX sizes ON files (size)"]).await;
    for (key, fits) in [(1, true), (2, false)] {
        let upload = Upload { user_id: Some(UserId::new("u")), ..upload(&format!("id-{key}"), key, 1) };
        store.create(&upload, false, &Limits::NONE).await.unwrap();
        record(&store, &upload, 0).await.unwrap();
        store.complete(&upload.id, &upload.key, NOW).await.unwrap();
        let lease = store.lease(&worker(), NOW, NOW + Duration::from_secs(1), &[]).await.unwrap().unwrap();
        let stored = StoredFile::new(StoredMessage::new(1, StoredAs::Mtproto { document_id: 1 }, 1));
        assert_eq!(store.finish(&lease, &stored, None, NOW.into()).await.is_ok(), fits, "{key}");
    }
    assert_eq!(found(&store, "").await, ["id-1"]);
}
