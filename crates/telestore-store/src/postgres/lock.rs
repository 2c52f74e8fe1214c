//! What is locked by a name, until the transaction ends: rules that look at many rows, or at rows that may not be there.
//!
//! # The order
//! A transaction locks the row of its upload first, then users and addresses whose uploads are counted, then accounts, then
//! other rows. Whatever looks for rows to take (`SKIP LOCKED`) waits for none.

use sha2::{Digest, Sha256};
use sqlx::{PgConnection, Row};
use telestore_types::UserId;

use super::{database, sql};
use crate::{Result, Subject};

/// The lock on how many uploads there are without an owner.
pub(super) fn of_unowned() -> i64 {
    named("unowned", "")
}

/// The lock on what a user, or the clients at an address, have.
pub(super) fn of_subject(subject: Subject<'_>) -> i64 {
    named("usage", &subject.name())
}

/// The lock on who holds the account of a user.
pub(super) fn of_account(user: &UserId) -> i64 {
    named("account", user.as_str())
}

/// Two names that happen to have one lock wait for each other, and nothing else.
fn named(what: &str, name: &str) -> i64 {
    let digest = Sha256::new().chain_update(what).chain_update([0]).chain_update(name).finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}

/// Takes a lock. What was committed before by others is seen by the next statement.
pub(super) async fn wait_for(on: &mut PgConnection, lock: i64) -> Result<()> {
    sql("SELECT pg_advisory_xact_lock($1)").bind(lock).execute(on).await.map_err(database)?;
    Ok(())
}

/// Takes a lock if nobody has it.
pub(super) async fn try_for(on: &mut PgConnection, lock: i64) -> Result<bool> {
    let taken = sql("SELECT pg_try_advisory_xact_lock($1) AS taken").bind(lock).fetch_one(on).await;
    taken.and_then(|row| row.try_get("taken")).map_err(database)
}
