use actix_web::HttpResponse;
use serde_json::json;

use crate::endpoints;

pub(crate) async fn index() -> HttpResponse {
    let endpoints: Vec<String> = endpoints().iter().map(|e| format!("{} {}", e.method, e.path)).collect();
    HttpResponse::Ok().json(json!({
        "status": "ok",
        // Clients of the earlier worker look for these two.
        "service": "TeleStore Render Upload Service",
        "chunk_size": "5MB",
        "version": env!("CARGO_PKG_VERSION"),
        "endpoints": endpoints,
    }))
}
