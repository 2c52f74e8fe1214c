use sqlx::{Row, SqlitePool};
use telestore_types::StorageKey;

use super::database;
use crate::Result;

pub(super) async fn find(readers: &SqlitePool, key: &StorageKey) -> Result<Option<Vec<u8>>> {
    let found = sqlx::query("SELECT sealed FROM bot_keys WHERE key = ?").bind(key.as_str());
    let found = found.fetch_optional(readers).await.map_err(database)?;
    found.map(|row| row.try_get("sealed").map_err(database)).transpose()
}

pub(super) async fn save(writer: &SqlitePool, key: &StorageKey, sealed: &[u8]) -> Result<()> {
    let save = sqlx::query("INSERT OR REPLACE INTO bot_keys (key, sealed) VALUES (?, ?)");
    save.bind(key.as_str()).bind(sealed).execute(writer).await.map_err(database)?;
    Ok(())
}
