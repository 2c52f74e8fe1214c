use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::middleware::Next;
use actix_web::web::Query;
use actix_web::{HttpRequest, ResponseError};
use serde::Deserialize;
use telestore::types::Secret;
use telestore::{Caller, Telestore};

use crate::shared::client::client_address;
use crate::shared::connections::Connection;
use crate::shared::error::ApiError;
use crate::shared::limiter;
use crate::shared::number::Text;
use crate::shared::options::HttpOptions;

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
pub(crate) fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| Secret::new(token))
}

/// Says what is wrong with `Authorization` where a token is missing, for [`from_fn`](actix_web::middleware::from_fn).
///
/// A header without a bearer token is no fault by itself: proxies hand on what was for them (`Basic`), and the token stands
/// in the form or the JSON. Only where none is found, the header was meant for here.
pub(crate) async fn explain<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let fault = fault_of_header(request.headers());
    let answer = next.call(request).await?;
    let error = answer.response().error().and_then(|error| error.as_error::<ApiError>());
    match fault.filter(|_| error.is_some_and(ApiError::is_missing_token)) {
        None => Ok(answer.map_into_left_body()),
        Some(fault) => {
            let error = ApiError::from(telestore::Error::Unauthorized(format!(
                "authToken is missing: {fault}; send Authorization: Bearer <authToken>"
            )));
            Ok(answer.into_response(error.error_response()).map_into_right_body())
        }
    }
}

/// Why `Authorization` holds no token (RFC 9110, 11.6.2: a scheme, a blank, the token). What stands in it is shown nowhere:
/// it may be a secret.
fn fault_of_header(headers: &HeaderMap) -> Option<&'static str> {
    let Ok(value) = headers.get(AUTHORIZATION)?.to_str() else {
        return Some("Authorization has bytes that are not visible ASCII");
    };
    let (scheme, rest) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    Some(match (scheme.to_ascii_lowercase().as_str(), rest.trim()) {
        ("", _) => "Authorization is empty",
        ("bearer", "") => "Authorization names the scheme Bearer and has no token behind it",
        ("bearer", _) => return None,
        ("basic" | "digest" | "negotiate", _) => "Authorization is for another scheme than Bearer",
        (_, "") => "Authorization has no scheme before the token",
        _ => "Authorization has another scheme than Bearer",
    })
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
    let token = bearer(request.headers());
    if let Some(token) = &token {
        limiter::check_token(engine, request, token).await?;
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
        limiter::check_token(engine, request, token).await?;
    }
    Ok(header.or(body))
}

/// The same, of a JSON body.
pub(crate) async fn of_json(
    engine: &Telestore,
    request: &HttpRequest,
    body: Option<Text>,
    header: Option<Secret>,
) -> Result<Option<Secret>, ApiError> {
    let body = body.map(|token| token.of("authToken")).transpose()?;
    either(engine, request, body, header).await
}

/// Who calls, with the address where it is limited.
pub(crate) fn caller<'a>(
    options: &HttpOptions,
    request: &HttpRequest,
    token: Option<&'a Secret>,
) -> Caller<'a> {
    Caller { token, address: options.limited_addresses.counted(client_address(request)) }
}
