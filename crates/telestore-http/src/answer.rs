use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::{Error, HttpRequest, HttpResponse};

use crate::error::ErrorBody;

/// The shape of every error.
pub(crate) fn error(status: StatusCode, message: impl Into<String>) -> HttpResponse {
    HttpResponse::build(status).json(ErrorBody::new(message))
}

pub(crate) async fn wrong_method(request: HttpRequest) -> HttpResponse {
    let message =
        format!("{} is not allowed for {}; GET / lists the endpoints", request.method(), request.path());
    error(StatusCode::METHOD_NOT_ALLOWED, message)
}

pub(crate) fn no_such_endpoint(request: &HttpRequest) -> HttpResponse {
    error(StatusCode::NOT_FOUND, format!("no such endpoint: {}; GET / lists them", request.path()))
}

/// Changes the headers of an answer, also of one that is still an error on its way out.
pub(crate) fn with_headers<B: MessageBody>(
    answer: Result<ServiceResponse<B>, Error>,
    change: impl Fn(&mut HeaderMap) + 'static,
) -> Result<ServiceResponse<B>, Error> {
    match answer {
        Ok(mut answer) => {
            change(answer.headers_mut());
            Ok(answer)
        }
        Err(mut error) => {
            error.add_response_mapper(move |mut answer| {
                change(answer.headers_mut());
                answer
            });
            Err(error)
        }
    }
}
