use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use telestore_types::{Proxy, ProxyProtocol};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::failure::Failure;
use super::reach::Reach;
use super::stream::Stream;
use super::{connect, mtproxy, race, socks};

/// How long an address may leave the next one waiting.
const PAUSE: Duration = Duration::from_secs(1);

/// The same through a proxy, which may have a long way itself.
const PAUSE_OF_PROXY: Duration = Duration::from_secs(4);

/// How many addresses of a proxy's name are tried.
const PROXY_ADDRESSES_MAX: usize = 4;

/// What a test server's number is more than its data centre's.
const TEST: i16 = 10_000;

/// How connections get to Telegram. Clones share what is remembered of addresses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Way {
    proxy: Option<Arc<Proxy>>,
    reach: Arc<Reach>,
}

/// A data centre to go to.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Its number, as an MTProxy wants to know it.
    number: i16,
    /// Where it is, the best address first.
    addresses: Vec<SocketAddr>,
}

impl Target {
    /// A data centre at these addresses, for files only if `media` says so.
    pub(crate) fn new(dc: i32, test: bool, media: bool, addresses: Vec<SocketAddr>) -> Self {
        let number = i16::try_from(dc).unwrap_or(0);
        let number = if test { number.saturating_add(TEST) } else { number };
        Self { number: if media { -number } else { number }, addresses }
    }
}

impl Way {
    /// Straight, or through a proxy.
    pub(crate) fn new(proxy: Option<Proxy>) -> Self {
        Self { proxy: proxy.map(Arc::new), reach: Arc::default() }
    }

    /// Opens a connection. Nothing is sent to Telegram yet.
    ///
    /// # Errors
    /// At which hop the way ends.
    pub(crate) async fn open(&self, target: &Target, patience: Duration) -> Result<Stream, Failure> {
        let dc = target.number;
        let opened = match &self.proxy {
            None => {
                let addresses = self.reach.sorted(target.addresses.clone(), dc);
                let straight = race::first(addresses, PAUSE, straight);
                timeout(patience, straight).await.unwrap_or(Err(Failure::Silent(patience)))
            }
            Some(proxy) => {
                // One half to get to the proxy, the other to get on from there.
                let half = patience / 2;
                let places = places(proxy, half).await?;
                match proxy.protocol() {
                    ProxyProtocol::Mtproxy(secret) => {
                        let socket = dial(proxy, &places, half).await?;
                        return through_mtproxy(socket, secret, dc, proxy, half).await;
                    }
                    _ => self.tunnel(target, proxy, Arc::new(places), half).await,
                }
            }
        };
        let won = opened?;
        won.lost.iter().for_each(|address| self.reach.tried(*address, dc, false));
        Ok(won.what)
    }

    async fn tunnel(
        &self,
        target: &Target,
        proxy: &Arc<Proxy>,
        places: Arc<Vec<SocketAddr>>,
        patience: Duration,
    ) -> Result<race::Won<SocketAddr, Stream>, Failure> {
        let addresses = self.reach.sorted(target.addresses.clone(), target.number);
        let attempt = |address| through_tunnel(proxy.clone(), places.clone(), address, patience);
        let silent = |_| match target.addresses.first() {
            Some(&target) => Failure::BeyondSilent { proxy: proxy.to_string(), target, after: patience * 2 },
            None => Failure::Silent(patience * 2),
        };
        timeout(patience * 2, race::first(addresses, PAUSE_OF_PROXY, attempt)).await.map_err(silent)?
    }

    /// Remembers whether Telegram answered over a connection.
    pub(crate) fn answered(&self, target: &Target, address: SocketAddr, answered: bool) {
        if !self.is_mtproxy() {
            self.reach.tried(address, target.number, answered);
        }
    }

    /// What to say if nothing is heard of Telegram: through an MTProxy that has one more reason.
    pub(crate) fn doubt(&self) -> Option<String> {
        let proxy = self.proxy.as_ref().filter(|_| self.is_mtproxy())?;
        Some(format!("or the secret of the {proxy} is another one there, which shows in no other way"))
    }

    fn is_mtproxy(&self) -> bool {
        self.proxy.as_ref().is_some_and(|proxy| proxy.is_mtproxy())
    }
}

async fn straight(address: SocketAddr) -> Result<Stream, Failure> {
    Ok(Stream::plain(connected(address).await?, address))
}

