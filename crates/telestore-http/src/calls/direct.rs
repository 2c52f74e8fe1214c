use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use telestore::store::{More, SpooledChunk};
use telestore::types::{FileName, TopicId};
use telestore::{Caller, DirectFile, DirectReceipt, Error, Telestore};
use utoipa::ToSchema;

use crate::calls::call::Call;
use crate::calls::openapi::refusals::{
    BadForm, BytesTooLarge, EncodedForm, NoRoom, NoSpace, OtherRequest, SendingFailed, TooMany, TooSlow,
    UnauthorizedForm,
};
use crate::forms::encoded::Body;
use crate::forms::form;
use crate::forms::form::{Form, Limits};
use crate::shared::error::ApiResult;
use crate::shared::messages::{Became, Message, several};
use crate::shared::{client, endpoints, idempotency, token};

/// A file in one request.
#[derive(ToSchema)]
#[allow(dead_code, reason = "the schema of a form that is read part by part")]
#[schema(rename_all = "camelCase")]
struct FileForm {
    /// The bytes. The part may have a `Content-Digest`.
    #[schema(value_type = String, format = Binary, content_media_type = "application/octet-stream")]
    file: Vec<u8>,
    /// The auth token, if no header has it.
    #[schema(nullable = false, example = "")]
    auth_token: Option<String>,
    /// The name, if it is not that of the part.
    #[schema(nullable = false, max_length = 255, example = "hello.txt")]
    file_name: Option<String>,
    /// The text of the message, to the letter; empty for none.
    #[schema(nullable = false, example = "from the holidays")]
    caption: Option<String>,
    /// The topic of the forum that the message goes into; empty for none.
    #[schema(nullable = false, pattern = "^([1-9][0-9]{0,8})?$", example = "")]
    topic_id: Option<String>,
    /// Whether the chat's members are not notified; empty for what the worker does by itself.
    #[schema(nullable = false, pattern = "^(true|false)?$", example = "")]
    silent: Option<String>,
    /// As what the file is sent; empty for what the worker does by itself.
    #[schema(nullable = false, pattern = "^(document|video|audio|photo)?$", example = "")]
    send_as: Option<String>,
    /// The SHA-256 of the whole file; empty for none.
    #[schema(nullable = false, pattern = "^([0-9A-Fa-f]{64})?$", example = "")]
    sha256: Option<String>,
    /// Whether the channel gets the file encrypted, by age; empty for what the worker does by itself.
    #[schema(nullable = false, pattern = "^(true|false)?$", example = "")]
    encrypt: Option<String>,
    /// Whether the channel gets the file compressed, by zstd, if that gains anything; empty for what the worker does by itself.
    #[schema(nullable = false, pattern = "^(true|false)?$", example = "")]
    compress: Option<String>,
    /// A picture that stands for the file: a JPEG of at most 200 kB and 320 pixels; empty for none.
    #[schema(value_type = Option<String>, nullable = false, format = Binary, content_media_type = "image/jpeg", example = "")]
    thumbnail: Option<Vec<u8>>,
    /// Ignored.
    #[schema(nullable = false, example = "")]
    user_id: Option<String>,
}

/// A file that is in the channel.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sent {
    #[serde(flatten)]
    became: Became,
    /// The Bot API's `file_id`, or with MTProto the document id in decimal digits.
    file_id: String,
    /// The name that it has there.
    #[schema(value_type = String)]
    file_name: FileName,
    /// The message in the channel; the first, if there are several.
    message_id: i64,
    /// All messages, if the file is in several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    messages: Option<Vec<Message>>,
    success: bool,
    /// Where to look at it: the message in Telegram; if it has no address there, what the worker says of the upload.
    #[schema(example = "https://t.me/c/1234567890/12345")]
    url: String,
}

impl Sent {
    /// The answer to `request`.
    pub(crate) fn of(receipt: DirectReceipt, request: &HttpRequest) -> Self {
        let first = receipt.stored.messages().first();
        let link = first.and_then(|message| message.link(receipt.topic_id.and_then(TopicId::thread)));
        let progress = || format!("{}/upload-progress/{}", client::base_of(request), receipt.upload_id);
        Self {
            url: link.unwrap_or_else(progress),
            became: Became::of(receipt.file.clone(), receipt.sha256, receipt.encoded),
            file_id: receipt.stored.file_id(),
            message_id: receipt.stored.message_id(),
            messages: several(receipt.stored.messages()),
            file_name: receipt.file_name,
            success: true,
        }
    }
}

/// Sends a file in one request
///
/// Answers when the file is in the channel. A request that comes again, because its answer was lost, gets the answer of the
/// first: it is known by its `Idempotency-Key`, or else by the SHA-256 that comes with the file.
#[utoipa::path(
    post,
    path = endpoints::UPLOAD.path,
    tag = "direct",
    security((), ("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "A name for this request, new for each: a repeat has the same")),
    request_body(content = FileForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "It is in the channel", body = Sent, example = json!({
            "success": true, "messageId": 12345, "fileId": "BQACAgQAAx0CZ", "fileName": "hello.txt",
            "url": "https://t.me/c/1234567890/12345",
        })),
        BadForm, UnauthorizedForm, TooSlow, BytesTooLarge, EncodedForm, OtherRequest, TooMany, SendingFailed, NoRoom, NoSpace,
    )
)]
pub(crate) async fn upload(call: Call, Body(payload): Body) -> ApiResult {
    let Call { engine, options, request } = &call;
    let header = call.good_caller().await?;
    let key = idempotency::key_of(request)?;
    let known = idempotency::has_file(engine, key.as_ref(), &header).await?;
    if !known {
        let bytes = form::declared(request);
        engine.check_sendable(&header, bytes).await?;
        let more = More::UPLOAD.with_stored_bytes(bytes).with_bytes(bytes);
        engine.check_quotas(&header, &more).await?;
    }
    let limits = Limits {
        file_field: "file",
        digest_field: Some("sha256"),
        what: "file",
        max_bytes: engine.config().max_file_bytes,
        whole: true,
        known,
        options,
    };
    let mut form = Form::read(engine, request, payload, header, limits).await?;
    let caller = form.caller(engine, request).await?;
    let part = form.file()?;
    let (file_name, named) = (form.file_name_or(part.file_name.as_deref())?, form.options()?);
    token::authenticate(engine, request, &caller).await?;
    // It is counted as its user's from here on.
    drop(part.share);
    let file = DirectFile::new(file_name)
        .with_mime_type(part.mime_type)
        .with_options(named)
        .with_thumbnail(form.thumbnail())
        .with_sha256(part.sha256)
        .with_key(key);
    let receipt = sent_once(engine, file, part.spooled, known, &caller).await?;
    Ok(HttpResponse::Ok().json(Sent::of(receipt, request)))
}

/// Waits until a file is in the channel: one whose bytes are `known` has been asked for before.
pub(crate) async fn sent_once(
    engine: &Telestore,
    file: DirectFile,
    spooled: SpooledChunk,
    known: bool,
    caller: &Caller,
) -> Result<DirectReceipt, Error> {
    if known {
        engine.upload_again(file, spooled, caller).await
    } else {
        engine.upload_file(file, spooled, caller).await
    }
}
