use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use super::{SqliteSessionStore, database};
use crate::{Durability, Error, Result, Schema};

/// The tables, step by step.
pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

impl SqliteSessionStore {
    /// Looks at the file at `path`, also while another process works on it, and changes nothing.
    ///
    /// # Errors
    /// [`Error::Failed`] if it cannot be read, or is damaged.
    pub async fn schema(path: impl AsRef<Path>) -> Result<Schema> {
        if !path.as_ref().exists() {
            return Ok(Schema::Missing);
        }
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let mut connection = options.connect().await.map_err(database)?;
        let found = look(&mut connection).await;
        connection.close().await.map_err(database)?;
        found
    }

    /// Opens a file that is there and up to date, also while another process works on it. Makes and changes no tables.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is none, [`Error::Failed`] if it is of another version.
    pub async fn attach(path: impl AsRef<Path>, durability: Durability) -> Result<Self> {
        match Self::schema(&path).await? {
            Schema::Current => Self::connect(path.as_ref(), durability, false).await,
            Schema::Missing => Err(Error::Missing),
            Schema::Older => {
                Err(database("it was written by an older version: start the worker once, which updates it"))
            }
            Schema::Newer => Err(database("it was written by a newer version: use that version's program")),
        }
    }
}

async fn look(on: &mut SqliteConnection) -> Result<Schema> {
    let sound: String =
        sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut *on).await.map_err(database)?;
    if sound != "ok" {
        return Err(database(format!("it is damaged: {sound}")));
    }
    let kept = sqlx::query("SELECT 1 FROM sqlite_master WHERE name = '_sqlx_migrations'");
    if kept.fetch_optional(&mut *on).await.map_err(database)?.is_none() {
        return Ok(Schema::Older);
    }
    let rows = sqlx::query("SELECT version, checksum FROM _sqlx_migrations").fetch_all(on).await;
    let rows = rows.map_err(database)?;
    for row in &rows {
        let (version, checksum): (i64, Vec<u8>) =
            (row.try_get("version").map_err(database)?, row.try_get("checksum").map_err(database)?);
        if !MIGRATIONS.iter().any(|known| known.version == version && *known.checksum == *checksum) {
            return Ok(Schema::Newer);
        }
    }
    Ok(if rows.len() < MIGRATIONS.iter().count() { Schema::Older } else { Schema::Current })
}
