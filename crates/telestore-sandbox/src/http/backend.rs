//! The TeleStore backend, as far as a worker calls it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::faulty::Course;
use crate::shared::{Shared, WebhookCall};
use crate::users::{Account, SandboxUser};

/// `GET /api/worker/credentials`.
pub(crate) async fn credentials(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let token = bearer(&headers);
    shared.stats.write(|stats| *stats.credential_calls.entry(token.clone()).or_default() += 1);
    let account = shared.users.find(|account| account.user.auth_token == token);
    let user_id = account.as_ref().map(|account| account.user.user_id.as_str());
    let course = Course::of(&shared, "backend.credentials", user_id).await;
    course.run(async |_| answer(&shared, account.as_deref())).await
}

fn bearer(headers: &HeaderMap) -> String {
    let header = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    header.strip_prefix("Bearer ").unwrap_or_default().to_owned()
}

fn answer(shared: &Shared, account: Option<&Account>) -> Response {
    let Some(account) = account.filter(|account| !account.token_revoked()) else {
        return (StatusCode::UNAUTHORIZED, Json(json!({"detail": "Invalid token"}))).into_response();
    };
    let user = &account.user;
    if !user.configured {
        let detail = "Telegram not fully configured. Please complete setup in Settings.";
        return (StatusCode::BAD_REQUEST, Json(json!({"detail": detail}))).into_response();
    }
    let mut credentials = json!({
        "bot_token": user.bot_token,
        "channel_id": user.channel_id,
        "telegram_session": user.telethon_session,
        "telegram_api_id": with_api(user, user.api_id.to_string()),
        "telegram_api_hash": with_api(user, user.api_hash.clone()),
        "user_id": user.user_id,
        "backend_url": format!("http://{}", shared.addresses.http),
    });
    // Backends that know of one bot only do not name the field.
    if !user.bot_tokens.is_empty() {
        credentials["bot_tokens"] = json!(user.bot_tokens);
    }
    Json(credentials).into_response()
}

fn with_api(user: &SandboxUser, value: String) -> Option<String> {
    user.api_configured.then_some(value)
}

/// `POST /api/webhook/upload`.
pub(crate) async fn webhook(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    raw_body: Bytes,
) -> Response {
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let body: serde_json::Value = serde_json::from_slice(&raw_body).unwrap_or_default();
    let user_id = body.get("userId").and_then(|id| id.as_str()).map(str::to_owned);
    let course = Course::of(&shared, "backend.webhook", user_id.as_deref()).await;
    let status = match &course {
        Course::Answer(answer) => answer.status().as_u16(),
        course if course.answers() => 200,
        _ => 0,
    };
    shared.record_webhook(WebhookCall { headers, body, raw_body, status });
    course.run(async |_| Json(json!({"success": true})).into_response()).await
}
