use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Payload;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use telestore::Error;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};

use crate::shared::error::ApiError;
use crate::shared::patience::is_too_slow;

/// U+FEFF in UTF-8. Parsers may ignore it before JSON (RFC 8259, 8.1), and .NET's and Windows' writers put it there.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a form declares itself as.
const FORMS: [&str; 2] = ["multipart/form-data", "application/x-www-form-urlencoded"];

/// Reads a JSON body, whatever its declared type: `curl -d` declares all that it sends as a form.
pub(crate) async fn read<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: Payload,
    limit: usize,
) -> Result<T, ApiError> {
    parse(request, &collect(request, payload, limit).await?)
}

/// The same where all may be left out, so that there may be no body at all.
pub(crate) async fn read_if_any<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: Payload,
    limit: usize,
) -> Result<Option<T>, ApiError> {
    let body = collect(request, payload, limit).await?;
    if body.is_empty() { Ok(None) } else { parse(request, &body).map(Some) }
}

async fn collect(request: &HttpRequest, mut payload: Payload, limit: usize) -> Result<Vec<u8>, ApiError> {
    let mut body = Vec::new();
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|error| match error {
            error if is_too_slow(&error) => ApiError::TooSlow,
            _ => ApiError::invalid(
                "body ended before it was complete: the connection broke, or Content-Length says more than came",
            ),
        })?;
        if body.len() + piece.len() > limit {
            let too_large = Error::TooLarge { what: "JSON body", limit: limit as u64 };
            return Err(form_instead(request).unwrap_or_else(|| too_large.into()));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn parse<T: DeserializeOwned>(request: &HttpRequest, body: &[u8]) -> Result<T, ApiError> {
    let json = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    serde_json::from_slice(json).map_err(|error| {
        let what = what_is_wrong(json).map_or_else(|| error.to_string(), str::to_owned);
        form_instead(request)
            .unwrap_or_else(|| ApiError::invalid(format!("body is not the documented JSON: {what}")))
    })
}

/// The refusal of a form where JSON is needed.
fn form_instead(request: &HttpRequest) -> Option<ApiError> {
    let declared = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let declared = declared.split(';').next()?.trim();
    let form = FORMS.iter().find(|form| declared.eq_ignore_ascii_case(form))?;
    Some(ApiError::MediaType(format!(
        "{} takes JSON, as Content-Type: application/json, and the body is a form ({form}); forms are for POST \
         /upload-chunk and POST /upload",
        request.match_pattern().as_deref().unwrap_or("this call"),
    )))
}

/// What a parser of JSON has no words for.
fn what_is_wrong(body: &[u8]) -> Option<&'static str> {
    match body {
        [] => Some("it is empty"),
        // JSON begins with a character of ASCII, which has a zero byte beside it in UTF-16 and UTF-32.
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, ..] | [_, 0, ..] => {
            Some("it is in UTF-16 or UTF-32; JSON is sent in UTF-8 (RFC 8259, 8.1)")
        }
        _ => None,
    }
}

/// The schema of a [`Number`](crate::shared::number::Number) from 1 to `most`; as text, it is described by `pattern`.
pub(crate) fn number(description: &str, most: u64, pattern: &str) -> Schema {
    let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(most));
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
    OneOfBuilder::new().description(Some(description)).item(number).item(text).build().into()
}

/// The schema of a [`Text`](crate::shared::number::Text); one that may be left out may be empty or `null` as well.
pub(crate) fn text(description: &str, optional: bool) -> Schema {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let text = if optional { text } else { text.min_length(Some(1)) };
    let number =
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(i64::MIN)).maximum(Some(u64::MAX));
    let either = OneOfBuilder::new().description(Some(description)).item(text).item(number);
    match optional {
        true => either.item(ObjectBuilder::new().schema_type(Type::Null)).build().into(),
        false => either.build().into(),
    }
}
