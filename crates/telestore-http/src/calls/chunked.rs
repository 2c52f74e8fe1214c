mod bodies;

use actix_web::HttpResponse;
use telestore::store::More;
use telestore::types::{FileName, UploadId};
use telestore::{FileInfo, IncomingChunk};

use crate::calls::call::{Call, Id};
use crate::calls::openapi::refusals::{
    BadForm, BadId, BadJson, BytesTooLarge, Conflict, EncodedForm, Forbidden, Incomplete, JsonTooLarge,
    NoJson, NoRoom, NoSpace, NotFound, Storage, TooMany, TooSlow, Unauthorized, UnauthorizedForm,
    Unavailable,
};
use crate::forms::encoded::Body;
use crate::forms::form;
use crate::forms::form::{Form, Limits};
use crate::shared::endpoints;
use crate::shared::error::ApiResult;
use crate::shared::token;
use bodies::{ById, Cancelled, ChunkForm, Chunks, Complete, Init, Initialized, Received, Started};

/// Creates an upload
///
/// Optional: the first chunk does so too. Doing it again with the same words changes nothing.
#[utoipa::path(
    post,
    path = endpoints::INIT.path,
    tag = "chunked",
    security((), ("token" = [])),
    request_body(content = Init, example = json!({
        "uploadId": "1763790000000_k3j9x0abc", "fileName": "hello.txt", "totalChunks": 1, "fileSize": 14,
    })),
    responses(
        (status = 200, description = "It is there", body = Initialized, example = json!({
            "success": true, "uploadId": "1763790000000_k3j9x0abc", "message": "Upload session initialized",
        })),
        BadJson, Unauthorized, Forbidden, Conflict, TooSlow, JsonTooLarge, NoJson, TooMany, Storage, Unavailable, NoSpace,
    )
)]
pub(crate) async fn init(call: Call, Body(payload): Body) -> ApiResult {
    let (body, caller): (Init, _) = call.json(payload).await?;
    let (id, name) = (UploadId::new(body.upload_id.of("uploadId")?)?, FileName::new(&body.file_name)?);
    let (size, chunks) = (body.file_size.of("fileSize")?, body.total_chunks.of("totalChunks")?);
    let file = FileInfo::new(id, name, size, chunks).with_options(body.named.read()?);
    let receipt = call.engine.init(&file, &caller).await?;
    Ok(HttpResponse::Ok().json(Initialized {
        duplicate: receipt.duplicate.then_some(true),
        message: "Upload session initialized",
        success: true,
        upload_id: file.id,
    }))
}

/// Takes in a chunk
///
/// Creates the upload if there is none. Chunks may come in any order, several at a time, and again.
///
/// To try the examples of this page: `printf 'hello, channel' > hello.txt` makes a file of 14 bytes, to be sent as the one
/// chunk of `hello.txt`.
#[utoipa::path(
    post,
    path = endpoints::CHUNK.path,
    tag = "chunked",
    security((), ("token" = [])),
    request_body(content = ChunkForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The chunk is there, and survives a killed worker", body = Received, example = json!({
            "success": true, "chunk_index": 0, "received_chunks": 1, "total_chunks": 1, "complete": true,
        })),
        BadForm, UnauthorizedForm, Forbidden, NotFound, Conflict, TooSlow, BytesTooLarge, EncodedForm, TooMany, Storage, NoRoom, NoSpace,
    )
)]
pub(crate) async fn chunk(call: Call, Body(payload): Body) -> ApiResult {
    let Call { engine, options, request } = &call;
    // A refusal that is known before the body saves taking it in.
    let header = call.good_caller().await?;
    // Whether the bytes are stored in addition is not known yet: they may take the place of others.
    let more = More::default().with_bytes(form::declared(request));
    engine.check_quotas(&header, &more).await?;
    let max_bytes = engine.config().max_chunk_bytes;
    let limits = Limits {
        file_field: "chunk",
        digest_field: Some("chunkSha256"),
        what: "chunk",
        max_bytes,
        whole: false,
        known: false,
        options,
    };
    let mut form = Form::read(engine, request, payload, header, limits).await?;
    let caller = form.caller(engine, request).await?;
    let (id, name) = (form.upload_id()?, form.file_name()?);
    let file = FileInfo::new(id, name, form.number("fileSize")?, form.number("totalChunks")?);
    let file = file.with_options(form.options()?).with_thumbnail(form.thumbnail());
    let index = form.number("chunkIndex")?;
    let mut part = form.file()?;
    token::authenticate(engine, request, &caller).await?;
    if caller.token().is_some() {
        // It is its user's from here on.
        part.share = None;
    }
    let chunk = IncomingChunk::new(file, index).with_mime_type(part.mime_type);
    let receipt = engine.write_chunk(&chunk, part.spooled, &caller).await?;
    Ok(HttpResponse::Ok().json(Received {
        chunk_index: receipt.index,
        complete: receipt.is_complete(),
        received_chunks: receipt.received_chunks,
        success: true,
        total_chunks: receipt.total_chunks,
    }))
}

