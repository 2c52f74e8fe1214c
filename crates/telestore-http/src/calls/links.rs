//! Addresses of files that need no token.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;

use crate::calls::call::Call;
use crate::calls::files::id_of;
use crate::calls::openapi::refusals::{
    BadLink, JsonTooLarge, NoFile, NoJson, Storage, TooMany, TooSlow, Unauthorized, Unavailable,
};
use crate::forms::encoded::Body;
use crate::forms::json;
use crate::shared::error::ApiResult;
use crate::shared::number::Number;
use crate::shared::{client, endpoints};

/// How many seconds a link lasts if nothing is said.
const HOUR: u64 = 60 * 60;

/// The link that is wanted.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", expecting = "an object with the documented fields")]
pub(crate) struct Wish {
    #[schema(schema_with = expires_in)]
    expires_in: Option<Number>,
}

fn expires_in() -> Schema {
    json::number(
        "For how many seconds it opens the file; an hour if nothing is said",
        30 * 24 * HOUR,
        "^[0-9]+$",
    )
}

/// A link.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Link {
    /// When it ends: RFC 3339, in UTC.
    #[schema(format = DateTime)]
    expires_at: String,
    /// The address that opens the file to whoever has it.
    #[schema(format = "uri")]
    url: String,
}

/// Makes a link to a file
///
/// Whoever has it reads the file without a token, until its time is over. Nothing is kept of it: it dies before that with the token that it
/// was made with, with the file, and with the secret key of the worker.
#[utoipa::path(
    post,
    path = endpoints::LINK.path,
    operation_id = "link",
    tag = "files",
    security(("token" = [])),
    params(
        ("id" = String, Path, description = "The file's `id`", example = "0f8fad5bd9cb469fa16570867728950e"),
        ("token" = Option<String>, Query, description = "The auth token, where no header can be sent"),
    ),
    request_body(content = Option<Wish>, example = json!({ "expiresIn": 3600 })),
    responses(
        (status = 200, description = "The link", body = Link, example = json!({
            "url": "https://worker.example/files/0f8fad5bd9cb469fa16570867728950e/content?link=c2VhbGVk",
            "expiresAt": "2026-11-22T06:40:00Z",
        })),
        BadLink, Unauthorized, NoFile, TooSlow, JsonTooLarge, NoJson, TooMany, Storage, Unavailable,
    )
)]
pub(crate) async fn link(call: Call, id: Path<String>, Body(payload): Body) -> ApiResult {
    let Call { engine, options, request } = &call;
    let caller = call.user().await?;
    let wish: Option<Wish> = json::read_if_any(request, payload, options.max_json_bytes).await?;
    let seconds = wish.unwrap_or_default().expires_in.map_or(Ok(HOUR), |number| number.of("expiresIn"))?;
    let id = id_of(&id)?;
    let link = engine.link(&id, Duration::from_secs(seconds), &caller).await?;
    Ok(HttpResponse::Ok().json(Link {
        expires_at: humantime::format_rfc3339_seconds(link.until).to_string(),
        url: format!("{}/files/{id}/content?link={}", client::base_of(request), link.sealed),
    }))
}
