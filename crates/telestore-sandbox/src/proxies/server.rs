use std::fmt::Display;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::state::{Kind, Secret, State};
use super::{http, mtproxy, socks5};
use crate::error::{Error, Result};

/// A proxy that runs. It ends when it is dropped.
#[derive(Debug)]
pub struct ProxyServer {
    address: SocketAddr,
    state: Arc<State>,
    stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

/// How a proxy is to start.
#[derive(Debug)]
pub struct ProxyBuilder {
    kind: Kind,
    login: Option<(String, String)>,
    refusal: u16,
    address: SocketAddr,
    routes: Vec<(String, SocketAddr)>,
}

impl ProxyBuilder {
    fn new(kind: Kind) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { kind, login: None, refusal: 502, address, routes: Vec::new() }
    }

    /// Asks clients for this user and this password. An MTProxy has its secret instead.
    #[must_use]
    pub fn login(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.login = Some((user.into(), password.into()));
        self
    }

    /// Listens there; at a free port of 127.0.0.1 by default. A proxy that was stopped can so come back.
    #[must_use]
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// The status with which an HTTP proxy refuses what is not routed; 502 by default.
    #[must_use]
    pub fn refusal(mut self, status: u16) -> Self {
        self.refusal = status;
        self
    }

    /// Leads a target to an address from the start, see [`ProxyServer::route`].
    #[must_use]
    pub fn route(mut self, target: impl Display, to: SocketAddr) -> Self {
        self.routes.push((target.to_string(), to));
        self
    }

    /// Listens.
    ///
    /// # Errors
    /// If that address is taken.
    pub async fn start(self) -> Result<ProxyServer> {
        let listen = |source| Error::Listen { address: self.address, source };
        let listener = TcpListener::bind(self.address).await.map_err(listen)?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::new(self.kind, self.login, self.refusal));
        self.routes.into_iter().for_each(|(target, to)| state.route(target, Some(to)));
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, Arc::clone(&state), stop.clone()));
        Ok(ProxyServer { address, state, stop, serving: Some(serving) })
    }
}

impl ProxyServer {
    /// A SOCKS5 proxy (RFC 1928), with logins of RFC 1929.
    pub fn socks5() -> ProxyBuilder {
        ProxyBuilder::new(Kind::Socks5)
    }

    /// An HTTP proxy: `CONNECT`, and requests for `http://` that it passes on.
    pub fn http() -> ProxyBuilder {
        ProxyBuilder::new(Kind::Http)
    }

    /// An MTProxy with a secret of 16 bytes, for clients with any transport that can be obfuscated.
    pub fn mtproxy(key: [u8; 16]) -> ProxyBuilder {
        ProxyBuilder::new(Kind::Mtproxy(Secret { key, padded: false, domain: None }))
    }

    /// An MTProxy with a `dd` secret: clients must use the padded transport.
    pub fn padded_mtproxy(key: [u8; 16]) -> ProxyBuilder {
        ProxyBuilder::new(Kind::Mtproxy(Secret { key, padded: true, domain: None }))
    }

    /// An MTProxy with an `ee` secret: it looks like the server of HTTPS of that host.
    pub fn tls_mtproxy(key: [u8; 16], domain: impl Into<String>) -> ProxyBuilder {
        ProxyBuilder::new(Kind::Mtproxy(Secret { key, padded: true, domain: Some(domain.into()) }))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How a client names it: `socks5://user:password@127.0.0.1:port`, `http://…`, or `tg://proxy?server=…`.
    pub fn url(&self) -> String {
        let login = self.state.login.as_ref();
        let login = login.map_or_else(String::new, |(user, password)| format!("{user}:{password}@"));
        let address = self.address;
        match &self.state.kind {
            Kind::Socks5 => format!("socks5://{login}{address}"),
            Kind::Http => format!("http://{login}{address}"),
            Kind::Mtproxy(secret) => {
                let (ip, port, secret) = (address.ip(), address.port(), mtproxy::text(secret));
                format!("tg://proxy?server={ip}&port={port}&secret={secret}")
            }
        }
    }

    /// Leads a target to an address from now on: `149.154.167.51:443`, `api.telegram.org:443`; for an MTProxy the number of a
    /// data centre, which is negative for its connections for files.
    pub fn route(&self, target: impl Display, to: SocketAddr) {
        self.state.route(target.to_string(), Some(to));
    }

    /// Answers nothing to those who ask for a target.
    pub fn swallow(&self, target: impl Display) {
        self.state.route(target.to_string(), None);
    }

    /// Refuses a target again.
    pub fn unroute(&self, target: impl Display) {
        self.state.unroute(&target.to_string());
    }

    /// How many connections it let through so far.
    pub fn tunnels(&self) -> usize {
        self.state.counts.borrow().tunnels
    }

    /// The targets that it did not let through to, in the order in which they were asked for.
    pub fn refused(&self) -> Vec<String> {
        self.state.counts.borrow().refused.clone()
    }

    /// How many clients did not show that they may: a wrong password, a wrong secret, something else than its protocol.
    pub fn strangers(&self) -> usize {
        self.state.counts.borrow().strangers
    }

    /// Waits until it has let so many connections through.
    pub async fn wait_for_tunnels(&self, count: usize) {
        // The sender lives as long as this.
        let _ = self.state.counts.subscribe().wait_for(|counts| counts.tunnels >= count).await;
    }

    /// Ends all connections that it carries; new ones are let through.
    pub fn cut(&self) {
        self.state.cut();
    }

    /// Ends all connections, and listens no more once this returns.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(serving) = self.serving.take() {
            let _ = serving.await;
        }
    }
}

impl Drop for ProxyServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(listener: TcpListener, state: Arc<State>, stop: CancellationToken) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(_) = clients.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    clients.spawn(attend(client, Arc::clone(&state)));
                }
                Err(error) => tracing::warn!(%error, "proxy connection not accepted"),
            },
        }
    }
}

async fn attend(client: TcpStream, state: Arc<State>) {
    let _ = client.set_nodelay(true);
    let ended: io::Result<()> = match &state.kind {
        Kind::Socks5 => socks5::serve(client, &state).await,
        Kind::Http => http::serve(client, &state).await,
        Kind::Mtproxy(secret) => mtproxy::serve(client, secret, &state).await,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "proxy connection ended");
    }
}
