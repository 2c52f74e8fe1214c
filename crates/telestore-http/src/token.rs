use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Query;
use serde::Deserialize;
use telestore::types::Secret;
use telestore::{Caller, Telestore};

use crate::connections::Connection;
use crate::error::ApiError;
use crate::{HttpOptions, client_address, limits};

#[derive(Deserialize)]
struct Listening {
    token: Option<String>,
}

/// The token of the header, else `?token=`: a browser's `EventSource` and `WebSocket` can send no header. Other calls
/// must not take it from there, since addresses are written into logs.
pub(crate) async fn of_listener(
    engine: &Telestore,
    request: &HttpRequest,
) -> Result<Option<Secret>, ApiError> {
    let query = Query::<Listening>::from_query(request.query_string()).map_err(|_| bad_query())?;
    let header = of_header(engine, request).await?;
    either(engine, request, query.into_inner().token, header).await
}

pub(crate) fn bad_query() -> ApiError {
    ApiError::invalid("query is malformed: it may hold one token")
}

/// The token of `Authorization: Bearer …`.
pub(crate) fn bearer(request: &HttpRequest) -> Option<Secret> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| Secret::new(token))
}

/// The token of a call was good: its connection is no stranger's any more.
pub(crate) fn is_good(request: &HttpRequest) {
    if let Some(connection) = Connection::of(request) {
        connection.is_known();
    }
}

/// Asks whose a token is, where there is one, and marks its connection.
pub(crate) async fn authenticate(
    engine: &Telestore,
    request: &HttpRequest,
    token: Option<&Secret>,
) -> Result<(), ApiError> {
    if let Some(token) = token {
        engine.authenticate(token).await?;
        is_good(request);
    }
    Ok(())
}

/// The token of the header, once it is known that it may be used now. To be asked for before the body.
pub(crate) async fn of_header(engine: &Telestore, request: &HttpRequest) -> Result<Option<Secret>, ApiError> {
    let token = bearer(request);
    if let Some(token) = &token {
        limits::check_token(engine, request, token).await?;
    }
    Ok(token)
}

/// The token of the header where there is one, else that of the body. The header is checked before a body is taken in, so
/// it must be the one that counts.
pub(crate) async fn either(
    engine: &Telestore,
    request: &HttpRequest,
    body: Option<String>,
    header: Option<Secret>,
) -> Result<Option<Secret>, ApiError> {
    let body = body.filter(|token| !token.is_empty()).map(Secret::new);
    if let (Some(token), None) = (&body, &header) {
        limits::check_token(engine, request, token).await?;
    }
    Ok(header.or(body))
}

/// Who calls, with the address where it is limited.
pub(crate) fn caller<'a>(
    options: &HttpOptions,
    request: &HttpRequest,
    token: Option<&'a Secret>,
) -> Caller<'a> {
    Caller { token, address: options.limited_addresses.counted(client_address(request)) }
}
