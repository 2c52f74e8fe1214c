use serde_json::json;
use utoipa::Modify;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::link::{Link, LinkBuilder};
use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::schema::{AdditionalProperties, Object, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, PathItem, RefOr, Response};

use super::refusals;

/// The id of the examples. They follow one file on its way, and work one after the other.
const EXAMPLE_ID: &str = "1763790000000_k3j9x0abc";

/// An id is no path.
const UPLOAD_ID: &str = r"^(?!\.{1,2}$)[A-Za-z0-9._-]+$";

/// What all operations share, wherever they are described.
pub(super) struct Shared;

impl Modify for Shared {
    fn modify(&self, document: &mut OpenApi) {
        // The service that mounts the routes has an address of its own.
        document.servers = None;
        let components = document.components.get_or_insert_default();
        for (name, response) in refusals::responses() {
            components.responses.insert(name.to_owned(), response.into());
        }
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.security_schemes.insert("token".to_owned(), SecurityScheme::Http(bearer).into());
        components.responses.values_mut().for_each(add_headers);
        for schema in components.schemas.values_mut() {
            if let RefOr::T(Schema::Object(object)) = schema {
                describe_id(object);
            }
        }
        for form in ["ChunkForm", "FileForm"] {
            if let Some(RefOr::T(Schema::Object(form))) = components.schemas.get_mut(form) {
                // Fields that are not known are ignored; bytes are none.
                let text = RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(Type::String).build()));
                form.additional_properties = Some(Box::new(AdditionalProperties::RefOr(text)));
            }
        }
        for operation in document.paths.paths.values_mut().flat_map(operations) {
            operation.parameters.iter_mut().flatten().for_each(describe_path_id);
            operation.responses.responses.values_mut().for_each(add_headers);
            if operation.operation_id.as_deref() == Some("init") {
                link(operation);
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, options, head, patch, .. } = item;
    [get, put, post, delete, options, head, patch].into_iter().flatten()
}

fn upload_id() -> Object {
    let text = ObjectBuilder::new().schema_type(Type::String);
    text.min_length(Some(1))
        .max_length(Some(128))
        .pattern(Some(UPLOAD_ID))
        .examples([json!(EXAMPLE_ID)])
        .build()
}

fn describe_id(object: &mut Object) {
    for name in ["uploadId", "upload_id"] {
        match object.properties.get_mut(name) {
            Some(RefOr::T(Schema::Object(id))) => {
                let description = id.description.take();
                *id = upload_id();
                id.description = description;
            }
            // As text or as a number.
            Some(RefOr::T(Schema::OneOf(id))) => id.items[0] = RefOr::T(Schema::Object(upload_id())),
            _ => {}
        }
    }
}

fn describe_path_id(parameter: &mut RefOr<Parameter>) {
    let RefOr::T(parameter) = parameter else { return };
    if parameter.name == "uploadId" {
        parameter.schema = Some(RefOr::T(Schema::Object(upload_id())));
    }
}

pub(super) fn text_header(text: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    HeaderBuilder::new().schema(Some(schema)).description(Some(text)).build()
}

fn add_headers(response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    let id = text_header("The request's id: the one that was sent, or one of the worker's");
    response.headers.insert("X-Request-Id".to_owned(), id.into());
}

/// What can be done with an upload that was just created.
fn link(operation: &mut Operation) {
    let Some(RefOr::T(created)) = operation.responses.responses.get_mut("200") else { return };
    let id = "$response.body#/uploadId";
    let by_path =
        |operation: &str| LinkBuilder::new().operation_id(operation).parameter("uploadId", id).build();
    let by_body = |operation: &str| {
        LinkBuilder::new().operation_id(operation).request_body(Some(json!({ "uploadId": id }))).build()
    };
    let links: [(&str, Link); 4] = [
        ("which chunks are there", by_path("status")),
        ("how far it is", by_path("progress")),
        ("start the sending", by_body("complete")),
        ("stop it", by_body("cancel")),
    ];
    created.links.extend(links.map(|(name, link)| (name.to_owned(), link.into())));
}
