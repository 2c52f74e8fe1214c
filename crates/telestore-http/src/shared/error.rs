use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_ENCODING, CONTENT_RANGE, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use telestore::Error;
use utoipa::ToSchema;

use crate::shared::answer::Made;
use crate::shared::fault::{Fault, printable};
use crate::shared::words::Words;
use crate::shared::{measures, told};

/// The status of an error: the one place where it is decided.
pub fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::Invalid(_)
        | Error::OtherBytes(_)
        | Error::Value(_)
        | Error::MissingChunks { .. }
        | Error::SizeMismatch { .. }
        | Error::NotConfigured(_) => StatusCode::BAD_REQUEST,
        Error::Unauthorized(_) | Error::InvalidToken(_) => StatusCode::UNAUTHORIZED,
        Error::Forbidden | Error::DeadLink => StatusCode::FORBIDDEN,
        Error::NotFound | Error::NoFile | Error::NotStarted | Error::FetchesNothing => StatusCode::NOT_FOUND,
        Error::FileGone(_) => StatusCode::GONE,
        Error::Conflict(_) | Error::Offset { .. } | Error::Unreadable(_) => StatusCode::CONFLICT,
        Error::OtherRequest => StatusCode::UNPROCESSABLE_ENTITY,
        Error::TooLarge { .. } | Error::NeedsSession { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Error::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::BackendUnavailable(_)
        | Error::StoreUnavailable(_)
        | Error::SendAgain
        | Error::TelegramUnavailable { .. }
        | Error::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        Error::NoSpace | Error::QuotaFull { .. } => StatusCode::INSUFFICIENT_STORAGE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Why a request was refused, in one word, on its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reason(pub(crate) &'static str);

/// An error on its way to the client.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The engine's.
    Engine(Error),
    /// A token is missing, and this is why `Authorization` holds none.
    NoBearer(&'static str),
    /// The client sent its body too slowly.
    TooSlow,
    /// There are as many listeners as may be.
    ManyListeners,
    /// The token must come before the file: always, or before a file of more bytes than the limit.
    TokenFirst { limit: Option<u64> },
    /// The body is encoded with this.
    Encoded(String),
    /// The form is none, or broken.
    Form(Fault),
    /// The body is of another kind than the call takes; the words say which is right.
    MediaType(String),
    /// The worker fetches no files.
    FetchesNothing,
    /// The file is not the version that the request is about.
    OtherVersion,
    /// The range has no byte of the file.
    OutOfRange { length: u64 },
    /// There is no room for the file of somebody of whom nothing is known yet.
    StrangersFull,
    /// The same error with the status that a protocol has for it.
    As(StatusCode, Box<ApiError>),
}

pub(crate) type ApiResult = Result<HttpResponse, ApiError>;

impl ApiError {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Engine(Error::Invalid(message.into()))
    }

    /// The same error with another status.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        match self {
            Self::As(_, error) => Self::As(status, error),
            error => Self::As(status, Box::new(error)),
        }
    }

    /// What it is, whatever its status.
    pub(crate) fn kind(&self) -> &Self {
        match self {
            Self::As(_, error) => error,
            error => error,
        }
    }
}

impl ApiError {
    /// Whether it is about a token that was tried and is not valid.
    pub(crate) fn is_refused_token(&self) -> bool {
        matches!(self.kind(), Self::Engine(Error::InvalidToken(_)))
    }

    /// Why a caller is refused, for those who read who was.
    fn refusal(&self) -> Option<Reason> {
        let reason = match self.kind() {
            Self::Engine(Error::InvalidToken(_)) => "invalid_token",
            Self::Engine(Error::Unauthorized(_)) | Self::NoBearer(_) | Self::TokenFirst { .. } => {
                "missing_token"
            }
            Self::Engine(Error::Forbidden) => "forbidden",
            Self::Engine(Error::TooManyRequests { .. }) => "too_many",
            _ => return None,
        };
        Some(Reason(reason))
    }

    /// Tells the operator why the worker does not serve. What is told elsewhere, where it begins or for each upload (a full
    /// disk, a stop, a failed upload), and what is a caller's own doing is not.
    fn tell_cause(&self) {
        let cause = match self.kind() {
            Self::Engine(Error::Storage(source)) => source.to_string(),
            Self::Engine(Error::StoreUnavailable(source)) => source.to_string(),
            Self::Engine(Error::BackendUnavailable(source)) => source.to_string(),
            Self::Engine(Error::TelegramUnavailable { why, .. }) => why.clone(),
            Self::ManyListeners => "there are as many listeners as TELESTORE_MAX_LISTENERS".to_owned(),
            Self::StrangersFull => "files of unknown senders fill TELESTORE_UNKNOWN_SENDER_BYTES".to_owned(),
            _ => return,
        };
        told::tell(self.status(), &cause);
    }

    /// Whether it says that a token is missing.
    pub(crate) fn is_missing_token(&self) -> bool {
        matches!(
            self.kind(),
            Self::Engine(Error::Unauthorized(_)) | Self::NoBearer(_) | Self::TokenFirst { limit: None }
        )
    }

