use sqlx::Row;
use sqlx::sqlite::SqlitePool;

use super::database;
use crate::Result;

/// Fails if the file system did not let SQLite have its write-ahead log: SQLite stays in the mode of before then, and
/// [says so in the pragma's answer only](https://sqlite.org/pragma.html#pragma_journal_mode).
pub(super) async fn assured(pool: &SqlitePool) -> Result<()> {
    let row = sqlx::query("PRAGMA journal_mode").fetch_one(pool).await.map_err(database)?;
    let mode: String = row.try_get(0).map_err(database)?;
    if mode == "wal" {
        return Ok(());
    }
    let text = format!("this file system does not take its write-ahead log (the journal mode is {mode})");
    Err(database(text))
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};

    use super::*;

    #[tokio::test]
    async fn another_journal_is_no_write_ahead_log() {
        let dir = tempfile::tempdir().unwrap();
        for (mode, good) in [(SqliteJournalMode::Wal, true), (SqliteJournalMode::Delete, false)] {
            let options = SqliteConnectOptions::new()
                .filename(dir.path().join(format!("{good}.db")))
                .create_if_missing(true)
                .journal_mode(mode);
            let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
            assert_eq!(assured(&pool).await.is_ok(), good);
        }
    }
}
