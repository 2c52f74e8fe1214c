use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;
use telestore::types::{FileName, UploadId};
use telestore::{FileInfo, IncomingChunk, Telestore};

use crate::error::{ApiError, ApiResult};
use crate::form::{Form, Limits};
use crate::json::Number;
use crate::{HttpOptions, json, token};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InitBody {
    upload_id: String,
    file_name: String,
    total_chunks: Number,
    file_size: Number,
    auth_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdBody {
    upload_id: String,
    auth_token: Option<String>,
}

pub(crate) async fn init(
    engine: Data<Telestore>,
    options: Data<HttpOptions>,
    request: HttpRequest,
    payload: Payload,
) -> ApiResult {
    let body: InitBody = json::read(payload, options.max_json_bytes).await?;
    let file = FileInfo {
        id: UploadId::new(body.upload_id)?,
        file_name: FileName::new(&body.file_name)?,
        file_size: body.file_size.0,
        total_chunks: body.total_chunks.0.try_into().unwrap_or(u32::MAX),
    };
    let token = token::either(body.auth_token, token::bearer(&request));
    engine.init(&file, token.as_ref()).await?;
    Ok(HttpResponse::Ok().json(json!({
        "success": true,
        "uploadId": file.id,
        "message": "Upload session initialized",
    })))
}

pub(crate) async fn chunk(
    engine: Data<Telestore>,
    options: Data<HttpOptions>,
    request: HttpRequest,
    payload: Payload,
) -> ApiResult {
    let header = token::bearer(&request);
    if let Some(token) = &header {
        // A refusal that is known before the body saves taking it in.
        engine.authenticate(token).await?;
    }
    let max_bytes = engine.config().max_chunk_bytes;
    let limits = Limits {
        file_field: "chunk",
        digest_field: Some("chunkSha256"),
        what: "chunk",
        max_bytes,
        options: &options,
    };
    let mut form = Form::read(&engine, &request, payload, limits).await?;
    let file = FileInfo {
        id: form.upload_id()?,
        file_name: form.file_name()?,
        file_size: form.number("fileSize")?,
        total_chunks: form.number("totalChunks")?,
    };
    let index = form.number("chunkIndex")?;
    let part = form.file()?;
    let token = token::either(form.optional("authToken"), header);
    let chunk = IncomingChunk { file, index, mime_type: part.mime_type };
    let receipt = engine.write_chunk(&chunk, part.spooled, token.as_ref()).await?;
    Ok(HttpResponse::Ok().json(json!({
        "success": true,
        "chunk_index": receipt.index,
        "received_chunks": receipt.received_chunks,
        "total_chunks": receipt.total_chunks,
        "complete": receipt.is_complete(),
    })))
}

pub(crate) async fn complete(
    engine: Data<Telestore>,
    options: Data<HttpOptions>,
    request: HttpRequest,
    payload: Payload,
) -> ApiResult {
    let body: IdBody = json::read(payload, options.max_json_bytes).await?;
    let id = UploadId::new(body.upload_id)?;
    let token = token::either(body.auth_token, token::bearer(&request));
    engine.complete(&id, token.as_ref()).await?;
    Ok(HttpResponse::Ok().json(json!({
        "success": true,
        "uploadId": id,
        "message": "Upload started in background",
        "checkProgressAt": format!("/upload-progress/{id}"),
    })))
}

pub(crate) async fn cancel(
    engine: Data<Telestore>,
    options: Data<HttpOptions>,
    request: HttpRequest,
    payload: Payload,
) -> ApiResult {
    let body: IdBody = json::read(payload, options.max_json_bytes).await?;
    let id = UploadId::new(body.upload_id)?;
    let token = token::either(body.auth_token, token::bearer(&request));
    Ok(HttpResponse::Ok().json(match engine.cancel(&id, token.as_ref()).await? {
        None => json!({ "success": true, "message": "Upload cancelled" }),
        Some(done) => json!({
            "success": true,
            "message": "Upload was already completed; the file is in the channel",
            "messageId": done.message_id,
            "fileId": done.file_id,
        }),
    }))
}

pub(crate) async fn status(engine: Data<Telestore>, request: HttpRequest, id: Path<String>) -> ApiResult {
    let id = UploadId::new(id.into_inner()).map_err(ApiError::from)?;
    let status = engine.status(&id, token::bearer(&request).as_ref()).await?;
    Ok(HttpResponse::Ok().json(json!({
        "upload_id": status.upload_id,
        "file_name": status.file_name,
        "total_chunks": status.total_chunks,
        "received_chunks": status.received.len(),
        "received_chunk_indices": status.received,
        "complete": status.received.len() == status.total_chunks as usize,
    })))
}
