//! What tus calls the errors of the engine.

use actix_web::http::StatusCode;
use telestore::types::AppendError;
use telestore::{Conflict, Error};

use crate::shared::error::ApiError;
use crate::shared::fault::printable;
use crate::shared::tus::{OFFSET_STREAM, VERSION};

/// The status of a body that does not have its digest (Checksum).
const CHECKSUM_MISMATCH: u16 = 460;

/// An error of a call for one upload. Another user's is not there.
pub(super) fn of_upload(error: ApiError) -> ApiError {
    match error {
        ApiError::Engine(Error::Forbidden | Error::Conflict(Conflict::Cancelled)) => Error::NotFound.into(),
        ApiError::Engine(Error::Conflict(Conflict::TakenOver)) => error.with_status(StatusCode::LOCKED),
        ApiError::Engine(Error::Conflict(Conflict::Append(AppendError::NotAppended))) => {
            Error::NotFound.into()
        }
        ApiError::Engine(Error::SizeMismatch { declared, received }) => too_long(declared, received),
        ApiError::Engine(Error::OtherBytes(_)) => other_bytes(error),
        // What came is recorded. Clients take 408 for the end, and ask where to go on after this.
        ApiError::TooSlow => error.with_status(StatusCode::LOCKED),
        error => error,
    }
}

/// An error of a length that is declared.
pub(super) fn of_length(error: Error) -> ApiError {
    match error {
        Error::SizeMismatch { declared, received } => ApiError::invalid(format!(
            "upload-length says {declared} bytes, and {received} are there: the file is longer"
        )),
        Error::Conflict(Conflict::Append(AppendError::Declared { declared })) => other_length(declared),
        error => of_upload(error.into()),
    }
}

pub(crate) fn other_bytes(error: ApiError) -> ApiError {
    error.with_status(StatusCode::from_u16(CHECKSUM_MISMATCH).unwrap_or(StatusCode::BAD_REQUEST))
}

pub(crate) fn other_length(declared: u64) -> ApiError {
    ApiError::invalid(format!("upload-length was declared as {declared} before, and does not change"))
}

pub(crate) fn too_long(declared: u64, received: u64) -> ApiError {
    ApiError::from(Error::Invalid(format!(
        "the file is {declared} bytes long, and {received} would be there with this body"
    )))
    .with_status(StatusCode::PAYLOAD_TOO_LARGE)
}

/// A body with a digest is compared before anything of it is recorded, so it must not be long.
pub(crate) fn long_body(limit: u64) -> ApiError {
    ApiError::from(Error::Invalid(format!(
        "a body with upload-checksum has at most {limit} bytes: send the file in several, or without upload-checksum"
    )))
    .with_status(StatusCode::PAYLOAD_TOO_LARGE)
}

pub(crate) fn final_upload() -> ApiError {
    ApiError::invalid("a final upload is put together of its parts, and takes no bytes")
        .with_status(StatusCode::FORBIDDEN)
}

pub(crate) fn no_bytes() -> ApiError {
    ApiError::MediaType(format!("the bytes of an upload are sent as Content-Type: {OFFSET_STREAM}"))
}

pub(crate) fn other_version(spoken: Option<&str>) -> ApiError {
    ApiError::invalid(match spoken {
        None => format!("tus-resumable is missing: send tus-resumable: {VERSION}"),
        Some(spoken) => format!("tus-resumable is {}, and {VERSION} is spoken here", printable(spoken)),
    })
    .with_status(StatusCode::PRECONDITION_FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_users_upload_is_not_there() {
        for error in [Error::Forbidden, Error::Conflict(Conflict::Cancelled), Error::NotFound] {
            assert_eq!(of_upload(error.into()).status(), StatusCode::NOT_FOUND);
        }
        let offset = Error::Offset { expected: 5 };
        assert_eq!(of_upload(offset.into()).status(), StatusCode::CONFLICT);
        let mismatch = Error::OtherBytes("other".to_owned());
        assert_eq!(of_upload(mismatch.into()).status().as_u16(), 460);
        assert_eq!(of_upload(Conflict::TakenOver.into()).status(), StatusCode::LOCKED);
        assert_eq!(of_upload(ApiError::TooSlow).status(), StatusCode::LOCKED);
    }
}
