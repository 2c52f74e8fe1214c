//! Uploads in a PostgreSQL database that many workers share.

mod again;
mod bot_keys;
mod check;
mod clock;
mod counts;
mod early;
mod fault;
mod files;
mod leases;
mod listen;
mod lock;
mod moved;
mod options;
mod outbox;
mod record;
mod release;
mod row;
mod rows;
mod schema;
mod store;
mod sweep;
mod tx;
mod usage;
mod workers;

use std::fmt;
use std::sync::{Arc, OnceLock};

use sqlx::postgres::{PgConnectOptions, PgPool};
use telestore_types::{Clock, SystemClock};

use self::clock::Skew;
use self::fault::database;
use self::listen::Ear;
pub use self::options::PostgresOptions;
use self::row::Statement;
use crate::{Durability, Result};

/// Uploads in a PostgreSQL database (13 or newer) that many workers share.
///
/// ```no_run
/// use telestore_store::{Listing, PostgresOptions, PostgresSessionStore, SessionStore};
///
/// # async fn example() -> telestore_store::Result<()> {
/// let options = PostgresOptions::new("postgres://worker:secret@127.0.0.1/telestore")?;
/// let store = PostgresSessionStore::connect(&options).await?;
/// if !store.check_value("secret key", b"a digest of it").await? {
///     panic!("another worker has another secret key");
/// }
/// let newest = store.list(&Listing::first(10)).await?;
/// # Ok(())
/// # }
/// ```
///
/// # What is promised
/// - **Each call is done wholly or not at all, and the answer says which.** A transaction that meets another one, or whose
///   connection is cut before its COMMIT, is made again. If the answer to a COMMIT is lost, the store asks the server what
///   became of that transaction (`pg_xact_status`), for ten seconds; how an attempt ended (`finish`, `fail`, `retry_later`)
///   and what became of an event (`outbox_done`, `outbox_later`) it asks for as long as it takes. Only if nobody answers
///   for those ten seconds, or if the server has crashed or been replaced in between, an error leaves open whether the call was
///   done: a transaction that a crash has undone leaves its id to another one, whose end tells nothing of it. (How an attempt
///   ended is written down again then, which is done once however often.) Every other method may be called again: a
///   chunk replaces itself, an offset that was appended is refused with where the file ends, a lease that nobody knows of
///   runs out, and an event that was added is added once.
/// - **What was acknowledged is there after a crash of the server**, and after a failover to a standby that has it: with
///   synchronous replication each one, without it those but the last moments. See
///   [`with_durability`](PostgresOptions::with_durability).
/// - **Without the database every call is an error that is [temporary](crate::Error::verdict)**, within five seconds mostly
///   and 30 at most. Calls go well again as soon as a server answers at the address, a former standby as well.
/// - **Leases, claims and due times run by the database's clock.** Times that callers hand in are taken for distances from
///   their `now`, and they are answered by their own clocks; so the clock of a worker may be wrong by any time.
/// - **No connection has a state**: no prepared statement, no lock and no setting outlives a transaction, so that all but the
///   [listener and the migrations](PostgresOptions::with_listen_url) work through `PgBouncer` in transaction mode.
/// - A transaction that waits for its client longer than six seconds is ended by the server, so that a worker that is frozen
///   in the middle of one keeps nobody from its rows.
///
/// Changes of state are told to the other workers (`NOTIFY`); chunks, checkpoints and leases are not.
#[derive(Clone)]
pub struct PostgresSessionStore {
    pool: PgPool,
    connections: u32,
    pooled: bool,
    durability: Durability,
    skew: Skew,
    direct: PgConnectOptions,
    /// Opened when somebody wants to hear.
    ear: Arc<OnceLock<Ear>>,
}

impl fmt::Debug for PostgresSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresSessionStore")
    }
}

/// A statement. It has no name at the server: behind a connection pooler that would be found on another connection.
fn sql(text: &'static str) -> Statement<'static> {
    sqlx::query(text).persistent(false)
}

impl PostgresSessionStore {
    /// Connects to the database, and brings its tables up to date. Workers that start at the same time wait for each other.
    /// Tables of a newer version are used as they are, so that an old worker may start beside new ones.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) if it cannot be reached, or the role may not create tables.
    pub async fn connect(options: &PostgresOptions) -> Result<Self> {
        schema::migrate(&options.direct).await?;
        Self::open(options).await
    }

    /// Connects to a database, whose tables must be there.
    async fn open(options: &PostgresOptions) -> Result<Self> {
        let pool = PostgresOptions::pool(options.max_connections);
        let pool = pool.connect_with(options.calls.clone()).await.map_err(database)?;
        let store = Self {
            pool,
            connections: options.max_connections,
            pooled: options.pooled,
            durability: options.durability,
            skew: Skew::default(),
            direct: options.direct.clone(),
            ear: Arc::default(),
        };
        // What comes first may be told by no time but its own.
        let begun = tx::Tx::begin(&store, tx::Ending::PLAIN, Some(SystemClock.now())).await?;
        begun.end(Ok(crate::rules::Answer::Unchanged(()))).await?;
        Ok(store)
    }

    /// Ends all connections. What was committed is in the database.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A connection of its own, which keeps its settings.
    #[cfg(feature = "sqlite")]
    pub(crate) async fn alone(&self) -> Result<sqlx::PgConnection> {
        schema::connect(&self.direct).await
    }

    /// How a text is kept.
    #[cfg(feature = "sqlite")]
    pub(crate) fn written(text: &str) -> std::borrow::Cow<'_, str> {
        row::written(text)
    }

    /// The one who listens, for all clones.
    fn ear(&self) -> &Ear {
        self.ear.get_or_init(|| Ear::open(self.direct.clone()))
    }
}
