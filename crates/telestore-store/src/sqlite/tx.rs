use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqlitePool;
use sqlx::{Sqlite, SqliteConnection};

use super::database;
use crate::Result;
use crate::rules::Answer;

/// A transaction on the writing connection.
///
/// If it does not end in order, the connection goes with it and the pool opens another: a COMMIT that fails (a full
/// disk) leaves SQLite inside of the transaction, and the next caller to get that connection could not begin one.
pub(super) struct Tx {
    connection: PoolConnection<Sqlite>,
    flushed: bool,
    ended: bool,
}

/// SQLite flushes its log with a COMMIT if this is on; it is a setting of the connection, and does not change inside
/// of a transaction. <https://www.sqlite.org/pragma.html#pragma_synchronous>
const FLUSH: &str = "PRAGMA synchronous = FULL; BEGIN IMMEDIATE";
const FLUSH_NO_MORE: &str = "PRAGMA synchronous = NORMAL";

impl Tx {
    pub(super) async fn begin(writer: &SqlitePool) -> Result<Self> {
        Self::begin_by(writer, "BEGIN IMMEDIATE", false).await
    }

    /// The same; what is committed survives a power cut.
    pub(super) async fn begin_flushed(writer: &SqlitePool) -> Result<Self> {
        Self::begin_by(writer, FLUSH, true).await
    }

    async fn begin_by(writer: &SqlitePool, begin: &'static str, flushed: bool) -> Result<Self> {
        let connection = writer.acquire().await.map_err(database)?;
        let mut tx = Self { connection, flushed, ended: false };
        sqlx::query(begin).execute(&mut *tx).await.map_err(database)?;
        Ok(tx)
    }

    pub(super) async fn commit(self) -> Result<()> {
        self.end("COMMIT").await
    }

    /// Ends it as a rule says, and gives that rule's answer.
    pub(super) async fn answer<T>(self, answer: Answer<T>) -> Result<T> {
        match answer {
            Answer::Unchanged(value) => self.unchanged(value).await,
            Answer::Changed(value) => {
                self.commit().await?;
                Ok(value)
            }
        }
    }

    /// Ends it without a change, with `value` as the answer.
    pub(super) async fn unchanged<T>(self, value: T) -> Result<T> {
        self.end("ROLLBACK").await?;
        Ok(value)
    }

    async fn end(mut self, end: &'static str) -> Result<()> {
        sqlx::query(end).execute(&mut *self).await.map_err(database)?;
        // If this fails, the transaction has ended all the same, and the connection goes.
        let reset =
            if self.flushed { sqlx::query(FLUSH_NO_MORE).execute(&mut *self).await.is_ok() } else { true };
        self.ended = reset;
        Ok(())
    }
}

impl Deref for Tx {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.close_on_drop();
        }
    }
}
