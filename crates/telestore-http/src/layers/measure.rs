use std::time::Instant;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

use crate::shared::measures::{Ongoing, Route};

/// Measures requests by route and status: a middleware for [`from_fn`](actix_web::middleware::from_fn). What goes on in
/// middlewares outside of it is not seen.
///
/// # Errors
/// Those of the service behind it.
pub async fn measure<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let (began, _in_flight) = (Instant::now(), Ongoing::in_flight());
    let route = Route::of(request.match_pattern());
    let answer = next.call(request).await;
    let status = match &answer {
        Ok(answer) => answer.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    route.answered(status, began);
    answer
}
