use std::future::Future;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, web};
use telestore::uploader::Requirement;
use telestore::{Running, Telestore};
use telestore_http::{HttpService, MetricsPage, ServiceSettings, SpoolBudget};

use crate::config::{Access, Config};
use crate::settings::Settings;
use crate::tls::{self, TlsError};
use crate::wire::{WireError, wire};
use crate::{metrics, open_files};

/// How long it may take to give back what did not stop in time.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long it may take to hand over to other workers.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cannot listen on {host}:{port}: {source}; {cure}")]
    Listen { host: String, port: u16, source: io::Error, cure: String },
    #[error("could not start: {}", cause(.0))]
    Engine(#[from] telestore::Error),
    #[error("server stopped: {0}")]
    Io(#[from] io::Error),
}

/// The cause, if there is one: the error itself has words for clients.
fn cause(error: &telestore::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// A worker that listens.
pub(crate) struct Worker {
    pub(crate) address: SocketAddr,
    server: Server,
    engine: Telestore,
    running: Running,
    grace: Duration,
    // Held for as long as the worker lives.
    _lock: std::fs::File,
}

/// Serves until the process is told to stop.
pub(crate) async fn serve(config: Config) -> Result<(), ServeError> {
    let worker = Worker::start(&config).await?;
    // A program that reads that it listens may tell it to stop at once.
    let stop = told_to_stop();
    announce(&config, worker.address)?;
    worker.run(stop).await
}

impl Worker {
    /// Opens the data directory, starts the engine and listens.
    pub(crate) async fn start(config: &Config) -> Result<Self, ServeError> {
        let recorder = metrics::install();
        let wired = wire(config).await?;
        let page = metrics::page(recorder, &wired.engine, config);
        let (server, address) = listen(config, &wired.engine, page)?;
        let running = wired.engine.start().await?;
        Ok(Self {
            address,
            server,
            engine: wired.engine,
            running,
            grace: config.settings.sending.shutdown_grace,
            _lock: wired.lock,
        })
    }

    /// Serves until `stop`, then lets what runs come to rest.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
        let handle: ServerHandle = self.server.handle();
        let mut server = tokio::spawn(self.server);
        let ended = tokio::select! {
            ended = &mut server => Some(ended),
            () = stop => None,
        };
        tracing::info!("stopping");
        let serves = ended.is_none();
        // Sends are interrupted first: a direct upload that waits for one would hold its connection open.
        let quiet = async {
            let stopped = async {
                handle.stop(true).await;
                if serves {
                    let _ = server.await;
                }
            };
            tokio::join!(self.running.shutdown(), stopped);
        };
        tokio::pin!(quiet);
        let hurried = tokio::select! {
            () = &mut quiet => false,
            () = tokio::time::sleep(self.grace) => {
                tracing::warn!("work did not stop in time; it goes on after the next start");
                true
            }
            () = told_to_stop() => {
                tracing::warn!("told to stop again; leaving work for the next start");
                true
            }
        };
        if hurried {
            // A store that hangs must not hold the stop up.
            let _ = tokio::time::timeout(LAST_WORDS, self.engine.give_back_sends()).await;
        }
        if !self.engine.config().alone {
            hand_over(&self.engine).await;
        }
        match ended {
            Some(Ok(Err(error))) => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// Lets other workers go on at once with what this one leaves.
async fn hand_over(engine: &Telestore) {
    let why = match tokio::time::timeout(LEAVE_WITHIN, engine.leave()).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the database does not answer".to_owned(),
    };
    tracing::warn!(why, "other workers go on with what is left in a minute");
}

fn listen(
    config: &Config,
    engine: &Telestore,
    page: MetricsPage,
) -> Result<(Server, SocketAddr), ServeError> {
    let (host, port) = (config.settings.server.host.clone(), config.settings.server.port);
    let cure = other_address(config);
    let failed = |source| ServeError::Listen { host: host.clone(), port, source, cure: cure.clone() };
    let tls = config.tls.as_ref().map(tls::server_config).transpose()?;
    let service = HttpService::new(engine, settings(config, page));
    let files = service.clone();
    let app = move || {
        let app = App::new().configure(files.routes());
        let app = files.wrap(app.default_service(web::to(telestore_http::no_such_endpoint)));
        #[cfg(feature = "otlp")]
        let app = app.wrap(actix_web::middleware::from_fn(crate::otlp::take_parent));
        app
    };
    let listeners = telestore_http::listeners((host.as_str(), port)).map_err(failed)?;
    let address = listeners.first().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into());
    let address = address.and_then(TcpListener::local_addr).map_err(failed)?;
    Ok((service.serve(listeners, tls, app).map_err(failed)?, address))
}

fn settings(config: &Config, page: MetricsPage) -> ServiceSettings {
    let mut connections = config.connections.clone();
    connections.max_connections = open_files::enough_for(connections.max_connections);
    let Settings { server, watch, sending, .. } = &config.settings;
    ServiceSettings::default()
        .with_request_limits(config.request_limits)
        .with_connection_limits(connections)
        .with_trusted_proxies(server.proxies())
        .with_origins(&server.cors_origins.0)
        .with_app(config.settings.shows_app())
        .with_access_log(watch.access_log)
        .with_spool_budget(SpoolBudget::new(config.settings.connections.unknown_sender_bytes))
        .with_metrics(page)
        .with_threads(server.threads())
        .with_http2(server.http2)
        .with_shutdown_timeout(sending.shutdown_grace)
}

/// What to set if the worker cannot listen, by the names that the operator gave.
pub(crate) fn other_address(config: &Config) -> String {
    let origins = &config.settings.origins;
    format!("set {} or {}", origins.name("PORT"), origins.name("TELESTORE_HOST"))
}

/// One line on standard output says where the worker listens: its caller may have asked for port 0.
fn announce(config: &Config, address: SocketAddr) -> io::Result<()> {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    writeln!(io::stdout(), "listening on {scheme}://{address}")?;
    if config.settings.shows_app() {
        tracing::info!(path = "/app", "there is a page for people");
    }
    match &config.access {
        // A URL may carry a password.
        Access::Backend { .. } => tracing::info!(%address, "serving the users of the TeleStore backend"),
        Access::StandAlone { tokens, credentials } => {
            tracing::info!(%address, tokens = tokens.len(), "serving stand-alone, without a TeleStore backend");
            let limit = config.settings.sending.bot_api_max_bytes;
            if !Requirement::SessionOrBot.is_met_by(credentials) && limit < config.engine.max_file_bytes {
                tracing::info!(
                    limit,
                    "larger files go as several messages: neither TELESTORE_TELEGRAM_SESSION nor TELESTORE_API_ID with \
                     TELESTORE_API_HASH is set"
                );
            }
        }
    }
    Ok(())
}

/// Returns at Ctrl-C or SIGTERM; it listens for them from the call on.
pub(crate) fn told_to_stop() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let told = {
        use tokio::signal::unix::{SignalKind, signal};
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    };
    async move {
        #[cfg(unix)]
        if let (Ok(mut interrupt), Ok(mut terminate)) = told {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
        let _ = tokio::signal::ctrl_c().await;
    }
}
