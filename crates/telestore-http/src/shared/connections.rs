mod limits;
mod listening;

use std::any::Any;
use std::collections::HashMap;
use std::net::{IpAddr, Shutdown};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use actix_web::{HttpMessage, HttpRequest};
use socket2::{SockRef, Socket};

pub use limits::ConnectionLimits;
pub(crate) use listening::Listening;

/// How long a connection of a stranger may do nothing if others need its place: a client that has just come has still to
/// send its request.
const IDLE_GRACE: Duration = Duration::from_secs(1);

/// How long a request of a stranger may run if others need the place of its connection.
const BUSY_GRACE: Duration = Duration::from_secs(10);

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
    /// Those of them without a valid token.
    strangers: AtomicUsize,
    begin: Instant,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    connections: HashMap<u64, (Socket, Arc<Activity>)>,
    addresses: HashMap<IpAddr, usize>,
    /// How many of the connections are being closed to make room.
    closing: usize,
    /// Places of listeners without a valid token, by address.
    listening: HashMap<IpAddr, usize>,
}

/// What goes on on a connection.
#[derive(Debug)]
struct Activity {
    running: AtomicUsize,
    /// Since when nothing does, in milliseconds after the registry's beginning.
    idle_since: AtomicU64,
    /// It is one too many.
    unwanted: AtomicBool,
    /// Since when the oldest of its requests may run.
    busy_since: AtomicU64,
    /// A valid token was shown on it, or it is a proxy's, of many.
    known: AtomicBool,
    /// It is being closed to make room.
    closing: AtomicBool,
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
    tls: bool,
    activity: Arc<Activity>,
    pub(crate) crowd: Option<Crowd>,
}

/// A request that runs, until this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    shared: Arc<Shared>,
    activity: Arc<Activity>,
}

impl Connections {
    /// No connections yet.
    pub fn new(limits: ConnectionLimits) -> Self {
        Self(Arc::new(Shared {
            limits,
            open: Mutex::default(),
            listeners: AtomicUsize::new(0),
            strangers: AtomicUsize::new(0),
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
        let connections = self.clone();
        move |io, data| {
            if let Some(connection) = connections.open(io) {
                data.insert(connection);
            }
        }
    }

    /// One more connection, be it by TLS or not.
    pub(crate) fn open(&self, io: &dyn Any) -> Option<Rc<Connection>> {
        let tls = io.downcast_ref::<TlsStream<TcpStream>>();
        let stream = tls.map(|stream| stream.get_ref().0).or_else(|| io.downcast_ref::<TcpStream>())?;
        Connection::open(&self.0, stream, tls.is_some()).map(Rc::new)
    }

    /// Shuts down connections that do nothing for too long. It ends when the last handle to these connections is dropped.
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

    /// Closes connections of strangers if they have more than their part: first those that do nothing, the longest
    /// ones first, then those that have a request run for longer than a grace.
    fn make_room(&self, open: &mut Open) {
        let most = self.limits.max_connections;
        if open.connections.len() < most - most / 8 {
            return;
        }
        let mut strangers: Vec<_> = open
            .connections
            .values()
            .filter(|(_, one)| !one.known.load(Ordering::Relaxed) && !one.closing.load(Ordering::Relaxed))
            .collect();
        // Some more at a time, since looking at them all takes a while.
        let over = (strangers.len() + 1).saturating_sub(most - most / 8);
        if over == 0 {
            return;
        }
        let now = self.now();
        let age = |activity: &Activity| match activity.running.load(Ordering::Acquire) {
            0 => (0, activity.idle_since.load(Ordering::Relaxed)),
            _ => (1, activity.busy_since.load(Ordering::Relaxed)),
        };
        strangers.sort_by_cached_key(|(_, activity)| age(activity));
        let mut closing = 0;
        for (socket, activity) in strangers.into_iter().take(over + most / 64) {
            let (busy, since) = age(activity);
            let grace = if busy == 0 { IDLE_GRACE } else { BUSY_GRACE };
            if u128::from(now.saturating_sub(since)) >= grace.as_millis() {
                activity.closing.store(true, Ordering::Relaxed);
                let _ = socket.shutdown(Shutdown::Both);
                closing += 1;
            }
        }
        open.closing += closing;
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
    /// That of a request, if connections are counted. By HTTP/2 it comes with each request.
    pub(crate) fn of(request: &HttpRequest) -> Option<Rc<Self>> {
        let of_stream = || request.extensions().get::<Rc<Self>>().cloned();
        request.conn_data::<Rc<Self>>().cloned().or_else(of_stream)
    }

    fn open(shared: &Arc<Shared>, stream: &TcpStream, tls: bool) -> Option<Self> {
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
        shared.make_room(&mut open);
        // Those that are told to go do so at once.
        let all = open.connections.len() - open.closing + 1;
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
            busy_since: AtomicU64::new(0),
            known: AtomicBool::new(proxy),
            closing: AtomicBool::new(false),
        });
        let id = open.next;
        open.next += 1;
        open.connections.insert(id, (socket, Arc::clone(&activity)));
        drop(open);
        Some(Self { shared: Arc::clone(shared), id, address, proxy, tls, activity, crowd })
    }

    /// What holds for it.
    pub(crate) fn limits(&self) -> &ConnectionLimits {
        &self.shared.limits
    }

    /// Whether it is that of a trusted proxy.
    pub(crate) fn is_proxy(&self) -> bool {
        self.proxy
    }

    /// Whether it is encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls
    }

    /// Whether a valid token was shown on it.
    pub(crate) fn was_known(&self) -> bool {
        self.activity.known.load(Ordering::Relaxed)
    }

    /// A request has come.
    pub(crate) fn begin(&self) -> Running {
        if self.activity.running.fetch_add(1, Ordering::AcqRel) == 0 {
            self.activity.busy_since.store(self.shared.now(), Ordering::Relaxed);
        }
        Running { shared: Arc::clone(&self.shared), activity: Arc::clone(&self.activity) }
    }

    /// Whether more requests run on it than may.
    pub(crate) fn is_busy(&self) -> bool {
        let most = self.shared.limits.connection_requests;
        !self.proxy && self.activity.running.load(Ordering::Acquire) > most
    }

    /// A valid token was shown on it.
    pub(crate) fn is_known(&self) {
        self.activity.known.store(true, Ordering::Relaxed);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut open = self.shared.open();
        open.connections.remove(&self.id);
        if self.activity.closing.load(Ordering::Relaxed) {
            open.closing -= 1;
        }
        if let Some(address) = self.address {
            leave(&mut open.addresses, address);
        }
    }
}

/// One less is counted for `address`.
fn leave(counts: &mut HashMap<IpAddr, usize>, address: IpAddr) {
    if let Some(count) = counts.get_mut(&address) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&address);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.activity.idle_since.store(self.shared.now(), Ordering::Relaxed);
        self.activity.running.fetch_sub(1, Ordering::AcqRel);
    }
}
