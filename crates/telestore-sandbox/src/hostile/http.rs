//! Answers of a Bot API server, or of a backend, that means no good.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::gzip;

/// An answer over HTTP that means no good. The request is taken in full first, and not executed.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HostileHttp {
    /// 200, and then a byte each so many milliseconds, for ever.
    Trickle(u64),
    /// 200 and spaces, as fast as they are taken, for ever.
    Endless,
    /// A refusal (400) in the Bot API's and the backend's form whose text has so many bytes, with line ends in it.
    Words(usize),
    /// 200 and arrays, so many inside of each other.
    Nested(usize),
    /// 200 and an array of so many numbers.
    Elements(usize),
    /// 429 with this as `retry_after`, whatever it is.
    RetryAfter(Value),
    /// 200 with the right names and values of other kinds.
    WrongTypes,
    /// 200 with `Content-Encoding: gzip`: so many zero bytes, packed twice.
    GzipOfGzip(usize),
    /// 302 to this address.
    Redirect(String),
}

/// A download of the Bot API that is not what was asked for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HostileFile {
    /// 200 and the whole file, whatever range was asked for: a server that knows no ranges.
    Whole,
    /// A range that says that the whole file has so many bytes.
    OtherTotal(u64),
    /// So many bytes more than there are, in a body that does not say how long it is.
    TooLong(u64),
    /// So many bytes fewer than there are, in a body that does not say how long it is, and that ends as if it was complete.
    TooShort(u64),
}

impl HostileHttp {
    pub(crate) fn answer(&self) -> Response {
        match self {
            Self::Trickle(millis) => trickle(Duration::from_millis(*millis)),
            Self::Endless => {
                let spaces = Bytes::from(vec![b' '; 16 * 1024]);
                json_stream(stream::repeat_with(move || Ok(spaces.clone())))
            }
            Self::Words(length) => refusal(*length),
            Self::Nested(depth) => json_text(["[".repeat(*depth), "]".repeat(*depth)].concat()),
            Self::Elements(count) => json_text(format!("[{}0]", "0,".repeat(count.saturating_sub(1)))),
            Self::RetryAfter(wait) => {
                let body = json!({
                    "ok": false, "error_code": 429, "description": "Too Many Requests",
                    "parameters": {"retry_after": wait},
                });
                (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response()
            }
            Self::WrongTypes => Json(wrong_types()).into_response(),
            Self::GzipOfGzip(length) => {
                let packed = gzip(&gzip(&vec![0; *length]));
                ([(header::CONTENT_ENCODING, "gzip"), (header::CONTENT_TYPE, "application/json")], packed)
                    .into_response()
            }
            Self::Redirect(to) => (StatusCode::FOUND, [(header::LOCATION, to.clone())]).into_response(),
        }
    }
}

fn json_text(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

fn json_stream<S>(pieces: S) -> Response
where
    S: stream::Stream<Item = std::io::Result<Bytes>> + Send + 'static,
{
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(pieces)).into_response()
}

fn trickle(pause: Duration) -> Response {
    json_stream(stream::unfold((), move |()| async move {
        tokio::time::sleep(pause).await;
        Some((Ok(Bytes::from_static(b" ")), ()))
    }))
}

fn refusal(length: usize) -> Response {
    let mut words = "no\r\n".repeat(length.div_ceil(4));
    words.truncate(length);
    let body = json!({"ok": false, "error_code": 400, "description": words, "detail": words});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

fn wrong_types() -> Value {
    json!({
        "ok": true,
        "result": {"message_id": {"id": 1}, "document": [{"file_id": 7}], "chat": null, "date": "now"},
        "user_id": 7, "channel_id": {"id": -1001}, "bot_token": ["1:a"], "telegram_api_id": true,
    })
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::FaultAction;

    #[test]
    fn can_be_ordered_in_json() {
        for (text, answer) in [
            (r#"{"hostile_http": {"trickle": 1000}}"#, HostileHttp::Trickle(1000)),
            (r#"{"hostile_http": {"words": 3000000}}"#, HostileHttp::Words(3_000_000)),
            (r#"{"hostile_http": {"retry_after": -1}}"#, HostileHttp::RetryAfter(json!(-1))),
            (r#"{"hostile_http": {"gzip_of_gzip": 10}}"#, HostileHttp::GzipOfGzip(10)),
            (r#"{"hostile_http": "endless"}"#, HostileHttp::Endless),
            (r#"{"hostile_http": "wrong_types"}"#, HostileHttp::WrongTypes),
        ] {
            let action: FaultAction = serde_json::from_str(text).unwrap();
            assert_eq!(action, FaultAction::HostileHttp(answer));
        }
    }
}
