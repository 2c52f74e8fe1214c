//! The bytes of files, as they were uploaded.

mod body;
mod conditions;
mod disposition;
mod range;

use std::time::SystemTime;

use actix_web::http::Method;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{Path, Query};
use actix_web::{HttpMessage, HttpResponse};
use serde::Deserialize;
use telestore::FileContent;
use telestore::types::mime_type_of;

use self::conditions::{Version, Wanted};
use crate::calls::call::Call;
use crate::calls::files::id_of;
use crate::calls::openapi::refusals::{
    BadContent, BadMessages, DeadLink, Gone, NoContent, NoFile, OtherFile, OutOfRange, Storage, TooMany,
    Unauthorized, Unreadable,
};
use crate::layers::request_id::RequestId;
use crate::shared::error::{ApiError, ApiResult};
use crate::shared::{endpoints, times, token};

/// The most messages that are joined.
const MOST_MESSAGES: usize = 100;

/// What an answer with somebody's bytes carries. Nothing in them may run in the origin of the worker, where the token of whoever
/// looks at them may be; nor may pages of other origins show them, unless CORS lets them read them; nor may a page in them tell others
/// its address, in which there may be a link or a token.
const SAFE: [(HeaderName, &str); 6] = [
    (
        CONTENT_SECURITY_POLICY,
        // What a browser makes around a picture or a video that is looked at by itself has styles, and names it once more.
        "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self' data:; style-src 'unsafe-inline'; \
         form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (REFERRER_POLICY, "no-referrer"),
    // It may be kept by the browser of whoever may read it, who is asked for the token again each time.
    (CACHE_CONTROL, "private, no-cache, no-transform"),
    // No compressor, of the worker or behind it, may make other bytes of them: the ranges are those of the file.
    (CONTENT_ENCODING, "identity"),
];

/// What the query may say, beside the token. Whatever else it says is no matter.
#[derive(Deserialize)]
struct Asked {
    link: Option<String>,
    inline: Option<String>,
    raw: Option<String>,
}

impl Asked {
    fn of(call: &Call) -> Result<Self, ApiError> {
        let query = Query::<Self>::from_query(call.request.query_string());
        Ok(query.map_err(|_| token::bad_query())?.into_inner())
    }

    fn is_inline(&self) -> bool {
        is_yes(self.inline.as_deref())
    }

    fn is_raw(&self) -> bool {
        is_yes(self.raw.as_deref())
    }
}

fn is_yes(text: Option<&str>) -> bool {
    text.is_some_and(|text| matches!(text, "1" | "true"))
}

/// Gives a file back
///
/// The bytes as they were uploaded, from any byte on: for browsers, players and download managers. A body that cannot be finished ends
/// with its connection, so that no client takes it for whole.
#[utoipa::path(
    get,
    path = endpoints::CONTENT.path,
    operation_id = "content",
    tag = "files",
    security((), ("token" = [])),
    params(
        ("id" = String, Path, description = "The file's `id`", example = "0f8fad5bd9cb469fa16570867728950e"),
        ("token" = Option<String>, Query, description = "The auth token, where no header can be sent"),
        ("link" = Option<String>, Query, description = "What `POST /files/{id}/link` gave: no token is needed with it"),
        ("inline" = Option<String>, Query, description = "`1`: to be shown in a browser, and not saved"),
        ("raw" = Option<String>, Query, description = "`1`: as it lies in the channel, if it was encrypted or compressed for that; not by a link"),
        ("Range" = Option<String>, Header, description = "One range of bytes: `bytes=a-b`, `bytes=a-` or `bytes=-n`; others are ignored"),
        ("If-Range" = Option<String>, Header, description = "The range only if the file is still that of this `ETag`"),
        ("If-None-Match" = Option<String>, Header, description = "An `ETag` that the client has"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the file that is meant"),
    ),
    responses(
        (status = 200, description = "All of it", body = Vec<u8>, content_type = "*/*", headers(
            ("ETag" = String, description = "The same for as long as there is this file"),
            ("Content-Disposition" = String, description = "What it is called"),
            ("Accept-Ranges" = String, description = "`bytes`"),
        )),
        (status = 206, description = "The range", body = Vec<u8>, content_type = "*/*", headers(
            ("Content-Range" = String, description = "Which bytes, and of how many"),
        )),
        (status = 304, description = "The client has it"),
        BadContent, Unauthorized, DeadLink, NoFile, Unreadable, Gone, OtherFile, OutOfRange, TooMany, Storage, NoContent,
    )
)]
pub(crate) async fn content(call: Call, id: Path<String>) -> ApiResult {
    let (id, asked) = (id_of(&id)?, Asked::of(&call)?);
    let content = match asked.link.as_deref().filter(|link| !link.is_empty()) {
        Some(link) => {
            let content = call.engine.linked_content(&id, link).await?;
            // Whoever made the link has shown a token.
            token::is_good(&call.request);
            content
        }
        None if asked.is_raw() => call.engine.raw_content(&id, &call.user().await?).await?,
        None => call.engine.content(&id, &call.user().await?).await?,
    };
    let name = content.file_name().unwrap_or_default();
    answer(&call, &content, &name, asked.is_inline())
}

