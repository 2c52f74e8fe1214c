//! The OpenAPI document, from the code that answers.
//!
//! An operation is described where its handler stands, by `#[utoipa::path]`; its errors are [`refusals`], by name.

mod page;
pub(crate) mod refusals;
mod shared;

use std::sync::{Mutex, PoisonError};

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use telestore::Telestore;
use utoipa::OpenApi as _;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{OpenApi, RefOr};

use crate::calls::{
    app, chunked, content, deletion, direct, files, from_url, health, index, links, metrics_page, progress,
    put, sharex, socket, sse, tus,
};
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
        from_url::from_url,
        sharex::sharex,
        put::put,
        tus::options,
        tus::create,
        tus::status,
        tus::append,
        tus::end,
        files::list,
        files::show,
        content::content,
        links::link,
        content::messages,
        deletion::delete,
        index::index,
        health::alive,
        health::ready,
        metrics_page::metrics,
        document,
        page::page,
        page::asset,
        app::app,
        app::file,
    ),
    components(schemas(ErrorBody)),
    modifiers(&Shared),
    tags(
        (name = "chunked", description = "A large file: send its chunks, complete it, watch its progress"),
        (name = "direct", description = "A small file in one request"),
        (name = "tus", description = "A file by any client of tus 1.0.0, which goes on where it stopped"),
        (name = "files", description = "What was uploaded: found again, read back and deleted"),
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
pub(crate) async fn document(engine: Data<Telestore>, request: HttpRequest) -> HttpResponse {
    let (mounted_at, most) = (endpoints::mounted_at(&request), engine.config().max_file_bytes);
    if !mounted_at.is_empty() {
        // Clients must know. It may be the client's to choose, so that nothing is kept for it.
        let mut document = of_service(most);
        document.servers = Some(vec![utoipa::openapi::Server::new(mounted_at)]);
        return HttpResponse::Ok().json(document);
    }
    encodings::kept(&request, &format!("openapi.json to {most}"), "application/json", at_the_root(most)).await
}

/// The document of a service that takes files of `most` bytes.
fn of_service(most: u64) -> OpenApi {
    let mut document = openapi();
    let schemas = document.components.as_mut().map(|components| &mut components.schemas);
    if let Some(RefOr::T(init)) = schemas.and_then(|schemas| schemas.get_mut("Init"))
        && let Some(RefOr::T(Schema::OneOf(size))) = field_of(init, "fileSize")
        && let Some(RefOr::T(Schema::Object(number))) = size.items.first_mut()
    {
        number.maximum = Some(most.into());
    }
    document
}

/// A field of a schema, or of those that it is made of.
fn field_of<'a>(schema: &'a mut Schema, name: &str) -> Option<&'a mut RefOr<Schema>> {
    match schema {
        Schema::Object(object) => object.properties.get_mut(name),
        Schema::AllOf(all) => all.items.iter_mut().find_map(|part| match part {
            RefOr::T(part) => field_of(part, name),
            RefOr::Ref(_) => None,
        }),
        _ => None,
    }
}

/// The same as bytes, made once: engines of one process differ in little.
fn at_the_root(most: u64) -> Bytes {
    static MADE: Mutex<Vec<(u64, Bytes)>> = Mutex::new(Vec::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, bytes)) = made.iter().find(|(of, _)| *of == most) {
        return bytes.clone();
    }
    let bytes = Bytes::from(serde_json::to_vec(&of_service(most)).unwrap_or_default());
    made.push((most, bytes.clone()));
    bytes
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn most_of(bytes: &[u8]) -> Value {
        let document: Value = serde_json::from_slice(bytes).unwrap();
        let parts = document["components"]["schemas"]["Init"]["allOf"].as_array().unwrap();
        let size = parts.iter().find_map(|part| part["properties"].get("fileSize")).unwrap();
        size["oneOf"][0]["maximum"].clone()
    }

    #[test]
    fn the_largest_file_is_that_of_the_engine() {
        for most in [5, 2_097_152_000, 5] {
            assert_eq!(most_of(&at_the_root(most)), most);
        }
    }
}
