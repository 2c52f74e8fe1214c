//! From the database of one worker to that of many.

mod copy;
mod tables;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use sqlx::{Connection, PgConnection, Row, SqliteConnection};
use telestore_types::{Clock, LONGEST_PAUSE, SteadyClock, StorageKey};

use self::copy::Copier;
use self::tables::{OTHERS, OUTBOX, UPLOADS};
use crate::{BlobName, Error, PostgresSessionStore, Result, SessionStore, SqliteSessionStore};

/// What it is called in errors.
const WHAT: &str = "session database";

/// Clocks that differ by less count as the same.
const SAME_TIME: Duration = Duration::from_secs(60);

/// What was copied from one database to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Imported {
    /// Uploads, those that are over included.
    pub uploads: u64,
    /// Records of their chunks.
    pub chunks: u64,
    /// Webhooks and withdrawals that wait.
    pub events: u64,
}

/// Gives what a token of this upload is sealed as from now on.
type Reseal<'a> = Box<dyn Fn(&StorageKey, Vec<u8>) -> Vec<u8> + Send + Sync + 'a>;

/// What is different in the database that is [imported](PostgresSessionStore::import) into.
///
/// ```
/// use std::collections::HashMap;
/// use telestore_store::{BlobName, Import};
///
/// let copied = HashMap::from([(BlobName::new("chunks/old"), BlobName::new("chunks/new"))]);
/// let import = Import::named("the worker in the cellar").with_blobs(copied).with_tokens(|_, sealed| sealed);
/// assert!(format!("{import:?}").contains("cellar"));
/// ```
pub struct Import<'a> {
    name: String,
    blobs: HashMap<BlobName, BlobName>,
    reseal: Reseal<'a>,
}

impl fmt::Debug for Import<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, blobs) = (&self.name, self.blobs.len());
        f.debug_struct("Import").field("name", name).field("blobs", &blobs).finish_non_exhaustive()
    }
}

impl<'a> Import<'a> {
    /// Rows as they are. The name is written down with them, and
    /// [tells afterwards](PostgresSessionStore::has_imported) that they are there; no two imports have the same.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), blobs: HashMap::new(), reseal: Box::new(|_, sealed| sealed) }
    }

    /// The same, with other names for the bytes of chunks that were copied. Those that are not in it keep theirs.
    #[must_use]
    pub fn with_blobs(mut self, blobs: HashMap<BlobName, BlobName>) -> Self {
        self.blobs = blobs;
        self
    }

    /// The same, with tokens that are sealed in another way: `reseal` gets the upload's key and the sealed token.
    #[must_use]
    pub fn with_tokens(
        mut self,
        reseal: impl Fn(&StorageKey, Vec<u8>) -> Vec<u8> + Send + Sync + 'a,
    ) -> Self {
        self.reseal = Box::new(reseal);
        self
    }

    /// What stands in the table of checks.
    fn mark(&self) -> String {
        mark(&self.name)
    }
}

fn mark(name: &str) -> String {
    format!("imported {name}")
}

impl PostgresSessionStore {
    /// Copies everything that `from` holds, uploads under way included, in one transaction: wholly or not at all. No worker
    /// may use `from` meanwhile, or ever again; what one had in hand is put in order first
    /// ([`release`](SessionStore::release)). Times are moved by what the clocks differ. The bytes of chunks are not in a
    /// session store: copy them first.
    ///
    /// # Errors
    /// [`Error::Unfit`] if this database is not empty or a worker lives on it. [`Error::Unavailable`] and
    /// [`Error::Failed`] if one of the two fails; then nothing was copied, unless the answer to the last word was lost:
    /// [`has_imported`](Self::has_imported) tells.
    pub async fn import(&self, from: &SqliteSessionStore, import: &Import<'_>) -> Result<Imported> {
        let their_now = clock_of(from).await?;
        let mut from = from.reader().await?;
        let mut to = self.alone().await?;
        // One state of the file, even if somebody writes it meanwhile.
        let mut read = from.begin().await.map_err(failed)?;
        let mut write = to.begin().await.map_err(unavailable)?;
        refuse_unless_empty(&mut write).await?;
        let ahead = now(&mut write).await?.saturating_sub(their_now);
        let ahead = if ahead.unsigned_abs() < SAME_TIME.as_millis() as u64 { 0 } else { ahead };
        let imported = copy_all(&mut Copier { import, ahead }, &mut read, &mut write).await?;
        let written = "INSERT INTO checks (name, value) VALUES ($1, '')";
        let written = sqlx::query(written).persistent(false).bind(import.mark()).execute(&mut *write);
        written.await.map_err(unavailable)?;
        write.commit().await.map_err(unavailable)?;
        Ok(imported)
    }

