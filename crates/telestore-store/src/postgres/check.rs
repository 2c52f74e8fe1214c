use sqlx::Row;

use super::tx::{Ending, Tx};
use super::{PostgresSessionStore, database, sql};
use crate::Result;
use crate::rules::Answer;

impl PostgresSessionStore {
    /// Whether `value` is what the database holds under `name`; if it holds nothing there, it does from now on. So the
    /// first worker says what all must have alike, such as their secret key. Give a digest of a secret, not the secret.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the database cannot be asked.
    pub async fn check_value(&self, name: &str, value: &[u8]) -> Result<bool> {
        let mut tx = Tx::begin(self, Ending::FLUSHED, None).await?;
        let answer = check(&mut tx, name, value).await;
        tx.end(answer.map(Answer::Changed)).await
    }
}

async fn check(tx: &mut Tx, name: &str, value: &[u8]) -> Result<bool> {
    let put = sql("INSERT INTO checks (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING");
    put.bind(name).bind(value).execute(&mut **tx).await.map_err(database)?;
    let found = sql("SELECT value = $2 AS same FROM checks WHERE name = $1").bind(name).bind(value);
    found.fetch_one(&mut **tx).await.and_then(|row| row.try_get("same")).map_err(database)
}
