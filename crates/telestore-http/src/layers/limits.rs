use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::middleware::{Next, from_fn};
use actix_web::{HttpMessage, ResponseError};

use crate::shared::client::client_address;
use crate::shared::endpoints::{self, HEALTH, INDEX, READY};
use crate::shared::error::ApiError;
use crate::shared::limiter::Limiter;

/// What may be asked for at any rate: who watches over the worker must not be the one who is refused.
const EXEMPT: [&str; 3] = [INDEX.path, HEALTH.path, READY.path];

/// Holds calls to the limits of `limiter`. Wrap the app in it, inside of what finds out the client's address; without it
/// there are no limits of rates.
///
/// Calls that are too many get 429 with `Retry-After`, before anything of their body is taken in.
pub fn limits<S, B>(
    limiter: &Limiter,
) -> impl Transform<
    S,
    ServiceRequest,
    Response = ServiceResponse<EitherBody<B>>,
    Error = actix_web::Error,
    InitError = (),
> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    let limiter = limiter.clone();
    from_fn(move |request: ServiceRequest, next: Next<B>| {
        let limiter = limiter.clone();
        async move { pass(limiter, request, next).await }
    })
}

async fn pass<B: MessageBody + 'static>(
    limiter: Limiter,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let address = client_address(&request);
    let exempt = endpoints::asked_for(request.request()).is_some_and(|path| EXEMPT.contains(&path));
    if !exempt && let Err(error) = limiter.request_from(address) {
        let answer = ApiError::from(error).error_response();
        return Ok(request.into_response(answer).map_into_right_body());
    }
    request.extensions_mut().insert(limiter.clone());
    let answered = next.call(request).await?;
    let error = answered.response().error().and_then(|error| error.as_error::<ApiError>());
    if error.is_some_and(ApiError::is_refused_token) {
        limiter.refused_from(address);
    }
    Ok(answered.map_into_left_body())
}
