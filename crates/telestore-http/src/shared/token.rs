use std::net::IpAddr;

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
    options: &HttpOptions,
    request: &HttpRequest,
) -> Result<Caller, ApiError> {
    let query = Query::<Listening>::from_query(request.query_string()).map_err(|_| bad_query())?;
    let caller = of_header(engine, options, request).await?;
    either(engine, request, query.into_inner().token, caller).await
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

/// Says what is wrong with `Authorization` if a token is missing, for [`from_fn`](actix_web::middleware::from_fn).
///
/// A header without a bearer token is no fault by itself: proxies hand on what was for them (`Basic`), and the token stands
/// in the form or the JSON. Only if none is found was the header meant for here.
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
            let error = ApiError::NoBearer(fault);
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

/// Finds out whose a token is, if there is one, and marks its connection.
pub(crate) async fn authenticate(
    engine: &Telestore,
    request: &HttpRequest,
    caller: &Caller,
) -> Result<(), ApiError> {
    engine.authenticate(caller).await?;
    if caller.user().is_some() {
        is_good(request);
    }
    Ok(())
}

/// The caller by the header, once it is known that its token may be used now. To be asked for before the body.
pub(crate) async fn of_header(
    engine: &Telestore,
    options: &HttpOptions,
    request: &HttpRequest,
) -> Result<Caller, ApiError> {
    let caller = Caller::new(bearer(request.headers()), address(options, request));
    limiter::check_token(engine, request, &caller).await?;
    Ok(caller)
}

/// The same for a call that a token which is not good ends here: whose it is, is asked for at once.
pub(crate) async fn of_good_header(
    engine: &Telestore,
    options: &HttpOptions,
    request: &HttpRequest,
) -> Result<Caller, ApiError> {
    let caller = Caller::new(bearer(request.headers()), address(options, request));
    limiter::let_in(engine, request, &caller).await?;
    Ok(caller)
}

/// The caller of a call that needs a valid token, in whatever mode: that of the header, else `?token=`.
pub(crate) async fn of_user(
    engine: &Telestore,
    options: &HttpOptions,
    request: &HttpRequest,
) -> Result<Caller, ApiError> {
    let query = Query::<Listening>::from_query(request.query_string()).map_err(|_| bad_query())?;
    let of_query = query.into_inner().token.filter(|token| !token.is_empty()).map(Secret::new);
    let token = bearer(request.headers()).or(of_query);
    let caller = Caller::new(token, address(options, request));
    limiter::let_in(engine, request, &caller).await?;
    if caller.user().is_none() {
        return Err(ApiError::NoBearer("the request has none"));
    }
    Ok(caller)
}

/// The caller with the token of the header if there is one, else with that of the body. The header is checked before a body is taken in, so
/// it must be the one that counts.
pub(crate) async fn either(
    engine: &Telestore,
    request: &HttpRequest,
    body: Option<String>,
    header: Caller,
) -> Result<Caller, ApiError> {
    let body = body.filter(|token| !token.is_empty()).map(Secret::new);
    if header.token().is_some() || body.is_none() {
        return Ok(header);
    }
    let caller = Caller::new(body, header.address());
    limiter::check_token(engine, request, &caller).await?;
    Ok(caller)
}

/// The same, of a JSON body.
pub(crate) async fn of_json(
    engine: &Telestore,
    request: &HttpRequest,
    body: Option<Text>,
    header: Caller,
) -> Result<Caller, ApiError> {
    let body = body.map(|token| token.of("authToken")).transpose()?;
    either(engine, request, body, header).await
}

/// Where the call comes from, if the limits of addresses hold for it.
fn address(options: &HttpOptions, request: &HttpRequest) -> Option<IpAddr> {
    options.limited_addresses.counted(client_address(request))
}
