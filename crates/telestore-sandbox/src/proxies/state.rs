//! What a proxy knows, and what it counted.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What a proxy asks of its clients.
#[derive(Debug)]
pub(super) enum Kind {
    Socks5,
    Http,
    Mtproxy(Secret),
}

/// The secret of an MTProxy.
#[derive(Debug)]
pub(super) struct Secret {
    pub(super) key: [u8; 16],
    /// Whether clients must say nothing but the padded transport.
    pub(super) padded: bool,
    /// The host that connections look like, as to a server of HTTPS.
    pub(super) domain: Option<String>,
}

/// What became of those who asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    pub(super) tunnels: usize,
    pub(super) refused: Vec<String>,
    pub(super) strangers: usize,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) kind: Kind,
    pub(super) login: Option<(String, String)>,
    pub(super) refusal: u16,
    pub(super) counts: watch::Sender<Counts>,
    routes: Mutex<HashMap<String, Option<SocketAddr>>>,
    open: Mutex<CancellationToken>,
}

/// Why a target is not reached.
pub(super) enum Unreached {
    /// It is not let through to.
    NotRouted,
    /// It does not take the connection.
    Down,
}

impl State {
    pub(super) fn new(kind: Kind, login: Option<(String, String)>, refusal: u16) -> Self {
        let counts = watch::Sender::default();
        Self { kind, login, refusal, counts, routes: Mutex::default(), open: Mutex::default() }
    }

    /// Leads a target to an address, or nowhere and without an answer.
    pub(super) fn route(&self, target: String, to: Option<SocketAddr>) {
        self.routes().insert(target, to);
    }

    pub(super) fn unroute(&self, target: &str) {
        self.routes().remove(target);
    }

    /// Connects to what a target leads to.
    pub(super) async fn reach(&self, target: &str) -> Result<TcpStream, Unreached> {
        let route = self.routes().get(target).copied();
        let refuse = |why| {
            self.counts.send_modify(|counts| counts.refused.push(target.to_owned()));
            why
        };
        let to = match route {
            Some(Some(to)) => to,
            Some(None) => std::future::pending().await,
            None => return Err(refuse(Unreached::NotRouted)),
        };
        let socket = TcpStream::connect(to).await.map_err(|_| refuse(Unreached::Down))?;
        let _ = socket.set_nodelay(true);
        Ok(socket)
    }

    /// Notes a client that did not show that it may.
    pub(super) fn stranger(&self) {
        self.counts.send_modify(|counts| counts.strangers += 1);
    }

    /// Carries a tunnel, once the client was told that it is there, until it ends or is cut.
    pub(super) async fn carry(&self, carried: impl Future<Output = io::Result<()>>) -> io::Result<()> {
        let open = self.open();
        self.counts.send_modify(|counts| counts.tunnels += 1);
        tokio::select! {
            ended = carried => ended,
            () = open.cancelled() => Ok(()),
        }
    }

    /// Ends the tunnels that are open.
    pub(super) fn cut(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *open).cancel();
    }

    fn open(&self) -> CancellationToken {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn routes(&self) -> MutexGuard<'_, HashMap<String, Option<SocketAddr>>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
