use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use telestore::Telestore;
use telestore::types::{UploadEvent, UploadId};
use utoipa::ToSchema;

use crate::error::{ApiError, ApiResult};
use crate::openapi::refusals::{BadId, Forbidden, NotStarted, Storage, Unauthorized, Unavailable};
use crate::token;

/// How far an upload is: the documented six fields, and what is known beside them.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Progress {
    /// The attempt that runs or comes next, from 1.
    attempt: u32,
    /// Bytes that Telegram has acknowledged.
    bytes_sent: u64,
    /// Bytes of the file.
    bytes_total: u64,
    /// Why it failed.
    error: Option<String>,
    /// The Bot API's `file_id`, or with MTProto the document id in decimal digits.
    file_id: Option<String>,
    /// The message in the channel.
    message_id: Option<i64>,
    /// The percentage: 0-30 waiting and connecting, 30-90 sending, 90-100 finishing.
    #[schema(maximum = 100)]
    progress: u8,
    /// Seconds until work goes on, while it waits.
    retry_after: Option<u64>,
    /// Where it is.
    #[schema(value_type = Stage)]
    stage: telestore::types::Stage,
    /// Whether it is over, and how it ended.
    #[schema(value_type = Status)]
    status: telestore::types::UploadStatus,
    /// Which upload.
    #[schema(value_type = String)]
    upload_id: UploadId,
}

/// Where a running upload is.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "the schema of a type that knows no schemas")]
enum Stage {
    Queued,
    Connecting,
    Resolving,
    Sending,
    Finishing,
    Done,
}

/// Whether an upload is over, and how it ended.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "the schema of a type that knows no schemas")]
enum Status {
    Uploading,
    Completed,
    Failed,
}

impl From<&UploadEvent> for Progress {
    fn from(event: &UploadEvent) -> Self {
        Self {
            attempt: event.attempt,
            bytes_sent: event.bytes_sent,
            bytes_total: event.bytes_total,
            error: event.error.clone(),
            file_id: event.file_id.clone(),
            message_id: event.message_id,
            progress: event.progress,
            retry_after: event.retry_after.map(|wait| wait.as_millis().div_ceil(1000) as u64),
            stage: event.stage,
            status: event.status,
            upload_id: event.upload_id.clone(),
        }
    }
}

/// Asks how far an upload is
///
/// From the moment that its completion was asked for. A failed upload is a 200 with `"status": "failed"`.
#[utoipa::path(
    get,
    path = "/upload-progress/{uploadId}",
    tag = "chunked",
    params(("uploadId" = String, Path, description = "The upload", example = "1763790000000_k3j9x0abc")),
    security((), ("token" = [])),
    responses(
        (status = 200, description = "How far it is", body = Progress, examples(
            ("uploading" = (value = json!({
                "uploadId": "1763790000000_k3j9x0abc", "status": "uploading", "progress": 45, "error": null,
                "messageId": null, "fileId": null, "stage": "sending", "bytesSent": 26_214_400,
                "bytesTotal": 104_857_600, "attempt": 1, "retryAfter": null,
            }))),
            ("completed" = (value = json!({
                "uploadId": "1763790000000_k3j9x0abc", "status": "completed", "progress": 100, "error": null,
                "messageId": 12345, "fileId": "5274001234567890123", "stage": "done", "bytesSent": 104_857_600,
                "bytesTotal": 104_857_600, "attempt": 1, "retryAfter": null,
            }))),
            ("failed" = (value = json!({
                "uploadId": "1763790000000_k3j9x0abc", "status": "failed", "progress": 30,
                "error": "Telegram session not authorized", "messageId": null, "fileId": null, "stage": "done",
                "bytesSent": 0, "bytesTotal": 104_857_600, "attempt": 1, "retryAfter": null,
            }))),
        )),
        BadId, Unauthorized, Forbidden, NotStarted, Storage, Unavailable,
    )
)]
pub(crate) async fn progress(engine: Data<Telestore>, request: HttpRequest, id: Path<String>) -> ApiResult {
    let id = UploadId::new(id.into_inner()).map_err(ApiError::from)?;
    let event = engine.progress(&id, token::bearer(&request).as_ref()).await?;
    Ok(HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(Progress::from(&event)))
}
