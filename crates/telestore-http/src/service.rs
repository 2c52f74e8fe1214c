mod settings;
#[cfg(test)]
mod tests;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use actix_http::{Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory};
use actix_tls::accept::rustls_0_23::reexports::ServerConfig;
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, Error};
use telestore::Telestore;

pub use self::settings::ServiceSettings;
use crate::calls::metrics_page::MetricsPage;
use crate::layers::access::{AccessLines, access};
use crate::layers::compress::compress;
use crate::layers::cors::cors;
use crate::layers::headers::headers;
use crate::layers::limits::limits;
use crate::layers::measure::measure;
use crate::layers::paths::paths;
use crate::layers::request_id::request_id;
use crate::layers::trust_proxies::trust_proxies;
use crate::layers::tus::as_tus;
use crate::layers::watch::turn_away_crowds;
use crate::routes::routes;
use crate::server::expect::Expectations;
use crate::server::http::{PlainOptions, serve_http};
use crate::server::https::{HttpsOptions, serve_https};
use crate::shared::connections::Connections;
use crate::shared::limiter::Limiter;
use crate::shared::proxy::TrustedProxies;

/// How long actix waits for a client to close when it was told to, behind what [`Connections::watch`] reads away.
const CLOSING: Duration = Duration::from_secs(2);

/// The longest that a TLS handshake may take. It is two messages each way.
const HANDSHAKE: Duration = Duration::from_secs(3);

/// How many TLS handshakes a thread takes at a time at least.
const LEAST_HANDSHAKES: usize = 256;

/// An engine as an HTTP service: its routes, all layers around them in their right order, and a server that takes
/// connections within their limits. The worker is one, and so is what an embedder puts its own routes into.
///
/// Clones are the same service: make one, and give a clone to each thread's app.
///
/// ```no_run
/// use actix_web::{App, HttpResponse, web};
/// use telestore_http::{HttpService, ServiceSettings, listeners};
///
/// # async fn run(engine: telestore::Telestore) -> std::io::Result<()> {
/// let service = HttpService::new(&engine, ServiceSettings::default());
/// let files = service.clone();
/// let app = move || {
///     files.wrap(
///         App::new()
///             .service(web::scope("/files").configure(files.routes()))
///             .route("/hello", web::get().to(async || HttpResponse::Ok().body("hello"))),
///     )
/// };
/// service.serve(listeners("127.0.0.1:8080")?, None, app)?.await
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct HttpService(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Telestore,
    settings: ServiceSettings,
    limiter: Limiter,
    access_lines: AccessLines,
    expectations: Expectations,
    connections: Connections,
    trusted: Data<TrustedProxies>,
    metrics: Option<Data<MetricsPage>>,
}

impl HttpService {
    /// Over `engine`, which its owner starts and shuts down.
    pub fn new(engine: &Telestore, settings: ServiceSettings) -> Self {
        let mut settings = settings;
        settings.options.limited_addresses = settings.request_limits.addresses;
        settings.connections.addresses = settings.request_limits.addresses;
        settings.connections.proxies = settings.trusted_proxies.clone();
        let limiter = Limiter::new(&settings.request_limits);
        Self(Arc::new(Inner {
            engine: engine.clone(),
            access_lines: AccessLines::new(settings.access_log),
            expectations: Expectations::new(engine, &limiter, &settings.trusted_proxies),
            connections: Connections::new(settings.connections.clone()),
            trusted: Data::new(settings.trusted_proxies.clone()),
            metrics: settings.metrics.clone().map(Data::new),
            limiter,
            settings,
        }))
    }

    /// The routes, for [`App::configure`] or [`Scope::configure`](actix_web::Scope::configure).
    pub fn routes(&self) -> impl FnOnce(&mut ServiceConfig) + use<> {
        routes(self.0.engine.clone(), self.0.settings.options.clone())
    }

    /// Wraps an app in all layers: what the [`routes`](Self::routes) need to be safe on the internet, and what browsers need.
    ///
    /// From outside in: [`paths`](crate::paths()) (what was asked for), [`Connections::watch`] (who sends too slowly),
    /// [`trust_proxies`](crate::trust_proxies()) (who calls), [`request_id`](crate::request_id()) (the span of log lines),
    /// [`access`](crate::access()) (lines with addresses), [`measure`](crate::measure()), [`headers`](crate::headers()),
    /// [`cors`](crate::cors()), [`as_tus`](crate::as_tus()), [`compress`](crate::compress()), [`turn_away_crowds`](crate::turn_away_crowds()),
    /// [`limits`](crate::limits()) (who calls too often).
    ///
    /// Other routes of the app are wrapped, too: they are measured, compressed, limited and logged, and open to the same
    /// origins. What they answer keeps its own headers and errors.
    pub fn wrap<T, B>(
        &self,
        app: App<T>,
    ) -> App<
        impl ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<impl MessageBody + use<T, B>>,
            Error = Error,
            InitError = (),
        > + use<T, B>,
    >
    where
        T: ServiceFactory<
                ServiceRequest,
                Config = (),
                Response = ServiceResponse<B>,
                Error = Error,
                InitError = (),
            > + 'static,
        B: MessageBody + 'static,
    {
        let Inner { settings, limiter, access_lines, connections, trusted, metrics, .. } = &*self.0;
        let app = match metrics {
            Some(page) => app.app_data(page.clone()),
            None => app,
        };
        // The last wrap is the outermost.
        app.app_data(trusted.clone())
            .wrap(limits(limiter))
            .wrap(from_fn(turn_away_crowds))
            .wrap(from_fn(compress))
            .wrap(from_fn(as_tus))
            .wrap(cors(&settings.options.origins))
            .wrap(from_fn(headers))
            .wrap(from_fn(measure))
            .wrap(access(access_lines))
            .wrap(from_fn(request_id))
            .wrap(from_fn(trust_proxies))
            .wrap(connections.watch())
            .wrap(paths())
    }

    /// Serves an app that was [wrapped](Self::wrap), by HTTP/1.1, or with `tls` by HTTPS with HTTP/1.1 and HTTP/2. To be
    /// called within a tokio runtime. No signals are listened for; the server's handle stops it.
    ///
    /// # Errors
    /// If a listener cannot be used.
    pub fn serve<F, I, S, B>(
        &self,
        listeners: Vec<TcpListener>,
        tls: Option<ServerConfig>,
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
        let Inner { settings, expectations, connections, .. } = &*self.0;
        tokio::spawn(connections.tend());
        let (threads, shutdown_timeout) = (settings.threads, settings.shutdown_timeout);
        if let Some(tls) = tls {
            let options = HttpsOptions {
                threads,
                http2: settings.http2,
                // A thread takes no connections at all while so many of its handshakes run: silent clients must not be
                // enough for it, nor stay for long.
                handshake_timeout: settings.connections.header_timeout.min(HANDSHAKE),
                max_handshakes: (settings.connections.max_connections / threads).max(LEAST_HANDSHAKES),
                disconnect_timeout: CLOSING,
                shutdown_timeout,
            };
            return serve_https(listeners, tls, connections, expectations, options, app);
        }
        let options = PlainOptions { threads, disconnect_timeout: CLOSING, shutdown_timeout };
        serve_http(listeners, connections, expectations, options, app)
    }
}