    /// When the same call may be made again, in whole seconds.
    fn retry_after(&self) -> Option<u64> {
        match self.kind() {
            Self::Engine(
                Error::TooManyRequests { retry_after, .. } | Error::TelegramUnavailable { retry_after, .. },
            ) => Some(u64::try_from(retry_after.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1)),
            error if error.status() == StatusCode::SERVICE_UNAVAILABLE => Some(5),
            _ => None,
        }
    }
}

impl<E: Into<Error>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self::Engine(error.into())
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(error) => Words(error).fmt(f),
            Self::NoBearer(fault) => {
                write!(f, "authToken is missing: {fault}; send Authorization: Bearer <authToken>")
            }
            Self::TooSlow => f.write_str("body came too slowly, or not at all; send it again"),
            Self::ManyListeners => f.write_str(
                "worker has too many listeners; ask GET /upload-progress/{uploadId}, or try again in a moment",
            ),
            Self::TokenFirst { limit: None } => f.write_str(
                "authToken is missing: send it before the file, as a bearer token or in a form field that comes first",
            ),
            Self::TokenFirst { limit: Some(limit) } => write!(
                f,
                "authToken must come before a file that has more than {limit} bytes: send it as a bearer token, or in a \
                 form field that comes first"
            ),
            Self::Encoded(coding) => write!(
                f,
                "Content-Encoding is {}, which is not decoded here: send the body as it is, without Content-Encoding",
                printable(coding)
            ),
            Self::Form(fault) => fault.fmt(f),
            Self::MediaType(message) => f.write_str(message),
            Self::FetchesNothing => f.write_str(
                "this worker fetches no files from addresses; its operator may allow it with TELESTORE_FROM_URL=on",
            ),
            Self::OtherVersion => f.write_str("the file is another one than If-Match or If-Unmodified-Since says"),
            Self::OutOfRange { length } => {
                write!(f, "the range has no byte of the file, which has {length} bytes")
            }
            Self::StrangersFull => f.write_str(
                "worker takes in too many files at the moment of whose senders it knows nothing yet; try again in a \
                 moment, or send authToken before the file, as a bearer token",
            ),
            Self::As(_, error) => error.fmt(f),
        }
    }
}

/// Why it did not work.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// If the sizes differ: the declared one, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    declared: Option<u64>,
    /// What to do.
    error: String,
    /// If chunks are missing: how many are there. If the sizes differ: how many bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    received: Option<u64>,
    /// If there was too much: after how many seconds to try again.
    #[serde(rename = "retryAfter", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after: Option<u64>,
    /// If a direct upload could not be sent: `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = String, pattern = "^failed$")]
    status: Option<&'static str>,
    /// If chunks are missing: how many there should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    total: Option<u32>,
}

impl ErrorBody {
    pub(crate) fn new(error: impl Into<String>) -> Self {
        Self { error: error.into(), ..Self::default() }
    }
}

impl ApiError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Engine(error) => status_of(error),
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::ManyListeners | Self::StrangersFull => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoBearer(_) | Self::TokenFirst { .. } => StatusCode::UNAUTHORIZED,
            Self::Encoded(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Form(fault) if fault.is_unsupported() => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Form(_) => StatusCode::BAD_REQUEST,
            Self::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::FetchesNothing => StatusCode::NOT_FOUND,
            Self::OtherVersion => StatusCode::PRECONDITION_FAILED,
            Self::OutOfRange { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::As(status, _) => *status,
        }
    }

    pub(crate) fn body(&self) -> ErrorBody {
        let body = ErrorBody::new(self.to_string());
        let Self::Engine(error) = self.kind() else { return body };
        match *error {
            Error::MissingChunks { received, total } => {
                ErrorBody { received: Some(received.into()), total: Some(total), ..body }
            }
            Error::SizeMismatch { declared, received } => {
                ErrorBody { declared: Some(declared), received: Some(received), ..body }
            }
            Error::TooManyRequests { .. } => ErrorBody { retry_after: self.retry_after(), ..body },
            Error::UploadFailed { .. } => ErrorBody { status: Some("failed"), ..body },
            _ => body,
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        self.tell_cause();
        measures::refused(self);
        let mut response = HttpResponse::build(self.status_code());
        if let Some(seconds) = self.retry_after() {
            response.insert_header((RETRY_AFTER, seconds));
        }
        if matches!(self.kind(), Self::Encoded(_)) {
            response.insert_header((ACCEPT_ENCODING, "identity"));
        }
        if let Self::OutOfRange { length } = self.kind() {
            response.insert_header((CONTENT_RANGE, format!("bytes */{length}")));
        }
        if matches!(self.kind(), Self::TooSlow | Self::StrangersFull) {
            response.force_close();
        }
        let mut response = response.json(self.body());
        response.extensions_mut().insert(Made);
        if let Some(reason) = self.refusal() {
            response.extensions_mut().insert(reason);
        }
        response
    }
}