/// Gives messages back
///
/// The bytes of messages in the user's channel that no upload of this worker has made, joined in this order.
#[utoipa::path(
    get,
    path = endpoints::MESSAGES.path,
    operation_id = "messages_content",
    tag = "files",
    security(("token" = [])),
    params(
        ("ids" = String, Path, pattern = "^[1-9][0-9]{0,8}(,[1-9][0-9]{0,8}){0,99}$", description = "The numbers of one message or several, with commas between them; 100 at most", example = "2"),
        ("token" = Option<String>, Query, description = "The auth token, where no header can be sent"),
        ("inline" = Option<String>, Query, description = "`1`: to be shown in a browser, and not saved"),
        ("Range" = Option<String>, Header, description = "One range of bytes: `bytes=a-b`, `bytes=a-` or `bytes=-n`; others are ignored"),
    ),
    responses(
        (status = 200, description = "All of it", body = Vec<u8>, content_type = "*/*", headers(
            ("Content-Disposition" = String, description = "What the first of them is called"),
            ("Accept-Ranges" = String, description = "`bytes`"),
        )),
        (status = 206, description = "The range", body = Vec<u8>, content_type = "*/*", headers(
            ("Content-Range" = String, description = "Which bytes, and of how many"),
        )),
        BadMessages, Unauthorized, Unreadable, Gone, OtherFile, OutOfRange, TooMany, Storage, NoContent,
    )
)]
pub(crate) async fn messages(call: Call, ids: Path<String>) -> ApiResult {
    let (ids, asked) = (numbers(&ids).ok_or_else(bad_ids)?, Asked::of(&call)?);
    let content = call.engine.messages_content(&ids, &call.user().await?).await?;
    let name = content.file_name().filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| format!("message-{}", ids[0]));
    // The first of several pieces, of which the whole is given.
    let whole = name.strip_suffix(".001").filter(|whole| ids.len() > 1 && !whole.is_empty());
    answer(&call, &content, whole.unwrap_or(&name), asked.is_inline())
}

fn numbers(text: &str) -> Option<Vec<i64>> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let number = |text: &str| text.parse().ok().filter(|number| *number > 0 && digits(text));
    let numbers: Vec<i64> = text.split(',').map(number).collect::<Option<_>>()?;
    (numbers.len() <= MOST_MESSAGES).then_some(numbers)
}

pub(crate) fn bad_ids() -> ApiError {
    ApiError::invalid(format!(
        "the path must name 1 to {MOST_MESSAGES} messages by their numbers, with commas between them"
    ))
}

/// What the client asks for of it.
fn answer(call: &Call, content: &FileContent, name: &str, inline: bool) -> ApiResult {
    let (request, length) = (&call.request, content.len());
    // Whoever writes in the channel may put another file into a message; into one of the index only the same.
    let version = content.file().map(|file| {
        let form = if content.is_raw() { "-raw" } else { "" };
        Version::only(&format!("{}{form}", file.id), times::spelled(file.created_at).min(SystemTime::now()))
    });
    let wanted = conditions::wanted(request, version.as_ref(), length)?;
    let mut answer = HttpResponse::Ok();
    for (header, value) in SAFE {
        answer.insert_header((header, value));
    }
    answer.insert_header((ACCEPT_RANGES, "bytes"));
    if let Some(version) = &version {
        version.tell(&mut answer);
    }
    let range = match wanted {
        Wanted::Nothing => return Ok(answer.status(StatusCode::NOT_MODIFIED).finish()),
        Wanted::All => 0..length,
        Wanted::Part(range) => {
            let of = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            answer.status(StatusCode::PARTIAL_CONTENT).insert_header((CONTENT_RANGE, of));
            range
        }
    };
    answer.insert_header((CONTENT_DISPOSITION, disposition::of(name, inline)));
    answer.insert_header((CONTENT_TYPE, kind(content.mime_type().as_deref(), name)));
    if request.method() == Method::HEAD {
        return Ok(answer.body(body::Length(length)));
    }
    let request_id = request.extensions().get::<RequestId>().map_or("none", RequestId::as_str).to_owned();
    Ok(answer.body(body::read(content, range, request_id)))
}

/// The type of a file: as its client or the channel says, else what its name looks like.
fn kind(said: Option<&str>, name: &str) -> String {
    let said = said.and_then(mime_type_of).map(str::to_owned);
    said.unwrap_or_else(|| mime_guess::from_path(name).first_or_octet_stream().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_named_by_numbers() {
        assert_eq!(numbers("7"), Some(vec![7]));
        assert_eq!(numbers("7,3,7"), Some(vec![7, 3, 7]));
        assert_eq!(numbers(&vec!["1"; 100].join(",")).map(|ids| ids.len()), Some(100));
        let many = vec!["1"; 101].join(",");
        for wrong in
            ["", ",", "7,", "0", "-1", "+7", "7, 8", "a", "7;8", "1.5", "99999999999999999999", &many]
        {
            assert_eq!(numbers(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_type_that_says_nothing_is_guessed_from_the_name() {
        for (said, name, expected) in [
            (Some("text/x-log"), "a.mp4", "text/x-log"),
            (Some("text/plain; charset=utf-8"), "a", "text/plain; charset=utf-8"),
            (Some("application/octet-stream"), "a.MP4", "video/mp4"),
            (Some("text/html\r\nX: y"), "a.pdf", "application/pdf"),
            (None, "a.png", "image/png"),
            (None, "a.unknown-thing", "application/octet-stream"),
            (None, "", "application/octet-stream"),
        ] {
            assert_eq!(kind(said, name), expected, "{said:?} {name}");
        }
    }
}
