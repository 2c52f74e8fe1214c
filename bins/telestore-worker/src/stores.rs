//! Where uploads and chunks are: in the data directory, or in what many workers share.

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use telestore::store::{
    ChunkStore, LocalChunkStore, ObjectChunkStore, ObjectOptions, PostgresOptions, PostgresSessionStore,
    Result, SessionStore, SqliteSessionStore,
};
use telestore::types::Secret;

use crate::data_files::DATABASE;
use crate::settings::DataSettings;

/// What the database knows the digest of the key by.
const KEY_CHECK: &str = "secret-key";

/// The stores of a worker.
pub(crate) struct Stores {
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) chunks: Arc<dyn ChunkStore>,
}

impl Stores {
    /// Those of a worker, which holds the lock of its data directory, with the `database` of many workers if it has one.
    /// `disk_bytes` is how much of the disk it may fill.
    pub(crate) async fn open(
        data: &DataSettings,
        disk_bytes: Option<u64>,
        database: Option<PostgresSessionStore>,
    ) -> Result<Self> {
        let sessions: Arc<dyn SessionStore> = match database {
            Some(database) => Arc::new(database),
            None => Arc::new(SqliteSessionStore::open_durable(sqlite(data), data.durability).await?),
        };
        let chunks: Arc<dyn ChunkStore> = match objects(data)? {
            Some(objects) => Arc::new(objects),
            None => Arc::new(on_disk(LocalChunkStore::open(&data.data_dir)?, data, disk_bytes)),
        };
        Ok(Self { sessions, chunks })
    }

    /// Those of a command beside the worker, which takes no lock and changes no tables.
    pub(crate) async fn attach(data: &DataSettings) -> Result<Self> {
        let sessions: Arc<dyn SessionStore> = match postgres(data)? {
            Some(options) => Arc::new(PostgresSessionStore::attach(&options).await?),
            None => Arc::new(SqliteSessionStore::attach(sqlite(data), data.durability).await?),
        };
        let chunks: Arc<dyn ChunkStore> = match objects(data)? {
            Some(objects) => Arc::new(objects),
            None => Arc::new(on_disk(LocalChunkStore::attach(&data.data_dir), data, None)),
        };
        Ok(Self { sessions, chunks })
    }
}

fn sqlite(data: &DataSettings) -> PathBuf {
    data.data_dir.join(DATABASE)
}

fn on_disk(chunks: LocalChunkStore, data: &DataSettings, disk_bytes: Option<u64>) -> LocalChunkStore {
    let chunks = chunks.durable(data.durability);
    match disk_bytes {
        Some(bytes) => chunks.within(bytes),
        None => chunks,
    }
}

/// How PostgreSQL is reached, if uploads are there.
pub(crate) fn postgres(data: &DataSettings) -> Result<Option<PostgresOptions>> {
    let Some(url) = &data.database_url else { return Ok(None) };
    let options = PostgresOptions::new(url.expose())?;
    let options = match &data.database_listen_url {
        Some(direct) => options.with_listen_url(direct.expose())?,
        None => options,
    };
    let connections = u32::try_from(data.database_connections).unwrap_or(u32::MAX);
    Ok(Some(options.with_max_connections(connections)))
}

/// The object store, if chunks are in one.
pub(crate) fn objects(data: &DataSettings) -> Result<Option<ObjectChunkStore>> {
    let options = || ObjectOptions::from_env().durability(data.durability);
    data.chunks_url.as_deref().map(|url| ObjectChunkStore::open(url, options())).transpose()
}

/// Whether `secret` is what all workers on the database have as their key; the first one says what it is. A digest is kept.
pub(crate) async fn has_key(sessions: &PostgresSessionStore, secret: &Secret) -> Result<bool> {
    let digest = Sha256::new().chain_update(b"telestore key of all workers\0").chain_update(secret.expose());
    sessions.check_value(KEY_CHECK, &digest.finalize()).await
}
