//! A file as the body of a request, as `curl -T` sends it.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use actix_web::web::Query;
use std::collections::HashMap;
use telestore::store::More;
use telestore::types::{ContentDigest, FileName};
use telestore::{DirectFile, Error};

use crate::calls::call::{Call, Segment};
use crate::calls::direct::{Sent, sent_once};
use crate::calls::openapi::refusals::{
    BadRaw, BytesTooLarge, NoForm, NoSpace, OtherRequest, SendingFailed, TooMany, TooSlow, Unauthorized,
    Unavailable,
};
use crate::forms::encoded::Body;
use crate::forms::{digest, raw};
use crate::shared::error::{ApiError, ApiResult};
use crate::shared::named::Named;
use crate::shared::{endpoints, idempotency, token};

/// Another name for the same: the body is the whole file (RFC 9530, 3).
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// Sends a file that is the body of the request
///
/// Answers when the file is in the channel, as `POST /upload` does, also when the request comes again. The body may be of
/// unknown length.
#[utoipa::path(
    put,
    path = endpoints::PUT.path,
    operation_id = "put_file",
    tag = "direct",
    params(
        ("fileName" = String, Path, description = "The name of the file", example = "hello.txt"),
        ("token" = Option<String>, Query, description = "The auth token, if it cannot be in the header"),
        ("caption" = Option<String>, Query, description = "The text of the message, to the letter"),
        ("topicId" = Option<String>, Query, description = "The topic of the forum that the message goes into"),
        ("silent" = Option<String>, Query, description = "`true`: the chat's members are not notified"),
        ("sendAs" = Option<String>, Query, description = "As what the file is sent: document, video, audio or photo"),
        ("sha256" = Option<String>, Query, description = "The SHA-256 of the file"),
        ("encrypt" = Option<String>, Query, description = "`true`: the channel gets the file encrypted"),
        ("compress" = Option<String>, Query, description = "`true`: the channel gets the file compressed, if that gains anything"),
        ("Content-Digest" = Option<String>, Header, description = "A digest of the body (RFC 9530)"),
        ("Idempotency-Key" = Option<String>, Header, description = "A name for this request, new for each: a repeat has the same"),
    ),
    security(("token" = [])),
    request_body(description = "The bytes of the file", content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 201, description = "It is in the channel", body = Sent, example = json!({
            "success": true, "messageId": 12345, "fileId": "BQACAgQAAx0CZ", "fileName": "hello.txt",
            "url": "https://t.me/c/1234567890/12345",
        })),
        BadRaw, Unauthorized, TooSlow, BytesTooLarge, NoForm, OtherRequest, TooMany, SendingFailed, Unavailable, NoSpace,
    )
)]
pub(crate) async fn put(call: Call, name: Segment, Body(body): Body) -> ApiResult {
    let Call { engine, request, .. } = &call;
    let caller = call.user().await?;
    let (file_name, query) = (FileName::of_file(&name.0)?, Query::from_query(request.query_string()));
    let mut query: HashMap<String, String> = query.map(Query::into_inner).map_err(|_| token::bad_query())?;
    let mut named = Named::of_form(|name| query.remove(name)).read()?;
    let kind = raw::content_type(request);
    if kind.as_deref() == Some("multipart/form-data") {
        return Err(no_form());
    }
    let mut digests = digests(request.headers())?;
    // It is compared with what comes, and is no option any more: a repeat may have it in another place.
    digests.extend(named.sha256.take().map(|digest| ContentDigest::Sha256(*digest.bytes())));
    let coming = raw::length(request).unwrap_or(1);
    let limit = engine.config().max_file_bytes;
    if coming > limit {
        return Err(Error::TooLarge { what: "file", limit }.into());
    }
    let key = idempotency::key_of(request)?;
    let known = idempotency::has_file(engine, key.as_ref(), &caller).await?;
    if !known {
        engine.check_sendable(&caller, coming).await?;
        engine.check_quotas(&caller, &More::UPLOAD.with_stored_bytes(coming).with_bytes(coming)).await?;
    }
    let spooled = raw::spool(engine, body, &digests, &caller, known).await?;
    let declared = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let file = DirectFile::new(file_name)
        .with_mime_type(declared.map(str::to_owned))
        .with_options(named)
        .with_sha256(digests.iter().find_map(digest::sha256))
        .with_key(key);
    let receipt = sent_once(engine, file, spooled, known, &caller).await?;
    Ok(HttpResponse::Created().json(Sent::of(receipt, request)))
}

fn digests(headers: &HeaderMap) -> Result<Vec<ContentDigest>, ApiError> {
    let mut digests = digest::of_headers(headers)?;
    digests.extend(digest::of_field_named(headers, &REPR_DIGEST)?);
    Ok(digests)
}

pub(crate) fn no_form() -> ApiError {
    ApiError::MediaType(
        "the body of this call is the file itself, and it is a form (multipart/form-data); forms are for POST /upload"
            .to_owned(),
    )
}
