//! HTTP/1.1 without TLS.

use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;
use std::{fmt, future, io};

use actix_http::{HttpService, Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_factory, map_config};
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Extensions, Server};
use actix_web::rt::net::TcpStream;

use crate::Connections;
use crate::server::expect::{Expectations, Gate};

/// What [`serve_http`] needs beside the limits of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainOptions {
    /// Threads that serve.
    pub threads: usize,
    /// How long a client may take to close its connection when it was told to.
    pub disconnect_timeout: Duration,
    /// How long a stop waits for requests.
    pub shutdown_timeout: Duration,
}

/// Serves an app as actix-web's `HttpServer` does, and looks at [`Expectations`] before it tells a client to go on.
///
/// # Errors
/// If a listener cannot be used.
pub fn serve_http<F, I, S, B>(
    listeners: Vec<TcpListener>,
    connections: &Connections,
    expectations: &Expectations,
    options: PlainOptions,
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
    let mut builder = Server::build()
        .workers(options.threads)
        .disable_signals()
        .shutdown_timeout(options.shutdown_timeout.as_secs().max(1));
    let signal = builder.graceful_shutdown_signal();
    for listener in listeners {
        let (app, signal) = (app.clone(), signal.clone());
        let (connections, expectations) = (connections.clone(), expectations.clone());
        builder = builder.listen("http", listener, move || {
            let app = app().into_factory().map_err(|error| error.into().error_response());
            let app = Rc::new(map_config(app, |()| AppConfig::default()));
            let (connections, expectations, signal) =
                (connections.clone(), expectations.clone(), signal.clone());
            fn_factory(move || {
                let (app, signal) = (Rc::clone(&app), signal.clone());
                let (connections, expectations) = (connections.clone(), expectations.clone());
                async move {
                    let app = app
                        .new_service(())
                        .await
                        .map_err(|error| tracing::error!(?error, "app does not start"))?;
                    let (app, limits) = (Rc::new(app), connections.limits());
                    let (gate, on_connect) = (Rc::clone(&app), connections.on_connect());
                    let http = HttpService::build()
                        .graceful_shutdown_signal(move || {
                            let signal = signal.clone();
                            async move { signal.notified().await }
                        })
                        .keep_alive(limits.idle_timeout)
                        .client_request_timeout(limits.header_timeout)
                        .client_disconnect_timeout(options.disconnect_timeout)
                        .expect(fn_factory(move || Gate::<_, B>::before(&gate, &expectations)))
                        .on_connect_ext(move |io: &TcpStream, data: &mut Extensions| on_connect(io, data))
                        .finish(fn_factory(move || future::ready(Ok::<_, ()>(Rc::clone(&app)))));
                    http.tcp().new_service(()).await
                }
            })
        })?;
    }
    Ok(builder.run())
}
