//! Changes that workers tell each other of, through the database.

use std::time::Duration;

use sqlx::Executor;
use sqlx::postgres::{PgConnectOptions, PgListener};
use telestore_types::StorageKey;
use tokio::sync::broadcast;
use tokio::time::timeout;

use super::options::PostgresOptions;
use crate::{Change, Changes};

/// What they are told on.
pub(super) const CHANNEL: &str = "telestore";

/// How many changes a worker may leave unread before it is told that it has missed some.
const UNREAD: usize = 1024;

/// How long nothing is heard before it is asked whether the server is still there.
const SILENCE: Duration = Duration::from_secs(30);

/// The pause before the server is called again.
const PAUSE: Duration = Duration::from_secs(1);

/// How a change is written: short, and with nothing that must be escaped.
pub(super) fn payload(change: &Change) -> String {
    match change {
        Change::Queued => "queued".to_owned(),
        Change::Event => "event".to_owned(),
        Change::Cancelled(key) => format!("cancelled {key}"),
        Change::Unknown => "unknown".to_owned(),
    }
}

/// The reverse. What is not understood is of a newer version, and may be anything.
fn change(payload: &str) -> Change {
    match payload.split_once(' ') {
        None if payload == "queued" => Change::Queued,
        None if payload == "event" => Change::Event,
        Some(("cancelled", key)) => StorageKey::parse(key).map_or(Change::Unknown, Change::Cancelled),
        _ => Change::Unknown,
    }
}

/// Listens for as long as it lives.
#[derive(Debug)]
pub(super) struct Ear {
    changes: broadcast::Sender<Change>,
    task: tokio::task::JoinHandle<()>,
}

impl Ear {
    /// Begins to listen, on a connection of its own.
    pub(super) fn open(options: PgConnectOptions) -> Self {
        let changes = broadcast::Sender::new(UNREAD);
        let task = tokio::spawn(listen(options, changes.clone()));
        Self { changes, task }
    }

    pub(super) fn changes(&self) -> Changes {
        Changes::from(self.changes.subscribe())
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(options: PgConnectOptions, changes: broadcast::Sender<Change>) {
    let mut told = false;
    loop {
        if let Err(error) = hear(&options, &changes, &mut told).await {
            // Once, until it is well again: the store's own calls tell of the same.
            if !told {
                tracing::warn!(%error, "session database does not tell of changes now; they are looked for");
            }
            told = true;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Hands on what is heard, until the connection is cut in a way that it does not come back from.
async fn hear(
    options: &PgConnectOptions,
    changes: &broadcast::Sender<Change>,
    told: &mut bool,
) -> Result<(), sqlx::Error> {
    let pool =
        PostgresOptions::pool(1).max_lifetime(None).idle_timeout(None).connect_with(options.clone()).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    *told = false;
    // Nobody may be interested.
    let _ = changes.send(Change::Unknown);
    loop {
        let heard = match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => change(notification.payload()),
            // It was cut, and listens again: what was told in between is lost.
            Ok(Ok(None)) => Change::Unknown,
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                let there = timeout(SILENCE, listener.execute("SELECT 1")).await;
                there.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))?;
                continue;
            }
        };
        let _ = changes.send(heard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_heard() {
        let cancelled = Change::Cancelled(StorageKey::from_random([7; 16]));
        for told in [Change::Queued, Change::Event, cancelled, Change::Unknown] {
            let payload = payload(&told);
            assert!(payload.len() < 100 && !payload.contains('\''), "{payload}");
            assert_eq!(change(&payload), told);
        }
        assert_eq!(change("something new"), Change::Unknown);
    }
}
