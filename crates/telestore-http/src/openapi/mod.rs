//! The OpenAPI document, from the code that answers.
//!
//! An operation is described where its handler stands, by `#[utoipa::path]`; its errors are [`refusals`], by name.

mod page;
pub(crate) mod refusals;

use std::sync::OnceLock;

use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, RefOr, Response};
use utoipa::{Modify, OpenApi as _};

use crate::error::ErrorBody;
use crate::{chunked, compress, direct, health, metrics_page, progress, ready, socket, sse};

pub(crate) use page::{asset, page};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "TeleStore Worker",
        description = "Takes files in one request or in chunks, and puts them into Telegram channels.\n\n\
            Every error is `{\"error\": \"<what to do>\"}`, with more fields where an example has them. \
            The auth token goes as `Authorization: Bearer <token>`, or as `authToken` in the form or the JSON."
    ),
    paths(
        health::index,
        ready::alive,
        ready::ready,
        metrics_page::metrics,
        chunked::init,
        chunked::chunk,
        chunked::complete,
        progress::progress,
        sse::events,
        socket::progress_socket,
        chunked::status,
        chunked::cancel,
        direct::upload,
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

/// What all operations share.
struct Shared;

impl Modify for Shared {
    fn modify(&self, document: &mut OpenApi) {
        // Whoever mounts the routes serves them from an address of their own.
        document.servers = None;
        let components = document.components.get_or_insert_default();
        for (name, response) in refusals::responses() {
            components.responses.insert(name.to_owned(), response.into());
        }
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.security_schemes.insert("token".to_owned(), SecurityScheme::Http(bearer).into());
        for response in components.responses.values_mut() {
            add_headers(response);
        }
        for operation in document.paths.paths.values_mut().flat_map(operations) {
            operation.responses.responses.values_mut().for_each(add_headers);
        }
    }
}

fn operations(item: &mut utoipa::openapi::PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post].into_iter().flatten()
}

fn add_headers(response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    let header = |kind, text: &str| {
        let schema = ObjectBuilder::new().schema_type(kind).build();
        HeaderBuilder::new().schema(Some(schema)).description(Some(text)).build()
    };
    let id = header(Type::String, "The request's id: the one that was sent, or one of the worker's");
    response.headers.insert("X-Request-Id".to_owned(), id.into());
}

/// The OpenAPI document (3.1) of everything that [`routes`](crate::routes) mounts.
pub fn openapi() -> OpenApi {
    Document::openapi()
}

/// This document
///
/// OpenAPI 3.1, from the code that answers.
#[utoipa::path(
    get,
    path = "/openapi.json",
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
    compress::kept(&request, "openapi.json", "application/json", bytes.clone()).await
}
