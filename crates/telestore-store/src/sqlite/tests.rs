use telestore_types::{FileName, NewUpload};

use super::*;

fn upload(name: &str, key: u8) -> Upload {
    Upload::new(NewUpload {
        id: UploadId::new(name).unwrap(),
        key: StorageKey::from_random([key; 16]),
        file_name: FileName::new("a.bin").unwrap(),
        file_size: 1,
        total_chunks: 1,
        mime_type: None,
        now: Timestamp::from_millis(5),
    })
}

#[tokio::test]
async fn a_commit_that_fails_harms_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteSessionStore::open(dir.path().join("telestore.db")).await.unwrap();
    // A foreign key that is checked at the end makes the COMMIT itself fail, as a full disk does.
    for statement in [
        "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
        "CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TRIGGER fails AFTER INSERT ON uploads BEGIN INSERT INTO child VALUES (7); END",
    ] {
        sqlx::query(statement).execute(&store.writer).await.unwrap();
    }
    let (first, second) = (upload("a", 1), upload("b", 2));
    for _ in 0..3 {
        assert!(matches!(store.create(&first, false).await, Err(Error::Database(_))));
    }
    sqlx::query("DROP TRIGGER fails").execute(&store.writer).await.unwrap();
    assert_eq!(store.create(&second, false).await.unwrap(), Created::New);
    assert_eq!(store.get(&first.id).await.unwrap(), None);
    assert_eq!(store.get(&second.id).await.unwrap(), Some(second));
}
