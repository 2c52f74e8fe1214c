//! The control API's part about signing in: the codes that were sent, and the QR codes to scan.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::logins::{SentCode, SignInRules};
use crate::shared::Shared;

type App = State<Arc<Shared>>;

/// What holds for those who sign in.
pub(crate) async fn rules(State(shared): App) -> Json<SignInRules> {
    Json(shared.sign_ins.rules())
}

/// Sets that; what is not named is as it was at the start.
pub(crate) async fn set_rules(State(shared): App, Json(rules): Json<SignInRules>) -> StatusCode {
    shared.sign_ins.set_rules(rules);
    StatusCode::NO_CONTENT
}

/// The codes that were sent, the newest first.
pub(crate) async fn codes(State(shared): App) -> Json<Vec<SentCode>> {
    let mut codes = shared.sign_ins.codes.sent();
    codes.reverse();
    Json(codes)
}

/// Ends the codes for a number.
pub(crate) async fn void(State(shared): App, Path(phone): Path<String>) -> StatusCode {
    shared.sign_ins.codes.void(&phone);
    StatusCode::NO_CONTENT
}

/// What the QR codes say that can be scanned now, oldest first.
pub(crate) async fn tokens(State(shared): App) -> Json<Vec<String>> {
    Json(shared.sign_ins.tokens.open())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scan {
    /// Whose phone scans.
    user_id: String,
    /// What the code says; the newest by default.
    code: Option<String>,
}

/// Scans a QR code, as a phone does.
pub(crate) async fn scan(
    State(shared): App,
    Json(Scan { user_id, code }): Json<Scan>,
) -> Result<StatusCode, (StatusCode, Json<Value>)> {
    let code = code.or_else(|| shared.sign_ins.tokens.open().pop());
    let scanned = match (code, shared.users.by_id(&user_id)) {
        (_, None) => Err("USER_ID_INVALID"),
        (None, _) => Err("AUTH_TOKEN_INVALIDX"),
        (Some(code), Some(_)) => shared.scan(&user_id, &code),
    };
    scanned
        .map(|()| StatusCode::NO_CONTENT)
        .map_err(|error| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))))
}
