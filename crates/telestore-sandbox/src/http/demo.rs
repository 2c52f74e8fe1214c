//! A page that uploads through a worker and shows the progress live.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use axum::response::{Html, IntoResponse};

/// One file, and nothing from elsewhere; it calls the worker that it is told of.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; \
                      connect-src http: https: ws: wss:; base-uri 'none'; form-action 'none'";

pub(crate) async fn page() -> impl IntoResponse {
    let headers = [(CONTENT_SECURITY_POLICY, POLICY), (CACHE_CONTROL, "no-store")];
    (headers, Html(include_str!("demo.html")))
}
