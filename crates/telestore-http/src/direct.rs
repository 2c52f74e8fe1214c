use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use telestore::Telestore;
use telestore::types::FileName;

use crate::error::ApiResult;
use crate::form::{Form, Limits};
use crate::{HttpOptions, token};

pub(crate) async fn upload(
    engine: Data<Telestore>,
    options: Data<HttpOptions>,
    request: HttpRequest,
    payload: Payload,
) -> ApiResult {
    let header = token::bearer(&request);
    if let Some(token) = &header {
        engine.authenticate(token).await?;
    }
    let max_bytes = engine.config().max_file_bytes;
    let limits =
        Limits { file_field: "file", digest_field: None, what: "file", max_bytes, options: &options };
    let mut form = Form::read(&engine, &request, payload, limits).await?;
    let part = form.file()?;
    let file_name = form.optional("fileName").or(part.file_name).unwrap_or_default();
    let file_name = FileName::new(&file_name)?;
    let token = token::either(form.optional("authToken"), header);
    let receipt = engine.upload(file_name, part.mime_type.as_deref(), part.spooled, token.as_ref()).await?;
    Ok(HttpResponse::Ok().json(json!({
        "success": true,
        "messageId": receipt.message_id,
        "fileId": receipt.file_id,
        "fileName": receipt.file_name,
    })))
}