async fn connected(address: SocketAddr) -> Result<TcpStream, Failure> {
    let socket = TcpStream::connect(address).await.map_err(|error| Failure::Refused(error.kind()))?;
    // Small calls must not wait for the answers to parts.
    let _ = socket.set_nodelay(true);
    Ok(socket)
}

/// Where a proxy is. Its name is resolved here; Telegram's addresses are no names.
async fn places(proxy: &Proxy, patience: Duration) -> Result<Vec<SocketAddr>, Failure> {
    let unknown = || Failure::Name { proxy: proxy.to_string() };
    let found = timeout(patience, lookup_host((proxy.host(), proxy.port()))).await;
    let found = found.map_err(|_| unknown())?.map_err(|_| unknown())?;
    let places: Vec<_> = found.take(PROXY_ADDRESSES_MAX).collect();
    if places.is_empty() { Err(unknown()) } else { Ok(places) }
}

/// Connects to a proxy.
async fn dial(proxy: &Proxy, places: &[SocketAddr], patience: Duration) -> Result<TcpStream, Failure> {
    let named = || proxy.to_string();
    match timeout(patience, race::first(places.to_vec(), PAUSE, connected)).await {
        Ok(Ok(won)) => Ok(won.what),
        Ok(Err(Failure::Refused(why))) => Err(Failure::NoProxy { proxy: named(), why }),
        Ok(Err(failure)) => Err(failure),
        Err(_) => Err(Failure::ProxySilent { proxy: named(), after: patience }),
    }
}

async fn through_tunnel(
    proxy: Arc<Proxy>,
    places: Arc<Vec<SocketAddr>>,
    target: SocketAddr,
    patience: Duration,
) -> Result<Stream, Failure> {
    let socket = dial(&proxy, &places, patience).await?;
    let name = proxy.to_string();
    let opened = async {
        match proxy.protocol() {
            ProxyProtocol::Http(login) => connect::tunnel(socket, target, login.as_ref(), &name).await,
            ProxyProtocol::Socks5(login) => socks::tunnel(socket, target, login.as_ref(), &name).await,
            _ => Err(Failure::NotOne { proxy: name.clone(), why: "it is of a kind that is not known here" }),
        }
    };
    match timeout(patience, opened).await {
        Ok(opened) => opened.map(|socket| Stream::plain(socket, target)),
        Err(_) => Err(Failure::BeyondSilent { proxy: name, target, after: patience }),
    }
}

async fn through_mtproxy(
    mut socket: TcpStream,
    secret: &telestore_types::MtproxySecret,
    dc: i16,
    proxy: &Proxy,
    patience: Duration,
) -> Result<Stream, Failure> {
    let name = proxy.to_string();
    let address =
        socket.peer_addr().map_err(|error| Failure::NoProxy { proxy: name.clone(), why: error.kind() })?;
    match timeout(patience, mtproxy::begin(&mut socket, secret, dc, &name)).await {
        Ok(begun) => begun.map(|veil| Stream::veiled(socket, address, veil)),
        // One that does not know the secret may well say nothing.
        Err(_) => Err(Failure::Secret { proxy: name }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use telestore_sandbox::Sandbox;
    use telestore_sandbox::proxies::{BlackHole, RefusingPort};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(15);

    #[tokio::test]
    async fn a_refusal_and_a_black_hole_are_gone_past_and_what_worked_comes_first_next_time() {
        let (refusing, hole) = (RefusingPort::take().unwrap(), BlackHole::open().await.unwrap());
        let sandbox = Sandbox::start().await.unwrap();
        let addresses = vec![refusing.address(), hole.address(), sandbox.mtproto_addr()];
        let (way, target) = (Way::new(None), Target::new(2, false, false, addresses));
        let begun = Instant::now();
        let stream = way.open(&target, PATIENCE).await.unwrap();
        assert_eq!(stream.address(), sandbox.mtproto_addr());
        assert!(begun.elapsed() >= PAUSE && begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
        way.answered(&target, stream.address(), true);
        let first = way.reach.sorted(target.addresses.clone(), 2)[0];
        assert_eq!(first, sandbox.mtproto_addr());
    }

    #[tokio::test]
    async fn a_way_that_ends_nowhere_ends_in_time() {
        let hole = BlackHole::open().await.unwrap();
        let (way, target) = (Way::new(None), Target::new(2, false, false, vec![hole.address()]));
        let patience = Duration::from_millis(500);
        assert_eq!(way.open(&target, patience).await.err(), Some(Failure::Silent(patience)));
    }
}
