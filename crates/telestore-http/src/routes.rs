use std::time::Duration;

use actix_cors::Cors;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, guard};
use telestore::Telestore;

use crate::SpoolBudget;
use crate::calls::{chunked, direct, health, index, metrics_page, openapi, progress, socket, sse};
use crate::layers::limits::LimitedAddresses;
use crate::layers::old_http::without_chunks;
use crate::shared::{answer, token};

/// What the routes need beside the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOptions {
    /// Whose addresses are held to the limits of addresses.
    pub limited_addresses: LimitedAddresses,
    /// The largest JSON body, in bytes.
    pub max_json_bytes: usize,
    /// The largest text field of a form, in bytes.
    pub max_field_bytes: usize,
    /// The most parts of a form.
    pub max_fields: usize,
    /// The origins whose pages may open WebSockets, as for [`cors`]: all where it is empty or holds `*`.
    pub origins: Vec<String>,
    /// What may be spooled for callers of whom nothing is known yet. Clones share it.
    pub spool_budget: SpoolBudget,
    /// How often a listener hears something when nothing changes. A WebSocket that is silent for three times as long
    /// is closed.
    pub heartbeat: Duration,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            limited_addresses: LimitedAddresses::default(),
            max_json_bytes: 64 * 1024,
            max_field_bytes: 16 * 1024,
            max_fields: 32,
            origins: Vec::new(),
            spool_budget: SpoolBudget::default(),
            heartbeat: Duration::from_secs(15),
        }
    }
}

impl HttpOptions {
    pub(crate) fn any_origin(&self) -> bool {
        is_any(&self.origins)
    }
}

/// A method and a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// As documented, with `{uploadId}` where the id goes, and `{file}` for whatever a page is made of.
    pub path: &'static str,
}

const fn endpoint(method: &'static str, path: &'static str) -> Endpoint {
    Endpoint { method, path }
}

const ENDPOINTS: &[Endpoint] = &[
    endpoint("GET", "/"),
    endpoint("GET", "/health"),
    endpoint("GET", "/ready"),
    endpoint("GET", "/metrics"),
    endpoint("POST", "/init-upload"),
    endpoint("POST", "/upload-chunk"),
    endpoint("POST", "/complete-upload"),
    endpoint("GET", "/upload-progress/{uploadId}"),
    endpoint("GET", "/upload-events/{uploadId}"),
    endpoint("GET", "/ws/upload-progress/{uploadId}"),
    endpoint("GET", "/upload-status/{uploadId}"),
    endpoint("POST", "/cancel-upload"),
    endpoint("POST", "/upload"),
    endpoint("GET", "/openapi.json"),
    endpoint("GET", "/docs"),
    endpoint("GET", "/docs/{file}"),
];

/// Everything that [`routes`] mounts.
pub fn endpoints() -> &'static [Endpoint] {
    ENDPOINTS
}

/// The routes over `engine`, for [`App::configure`](actix_web::App::configure).
pub fn routes(engine: Telestore, options: HttpOptions) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config.app_data(web::Data::new(engine)).app_data(web::Data::new(options));
        for endpoint in ENDPOINTS {
            // What comes with the routes stands here, the rest is for whoever mounts them.
            config.service(mount(endpoint).wrap(from_fn(token::explain)).wrap(from_fn(without_chunks)));
        }
    }
}

fn mount(endpoint: &Endpoint) -> Resource {
    let method = endpoint.method;
    let wrong_method = move |request: HttpRequest| async move { answer::wrong_method(&request, method) };
    let resource = web::resource(endpoint.path).default_service(web::to(wrong_method));
    let get = || web::route().guard(guard::Any(guard::Get()).or(guard::Method(Method::HEAD)));
    match endpoint.path {
        "/" => resource.route(get().to(index::index)),
        "/health" => resource.route(get().to(health::alive)),
        "/ready" => resource.route(get().to(health::ready)),
        "/metrics" => resource.route(get().to(metrics_page::metrics)),
        "/init-upload" => resource.route(web::post().to(chunked::init)),
        "/upload-chunk" => resource.route(web::post().to(chunked::chunk)),
        "/complete-upload" => resource.route(web::post().to(chunked::complete)),
        "/upload-progress/{uploadId}" => resource.route(get().to(progress::progress)),
        // No HEAD: its answer would end with the upload.
        "/upload-events/{uploadId}" => resource.route(web::get().to(sse::events)),
        "/ws/upload-progress/{uploadId}" => resource.route(web::get().to(socket::progress_socket)),
        "/upload-status/{uploadId}" => resource.route(get().to(chunked::status)),
        "/cancel-upload" => resource.route(web::post().to(chunked::cancel)),
        "/upload" => resource.route(web::post().to(direct::upload)),
        "/openapi.json" => resource.route(get().to(openapi::document)),
        "/docs" => resource.route(get().to(openapi::page)),
        "/docs/{file}" => resource.route(get().to(openapi::asset)),
        // The test over all endpoints finds a path without a handler.
        _ => resource,
    }
}

/// The answer for every other path, for a service that mounts nothing else.
pub async fn no_such_endpoint(request: HttpRequest) -> HttpResponse {
    answer::no_such_endpoint(&request)
}

/// Lets pages of `origins` call, or all pages where it is empty or holds `*`.
pub fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allow_any_method()
        .allow_any_header()
        .expose_headers(["ETag", "Retry-After", "X-Request-Id"])
        .max_age(3600);
    if is_any(origins) {
        return cors.allow_any_origin().send_wildcard();
    }
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}

fn is_any(origins: &[String]) -> bool {
    origins.is_empty() || origins.iter().any(|origin| origin == "*")
}
