use sqlx::{PgConnection, Row};
use telestore_types::StorageKey;

use super::row::Values;
use super::{database, sql};
use crate::Result;

pub(super) async fn find(on: &mut PgConnection, key: &StorageKey) -> Result<Option<Vec<u8>>> {
    let found = sql("SELECT sealed FROM bot_keys WHERE key = $1").text(key.as_str());
    let found = found.fetch_optional(on).await.map_err(database)?;
    found.map(|row| row.try_get("sealed").map_err(database)).transpose()
}

pub(super) async fn save(on: &mut PgConnection, key: &StorageKey, sealed: &[u8]) -> Result<()> {
    let save = sql("INSERT INTO bot_keys (key, sealed) VALUES ($1, $2) \
         ON CONFLICT (key) DO UPDATE SET sealed = $2");
    save.text(key.as_str()).bytes(Some(sealed)).execute(on).await.map_err(database)?;
    Ok(())
}
