//! Files that the worker fetches itself.

use actix_web::HttpResponse;
use serde::{Deserialize, Serialize};
use telestore::types::{FileName, Secret, UploadId};
use telestore::{Error, MissingToken, RemoteFile};
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;

use crate::calls::call::{Call, WithToken};
use crate::calls::openapi::refusals::{
    BadAddress, JsonTooLarge, NoJson, NoSpace, OtherRequest, Storage, SwitchedOff, TooMany, TooSlow,
    Unauthorized, Unavailable,
};
use crate::forms::encoded::Body;
use crate::forms::json;
use crate::shared::error::{ApiError, ApiResult};
use crate::shared::named::Named;
use crate::shared::number::Text;
use crate::shared::{endpoints, idempotency, token};

/// A file to fetch.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", expecting = "an object with the documented fields")]
pub(crate) struct FromUrl {
    /// Where the file lies: `http://` or `https://`.
    #[schema(min_length = 1, max_length = 8192, example = "https://files.example/video.mp4")]
    url: String,
    /// What it is to be called, if not as its server or its address calls it.
    #[schema(min_length = 1)]
    file_name: Option<String>,
    #[schema(schema_with = auth_token)]
    auth_token: Option<Text>,
    #[serde(flatten)]
    named: Named,
}

fn auth_token() -> Schema {
    json::text("The auth token, where no header has it", true)
}

impl WithToken for FromUrl {
    fn take_token(&mut self) -> Option<Text> {
        self.auth_token.take()
    }
}

/// The file is going to be fetched.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fetching {
    /// The path to ask for progress.
    check_progress_at: String,
    success: bool,
    /// The worker's name for the upload.
    #[schema(value_type = String)]
    upload_id: UploadId,
}

/// Has the worker fetch a file
///
/// Answers at once; the worker fetches the file and sends it in the background. Off unless the operator allows it.
#[utoipa::path(
    post,
    path = endpoints::FROM_URL.path,
    tag = "direct",
    security((), ("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "A name for this request, new for each: a repeat has the same")),
    request_body(content = FromUrl, example = json!({ "url": "https://files.example/video.mp4" })),
    responses(
        (status = 202, description = "It is going to be fetched", body = Fetching, example = json!({
            "success": true, "uploadId": "fetched-0123456789abcdef0123456789abcdef",
            "checkProgressAt": "/upload-progress/fetched-0123456789abcdef0123456789abcdef",
        })),
        BadAddress, Unauthorized, SwitchedOff, TooSlow, JsonTooLarge, NoJson, OtherRequest, TooMany, Storage, Unavailable, NoSpace,
    )
)]
pub(crate) async fn from_url(call: Call, Body(payload): Body) -> ApiResult {
    if !call.engine.can_fetch() {
        return Err(ApiError::FetchesNothing);
    }
    let key = idempotency::key_of(&call.request)?;
    let (body, caller): (FromUrl, _) = call.json(payload).await?;
    if caller.token().is_none() {
        return Err(Error::Unauthorized(MissingToken::Call).into());
    }
    token::authenticate(&call.engine, &call.request, &caller).await?;
    let file_name = body.file_name.as_deref().map(FileName::new).transpose()?;
    let remote = RemoteFile::new(Secret::new(body.url)).with_file_name(file_name);
    let remote = remote.with_options(body.named.read()?).with_key(key);
    let id = call.engine.fetch(&remote, &caller).await?;
    Ok(HttpResponse::Accepted().json(Fetching {
        check_progress_at: format!("{}/upload-progress/{id}", endpoints::mounted_at(&call.request)),
        success: true,
        upload_id: id,
    }))
}
