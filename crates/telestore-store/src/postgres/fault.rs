//! What PostgreSQL's errors mean for a call.

use std::time::Duration;

use crate::Error;

/// How often a transaction is begun anew at most.
const TRIES: u32 = 8;

/// How long the first pause between two tries is at most.
const PAUSE: Duration = Duration::from_millis(8);

pub(super) fn database(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let error = error.into();
    // disk_full
    if error.downcast_ref::<sqlx::Error>().and_then(code).is_some_and(|code| code == "53100") {
        return Error::no_space(error);
    }
    Error::unavailable("session database", error)
}

/// A call had no answer in time.
pub(super) fn late() -> Error {
    database(sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::TimedOut)))
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}

fn cause(error: &Error) -> Option<&sqlx::Error> {
    match error {
        Error::Unavailable { source, .. } => source.downcast_ref(),
        _ => None,
    }
}

/// Whether the connection is of no more use: it is cut, its server stops, or is no longer the one that takes writes.
pub(super) fn is_lost(error: &Error) -> bool {
    let Some(cause) = cause(error) else { return false };
    match code(cause) {
        // read_only_sql_transaction, and what a standby says to BEGIN READ WRITE: another server is the primary by now.
        Some(code) => code.starts_with("08") || code.starts_with("57P") || code == "25006" || code == "0A000",
        None => matches!(
            cause,
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed
        ),
    }
}

/// Whether the transaction met another one, and goes well when it is made again: serialization_failure,
/// deadlock_detected, lock_not_available, unique_violation (somebody else has just inserted the row).
fn met_another(error: &Error) -> bool {
    cause(error)
        .and_then(code)
        .is_some_and(|code| matches!(code.as_str(), "40001" | "40P01" | "55P03" | "23505"))
}

/// Whether a server says that it has never begun this transaction (invalid_parameter_value: it is in the future).
pub(super) fn is_unknown_transaction(error: &Error) -> bool {
    cause(error).and_then(code).is_some_and(|code| code == "22023")
}

/// How often a call has been tried.
#[derive(Debug, Default)]
pub(super) struct Tries(u32);

impl Tries {
    /// Whether the call is to be tried again after this error; if so, after a pause.
    pub(super) async fn again(&mut self, error: &Error) -> bool {
        self.0 += 1;
        if self.0 >= TRIES || !(is_lost(error) || met_another(error)) {
            return false;
        }
        let longest = PAUSE * 2_u32.pow(self.0);
        tokio::time::sleep(longest.mul_f64(rand::random::<f64>())).await;
        true
    }
}
