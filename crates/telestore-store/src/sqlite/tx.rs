use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqlitePool;
use sqlx::{Sqlite, SqliteConnection};

use super::database;
use crate::Result;

/// A transaction on the writing connection.
///
/// Where it does not end in order, the connection goes with it and the pool opens another: a COMMIT that fails (a full
/// disk) leaves SQLite inside of the transaction, and whoever gets that connection next could not begin one.
pub(super) struct Tx {
    connection: PoolConnection<Sqlite>,
    ended: bool,
}

impl Tx {
    pub(super) async fn begin(writer: &SqlitePool) -> Result<Self> {
        let connection = writer.acquire().await.map_err(database)?;
        let mut tx = Self { connection, ended: false };
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *tx).await.map_err(database)?;
        Ok(tx)
    }

    pub(super) async fn commit(mut self) -> Result<()> {
        sqlx::query("COMMIT").execute(&mut *self).await.map_err(database)?;
        self.ended = true;
        Ok(())
    }

    /// Ends it without a change, with `value` as the answer.
    pub(super) async fn unchanged<T>(mut self, value: T) -> Result<T> {
        sqlx::query("ROLLBACK").execute(&mut *self).await.map_err(database)?;
        self.ended = true;
        Ok(value)
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
