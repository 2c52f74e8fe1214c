use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use utoipa::ToSchema;

use crate::shared::endpoints::{self, Endpoint};

/// What [`index`] lists.
pub(crate) struct Listed(pub(crate) &'static [Endpoint]);

/// The worker, and what it can do.
#[derive(Debug, Serialize, ToSchema)]
struct Index {
    /// Always `5MB`: clients of the earlier worker look for it, and for `service`.
    chunk_size: &'static str,
    /// Methods and paths.
    endpoints: Vec<String>,
    /// Always `TeleStore Render Upload Service`.
    service: &'static str,
    /// Always `ok`.
    status: &'static str,
    /// The worker's.
    version: &'static str,
}

/// What is here
///
/// The worker's version and its endpoints.
#[utoipa::path(
    get,
    path = endpoints::INDEX.path,
    tag = "service",
    responses((status = 200, description = "It serves", body = Index, example = json!({
        "status": "ok", "service": "TeleStore Render Upload Service", "chunk_size": "5MB", "version": "0.1.0",
        "endpoints": ["GET /", "POST /init-upload"],
    })))
)]
pub(crate) async fn index(listed: Data<Listed>) -> HttpResponse {
    HttpResponse::Ok().json(Index {
        chunk_size: "5MB",
        endpoints: listed.0.iter().map(|e| format!("{} {}", e.method, e.path)).collect(),
        service: "TeleStore Render Upload Service",
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
    })
}
