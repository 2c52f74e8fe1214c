use std::any::Any;
use std::collections::HashMap;
use std::net::{IpAddr, Shutdown};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use socket2::{SockRef, Socket};

use crate::{LimitedAddresses, TrustedProxies};

/// How long clients may take, and how many may come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// For the head of a connection's first request; for
    /// [`client_request_timeout`](actix_web::HttpServer::client_request_timeout).
    pub header_timeout: Duration,
    /// The longest wait for the next bytes of a body. A body that is refused is read away for as long in all.
    pub body_timeout: Duration,
    /// The least rate of a body in bytes a second, averaged over `body_timeout`; 0 for any.
    pub body_min_rate: u64,
    /// How long a connection may be without a whole request; for [`keep_alive`](actix_web::HttpServer::keep_alive), too.
    pub idle_timeout: Duration,
    /// The most connections at a time.
    pub max_connections: usize,
    /// The most connections at a time from one address (an IPv6 network of 64 bits); 0 for any number.
    pub address_connections: usize,
    /// Which addresses are counted for it.
    pub addresses: LimitedAddresses,
    /// Whose connections are those of many clients: neither `address_connections` nor `connection_requests` holds.
    pub proxies: TrustedProxies,
    /// The most requests at a time on one connection, which HTTP/2 allows: the server tells its clients no limit.
    /// Browsers and libraries have 100 at most before they are told.
    pub connection_requests: usize,
    /// The most listeners of live progress at a time.
    pub max_listeners: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            body_min_rate: 1024,
            idle_timeout: Duration::from_secs(75),
            max_connections: 10_000,
            address_connections: 1000,
            addresses: LimitedAddresses::default(),
            proxies: TrustedProxies::default(),
            connection_requests: 128,
            max_listeners: 10_000,
        }
    }
}

/// The connections of a server: how many there are, and which of them do nothing.
///
/// actix-web times the head of a connection's first request only. A client that sends the next head byte by byte, or
/// never ends a body that was refused, would keep its connection for ever; here such a connection is shut down.
#[derive(Debug, Clone)]
pub struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: ConnectionLimits,
    open: Mutex<Open>,
    listeners: AtomicUsize,
    begin: Instant,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    connections: HashMap<u64, (Socket, Arc<Activity>)>,
    addresses: HashMap<IpAddr, usize>,
}

/// What goes on on a connection.
#[derive(Debug)]
struct Activity {
    running: AtomicUsize,
    /// Since when nothing does, in milliseconds after the registry's beginning.
    idle_since: AtomicU64,
    /// It is one too many.
    unwanted: AtomicBool,
}

/// Why a connection is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crowd {
    /// There are too many in all.
    All,
    /// There are too many from its address.
    Address,
}

/// What a request knows of its connection. The connection counts until this is dropped, with the connection itself.
#[derive(Debug)]
pub(crate) struct Connection {
    shared: Arc<Shared>,
    id: u64,
    /// What it counts for, beside all.
    address: Option<IpAddr>,
    proxy: bool,
    activity: Arc<Activity>,
    pub(crate) crowd: Option<Crowd>,
}

/// A request that runs, until this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    shared: Arc<Shared>,
    activity: Arc<Activity>,
}

/// A place among the listeners, until this is dropped.
#[derive(Debug)]
pub(crate) struct Listening(Arc<Shared>);

impl Connections {
    /// No connections yet.
    pub fn new(limits: ConnectionLimits) -> Self {
        Self(Arc::new(Shared {
            limits,
            open: Mutex::default(),
            listeners: AtomicUsize::new(0),
            begin: Instant::now(),
        }))
    }

    /// What they may do.
    pub fn limits(&self) -> &ConnectionLimits {
        &self.0.limits
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.open().connections.len()
    }

    /// For [`HttpServer::on_connect`](actix_web::HttpServer::on_connect), with TLS or without.
    pub fn on_connect(&self) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static {
        let shared = Arc::clone(&self.0);
        move |io, data| {
            if let Some(connection) = tcp_stream(io).and_then(|stream| Connection::open(&shared, stream)) {
                data.insert(connection);
            }
        }
    }

