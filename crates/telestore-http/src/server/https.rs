//! HTTPS, with HTTP/1.1 and HTTP/2.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, future, io};

use actix_http::{HttpService, Protocol, Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_factory, map_config};
use actix_tls::accept::rustls_0_23::{Acceptor, AcceptorService, TlsStream, reexports::ServerConfig};
use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{AppConfig, Extensions, Server};
use actix_web::rt::net::TcpStream;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use socket2::{Domain, Socket, Type};

use crate::Connections;
use crate::server::expect::{Expectations, Gate};
use crate::server::http2;

/// Its name in a TLS handshake.
const HTTP_2: &[u8] = b"h2";

/// How many connections wait to be accepted at most.
const BACKLOG: i32 = 1024;

/// What [`serve_https`] needs beside the limits of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpsOptions {
    /// Threads that serve.
    pub threads: usize,
    /// Whether HTTP/2 is offered beside HTTP/1.1.
    pub http2: bool,
    /// The longest that a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How many handshakes a thread takes at a time.
    pub max_handshakes: usize,
    /// How long a client may take to close its connection when it was told to.
    pub disconnect_timeout: Duration,
    /// How long a stop waits for requests.
    pub shutdown_timeout: Duration,
}

/// Listens at `place`, on each of its addresses.
///
/// # Errors
/// If none of them can be listened at.
pub fn listeners(place: impl ToSocketAddrs) -> io::Result<Vec<TcpListener>> {
    let (mut listeners, mut failed) = (Vec::new(), None);
    for address in place.to_socket_addrs()? {
        match listener(address) {
            Ok(listener) => listeners.push(listener),
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Serves an app over TLS by HTTP/1.1 and, within bounds that actix-web does not have, by HTTP/2: no more streams than
/// [`connection_requests`](crate::ConnectionLimits::connection_requests), heads of 64 KiB and 96 headers, and answers that
/// a client does not take for `body_timeout` are given up.
///
/// # Errors
/// If a listener cannot be used.
pub fn serve_https<F, I, S, B>(
    listeners: Vec<TcpListener>,
    mut tls: ServerConfig,
    connections: &Connections,
    expectations: &Expectations,
    options: HttpsOptions,
    app: F,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    if options.http2 {
        tls.alpn_protocols.insert(0, HTTP_2.to_vec());
    }
    actix_tls::accept::max_concurrent_tls_connect(options.max_handshakes);
    let mut builder = Server::build()
        .workers(options.threads)
        .disable_signals()
        .shutdown_timeout(options.shutdown_timeout.as_secs().max(1));
    let signal = builder.graceful_shutdown_signal();
    let stop = move || -> Stop {
        let signal = signal.clone();
        async move { signal.notified().await }.boxed_local()
    };
    for listener in listeners {
        let (app, tls, connections, stop) = (app.clone(), tls.clone(), connections.clone(), stop.clone());
        let expectations = expectations.clone();
        builder = builder.listen("https", listener, move || {
            let app = app().into_factory().map_err(|error| error.into().error_response());
            let app = Rc::new(map_config(app, |()| AppConfig::default()));
            let (tls, connections, stop) = (tls.clone(), connections.clone(), stop.clone());
            let expectations = expectations.clone();
            fn_factory(move || {
                let (app, tls, connections) = (Rc::clone(&app), tls.clone(), connections.clone());
                let (stop, expectations) = (stop.clone(), expectations.clone());
                async move {
                    let app = app
                        .new_service(())
                        .await
                        .map_err(|error| tracing::error!(?error, "app does not start"))?;
                    front(Rc::new(app), tls, connections, expectations, options, stop).await
                }
            })
        })?;
    }
    Ok(builder.run())
}

/// What takes the connections of one thread.
struct Front<S, H, G, B> {
    acceptor: AcceptorService,
    app: Rc<S>,
    http1: Rc<H>,
    connections: Connections,
    stop: G,
    body: PhantomData<B>,
}

/// Ends when no new requests are to be taken.
type Stop = LocalBoxFuture<'static, ()>;

/// A connection as actix-http takes it.
type Accepted = (TlsStream<TcpStream>, Protocol, Option<SocketAddr>);

/// Sets up what takes the connections of one thread.
async fn front<S, B, G>(
    app: Rc<S>,
    tls: ServerConfig,
    connections: Connections,
    expectations: Expectations,
    options: HttpsOptions,
    stop: G,
) -> Result<Front<S, impl Service<Accepted, Response = ()>, G, B>, ()>
where
    S: Service<Request> + 'static,
    S::Future: 'static,
    S::Response: Into<Response<B>> + 'static,
    S::Error: Into<Response<BoxBody>> + 'static,
    B: MessageBody + 'static,
    G: Fn() -> Stop + Clone + 'static,
{
    let mut acceptor = Acceptor::new(tls);
    acceptor.set_handshake_timeout(options.handshake_timeout);
    let acceptor = ServiceFactory::<TcpStream>::new_service(&acceptor, ()).await?;
    let (limits, on_connect, shared) = (connections.limits(), connections.on_connect(), Rc::clone(&app));
    let gate = Rc::clone(&app);
    let http1 = HttpService::build()
        .graceful_shutdown_signal(stop.clone())
        .keep_alive(limits.idle_timeout)
        .client_request_timeout(limits.header_timeout)
        .client_disconnect_timeout(options.disconnect_timeout)
        .expect(fn_factory(move || Gate::<_, B>::before(&gate, &expectations)))
        .on_connect_ext(move |io: &TlsStream<TcpStream>, data: &mut Extensions| on_connect(io, data))
        .finish(fn_factory(move || future::ready(Ok::<_, ()>(Rc::clone(&shared)))));
    let http1 = Rc::new(http1.new_service(()).await?);
    Ok(Front { acceptor, app, http1, connections, stop, body: PhantomData })
}

impl<S, H, G, B> Service<TcpStream> for Front<S, H, G, B>
where
    S: Service<Request> + 'static,
    S::Response: Into<Response<B>>,
    S::Error: Into<Response<BoxBody>>,
    H: Service<Accepted, Response = ()> + 'static,
    G: Fn() -> Stop,
    B: MessageBody + 'static,
{
    type Response = ();
    type Error = Infallible;
    type Future = LocalBoxFuture<'static, Result<(), Infallible>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<TcpStream>::poll_ready(&self.acceptor, cx).map(|_| Ok(()))
    }

    fn call(&self, stream: TcpStream) -> Self::Future {
        let accepting = self.acceptor.call(stream);
        let (app, http1) = (Rc::clone(&self.app), Rc::clone(&self.http1));
        let (connections, stop) = (self.connections.clone(), (self.stop)());
        async move {
            let Ok(io) = accepting.await else { return Ok(()) };
            let peer = io.get_ref().0.peer_addr().ok();
            if io.get_ref().1.alpn_protocol() != Some(HTTP_2) {
                // However it ends, the connection is over.
                let _ = http1.call((io, Protocol::Http1, peer)).await;
            } else if let Some(connection) = connections.open(&io) {
                http2::serve(io, peer, app, connection, stop).await;
            }
            Ok(())
        }
        .boxed_local()
    }
}
