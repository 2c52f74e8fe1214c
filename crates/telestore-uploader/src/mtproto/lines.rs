//! Further connections of an account, for parts only. One is enough unless the way is long and loses packets, or its
//! provider slows single connections down; see [`MtprotoConfig::connections`](super::MtprotoConfig::connections).

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::account::Account;
use super::answers::SHORT;
use super::connection::Connection;
use super::home::{Whereabouts, media_address_of};
use super::rpc::CallError;

/// How long nothing is tried after a further connection could not be had.
const REST: Duration = Duration::from_secs(60);

/// The places for further connections.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<Mutex<Line>>);

/// One of them.
#[derive(Debug, Default)]
struct Line {
    connection: Option<Connection>,
    /// How often the account had moved when it was greeted. One whose opener went away before never is.
    ready: Option<u32>,
    failed: Option<Instant>,
}

impl Lines {
    pub(super) fn new(count: usize) -> Self {
        Self(std::iter::repeat_with(Mutex::default).take(count).collect())
    }

    pub(super) async fn close(&self) {
        for line in &self.0 {
            if let Some(connection) = line.lock().await.connection.take() {
                connection.close().await;
            }
        }
    }

    /// The place for a part; the first connection has none.
    fn of(&self, part: u32) -> Option<&Mutex<Line>> {
        self.0.get((part as usize % (self.0.len() + 1)).checked_sub(1)?)
    }
}

impl Line {
    fn usable(&self, moves: u32) -> Option<Connection> {
        let ready = self.ready == Some(moves);
        self.connection.clone().filter(|connection| ready && connection.is_open())
    }
}

impl Account {
    /// The connection for a part. All have their turn; where a further one cannot be had it is the `first`.
    ///
    /// [`CallError::Moved`] where the account is not any more where it was after so many moves.
    pub(super) async fn line_for(
        &self,
        part: u32,
        first: Connection,
        moves: u32,
    ) -> Result<Connection, CallError> {
        let Some(line) = self.lines.of(part) else { return Ok(first) };
        let mut line = line.lock().await;
        if let Some(connection) = line.usable(moves) {
            return Ok(connection);
        }
        if line.failed.is_some_and(|failed| failed.elapsed() < REST) {
            return Ok(first);
        }
        match self.open_line(&mut line, moves).await {
            Ok(connection) => Ok(connection),
            Err(CallError::Moved) => Err(CallError::Moved),
            Err(error) => {
                tracing::info!(%error, "no further connection to telegram; going on with the first one");
                line.failed = Some(Instant::now());
                line.connection = None;
                Ok(first)
            }
        }
    }

    async fn open_line(&self, line: &mut Line, moves: u32) -> Result<Connection, CallError> {
        let Whereabouts { home, moves: now } = self.here();
        if now != moves {
            return Err(CallError::Moved);
        }
        let options = self.link.lock().await.options.clone();
        // Telegram may end a login that calls over two connections to the addresses for everything.
        let address = media_address_of(home.dc_id, &options, home.address).ok_or_else(|| {
            CallError::NotSent(format!("data centre {} names no address for files", home.dc_id))
        })?;
        self.config.check_address(address)?;
        let connection = Connection::open(address, home.auth_key, self.timing()).await?;
        line.ready = None;
        line.connection = Some(connection.clone());
        self.greet(&connection, address).await?;
        line.ready = Some(moves);
        Ok(connection)
    }

    async fn greet(&self, connection: &Connection, address: SocketAddr) -> Result<(), CallError> {
        let limit = self.config.connect_timeout;
        match timeout(limit, connection.call(self.greeting(), SHORT, None)).await {
            Ok(answer) => answer.map(drop),
            Err(_) => {
                Err(CallError::NotSent(format!("{address} did not answer in {} s", limit.as_secs_f32())))
            }
        }
    }
}
