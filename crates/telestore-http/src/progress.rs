use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use telestore::Telestore;
use telestore::types::{UploadEvent, UploadId};

use crate::error::{ApiError, ApiResult};
use crate::token;

pub(crate) async fn progress(engine: Data<Telestore>, request: HttpRequest, id: Path<String>) -> ApiResult {
    let id = UploadId::new(id.into_inner()).map_err(ApiError::from)?;
    let event = engine.progress(&id, token::bearer(&request).as_ref()).await?;
    Ok(HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(body(&event)))
}

/// The documented six fields, and what is known beside them.
fn body(event: &UploadEvent) -> Value {
    json!({
        "uploadId": event.upload_id,
        "status": event.status,
        "progress": event.progress,
        "error": event.error,
        "messageId": event.message_id,
        "fileId": event.file_id,
        "stage": event.stage,
        "bytesSent": event.bytes_sent,
        "bytesTotal": event.bytes_total,
        "attempt": event.attempt,
        "retryAfter": event.retry_after.map(|wait| wait.as_millis().div_ceil(1000) as u64),
    })
}
