//! The HTTP server: Bot API, backend, control API and the demo page at one address.

mod backend;
mod bot_api;
mod bot_files;
mod bot_params;
mod bot_sends;
mod channels;
mod control;
mod demo;
mod faulty;
mod flood;
mod ranges;
mod sign_in;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::routing::{any, delete, get, patch, post, put};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

pub(crate) use control::describe;
pub use flood::FloodShape;

use crate::shared::Shared;

/// Accepts connections until stopped.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener, stop: CancellationToken) {
    let router = router(Arc::clone(&shared));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    let serving = connection(router.clone(), Arc::clone(&shared), stream);
                    connections.spawn(stop.child_token().run_until_cancelled_owned(serving));
                }
                Err(error) => tracing::warn!(%error, "http connection not accepted"),
            },
        }
    }
    while connections.join_next().await.is_some() {}
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/api/worker/credentials", get(backend::credentials))
        .route("/api/webhook/upload", post(backend::webhook))
        .route("/demo", get(demo::page))
        .route("/sandbox", get(control::overview))
        .route("/sandbox/messages", get(control::messages))
        .route("/sandbox/webhooks", get(control::webhooks))
        .route("/sandbox/stats", get(control::stats))
        .route("/sandbox/faults", post(control::inject))
        .route("/sandbox/faults", delete(control::clear))
        .route("/sandbox/faults/{id}", get(control::fired).delete(control::release))
        .route("/sandbox/sign-in", get(sign_in::rules).put(sign_in::set_rules))
        .route("/sandbox/codes", get(sign_in::codes))
        .route("/sandbox/codes/{phone}", delete(sign_in::void))
        .route("/sandbox/login-tokens", get(sign_in::tokens))
        .route("/sandbox/login-tokens/scan", post(sign_in::scan))
        .route("/sandbox/network", put(control::network))
        .route("/sandbox/limits", put(control::set_limits))
        .route("/sandbox/videos", put(control::convert_videos))
        .route("/sandbox/users", post(control::add_user))
        .route("/sandbox/users/{id}", patch(control::change_user))
        .route("/sandbox/users/{id}/data-centre", put(control::move_account))
        .route("/sandbox/channels", get(channels::all))
        .route("/sandbox/channels/{id}", patch(channels::change))
        .route("/sandbox/channels/{id}/members", put(channels::set_member))
        .route("/sandbox/channels/{id}/migrate", post(channels::migrate))
        .route("/sandbox/channels/{id}/data-centre", put(channels::move_documents))
        .route("/sandbox/channels/{id}/messages/{message}", patch(channels::age_message))
        .route("/sandbox/documents", put(control::place_documents))
        .route("/sandbox/file-links", delete(control::expire_links))
        .route("/sandbox/file-references", delete(control::expire_references))
        .route("/sandbox/data-centres", post(control::add_data_centre))
        .route("/sandbox/data-centres/{id}", delete(control::stop_data_centre))
        .fallback(any(bot_api::handle))
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

/// Served by hand, because a fault must be able to end a connection without an answer.
async fn connection(router: Router, shared: Arc<Shared>, stream: TcpStream) {
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (router, shared) = (router.clone(), Arc::clone(&shared));
        async move {
            let Ok(response) = router.oneshot(request.map(Body::new)).await;
            if response.extensions().get::<faulty::Abort>().is_some() {
                return Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted));
            }
            shared.network.travel().await;
            Ok(response)
        }
    });
    let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "http connection ended");
    }
}
