//! The rules that every session store applies, written once.
//!
//! A store of your own keeps rows, and this module decides what becomes of them: implement [`Rows`] for one transaction
//! of your database, call the function of the same name in each method of [`SessionStore`](crate::SessionStore), and
//! commit if the answer is [`Answer::Changed`]. [`MemorySessionStore`](crate::MemorySessionStore) and
//! `SqliteSessionStore` are made of it. The feature `testsuite` tells whether yours keeps the contract.
//!
//! Each function reads first and writes last, so a store without transactions, which holds a lock instead, has nothing to
//! take back.

mod append;
mod chunks;
mod concatenate;
mod fetching;
mod files;
mod leases;
mod rows;
mod unwanted;
mod uploads;
mod workers;

use telestore_types::{Timestamp, Upload};

pub use self::append::{append, declare_size, join};
pub use self::chunks::{Admitted, admit, admit_chunk, counted};
pub use self::concatenate::concatenate;
pub use self::fetching::{begin_fetch, note_fetch};
pub use self::files::delete_file;
pub use self::leases::{change_leased, extend, finish, hold_account, lease};
pub use self::rows::{Answer, Holder, Place, Rows, Whose};
pub use self::uploads::{begin_early, cancel, claim, complete, create, expire, forget, keep, set_options};
pub use self::workers::{add_event, outbox_lease, release};
pub use crate::quota::day_of;
pub use crate::{Concatenation, JoinedExtent, NewChunk, NewExtent};
use crate::{Exceeded, Limits, More, Result};

/// Checks that the owner of an upload, and the clients at its address, may take so much more.
///
/// The outer error is the database's.
///
/// # Errors
/// Those of the rows.
pub async fn check(
    rows: &mut dyn Rows,
    upload: &Upload,
    limits: &Limits,
    more: &More,
    now: Timestamp,
) -> Result<Result<(), Exceeded>> {
    for (subject, quota) in limits.of(upload.user_id.as_ref(), upload.address.as_ref()) {
        // What is taken is a question to the database, and most limits have nothing to do with bytes.
        if more.sessions == 0 && !quota.limits_bytes() {
            continue;
        }
        let used = rows.usage(subject, now).await?;
        if let Err(exceeded) = quota.check(subject, &used, more) {
            return Ok(Err(exceeded));
        }
    }
    Ok(Ok(()))
}

/// A name that tells a lease or a claim from every other one.
fn token() -> String {
    format!("{:032x}", rand::random::<u128>())
}
