use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Value, json};
use telestore::Error;

/// The status of an error: the one place where it is decided.
pub fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::Invalid(_)
        | Error::MissingChunks { .. }
        | Error::SizeMismatch { .. }
        | Error::NotConfigured(_) => StatusCode::BAD_REQUEST,
        Error::Unauthorized(_) => StatusCode::UNAUTHORIZED,
        Error::Forbidden => StatusCode::FORBIDDEN,
        Error::NotFound | Error::NotStarted => StatusCode::NOT_FOUND,
        Error::Conflict(_) => StatusCode::CONFLICT,
        Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Error::BackendUnavailable(_) | Error::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        Error::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An engine error on its way to the client.
#[derive(Debug)]
pub(crate) struct ApiError(Error);

pub(crate) type ApiResult = Result<HttpResponse, ApiError>;

impl ApiError {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self(Error::Invalid(message.into()))
    }
}

impl<E: Into<Error>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ApiError {
    fn body(&self) -> Value {
        let mut body = json!({ "error": self.0.to_string() });
        match &self.0 {
            Error::MissingChunks { received, total } => {
                body["received"] = json!(received);
                body["total"] = json!(total);
            }
            Error::SizeMismatch { declared, received } => {
                body["declared"] = json!(declared);
                body["received"] = json!(received);
            }
            Error::UploadFailed(_) => body["status"] = json!("failed"),
            _ => {}
        }
        body
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        status_of(&self.0)
    }

    fn error_response(&self) -> HttpResponse {
        if let Error::Storage(source) = &self.0 {
            tracing::error!(error = %source, "request failed");
        }
        let mut response = HttpResponse::build(self.status_code());
        if self.status_code() == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, "5"));
        }
        response.json(self.body())
    }
}