    /// Shuts down connections that do nothing for too long, for as long as there is anything that can open some.
    pub fn tend(&self) -> impl Future<Output = ()> + Send + 'static {
        let shared = Arc::downgrade(&self.0);
        let least = self.0.limits.idle_timeout.min(self.0.limits.header_timeout);
        let every = (least / 4).clamp(Duration::from_millis(50), Duration::from_secs(1));
        async move {
            let mut ticks = actix_web::rt::time::interval(every);
            while let Some(shared) = {
                ticks.tick().await;
                Weak::upgrade(&shared)
            } {
                shared.shut_idle();
            }
        }
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        self.begin.elapsed().as_millis() as u64
    }

    fn shut_idle(&self) {
        let now = self.now();
        for (socket, activity) in self.open().connections.values() {
            let unwanted = activity.unwanted.load(Ordering::Relaxed);
            let limit = if unwanted { self.limits.header_timeout } else { self.limits.idle_timeout };
            let idle = now.saturating_sub(activity.idle_since.load(Ordering::Relaxed));
            if activity.running.load(Ordering::Acquire) == 0 && u128::from(idle) > limit.as_millis() {
                // The server sees the end of the connection, and drops it.
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
    }
}

impl Connection {
    fn open(shared: &Arc<Shared>, stream: &TcpStream) -> Option<Self> {
        let socket = SockRef::from(stream).try_clone().ok()?;
        let limits = &shared.limits;
        // An answer that the client does not take ends the connection, too.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = socket.set_tcp_user_timeout(Some(limits.idle_timeout));
        let peer = stream.peer_addr().ok()?.ip();
        let proxy = limits.proxies.contain(peer);
        let address = limits.addresses.counted(peer).filter(|_| !proxy);
        let mut open = shared.open();
        let of_address = address.map_or(0, |address| {
            let count = open.addresses.entry(address).or_default();
            *count += 1;
            *count
        });
        let all = open.connections.len() + 1;
        let crowd = if all > limits.max_connections {
            Some(Crowd::All)
        } else if limits.address_connections > 0 && of_address > limits.address_connections {
            Some(Crowd::Address)
        } else {
            None
        };
        // Some of those that are too many get an answer; the rest would only use up files.
        let full = |count: usize, limit: usize| count > limit.saturating_add(limit / 8 + 8);
        if full(all, limits.max_connections)
            || crowd == Some(Crowd::Address) && full(of_address, limits.address_connections)
        {
            let _ = socket.shutdown(Shutdown::Both);
        }
        let activity = Arc::new(Activity {
            running: AtomicUsize::new(0),
            idle_since: AtomicU64::new(shared.now()),
            unwanted: AtomicBool::new(crowd.is_some()),
        });
        let id = open.next;
        open.next += 1;
        open.connections.insert(id, (socket, Arc::clone(&activity)));
        drop(open);
        Some(Self { shared: Arc::clone(shared), id, address, proxy, activity, crowd })
    }

    /// A request has come.
    pub(crate) fn begin(&self) -> Running {
        self.activity.running.fetch_add(1, Ordering::AcqRel);
        Running { shared: Arc::clone(&self.shared), activity: Arc::clone(&self.activity) }
    }

    /// Whether more requests run on it than may.
    pub(crate) fn is_busy(&self) -> bool {
        let most = self.shared.limits.connection_requests;
        !self.proxy && self.activity.running.load(Ordering::Acquire) > most
    }

    /// A request becomes a listener, where there is a place.
    pub(crate) fn listen(&self) -> Option<Listening> {
        let before = self.shared.listeners.fetch_add(1, Ordering::AcqRel);
        let listening = Listening(Arc::clone(&self.shared));
        (before < self.shared.limits.max_listeners).then_some(listening)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut open = self.shared.open();
        open.connections.remove(&self.id);
        let Some(address) = self.address else { return };
        if let Some(count) = open.addresses.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.addresses.remove(&address);
            }
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.listeners.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.activity.idle_since.store(self.shared.now(), Ordering::Relaxed);
        self.activity.running.fetch_sub(1, Ordering::AcqRel);
    }
}

fn tcp_stream(io: &dyn Any) -> Option<&TcpStream> {
    io.downcast_ref::<TcpStream>()
        .or_else(|| io.downcast_ref::<TlsStream<TcpStream>>().map(|stream| stream.get_ref().0))
}
