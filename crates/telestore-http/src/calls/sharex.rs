//! The file that sets up ShareX, and programs that read the same, to send to this worker.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_DISPOSITION, HeaderValue};
use serde::Serialize;
use serde_json::{Value, json};
use telestore::{Auth, Error, MissingToken};
use utoipa::ToSchema;

use crate::calls::call::Call;
use crate::calls::openapi::refusals::{BadListener, TooMany, Unauthorized, Unavailable};
use crate::shared::error::ApiResult;
use crate::shared::{client, endpoints, token};

/// What stands for the token in a file that was asked for without one.
const PUT_IT_HERE: &str = "PUT-YOUR-TOKEN-HERE";

/// A custom uploader of ShareX.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CustomUploader {
    version: &'static str,
    name: &'static str,
    destination_type: &'static str,
    request_method: &'static str,
    #[serde(rename = "RequestURL")]
    #[schema(example = "https://worker.example/upload")]
    request_url: String,
    #[schema(value_type = serde_json::Map<String, Value>)]
    headers: Value,
    body: &'static str,
    file_form_name: &'static str,
    #[serde(rename = "URL")]
    url: &'static str,
    error_message: &'static str,
}

/// Sets up ShareX
///
/// A custom uploader (`.sxcu`) that sends to this worker, with the token of this request in it. ShareX asks to be set up when the file
/// is opened; flameshot's uploader and others read it, too.
#[utoipa::path(
    get,
    path = endpoints::SHAREX.path,
    tag = "direct",
    security((), ("token" = [])),
    params(("token" = Option<String>, Query, description = "The auth token, where no header can be sent")),
    responses(
        (status = 200, description = "The file", body = CustomUploader, example = json!({
            "Version": "16.0.0", "Name": "TeleStore", "DestinationType": "ImageUploader, TextUploader, FileUploader",
            "RequestMethod": "POST", "RequestURL": "https://worker.example/upload",
            "Headers": { "Authorization": "Bearer PUT-YOUR-TOKEN-HERE" }, "Body": "MultipartFormData",
            "FileFormName": "file", "URL": "{json:url}", "ErrorMessage": "{json:error}",
        })),
        BadListener, Unauthorized, TooMany, Unavailable,
    )
)]
pub(crate) async fn sharex(call: Call) -> ApiResult {
    let caller = call.listener().await?;
    token::authenticate(&call.engine, &call.request, &caller).await?;
    if caller.token().is_none() && call.engine.config().auth == Auth::Strict {
        return Err(Error::Unauthorized(MissingToken::Call).into());
    }
    let secret = caller.token().map_or(PUT_IT_HERE, |token| token.expose());
    let uploader = CustomUploader {
        version: "16.0.0",
        name: "TeleStore",
        destination_type: "ImageUploader, TextUploader, FileUploader",
        request_method: "POST",
        request_url: format!("{}{}", client::base_of(&call.request), endpoints::UPLOAD.path),
        headers: json!({ "Authorization": format!("Bearer {secret}") }),
        body: "MultipartFormData",
        file_form_name: "file",
        url: "{json:url}",
        error_message: "{json:error}",
    };
    let mut answer = HttpResponse::Ok().json(uploader);
    let attachment = HeaderValue::from_static("attachment; filename=\"telestore.sxcu\"");
    answer.headers_mut().insert(CONTENT_DISPOSITION, attachment);
    Ok(answer)
}
