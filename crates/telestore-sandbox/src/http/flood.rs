//! The shapes in which a Bot API server, or one in front of it, asks to wait.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How an answer asks to wait.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FloodShape {
    /// As the Bot API does: 429 with `parameters.retry_after`, a text, and `Retry-After`.
    Parameters,
    /// 429 with a text only, as behind proxies that drop what they do not know (`Too Many Requests: retry after 7`).
    Text,
    /// 400 with a text only (`Bad Request: Too Many Requests: retry after 7`, tdlib/td#3003).
    BadRequest,
    /// 420 with MTProto's name as its text (`FLOOD_WAIT_7`).
    Name,
    /// 429 of a proxy: a page, and `Retry-After` in seconds.
    Header,
    /// The same with `Retry-After` as a date (RFC 9110, 10.2.3).
    Date,
    /// 429 that names no time.
    Unsaid,
}

impl FloodShape {
    pub(super) fn answer(self, seconds: u32) -> Response {
        let text = format!("Too Many Requests: retry after {seconds}");
        let retry_after = |value: String| [(header::RETRY_AFTER, value)];
        match self {
            Self::Parameters => {
                let mut body = said(429, &text);
                body["parameters"] = json!({"retry_after": seconds});
                (StatusCode::TOO_MANY_REQUESTS, retry_after(seconds.to_string()), Json(body)).into_response()
            }
            Self::Text => (StatusCode::TOO_MANY_REQUESTS, Json(said(429, &text))).into_response(),
            Self::BadRequest => {
                (StatusCode::BAD_REQUEST, Json(said(400, &format!("Bad Request: {text}")))).into_response()
            }
            Self::Name => {
                let status = StatusCode::from_u16(420).unwrap_or(StatusCode::TOO_MANY_REQUESTS);
                (status, Json(said(420, &format!("FLOOD_WAIT_{seconds}")))).into_response()
            }
            Self::Header => page(retry_after(seconds.to_string())),
            Self::Date => {
                // A date has no fractions: it must not come too early.
                let date = SystemTime::now() + Duration::from_secs(u64::from(seconds) + 1);
                page(retry_after(httpdate::fmt_http_date(date)))
            }
            Self::Unsaid => {
                (StatusCode::TOO_MANY_REQUESTS, Json(said(429, "Too Many Requests"))).into_response()
            }
        }
    }
}

fn said(code: u16, description: &str) -> Value {
    json!({"ok": false, "error_code": code, "description": description})
}

fn page(header: [(header::HeaderName, String); 1]) -> Response {
    (StatusCode::TOO_MANY_REQUESTS, header, "<html><h1>429 Too Many Requests</h1></html>").into_response()
}
