use std::fmt::Write as _;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row};
use telestore_types::{Timestamp, Upload, UploadState, UserId};
use tokio::time::{Instant, timeout};

use super::clock::moved;
use super::fault::{database, is_lost, is_unknown_transaction, late};
use super::options::CONNECT_WITHIN;
use super::{PostgresSessionStore, listen, lock, sql};
use crate::rules::Answer;
use crate::{Change, Durability, Error, Result};

/// How long the statements of a transaction, and its COMMIT, may take.
const LONGEST: Duration = Duration::from_secs(20);

/// How long it is asked what became of a COMMIT whose answer was lost.
const ASK_FOR: Duration = Duration::from_secs(10);

/// The pause between two such questions.
const ASK_EACH: Duration = Duration::from_millis(200);

/// What is agreed on with each transaction, also through a connection pooler, which keeps no settings of a connection.
/// A lock is waited for a while, since a worker that is frozen in the middle of a transaction holds its own until the
/// server ends it.
const TERMS: &str = "SET LOCAL lock_timeout = '8s'; SET LOCAL idle_in_transaction_session_timeout = '6s'";

/// Whether a statement wrote anything, and there is something to commit.
pub(super) fn written(any: bool) -> Answer<bool> {
    if any { Answer::Changed(true) } else { Answer::Unchanged(false) }
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ending {
    /// What is committed survives a power cut, whatever the store's durability is.
    pub(super) flushed: bool,
    /// If the answer to the COMMIT is lost, it is waited for as long as it takes to find out. For what may be done once
    /// only and is lost if nobody knows: how an attempt ended.
    pub(super) certain: bool,
}

impl Ending {
    pub(super) const PLAIN: Self = Self { flushed: false, certain: false };
    pub(super) const FLUSHED: Self = Self { flushed: true, certain: false };
    pub(super) const CERTAIN: Self = Self { flushed: false, certain: true };
    pub(super) const FLUSHED_AND_CERTAIN: Self = Self { flushed: true, certain: true };
}

/// A connection that is closed, and not given back, if its holder goes away in the middle of something.
pub(super) struct Lent {
    connection: PoolConnection<Postgres>,
    /// Whether it is in a transaction that reads.
    reading: bool,
    sound: bool,
}

impl Lent {
    pub(super) async fn of(store: &PostgresSessionStore) -> Result<Self> {
        let connection = store.pool.acquire().await.map_err(database)?;
        Ok(Self { connection, reading: false, sound: false })
    }

    /// One that questions are put on, and no more. A question takes two steps, which a pooler keeps together within a
    /// transaction only.
    pub(super) async fn to_read(store: &PostgresSessionStore) -> Result<Self> {
        let mut lent = Self::of(store).await?;
        if store.pooled {
            let begin = sqlx::raw_sql("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY");
            begin.execute(&mut *lent).await.map_err(database)?;
            lent.reading = true;
        }
        Ok(lent)
    }

    /// Gives it back, unless this answer says that it is cut.
    pub(super) async fn back<T>(mut self, answer: Result<T>) -> Result<T> {
        self.sound = answer.as_ref().map_or_else(|error| !is_lost(error), |_| true);
        if self.sound && self.reading {
            self.sound = sqlx::raw_sql("ROLLBACK").execute(&mut *self).await.is_ok();
        }
        answer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.sound {
            self.connection.close_on_drop();
        }
    }
}

/// What a question takes at most; a server that does not answer is as one that is gone.
pub(super) async fn in_time<T>(asked: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(LONGEST, asked).await.unwrap_or_else(|_| Err(late()))
}

/// What a transaction is asked after by.
struct Name {
    /// PostgreSQL's own.
    id: String,
    /// The time between crashes of the server in which that is one; `None` if nobody has begun to count since the last.
    boot: Option<String>,
}

/// What became of a transaction.
enum Became {
    Committed,
    Nothing,
    /// The server has crashed since. One of this name was committed: this one, or another one that got its name.
    Either,
}

/// A transaction that may write.
pub(super) struct Tx {
    store: PostgresSessionStore,
    lent: Lent,
    ending: Ending,
    name: Name,
    /// By how many milliseconds the database's clock is ahead of the caller's.
    ahead: i64,
    /// What the database's clock showed when it began.
    now: Timestamp,
    /// Whose accounts are locked.
    accounts: Vec<UserId>,
    news: Vec<Change>,
}

impl Tx {
    /// Begins one at `now` by the caller's clock.
    pub(super) async fn begin(
        store: &PostgresSessionStore,
        ending: Ending,
        now: Option<Timestamp>,
    ) -> Result<Self> {
        let mut left = store.connections;
        loop {
            let mut lent = Lent::of(store).await?;
            let begun = timeout(CONNECT_WITHIN, begin_on(&mut lent.connection, store, ending, now)).await;
            match begun.unwrap_or_else(|_| Err(late())) {
                Ok((at, name)) => {
                    let ahead = now.map_or(store.skew.known(), |now| at.as_millis() - now.as_millis());
                    if now.is_some() {
                        store.skew.learn(ahead);
                    }
                    let (accounts, news) = (Vec::new(), Vec::new());
                    return Ok(Self {
                        store: store.clone(),
                        lent,
                        ending,
                        name,
                        ahead,
                        now: at,
                        accounts,
                        news,
                    });
                }
                // After a restart of the server every connection of the pool is cut, and only one new one is needed.
                Err(error) if is_lost(&error) && left > 0 => left -= 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// When it began, by the database's clock.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// By how many milliseconds the database's clock is ahead of the caller's.
    pub(super) fn ahead(&self) -> i64 {
        self.ahead
    }

    /// A moment that the caller reckons from its `now`, by the database's clock.
    pub(super) fn at(&self, told: Timestamp) -> Timestamp {
        moved(told, self.ahead)
    }

    /// Tells of an upload that has completed itself.
    pub(super) fn tell_queued(&mut self, upload: &Upload) {
        if upload.state == UploadState::Queued {
            self.tell(Change::Queued);
        }
    }

    /// Tells those who listen, once it is committed.
    pub(super) fn tell(&mut self, change: Change) {
        if !self.news.contains(&change) {
            self.news.push(change);
        }
    }

    /// Locks the account of a user until the end. Only the first one is waited for, so that no two transactions ever wait
    /// for each other; `false` if a further one is locked by somebody else.
    pub(super) async fn lock_account(&mut self, user: &UserId) -> Result<bool> {
        if self.accounts.contains(user) {
            return Ok(true);
        }
        let name = lock::of_account(user);
        if self.accounts.is_empty() {
            lock::wait_for(self, name).await?;
        } else if !lock::try_for(self, name).await? {
            return Ok(false);
        }
        self.accounts.push(user.clone());
        Ok(true)
    }

    /// Ends it as a rule says, and gives that rule's answer.
    pub(super) async fn end<T>(mut self, answer: Result<Answer<T>>) -> Result<T> {
        match answer {
            Ok(Answer::Changed(value)) => self.commit().await.map(|()| value),
            Ok(Answer::Unchanged(value)) => {
                // Nothing was written, so nothing depends on it.
                self.roll_back().await;
                Ok(value)
            }
            Err(error) => {
                if !is_lost(&error) {
                    self.roll_back().await;
                }
                Err(error)
            }
        }
    }

    async fn roll_back(&mut self) {
        let rolled_back = timeout(CONNECT_WITHIN, sqlx::raw_sql("ROLLBACK").execute(&mut **self)).await;
        self.lent.sound = rolled_back.is_ok_and(|answer| answer.is_ok());
    }

    async fn commit(mut self) -> Result<()> {
        let mut end = String::new();
        for change in &self.news {
            let _ = write!(end, "NOTIFY {}, '{}'; ", listen::CHANNEL, listen::payload(change));
        }
        end.push_str("COMMIT");
        let connection = &mut *self.lent.connection;
        let commit = async { sqlx::raw_sql(AssertSqlSafe(end)).execute(connection).await.map_err(database) };
        let Err(error) = in_time(commit).await else {
            self.lent.sound = true;
            return Ok(());
        };
        if !is_lost(&error) {
            // It is rolled back.
            self.lent.sound = true;
            return Err(error);
        }
        let Self { store, lent, ending, name, .. } = self;
        drop(lent);
        match became(&store, &name, ending.certain).await? {
            Became::Committed => Ok(()),
            Became::Nothing => Err(error),
            // Who makes these again finds what was done.
            Became::Either if ending.certain => Err(error),
            Became::Either => Err(not_known()),
        }
    }
}

async fn begin_on(
    on: &mut PgConnection,
    store: &PostgresSessionStore,
    ending: Ending,
    now: Option<Timestamp>,
) -> Result<(Timestamp, Name)> {
    let commit = match (ending.flushed, store.durability) {
        // An operator who turned it off for the whole server did not mean these.
        (true, _) => {
            "; SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"
        }
        (false, Durability::Disk) => "",
        (false, Durability::Process) => "; SET LOCAL synchronous_commit = off",
    };
    let now = now.unwrap_or_default().as_millis();
    let begin = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {TERMS}{commit}; \
         SELECT telestore_now({now}) AS at, pg_current_xact_id()::TEXT AS id, (SELECT name FROM boots) AS boot"
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(begin)).fetch_all(&mut *on).await.map_err(database)?;
    let row = rows.last().ok_or_else(|| database("it does not tell its time"))?;
    let at: i64 = row.try_get("at").map_err(database)?;
    let (id, boot) = (row.try_get("id").map_err(database)?, row.try_get("boot").map_err(database)?);
    let name = Name { id, boot };
    if name.boot.is_none() {
        let begun = "INSERT INTO boots (name) VALUES (gen_random_uuid()::TEXT) ON CONFLICT DO NOTHING";
        sqlx::raw_sql(begun).execute(on).await.map_err(database)?;
    }
    Ok((Timestamp::from_millis(at), name))
}

fn not_known() -> Error {
    // No cause that would make it begin anew: it may have been done.
    database("its connection was cut, and whether the last change was written is not known")
}

/// What became of a transaction whose COMMIT had no answer.
async fn became(store: &PostgresSessionStore, name: &Name, certain: bool) -> Result<Became> {
    let began = Instant::now();
    loop {
        let asked = async {
            let mut lent = Lent::to_read(store).await?;
            let asked =
                sql("SELECT pg_xact_status($1::TEXT::xid8) AS became, (SELECT name FROM boots) AS boot");
            let answer = asked.bind(&name.id).fetch_one(&mut *lent.connection).await.map_err(database);
            let row = lent.back(answer).await?;
            let boot: Option<String> = row.try_get("boot").map_err(database)?;
            let same = boot.is_some() && boot == name.boot;
            Ok((row.try_get::<Option<String>, _>("became").map_err(database)?, same))
        };
        match in_time(asked).await {
            Ok((became, same)) => match became.as_deref() {
                Some("committed") if same => return Ok(Became::Committed),
                Some("committed") => return Ok(Became::Either),
                // The one that gives the boot its name is not seen by others before it ends.
                Some("in progress") if same || name.boot.is_none() => {}
                _ => return Ok(Became::Nothing),
            },
            // The server that took over has never heard of it.
            Err(error) if is_unknown_transaction(&error) => return Ok(Became::Nothing),
            Err(_) => {}
        }
        if !certain && began.elapsed() > ASK_FOR {
            return Err(not_known());
        }
        tokio::time::sleep(ASK_EACH).await;
    }
}

impl Deref for Tx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.lent.connection
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.lent.connection
    }
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
