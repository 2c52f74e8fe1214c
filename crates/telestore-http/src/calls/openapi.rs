//! The OpenAPI document, from the code that answers.
//!
//! An operation is described where its handler stands, by `#[utoipa::path]`; its errors are [`refusals`], by name.

mod page;
pub(crate) mod refusals;
mod shared;

use std::sync::OnceLock;

use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

use crate::calls::{chunked, direct, health, index, metrics_page, progress, socket, sse};
use crate::shared::encodings;
use crate::shared::endpoints;
use crate::shared::error::ErrorBody;

pub(crate) use page::{asset, page};
use shared::Shared;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "TeleStore Worker",
        description = "Takes files in one request or in chunks, and puts them into Telegram channels.\n\n\
            Every error is `{\"error\": \"<what to do>\"}`, with more fields where an example has them. \
            The auth token goes as `Authorization: Bearer <token>`, or as `authToken` in the form or the JSON."
    ),
    // In the order in which a client calls them.
    paths(
        chunked::init,
        chunked::chunk,
        chunked::status,
        chunked::complete,
        progress::progress,
        sse::events,
        socket::progress_socket,
        chunked::cancel,
        direct::upload,
        index::index,
        health::alive,
        health::ready,
        metrics_page::metrics,
        document,
        page::page,
        page::asset,
    ),
    components(schemas(ErrorBody)),
    modifiers(&Shared),
    tags(
        (name = "chunked", description = "A large file: send its chunks, complete it, watch its progress"),
        (name = "direct", description = "A small file in one request"),
        (name = "service", description = "The worker itself")
    )
)]
struct Document;

/// The OpenAPI document (3.1) of everything that [`routes`](crate::routes) mounts.
pub fn openapi() -> OpenApi {
    Document::openapi()
}

/// This document
///
/// OpenAPI 3.1, from the code that answers.
#[utoipa::path(
    get,
    path = endpoints::DOCUMENT.path,
    tag = "service",
    responses((
        status = 200,
        description = "The document",
        body = serde_json::Value,
        content_type = "application/json",
        example = json!({ "openapi": "3.1.0", "info": { "title": "TeleStore Worker" }, "paths": {} })
    ))
)]
pub(crate) async fn document(request: HttpRequest) -> HttpResponse {
    static AT_THE_ROOT: OnceLock<Bytes> = OnceLock::new();
    let prefix = request.path().strip_suffix("/openapi.json").unwrap_or_default();
    if !prefix.is_empty() {
        // Mounted below a path: clients must know.
        let mut document = openapi();
        document.servers = Some(vec![utoipa::openapi::Server::new(prefix)]);
        return HttpResponse::Ok().json(document);
    }
    let bytes = AT_THE_ROOT.get_or_init(|| serde_json::to_vec(&openapi()).unwrap_or_default().into());
    encodings::kept(&request, "openapi.json", "application/json", bytes.clone()).await
}