    /// Whether [`import`](Self::import) could begin: this database is empty, and no worker lives on it.
    ///
    /// # Errors
    /// [`Error::Unfit`] if it could not, [`Error::Unavailable`] if the database cannot be asked.
    pub async fn ready_to_import(&self) -> Result<()> {
        let mut to = self.alone().await?;
        let mut looked = to.begin().await.map_err(unavailable)?;
        refuse_unless_empty(&mut looked).await?;
        looked.rollback().await.map_err(unavailable)
    }

    /// Whether the import of this name is in the database. It waits until a transaction that might still write it has
    /// ended, so that a no stays a no.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the database cannot be asked.
    pub async fn has_imported(&self, name: &str) -> Result<bool> {
        let mut to = self.alone().await?;
        let mut looked = to.begin().await.map_err(unavailable)?;
        lock(&mut looked).await?;
        let found = "SELECT EXISTS (SELECT 1 FROM checks WHERE name = $1) AS found";
        let found = sqlx::query(found).persistent(false).bind(mark(name)).fetch_one(&mut *looked).await;
        let found = found.and_then(|row| row.try_get("found")).map_err(unavailable)?;
        looked.rollback().await.map_err(unavailable)?;
        Ok(found)
    }
}

fn failed(error: sqlx::Error) -> Error {
    Error::failed(WHAT, error)
}

fn unavailable(error: sqlx::Error) -> Error {
    Error::unavailable(WHAT, error)
}

/// What the clock of the worker on this file would show if it started now, in milliseconds.
async fn clock_of(from: &SqliteSessionStore) -> Result<i64> {
    let clock = SteadyClock::new();
    if let Some(last) = from.clock().await? {
        clock.go_on_from(last);
    }
    Ok(clock.now().as_millis())
}

/// What the database's clock shows.
async fn now(on: &mut PgConnection) -> Result<i64> {
    let now = sqlx::query("SELECT telestore_now(0) AS now").persistent(false).fetch_one(on).await;
    now.and_then(|row| row.try_get("now")).map_err(unavailable)
}

/// Keeps workers, and other imports, away until the end of the transaction.
async fn lock(to: &mut PgConnection) -> Result<()> {
    let lock = "SET LOCAL lock_timeout = '8s'; LOCK TABLE uploads, chunks, outbox, files IN EXCLUSIVE MODE";
    sqlx::raw_sql(lock).execute(to).await.map_err(unavailable)?;
    Ok(())
}

async fn refuse_unless_empty(to: &mut PgConnection) -> Result<()> {
    lock(to).await?;
    let refused = |why: &'static str| Err(Error::unfit(WHAT, "importing into it", why));
    let any = "SELECT EXISTS (SELECT 1 FROM uploads) OR EXISTS (SELECT 1 FROM outbox) OR EXISTS (SELECT 1 FROM files) AS any";
    let any = sqlx::query(any).persistent(false).fetch_one(&mut *to).await;
    if any.and_then(|row| row.try_get("any")).map_err(unavailable)? {
        return refused("it holds uploads already");
    }
    let now = now(to).await?;
    // It may take the bytes of chunks for orphans, whose records are still to come.
    let living = "SELECT EXISTS (SELECT 1 FROM workers WHERE until > $1 AND until <= $2) AS living";
    let far = now.saturating_add(LONGEST_PAUSE.as_millis() as i64);
    let living = sqlx::query(living).persistent(false).bind(now).bind(far).fetch_one(to).await;
    if living.and_then(|row| row.try_get("living")).map_err(unavailable)? {
        return refused("a worker runs on it, or did half a minute ago: stop it first");
    }
    Ok(())
}

async fn copy_all(
    copier: &mut Copier<'_>,
    from: &mut SqliteConnection,
    to: &mut PgConnection,
) -> Result<Imported> {
    let imported = Imported {
        uploads: copier.table(&UPLOADS, from, to).await?,
        chunks: copier.chunks(from, to).await?,
        events: copier.table(&OUTBOX, from, to).await?,
    };
    for table in &OTHERS {
        copier.table(table, from, to).await?;
    }
    let place = "SELECT setval(pg_get_serial_sequence('files', 'place'), COALESCE((SELECT MAX(place) FROM files), 0) + 1)";
    sqlx::query(place).persistent(false).execute(&mut *to).await.map_err(unavailable)?;
    let turn = "SELECT setval('turn', COALESCE((SELECT MAX(turn) FROM turns), 0) + 1)";
    sqlx::query(turn).persistent(false).execute(to).await.map_err(unavailable)?;
    Ok(imported)
}
