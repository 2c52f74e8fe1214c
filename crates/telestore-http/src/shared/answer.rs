use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{Error, HttpRequest, HttpResponse};

use crate::shared::error::ErrorBody;

/// On an answer: this crate made it, wherever the request was for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made;

/// The shape of every error.
pub(crate) fn error(status: StatusCode, message: impl Into<String>) -> HttpResponse {
    let mut answer = HttpResponse::build(status).json(ErrorBody::new(message));
    answer.extensions_mut().insert(Made);
    answer
}

/// The answer if only these methods will do.
pub(crate) fn wrong_method(request: &HttpRequest, methods: &[&str]) -> HttpResponse {
    let message =
        format!("{} is not allowed for {}; GET / lists the endpoints", request.method(), request.path());
    let mut answer = error(StatusCode::METHOD_NOT_ALLOWED, message);
    let mut allowed = Vec::new();
    for method in methods.iter().filter(|method| **method != "OPTIONS") {
        allowed.push(*method);
        if *method == "GET" {
            allowed.push("HEAD");
        }
    }
    allowed.push("OPTIONS");
    if let Ok(allowed) = HeaderValue::from_str(&allowed.join(", ")) {
        answer.headers_mut().insert(ALLOW, allowed);
    }
    answer
}

pub(crate) fn no_such_endpoint(request: &HttpRequest) -> HttpResponse {
    error(StatusCode::NOT_FOUND, format!("no such endpoint: {}; GET / lists them", request.path()))
}

/// Changes an answer, also one that is still an error on its way out.
pub(crate) fn map<B: MessageBody + 'static>(
    answer: Result<ServiceResponse<B>, Error>,
    change: impl Fn(HttpResponse) -> HttpResponse + 'static,
) -> Result<ServiceResponse, Error> {
    match answer {
        Ok(answer) => {
            let (request, answer) = answer.into_parts();
            Ok(ServiceResponse::new(request, change(answer.map_into_boxed_body())))
        }
        Err(mut error) => {
            error.add_response_mapper(change);
            Err(error)
        }
    }
}