/// Starts the sending
///
/// Checks that nothing is missing and answers at once; the file is sent in the background. Again after a failure, it is
/// sent anew from the chunks that are there.
#[utoipa::path(
    post,
    path = endpoints::COMPLETE.path,
    tag = "chunked",
    security((), ("token" = [])),
    request_body(content = Complete, example = json!({ "uploadId": "1763790000000_k3j9x0abc" })),
    responses(
        (status = 200, description = "It waits to be sent, is being sent, or has been", body = Started, example = json!({
            "success": true, "uploadId": "1763790000000_k3j9x0abc", "message": "Upload started in background",
            "checkProgressAt": "/upload-progress/1763790000000_k3j9x0abc",
        })),
        Incomplete, Unauthorized, Forbidden, NotFound, Conflict, TooSlow, JsonTooLarge, NoJson, TooMany, Storage, Unavailable, NoSpace,
    )
)]
pub(crate) async fn complete(call: Call, Body(payload): Body) -> ApiResult {
    let (body, caller): (Complete, _) = call.json(payload).await?;
    let (id, named) = (UploadId::new(body.upload_id.of("uploadId")?)?, body.named.read()?);
    if !named.is_default() {
        call.engine.set_options(&id, &named, &caller).await?;
    }
    call.engine.complete(&id, &caller).await?;
    Ok(HttpResponse::Ok().json(Started {
        check_progress_at: format!("{}/upload-progress/{id}", endpoints::mounted_at(&call.request)),
        message: "Upload started in background",
        success: true,
        upload_id: id,
    }))
}

/// Stops an upload and deletes its chunks
///
/// Also the second time, and for an unknown id.
#[utoipa::path(
    post,
    path = endpoints::CANCEL.path,
    tag = "chunked",
    security((), ("token" = [])),
    request_body(content = ById, example = json!({ "uploadId": "1763790000000_k3j9x0abc" })),
    responses(
        (status = 200, description = "It is gone, or it was too late", body = Cancelled, examples(
            ("cancelled" = (value = json!({ "success": true, "message": "Upload cancelled" }))),
            ("too late" = (value = json!({
                "success": true, "message": "Upload was already completed; the file is in the channel",
                "messageId": 12345, "fileId": "5274001234567890123",
            }))),
        )),
        BadJson, Unauthorized, Forbidden, TooSlow, JsonTooLarge, NoJson, TooMany, Storage, Unavailable, NoSpace,
    )
)]
pub(crate) async fn cancel(call: Call, Body(payload): Body) -> ApiResult {
    let (body, caller): (ById, _) = call.json(payload).await?;
    let id = UploadId::new(body.upload_id.of("uploadId")?)?;
    let done = call.engine.cancel(&id, &caller).await?;
    Ok(HttpResponse::Ok().json(Cancelled::from(done)))
}

/// Asks which chunks are there
///
/// Also after completion, as long as the result is kept.
#[utoipa::path(
    get,
    path = endpoints::STATUS.path,
    tag = "chunked",
    params(("uploadId" = String, Path, description = "The upload", example = "1763790000000_k3j9x0abc")),
    security((), ("token" = [])),
    responses(
        (status = 200, description = "These are there", body = Chunks, example = json!({
            "upload_id": "1763790000000_k3j9x0abc", "file_name": "hello.txt", "total_chunks": 1,
            "received_chunks": 1, "received_chunk_indices": [0], "complete": true,
        })),
        BadId, Unauthorized, Forbidden, NotFound, TooMany, Storage, Unavailable,
    )
)]
pub(crate) async fn status(call: Call, Id(id): Id) -> ApiResult {
    let caller = call.caller().await?;
    let status = call.engine.status(&id, &caller).await?;
    Ok(HttpResponse::Ok().json(Chunks::from(status)))
}
