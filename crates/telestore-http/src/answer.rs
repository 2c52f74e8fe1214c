use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

/// The shape of every error.
pub(crate) fn error(status: StatusCode, message: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({ "error": message }))
}

pub(crate) async fn wrong_method(request: HttpRequest) -> HttpResponse {
    let message =
        format!("{} is not allowed for {}; GET / lists the endpoints", request.method(), request.path());
    error(StatusCode::METHOD_NOT_ALLOWED, &message)
}
