//! The answers that are errors. Status and words of the examples come from the code that makes the real ones.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::StatusCode;
use telestore::types::{CompletionError, Error as BadValue, Outcome, UploadId};
use telestore::{Conflict as Contradiction, Error, MissingToken, backend, store};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::{ContentBuilder, Ref, RefOr};
use utoipa::{IntoResponses, ToSchema};

use super::shared::text_header;
use crate::calls::{content, deletion, files, progress, put, socket, tus};
use crate::shared::error::{ApiError, ErrorBody};
use crate::shared::fault::{Fault, Place};
use crate::shared::token;

/// One status that calls share, with an example of each text.
struct Refusal {
    name: &'static str,
    description: &'static str,
    examples: Vec<(&'static str, ApiError)>,
}

/// Defines refusals: the name for `responses(…)` of an operation, what a client should know, an example of each text.
macro_rules! refusals {
    ($($(#[doc = $description:literal])+ $name:ident: $($what:ident = $error:expr),+;)+) => {
        $($(#[doc = $description])+
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                let refusal = Refusal::$name();
                let reference = Ref::from_response_name(refusal.name);
                BTreeMap::from([(refusal.status().as_str().to_owned(), RefOr::Ref(reference))])
            }
        })+

        #[allow(non_snake_case, reason = "named like the types")]
        impl Refusal {
            $(fn $name() -> Self {
                let examples = vec![$((stringify!($what), ApiError::from($error))),+];
                Self { name: stringify!($name), description: concat!($($description),+).trim_ascii(), examples }
            })+

            fn all() -> Vec<Self> {
                vec![$(Self::$name()),+]
            }
        }
    };
}

refusals! {
    /// The JSON is not the documented one, a value breaks its rule, or the user has not set up Telegram.
    BadJson:
        not_json = Error::Invalid("body is not the documented JSON: missing field `uploadId` at line 1 column 2".into()),
        bad_id = BadValue::UploadId,
        telegram_not_set_up = not_set_up();
    /// The form is not the documented one, a value breaks its rule, the bytes do not have the digest that came with
    /// them, or the user has not set up Telegram.
    BadForm:
        missing_field = Error::Invalid("form field chunkIndex is missing".into()),
        not_a_form = ApiError::Form(Fault::NoForm("application/json".into())),
        cut = ApiError::Form(Fault::Cut { part: Place::Part("chunk".into()), delimiter: "--bnd".into() }),
        empty = BadValue::EmptyChunk { index: 0, last: 0 },
        other_bytes = Error::Invalid(
            "bytes do not have the sha-256 digest that was sent with them: if it is the digest of just these \
             bytes, they changed on their way: send them again; if not, correct it"
                .into()
        ),
        telegram_not_set_up = not_set_up();
    /// The JSON is not the documented one, a value breaks its rule, the address is none or may not be asked, or the user has not
    /// set up Telegram.
    BadAddress:
        no_address = Error::Invalid("the address must be http:// or https://".into()),
        inside = Error::Invalid(
            "the address leads to where the worker makes no connections; its operator may allow it with \
             TELESTORE_FROM_URL_ADDRESSES"
                .into()
        ),
        telegram_not_set_up = not_set_up();
    /// Chunks are missing, they do not add up to the declared size, the JSON is not the documented one, or the user has
    /// not set up Telegram.
    Incomplete:
        missing_chunks = CompletionError::MissingChunks { received: 15, total: 20 },
        size_mismatch = CompletionError::SizeMismatch { declared: 11, received: 10 },
        bad_id = BadValue::UploadId,
        telegram_not_set_up = not_set_up();
    /// The bytes do not have the digest that came with them, a value breaks its rule, the file is empty, or the user has not
    /// set up Telegram.
    BadRaw:
        empty = BadValue::EmptyFile,
        bad_name = BadValue::LongFileName,
        cut = Error::Invalid(
            "body ended before it was complete: the connection broke, or Content-Length says more than came".into()
        ),
        telegram_not_set_up = not_set_up();
    /// A field of the head is missing or malformed, or contradicts the upload; or the user has not set up Telegram.
    BadTus:
        no_length = Error::Invalid(
            "upload-length is missing: send the length of the file in bytes, or upload-defer-length: 1".into()
        ),
        other_length = tus::refusal::other_length(14),
        telegram_not_set_up = not_set_up();
    /// The upload was put together of parts.
    FinalUpload:
        parts = tus::refusal::final_upload();
    /// There is no such upload of this user, it has failed, or it was ended.
    NoUpload:
        unknown_upload = Error::NotFound;
    /// The upload ends elsewhere: ask where.
    WrongOffset:
        offset = Error::Offset { expected: 5_242_880 };
    /// Another version of tus is asked for, or none. `Tus-Version` says which one is spoken.
    OtherVersion:
        missing = tus::refusal::other_version(None),
        other = tus::refusal::other_version(Some("0.2.2"));
    /// There would be more bytes than were declared, the file is over its limit or that of the user's Telegram credentials, or
    /// a body with a digest is too long.
    TooLong:
        too_long = tus::refusal::too_long(14, 15),
        digest = tus::refusal::long_body(52_428_800),
        file = Error::TooLarge { what: "file", limit: 2_097_152_000 },
        needs_session = Error::NeedsSession { limit: 52_428_800 };
    /// The body has another type than `application/offset+octet-stream`, or is encoded.
    NoBytes:
        no_bytes = tus::refusal::no_bytes(),
        gzip = ApiError::Encoded("gzip".into());
    /// Another request goes on with the upload, or the worker is busy: ask again where the next byte goes.
    Locked:
        taken_over = ApiError::from(Error::Conflict(Contradiction::TakenOver)).with_status(StatusCode::LOCKED);
    /// The body does not have its digest; none of it was taken.
    OtherTusBytes:
        other_bytes = tus::refusal::other_bytes(
            Error::OtherBytes("bytes do not have the sha-1 digest that was sent with them".into()).into()
        );
    /// The body is a form, compressed or otherwise encoded. `Accept-Encoding` says which encodings are taken.
    NoForm:
        form = put::no_form(),
        gzip = ApiError::Encoded("gzip".into());
    /// The id cannot be one, or the user has not set up Telegram.
    BadId:
        bad_id = BadValue::UploadId,
        telegram_not_set_up = not_set_up();
    /// The user has not set up Telegram.
    NotSetUp:
        telegram_not_set_up = not_set_up();
    /// The id cannot be one, `wait` is no whole number of seconds, or the user has not set up Telegram.
    BadPoll:
        bad_id = BadValue::UploadId,
        bad_wait = progress::bad_wait(),
        telegram_not_set_up = not_set_up();
    /// The id cannot be one, the query cannot be read, or the user has not set up Telegram.
    BadListener:
        bad_id = BadValue::UploadId,
        bad_query = token::bad_query(),
        telegram_not_set_up = not_set_up();
    /// It is no WebSocket handshake, the id cannot be one, the query cannot be read, or the user has not set up Telegram.
    NoHandshake:
        no_handshake = socket::no_handshake("WebSocket upgrade is expected"),
        bad_id = BadValue::UploadId,
        bad_query = token::bad_query(),
        telegram_not_set_up = not_set_up();
    /// The token is missing although one is needed, or not valid.
    Unauthorized:
        invalid_token = backend::Error::InvalidToken,
        missing_token = Error::Unauthorized(MissingToken::Call);
    /// The token is missing although one is needed, comes too late, or is not valid.
    UnauthorizedForm:
        invalid_token = backend::Error::InvalidToken,
        missing_token = Error::Unauthorized(MissingToken::Call),
        strict = ApiError::TokenFirst { limit: None },
        large = ApiError::TokenFirst { limit: Some(1_073_741_824) };
    /// The upload belongs to another user.
    Forbidden:
        another_user = Error::Forbidden;
    /// There is no such upload, or it was cancelled.
    NotFound:
        unknown_upload = Error::NotFound;
    /// There is no such file of this user.
    NoFile:
        unknown_file = Error::NoFile;
    /// `messages` is neither `delete` nor `keep`, or the user has not set up Telegram.
    BadDeletion:
        bad_messages = deletion::bad_messages(),
        telegram_not_set_up = not_set_up();
    /// Nobody can see whether a message still is the file: one of a basic group that went by the Bot API, or one that an old
    /// version sent.
    UnknownMessage:
        unknown_message = unknown_message();
    /// `limit` is no number from 1 to 1000, `cursor` is none of these answers, or the user has not set up Telegram.
    BadList:
        bad_limit = files::bad_limit(),
        bad_cursor = files::bad_cursor(),
        telegram_not_set_up = not_set_up();
    /// The query cannot be read, or the user has not set up Telegram.
    BadContent:
        bad_query = token::bad_query(),
        telegram_not_set_up = not_set_up();
    /// The path names no messages, the query cannot be read, or the user has not set up Telegram.
    BadMessages:
        bad_ids = content::bad_ids(),
        bad_query = token::bad_query(),
        telegram_not_set_up = not_set_up();
    /// The JSON is not the documented one, the time is too short or too long, the query cannot be read, or the user has not set up
    /// Telegram.
    BadLink:
        bad_time = Error::Invalid("a link lasts from a second to 30 days".into()),
        bad_query = token::bad_query(),
        telegram_not_set_up = not_set_up();
    /// The link is none that this worker gave for this file, its time is over, or the token that it was made with is not valid any more.
    DeadLink:
        dead_link = Error::DeadLink;
    /// The file can be read by nobody with the user's Telegram credentials, and that will not pass.
    Unreadable:
        no_login = Error::Unreadable(
            "it cannot be read with these Telegram credentials: that needs a Telegram session, or a bot with an api_id and \
             api_hash"
                .into()
        );
    /// The bytes are not in the channel any more.
    Gone:
        deleted = Error::FileGone("the file is not in the channel any more: its message was deleted".into());
    /// It is another version than `If-Match` or `If-Unmodified-Since` says.
    OtherFile:
        other = ApiError::OtherVersion;
    /// `Range` asks for bytes behind the end. `Content-Range` says how many there are.
    OutOfRange:
        outside = ApiError::OutOfRange { length: 104_857_600 };
    /// Telegram gives nothing now, the backend cannot be asked about a token that is not known yet, the database
    /// cannot be reached, or the worker is stopping. `Retry-After` says when to try again.
    NoContent:
        telegram = Error::TelegramUnavailable {
            why: "Telegram is not available: no answer".into(), retry_after: Duration::from_secs(5)
        },
        backend_down = backend::Error::Unavailable("it answered 502 Bad Gateway".into()),
        store_down = store::Error::unavailable("session database", "it is down"),
        stopping = Error::ShuttingDown;
    /// The worker does not do that, unless its operator wants it to.
    SwitchedOff:
        off = ApiError::FetchesNothing;
    /// There is no such upload, or its completion was not asked for yet.
    NotStarted:
        not_started = Error::NotStarted;
    /// The request contradicts the upload, or the upload was cancelled.
    Conflict:
        another_file = Error::Conflict(Contradiction::KnownFile {
            id: UploadId::new("1763790000000_k3j9x0abc").expect("it is one"),
            of: "video.mp4 with 104857600 bytes in 20 chunks".into(),
        }),
        cancelled = CompletionError::Cancelled;
    /// The body came too slowly, or stopped. The connection is closed.
    TooSlow:
        too_slow = ApiError::TooSlow;
    /// The JSON is over its limit, or the declared file over its limit or that of the user's Telegram credentials.
    JsonTooLarge:
        json = Error::TooLarge { what: "JSON body", limit: 65_536 },
        file = Error::TooLarge { what: "file", limit: 2_097_152_000 },
        needs_session = Error::NeedsSession { limit: 52_428_800 };
    /// The body is a form, compressed or otherwise encoded. `Accept-Encoding` says which encodings are taken.
    NoJson:
        form = ApiError::MediaType(
            "/complete-upload takes JSON, as Content-Type: application/json, and the body is a form \
             (multipart/form-data); forms are for POST /upload-chunk and POST /upload".into()
        ),
        gzip = ApiError::Encoded("gzip".into());
    /// The body or a part of it is compressed or otherwise encoded. `Accept-Encoding` says what is taken as encodings of
    /// the body.
    EncodedForm:
        gzip = ApiError::Encoded("gzip".into()),
        base64 = ApiError::Form(Fault::Encoded {
            part: Place::Part("chunk".into()), header: "Content-Transfer-Encoding", is: "base64".into()
        });
    /// The chunk or the file is over its limit, or the file over that of the user's Telegram credentials.
    BytesTooLarge:
        chunk = Error::TooLarge { what: "chunk", limit: 52_428_800 },
        file = Error::TooLarge { what: "file", limit: 2_097_152_000 },
        needs_session = Error::NeedsSession { limit: 52_428_800 };
    /// `Idempotency-Key` was used for another file, or with other options.
    OtherRequest:
        another_file = Error::OtherRequest;
    /// Too much of a user, or from an address. `Retry-After` and `retryAfter` say when to try again.
    TooMany:
        requests = too_many("requests of this user", 1),
        address = too_many("requests from this address", 1),
        connection = too_many("requests at a time on this connection", 1),
        guesses = too_many("invalid tokens from this address", 1),
        uploads = too_many("unfinished uploads of this user", 60),
        bytes = too_many("bytes of this user today", 3600);
    /// The data directory or the database in it failed. The cause stands in the worker's log.
    Storage:
        storage = Error::Storage("example".into());
    /// The file could not be sent (in the words of `/upload-progress`), or the data directory failed.
    SendingFailed:
        session = failed("Telegram session not authorized"),
        channel = failed("Could not resolve channel ID"),
        storage = Error::Storage("example".into());
    /// The backend cannot be asked about a token that is not known yet, the database or the object store cannot be
    /// reached, or the worker is stopping. `Retry-After` says when to try again.
    Unavailable:
        backend_down = backend::Error::Unavailable("it answered 502 Bad Gateway".into()),
        store_down = store::Error::unavailable("session database", "it is down"),
        stopping = Error::ShuttingDown;
    /// There is no room for the file of somebody of whom nothing is known yet, the backend cannot be asked about a token
    /// that is not known yet, the database or the object store cannot be reached, or the
    /// worker is stopping. `Retry-After` says when to try again.
    NoRoom:
        strangers = ApiError::StrangersFull,
        backend_down = backend::Error::Unavailable("it answered 502 Bad Gateway".into()),
        store_down = store::Error::unavailable("session database", "it is down"),
        stopping = Error::ShuttingDown;
    /// There are as many listeners as may be, the backend cannot be asked about a token that is not known yet, the database
    /// or the object store cannot be reached, or the worker is stopping. `Retry-After` says when to try again.
    NoListener:
        listeners = ApiError::ManyListeners,
        backend_down = backend::Error::Unavailable("it answered 502 Bad Gateway".into()),
        store_down = store::Error::unavailable("session database", "it is down"),
        stopping = Error::ShuttingDown;
    /// The data disk is full, or nearly, or a user or an address has as much stored as it may.
    NoSpace:
        no_space = Error::NoSpace,
        quota = Error::QuotaFull { whose: "this user", limit: 10_737_418_240 };
}

fn too_many(what: &'static str, seconds: u64) -> Error {
    Error::TooManyRequests { what, retry_after: Duration::from_secs(seconds) }
}

fn failed(why: &str) -> Error {
    Error::UploadFailed { why: why.to_owned(), outcome: Some(Outcome::Refused) }
}

fn unknown_message() -> Error {
    Contradiction::State(
        "whether message 7 still is this file cannot be seen, so it is not deleted: delete it in Telegram by hand, and the file \
         here without its messages"
            .into(),
    )
    .into()
}

fn not_set_up() -> Error {
    Error::NotConfigured("Telegram not fully configured. Please complete setup in Settings.".into())
}

impl Refusal {
    fn status(&self) -> StatusCode {
        self.examples.first().map_or(StatusCode::INTERNAL_SERVER_ERROR, |(_, error)| error.status())
    }

    fn response(&self) -> Response {
        let mut content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ErrorBody::name())));
        for (name, error) in &self.examples {
            let value = serde_json::to_value(error.body()).ok();
            content = content.examples_from_iter([(*name, ExampleBuilder::new().value(value).build())]);
        }
        let response =
            ResponseBuilder::new().description(self.description).content("application/json", content.build());
        match self.status() {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                response.header("Retry-After", text_header("Seconds until it is worth another try")).build()
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                response.header("Accept-Encoding", text_header("What is taken: `identity`")).build()
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                response.header("Content-Range", text_header("How many bytes there are: `bytes */n`")).build()
            }
            _ => response.build(),
        }
    }
}

/// All of them, by name, for the components of the document.
pub(super) fn responses() -> impl Iterator<Item = (&'static str, Response)> {
    Refusal::all().into_iter().map(|refusal| (refusal.name, refusal.response()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_examples_of_a_refusal_have_its_status() {
        for refusal in Refusal::all() {
            for (what, error) in &refusal.examples {
                assert_eq!(error.status(), refusal.status(), "{} {what}", refusal.name);
            }
        }
    }
}
