//! The engine's errors in the words of the documented API: by the names of its fields and calls.

use std::fmt;

use telestore::types::{Error as Value, OptionError, Outcome, UploadOption};
use telestore::{Conflict, Error, MissingToken};

/// An error of the engine as clients read it.
pub(crate) struct Words<'a>(pub(crate) &'a Error);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Error::Value(value) => of_value(value, f),
            Error::Conflict(conflict) => of_conflict(conflict, f),
            Error::Unauthorized(MissingToken::Call) => f.write_str(
                "authToken is missing: send it as a form field, in the JSON, or as a bearer token",
            ),
            Error::Unauthorized(MissingToken::Owner) => {
                f.write_str("no auth token was seen for this upload: send authToken")
            }
            Error::InvalidToken(_) => f.write_str("invalid authToken: sign in again"),
            Error::SizeMismatch { declared, received } => {
                write!(f, "file size mismatch: fileSize says {declared} bytes, the chunks hold {received}")
            }
            Error::NeedsSession { limit } => write!(
                f,
                "file is larger than {limit} bytes, the most that can be sent with these Telegram credentials: larger files need \
                 a Telegram session (sign in to Telegram in TeleStore; stand-alone: TELESTORE_TELEGRAM_SESSION of the worker, or \
                 TELESTORE_API_ID and TELESTORE_API_HASH for its bot), \
                 or a local Bot API server (TELEGRAM_BOT_API_URL and TELESTORE_BOT_API_MAX_BYTES of the worker)"
            ),
            Error::OtherRequest => f.write_str(
                "Idempotency-Key was used for another file, or with other options: use a new one for each request",
            ),
            Error::UploadFailed { why, outcome } => f.write_str(of_failure(why, *outcome)),
            error => write!(f, "{error}"),
        }
    }
}

/// Why an upload failed. The row's own text holds for any front; if the field of the API helps the client, it is named.
pub(crate) fn of_failure(why: &str, outcome: Option<Outcome>) -> &str {
    // As workers of 0.1 wrote them into their rows; those are shown as they are.
    match outcome {
        Some(Outcome::TokenInvalid) => "authToken is no longer valid: sign in again",
        Some(Outcome::TokenLost) => {
            "authToken is no longer known to the worker: send it with /complete-upload"
        }
        Some(Outcome::OtherUser) => "authToken belongs to another user now: sign in again",
        _ => why,
    }
}

fn of_value(value: &Value, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        Value::UploadId => {
            f.write_str("uploadId must be 1 to 128 characters out of A-Z a-z 0-9 . _ - and not a path")
        }
        Value::ChunkIndex { max } => {
            write!(f, "chunkIndex must be a number from 0 to {max}, one less than totalChunks")
        }
        Value::TopicId => f.write_str("topicId must be a number from 1 to 2147483647"),
        Value::SendAs => f.write_str("sendAs must be document, video, audio or photo"),
        Value::Thumbnail => {
            f.write_str("thumbnail must be a JPEG of at most 200 kB, with at most 320 pixels on each side")
        }
        Value::FileDigest => f.write_str("sha256 must be 64 hexadecimal digits"),
        Value::TotalChunks => f.write_str("totalChunks must be a number from 1 to 10000"),
        Value::ManyChunks { total, file_size, most } => write!(
            f,
            "totalChunks {total} is too many for fileSize {file_size}: each chunk has a byte at least, and only the last \
             one may be empty, so that {most} is the most"
        ),
        Value::EmptyChunk { index, last } if *last > 0 => write!(
            f,
            "chunk is empty: chunkIndex {index} must have bytes; only the last one, {last}, may have none, where the \
             others are the whole file"
        ),
        Value::EmptyFile => f.write_str("file is empty: fileSize must be at least 1"),
        Value::EmptyFileName => f.write_str("fileName must not be empty"),
        Value::LongFileName => f.write_str("fileName must be at most 255 characters"),
        Value::ControlInFileName => f.write_str("fileName must not hold control characters"),
        value => write!(f, "{value}"),
    }
}

fn of_conflict(conflict: &Conflict, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match conflict {
        Conflict::Cancelled => f.write_str("upload was cancelled: start again with a new uploadId"),
        Conflict::OtherFile(id) => write!(
            f,
            "fileName, fileSize or totalChunks contradict upload {id}: use a new uploadId for another file"
        ),
        Conflict::KnownFile { id, of } => write!(
            f,
            "fileName, fileSize or totalChunks contradict upload {id}, which is {of}: use a new uploadId for another file"
        ),
        Conflict::OtherChunk(index) => write!(
            f,
            "chunk {index} differs from the one that is already on its way: use a new uploadId for another file"
        ),
        Conflict::Options(OptionError::Other(option)) => write!(
            f,
            "{} was named with another value before, which counts: use a new uploadId for another message",
            field_of(*option)
        ),
        Conflict::Options(OptionError::Late(option)) => write!(
            f,
            "{} comes too late: the file is being sent, or was; name it before /complete-upload, or with it",
            field_of(*option)
        ),
        conflict => write!(f, "{conflict}"),
    }
}

/// What the API calls an option.
fn field_of(option: UploadOption) -> &'static str {
    match option {
        UploadOption::Caption => "caption",
        UploadOption::Topic => "topicId",
        UploadOption::Silent => "silent",
        UploadOption::SendAs => "sendAs",
        UploadOption::Sha256 => "sha256",
        UploadOption::Encrypt => "encrypt",
        UploadOption::Compress => "compress",
        UploadOption::Thumbnail => "thumbnail",
        _ => "an option",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_field_of_the_token_and_a_row_of_before_keeps_its_text() {
        let old = "authToken is no longer known to the worker: send it with /complete-upload";
        for outcome in [None, Some(Outcome::Failed), Some(Outcome::Refused)] {
            assert_eq!(of_failure(old, outcome), old);
        }
        for outcome in [Outcome::TokenInvalid, Outcome::TokenLost, Outcome::OtherUser] {
            let error = Error::UploadFailed { why: "by the row".to_owned(), outcome: Some(outcome) };
            let words = Words(&error).to_string();
            assert!(words.starts_with("authToken ") && words == of_failure("by the row", Some(outcome)));
        }
    }
}
