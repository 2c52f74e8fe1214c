//! Further connections of an account, for calls of much data only. One is enough unless the way is long and loses packets, or its
//! provider slows single connections down; see [`MtprotoConfig::connections`](crate::MtprotoConfig::connections).

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Account;
use super::data_centres::Location;
use crate::addresses::media_addresses_of;
use crate::way::Target;
use crate::wire::Connection;
use crate::{Error, ErrorKind, Result};

/// How long nothing is tried after a further connection could not be had.
const REST: Duration = Duration::from_secs(60);

/// The places for further connections.
#[derive(Debug, Default)]
pub(super) struct FileConnections(Vec<Mutex<FileConnection>>);

/// One of them.
#[derive(Debug, Default)]
struct FileConnection {
    connection: Option<Connection>,
    /// How often the account had migrated when its first call was answered. `None` if it never
    /// was, since the caller that opened it went away.
    ready: Option<u32>,
    failed: Option<Instant>,
}

impl FileConnections {
    pub(super) fn new(count: usize) -> Self {
        Self(std::iter::repeat_with(Mutex::default).take(count).collect())
    }

    pub(super) async fn close(&self) {
        for further in &self.0 {
            if let Some(connection) = further.lock().await.connection.take() {
                connection.close().await;
            }
        }
    }

    /// The place of this turn; the first connection has none.
    fn of(&self, turn: u32) -> Option<&Mutex<FileConnection>> {
        self.0.get((turn as usize % (self.0.len() + 1)).checked_sub(1)?)
    }
}

impl FileConnection {
    fn usable(&self, migrations: u32) -> Option<Connection> {
        let ready = self.ready == Some(migrations);
        self.connection.clone().filter(|connection| ready && connection.is_open())
    }
}

impl Account {
    /// The connection for this turn. If a further one cannot be had, it is the `first`.
    ///
    /// [`ErrorKind::Migrated`] if the account is not any more where it was after so many migrations.
    pub(super) async fn connection_for(
        &self,
        turn: u32,
        first: Connection,
        migrations: u32,
    ) -> Result<Connection> {
        let Some(further) = self.further.of(turn) else { return Ok(first) };
        let mut further = further.lock().await;
        if let Some(connection) = further.usable(migrations) {
            return Ok(connection);
        }
        if further.failed.is_some_and(|failed| failed.elapsed() < REST) {
            return Ok(first);
        }
        match self.open_further(&mut further, migrations).await {
            Ok(connection) => Ok(connection),
            Err(error) if *error.kind() == ErrorKind::Migrated => Err(error),
            Err(error) => {
                tracing::info!(%error, "no further connection to telegram; going on with the first one");
                further.failed = Some(Instant::now());
                further.connection = None;
                Ok(first)
            }
        }
    }

    async fn open_further(&self, further: &mut FileConnection, migrations: u32) -> Result<Connection> {
        let Location { data_centre: dc, migrations: now } = self.location();
        if now != migrations {
            return Err(Error::migrated());
        }
        let options = self.main.lock().await.options.clone();
        // Telegram may end a login that calls over two connections to the addresses for everything.
        let mut addresses = media_addresses_of(dc.dc_id, &options, dc.address);
        let first = addresses.first().copied();
        let first = first
            .ok_or_else(|| Error::not_sent(format!("data centre {} names no address for files", dc.dc_id)))?;
        self.config.check_address(first)?;
        addresses.retain(|address| self.config.check_address(*address).is_ok());
        let target = Target::new(dc.dc_id, dc.test, true, addresses);
        let (connection, address) = self.dial(&target, dc.auth_key).await?;
        further.ready = None;
        further.connection = Some(connection.clone());
        self.greet(&connection, &target, address).await?;
        further.ready = Some(migrations);
        Ok(connection)
    }
}
