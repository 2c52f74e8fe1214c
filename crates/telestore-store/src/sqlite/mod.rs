//! Uploads in one SQLite file.

mod bot_keys;
mod counts;
mod files;
mod group;
mod leases;
mod moved;
mod outbox;
mod record;
mod row;
mod rows;
mod schema;
mod store;
mod sweep;
#[cfg(test)]
mod tests;
mod tx;
mod usage;
mod wal;
mod workers;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use telestore_types::Upload;

use self::group::Group;
use self::schema::MIGRATIONS;
use self::tx::Tx;
use crate::{Durability, Error, Lease, Result, private, rules};

/// Uploads in one SQLite file in WAL mode: one connection writes, a few read. Chunks that come at the same time are
/// recorded in one transaction.
///
/// A transaction that has been committed survives a killed process; a power cut may take back the last ones, unless it
/// was opened with [`Durability::Disk`]. What the contract of [`SessionStore`](crate::SessionStore) calls flushed survives that, too.
#[derive(Clone)]
pub struct SqliteSessionStore {
    writer: SqlitePool,
    readers: SqlitePool,
    group: Group,
    durability: Durability,
    /// How many flushed transactions were begun.
    #[cfg(test)]
    flushed: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl fmt::Debug for SqliteSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteSessionStore")
    }
}

fn database(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let error = error.into();
    let full = error.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    // SQLITE_FULL
    if full.and_then(|error| error.code()).is_some_and(|code| code == "13") {
        return Error::no_space(error);
    }
    Error::failed("session database", error)
}

impl SqliteSessionStore {
    /// Opens the file at `path`, makes it if there is none, and brings its tables up to date.
    ///
    /// # Errors
    /// [`Error::Failed`] if it cannot be opened or was written by a newer version.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_durable(path, Durability::default()).await
    }

    /// The same, with what a committed transaction is to survive.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_durable(path: impl AsRef<Path>, durability: Durability) -> Result<Self> {
        Self::connect(path.as_ref(), durability, true).await
    }

    /// With `own`, the file is made if it is missing and its tables are brought up to date.
    async fn connect(path: &Path, durability: Durability, own: bool) -> Result<Self> {
        if own {
            // SQLite makes the files beside it with the mode of this one.
            private::file().create(true).append(true).open(path).map_err(database)?;
        }
        let synchronous = match durability {
            Durability::Process => SqliteSynchronous::Normal,
            Durability::Disk => SqliteSynchronous::Full,
        };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(own)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .busy_timeout(Duration::from_secs(10));
        // A connection in this process needs no question whether it is still there.
        let pool =
            |connections| SqlitePoolOptions::new().max_connections(connections).test_before_acquire(false);
        let writer = pool(1).connect_with(options.clone()).await.map_err(database)?;
        wal::assured(&writer).await?;
        if own {
            MIGRATIONS.run(&writer).await.map_err(database)?;
            files::fold(&writer).await?;
        }
        let readers = pool(4).connect_with(options.read_only(true)).await.map_err(database)?;
        let group = Group::start(writer.clone());
        Ok(Self {
            writer,
            readers,
            group,
            durability,
            #[cfg(test)]
            flushed: std::sync::Arc::default(),
        })
    }

    /// A connection that reads.
    #[cfg(feature = "postgres")]
    pub(crate) async fn reader(&self) -> Result<sqlx::pool::PoolConnection<sqlx::Sqlite>> {
        self.readers.acquire().await.map_err(database)
    }

    /// Closes the file; what was committed is in it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn begin(&self) -> Result<Tx> {
        Tx::begin(&self.writer).await
    }

    /// The same; what is committed survives a power cut, whatever the store was opened with.
    async fn begin_flushed(&self) -> Result<Tx> {
        #[cfg(test)]
        self.flushed.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        match self.durability {
            Durability::Disk => self.begin().await,
            Durability::Process => Tx::begin_flushed(&self.writer).await,
        }
    }

    /// Applies a transition to a leased upload; `false` if the lease is lost.
    async fn leased(
        &self,
        lease: &Lease,
        over: bool,
        change: impl FnOnce(&mut Upload) + Send,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let answer = rules::change_leased(&mut *tx, lease, over, change).await?;
        tx.answer(answer).await
    }
}
