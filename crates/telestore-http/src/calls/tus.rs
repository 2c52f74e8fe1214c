//! tus 1.0.0: uploads that go on where they stopped (<https://tus.io/protocols/resumable-upload>).
//!
//! The engine appends (`Telestore::appending`); here is what stands in heads. A section of the protocol is named where it
//! decides.

mod creation;
mod fields;
mod metadata;
pub(crate) mod refusal;

use actix_web::http::header::{CACHE_CONTROL, HttpDate, LOCATION};
use actix_web::web::{Data, Payload};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde::Serialize;
use telestore::store::More;
use telestore::types::{UploadId, UploadKind, UploadState};
use telestore::{AppendReceipt, AppendStatus, Caller, Error, Telestore};
use utoipa::ToSchema;

use crate::calls::call::{Call, Segment};
use crate::calls::openapi::refusals::{
    BadTus, FinalUpload, Locked, NoBytes, NoSpace, NoUpload, OtherRequest, OtherTusBytes, OtherVersion,
    Storage, TooLong, TooMany, TooSlow, Unauthorized, Unavailable, WrongOffset,
};
use crate::forms::encoded::Body;
use crate::forms::raw;
use crate::shared::error::{ApiError, ApiResult};
use crate::shared::slashes::has_trailing;
use crate::shared::times;
use crate::shared::tus::{OFFSET_STREAM, TUS_VERSION, VERSION};
use crate::shared::{endpoints, idempotency};
use creation::{Concat, Creation};
use fields::{
    TUS_CHECKSUM_ALGORITHM, TUS_EXTENSION, TUS_MAX_SIZE, UPLOAD_CONCAT, UPLOAD_DEFER_LENGTH, UPLOAD_EXPIRES,
    UPLOAD_LENGTH, UPLOAD_METADATA, UPLOAD_OFFSET,
};
use refusal::{long_body, of_upload};

/// What is spoken beside the core.
const EXTENSIONS: &str =
    "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation";

/// Asks what is spoken
///
/// The version of tus and its extensions, the largest file, the algorithms of `Upload-Checksum`. No token is needed.
#[utoipa::path(
    options,
    path = endpoints::TUS_OPTIONS.path,
    operation_id = "tus_options",
    tag = "tus",
    responses((status = 204, description = "This is spoken", headers(
        ("Tus-Resumable" = String, description = "`1.0.0`"),
        ("Tus-Version" = String, description = "`1.0.0`"),
        ("Tus-Extension" = String, description = "The extensions, comma-separated"),
        ("Tus-Max-Size" = u64, description = "The largest file, in bytes"),
        ("Tus-Checksum-Algorithm" = String, description = "The algorithms, comma-separated"),
    )))
)]
pub(crate) async fn options(engine: Data<Telestore>) -> HttpResponse {
    let mut answer = HttpResponse::NoContent();
    answer.insert_header((TUS_VERSION, VERSION)).insert_header((TUS_EXTENSION, EXTENSIONS));
    answer.insert_header((TUS_MAX_SIZE, engine.config().max_file_bytes));
    answer.insert_header((TUS_CHECKSUM_ALGORITHM, fields::ALGORITHMS)).finish()
}

/// Begins an upload
///
/// Of a length that is known or not; with or without the first bytes; as a part of another, or put together of parts.
#[utoipa::path(
    post,
    path = endpoints::TUS_CREATE.path,
    operation_id = "tus_create",
    tag = "tus",
    params(
        ("Tus-Resumable" = String, Header, description = "`1.0.0`", example = "1.0.0"),
        ("Upload-Length" = Option<u64>, Header, description = "The length of the file in bytes", example = 14),
        ("Upload-Defer-Length" = Option<String>, Header, description = "`1` if the length is said later"),
        ("Upload-Metadata" = Option<String>, Header, description = "Names with values in base64: `filename`, `filetype`, \
            and the options of an upload"),
        ("Upload-Concat" = Option<String>, Header, description = "`partial`, or `final;` and the addresses of the parts"),
        ("Upload-Checksum" = Option<String>, Header, description = "The digest of the body: `sha256` and its base64"),
        ("Idempotency-Key" = Option<String>, Header, description = "A name for this request, new for each: a repeat has the same"),
        ("token" = Option<String>, Query, description = "The auth token, if it cannot be in the header"),
    ),
    security(("token" = [])),
    request_body(description = "The first bytes, if there are some", content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses(
        (status = 201, description = "It has begun. With a body only if the file is in the channel already", body = Begun, headers(
            ("Location" = String, description = "Where the upload is, relative to the address of this call. Its last segment \
                is the `uploadId` of the other calls"),
            ("Upload-Offset" = Option<u64>, description = "How many bytes are there, if some came along, the file is in the channel already, \
                or the request has come before"),
            ("Upload-Expires" = String, description = "Until when it is kept, unless more comes"),
        ), example = json!({ "duplicate": true })),
        BadTus, Unauthorized, TooSlow, OtherVersion, TooLong, NoBytes, OtherTusBytes, OtherRequest, TooMany, Storage, Unavailable,
        NoSpace,
    )
)]
pub(crate) async fn create(call: Call, Body(body): Body) -> ApiResult {
    fields::check_version(&call.request)?;
    let caller = call.user().await?;
    let Call { engine, request, .. } = &call;
    let key = idempotency::key_of(request)?;
    let new = match &key {
        Some(key) => Creation::again(request, engine.id_for(key, &caller).await?)?,
        None => Creation::of(request)?,
    };
    let mut answer = HttpResponse::Created();
    answer.insert_header((LOCATION, location(&call, &new.file.id)));
    if let Some(Concat::Final(parts)) = &new.concat {
        let receipt = engine.concatenate(&new.file, parts, &caller).await.map_err(ApiError::from)?;
        if receipt.repeated {
            answer.insert_header((UPLOAD_OFFSET, receipt.offset));
        }
        return Ok(expiring(&mut answer, &receipt).finish());
    }
    let coming = raw::length(request).filter(|_| new.has_body).unwrap_or(0);
    new.check_body(coming, engine.config().max_chunk_bytes)?;
    let stored = new.file.size.unwrap_or(coming);
    let more = More::UPLOAD.with_stored_bytes(stored).with_bytes(coming);
    // What is there already has room.
    if let Err(refused) = engine.check_quotas(&caller, &more).await
        && !(new.file.keyed && engine.recorded_status(&new.file.id, &caller).await.is_ok())
    {
        return Err(refused.into());
    }
    let begun = engine.begin(&new.file, &caller).await?;
    let (id, duplicate) = (&new.file.id, begun.duplicate);
    let receipt = match take(engine, &new, begun, body, &caller).await {
        Ok(receipt) => receipt,
        Err(error) => {
            // Its client does not learn where it is. With a key it does when it comes again, unless it would meet the same.
            let same = matches!(error.status_code().as_u16(), 413 | 460);
            if !begun.repeated && (same || !new.file.keyed) {
                let _ = engine.terminate(id, &caller).await;
            }
            return Err(error);
        }
    };
    if new.has_body || duplicate || begun.repeated {
        answer.insert_header((UPLOAD_OFFSET, receipt.offset));
    }
    expiring(&mut answer, &receipt);
    Ok(if duplicate { answer.json(Begun { duplicate }) } else { answer.finish() })
}

/// Takes in what comes with a creation, and says how much is there.
async fn take(
    engine: &Telestore,
    new: &Creation,
    begun: AppendReceipt,
    body: Payload,
    caller: &Caller,
) -> Result<AppendReceipt, ApiError> {
    if begun.duplicate {
        return raw::drop_all(body, begun.offset).await.map(|_| begun);
    }
    if begun.repeated {
        return go_on(engine, new, body, caller).await.map_err(of_repeat);
    }
    // An empty file is over already.
    if !new.has_body || new.file.size == Some(0) {
        return Ok(begun);
    }
    let appending = engine.appending(&new.file.id, 0, new.digests.clone(), caller).await;
    match appending {
        Ok(appending) => raw::append(body, appending).await.map_err(of_upload),
        Err(error) => Err(of_upload(error.into())),
    }
}

/// Goes on with what a creation has begun that comes again, and says how much is there.
async fn go_on(
    engine: &Telestore,
    new: &Creation,
    mut body: Payload,
    caller: &Caller,
) -> Result<AppendReceipt, ApiError> {
    let id = &new.file.id;
    let status = engine.append_status(id, caller).await?;
    let AppendReceipt { offset, size, .. } = status.receipt;
    if !new.has_body {
        return Ok(status.receipt);
    }
    // A digest is that of all that comes along.
    if status.state != UploadState::Receiving || (offset > 0 && !new.digests.is_empty()) {
        raw::drop_all(body, size.unwrap_or(engine.config().max_file_bytes)).await?;
        return Ok(status.receipt);
    }
    match raw::skip(&mut body, offset).await? {
        Some(more) => {
            let appending = engine.appending(id, offset, new.digests.clone(), caller).await?;
            raw::append_behind(more, body, appending).await
        }
        None => Ok(status.receipt),
    }
}

/// What another request did meanwhile is no fault of this one.
fn of_repeat(error: ApiError) -> ApiError {
    match of_upload(error) {
        ApiError::Engine(Error::NotFound | Error::Offset { .. }) => Error::SendAgain.into(),
        error => error,
    }
}

/// Asks how far an upload is
///
/// What came by a request that still runs is recorded first. 423: ask again.
#[utoipa::path(
    head,
    path = endpoints::TUS_STATUS.path,
    operation_id = "tus_status",
    tag = "tus",
    params(
        ("uploadId" = String, Path, description = "The upload", example = "1763790000000_k3j9x0abc"),
        ("Tus-Resumable" = String, Header, description = "`1.0.0`", example = "1.0.0"),
        ("token" = Option<String>, Query, description = "The auth token, if it cannot be in the header"),
    ),
    security(("token" = [])),
    responses(
        (status = 200, description = "So much is there", headers(
            ("Upload-Offset" = u64, description = "How many bytes are there"),
            ("Upload-Length" = Option<u64>, description = "How many there will be, if that is known"),
            ("Upload-Defer-Length" = Option<String>, description = "`1` if it is not"),
            ("Upload-Metadata" = Option<String>, description = "As it was sent"),
            ("Upload-Concat" = Option<String>, description = "As it was sent"),
            ("Upload-Expires" = String, description = "Until when it is kept, unless more comes"),
        )),
        Unauthorized, NoUpload, OtherVersion, Locked,
    )
)]
pub(crate) async fn status(call: Call, id: Segment) -> ApiResult {
    fields::check_version_if_any(&call.request)?;
    let caller = call.user().await?;
    let status = call.engine.append_status(&id_of(&id)?, &caller).await;
    let status = status.map_err(|error| of_upload(error.into()))?;
    check_is_there(&status)?;
    let mut answer = HttpResponse::Ok();
    // Core, HEAD: proxies must not remember it.
    answer.insert_header((CACHE_CONTROL, "no-store")).insert_header((UPLOAD_OFFSET, status.receipt.offset));
    match status.receipt.size {
        Some(size) => answer.insert_header((UPLOAD_LENGTH, size)),
        None => answer.insert_header((UPLOAD_DEFER_LENGTH, "1")),
    };
    for name in [UPLOAD_METADATA, UPLOAD_CONCAT] {
        if let Some(sent) = status.metadata.get(name.as_str()) {
            answer.insert_header((name, sent.as_str()));
        }
    }
    Ok(expiring(&mut answer, &status.receipt).finish())
}

/// Appends bytes
///
/// They are recorded as they come: what came before a cut is there. The last byte completes the upload.
#[utoipa::path(
    patch,
    path = endpoints::TUS_APPEND.path,
    operation_id = "tus_append",
    tag = "tus",
    params(
        ("uploadId" = String, Path, description = "The upload", example = "1763790000000_k3j9x0abc"),
        ("Tus-Resumable" = String, Header, description = "`1.0.0`", example = "1.0.0"),
        ("Upload-Offset" = u64, Header, description = "Where the bytes go: so many are there", example = 0),
        ("Upload-Length" = Option<u64>, Header, description = "The length of the file, if it was not said before"),
        ("Upload-Checksum" = Option<String>, Header, description = "The digest of the body: `sha256` and its base64"),
        ("token" = Option<String>, Query, description = "The auth token, if it cannot be in the header"),
    ),
    security(("token" = [])),
    request_body(description = "The bytes", content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses(
        (status = 204, description = "They are there, and survive a killed worker", headers(
            ("Upload-Offset" = u64, description = "How many bytes are there now"),
            ("Upload-Expires" = String, description = "Until when it is kept, unless more comes"),
        )),
        BadTus, Unauthorized, FinalUpload, NoUpload, TooSlow, WrongOffset, OtherVersion, TooLong, NoBytes, Locked, OtherTusBytes,
        Storage, Unavailable, NoSpace,
    )
)]
pub(crate) async fn append(call: Call, id: Segment, Body(body): Body) -> ApiResult {
    fields::check_version(&call.request)?;
    let caller = call.user().await?;
    let Call { engine, request, .. } = &call;
    if raw::content_type(request).as_deref() != Some(OFFSET_STREAM) {
        return Err(refusal::no_bytes());
    }
    let id = id_of(&id)?;
    let offset = fields::offset(request)?;
    let (length, digest) = (fields::length(request)?, fields::checksum(request)?);
    let mut status = engine.recorded_status(&id, &caller).await.map_err(|error| of_upload(error.into()))?;
    if status.receipt.offset != offset {
        // What a request that still runs has brought may end just there.
        status = engine.append_status(&id, &caller).await.map_err(|error| of_upload(error.into()))?;
    }
    let coming = raw::length(request);
    check_append(&status, offset, coming, length)?;
    if status.receipt.duplicate {
        let left = status.receipt.offset.saturating_sub(offset);
        let end = offset.saturating_add(raw::drop_all(body, left).await?);
        let mut answer = HttpResponse::NoContent();
        answer.insert_header((UPLOAD_OFFSET, end));
        return Ok(expiring(&mut answer, &status.receipt).finish());
    }
    let limit = engine.config().max_chunk_bytes;
    if digest.is_some() && coming.is_some_and(|coming| coming > limit) {
        return Err(long_body(limit));
    }
    let mut receipt = status.receipt;
    if let Some(length) = length.filter(|_| receipt.size.is_none()) {
        receipt = engine.declare_size(&id, length, &caller).await.map_err(refusal::of_length)?;
    }
    // Nothing more can come to one that is complete; repeating its last call does no harm.
    let more = coming != Some(0) || digest.is_some();
    if more && status.state == UploadState::Receiving && !is_over(&status, &receipt) {
        engine
            .check_quotas(&caller, &More::default().with_bytes(coming.unwrap_or(1)))
            .await
            .map_err(ApiError::from)?;
        let appending = engine.appending(&id, offset, digest.into_iter().collect(), &caller).await;
        let appending = appending.map_err(|error| of_upload(error.into()))?;
        receipt = raw::append(body, appending).await.map_err(of_upload)?;
    }
    let mut answer = HttpResponse::NoContent();
    answer.insert_header((UPLOAD_OFFSET, receipt.offset));
    Ok(expiring(&mut answer, &receipt).finish())
}

/// Ends an upload
///
/// Its bytes go. One that is in the channel is forgotten, and its message stays.
#[utoipa::path(
    delete,
    path = endpoints::TUS_END.path,
    operation_id = "tus_end",
    tag = "tus",
    params(
        ("uploadId" = String, Path, description = "The upload", example = "1763790000000_k3j9x0abc"),
        ("Tus-Resumable" = String, Header, description = "`1.0.0`", example = "1.0.0"),
        ("token" = Option<String>, Query, description = "The auth token, if it cannot be in the header"),
    ),
    security(("token" = [])),
    responses(
        (status = 204, description = "It is gone"),
        Unauthorized, NoUpload, OtherVersion, Locked, Storage, Unavailable,
    )
)]
pub(crate) async fn end(call: Call, id: Segment) -> ApiResult {
    fields::check_version(&call.request)?;
    let caller = call.user().await?;
    call.engine.terminate(&id_of(&id)?, &caller).await.map_err(|error| of_upload(error.into()))?;
    Ok(HttpResponse::NoContent().finish())
}

/// An id that cannot be one is that of no upload.
fn id_of(id: &Segment) -> Result<UploadId, ApiError> {
    UploadId::new(id.0.as_str()).map_err(|_| Error::NotFound.into())
}

/// What a creation answers beside its head, if there is something to say.
#[derive(Serialize, ToSchema)]
pub(crate) struct Begun {
    /// The file is in the channel already: it becomes one more message, and needs no bytes.
    duplicate: bool,
}

/// Whether a length that was just declared has ended the upload.
fn is_over(status: &AppendStatus, receipt: &AppendReceipt) -> bool {
    status.receipt.size.is_none() && status.kind == UploadKind::Streamed && receipt.is_complete()
}

/// One that was ended is gone, of whichever kind (Termination). So is one that has failed: who has lost a file, or wants it sent
/// after all, sends it again, since tus knows no other way.
fn check_is_there(status: &AppendStatus) -> Result<(), ApiError> {
    match status.state {
        UploadState::Failed | UploadState::Cancelled => Err(Error::NotFound.into()),
        _ => Ok(()),
    }
}

/// What is known to be wrong before a byte has come.
fn check_append(
    status: &AppendStatus,
    offset: u64,
    coming: Option<u64>,
    length: Option<u64>,
) -> Result<(), ApiError> {
    check_is_there(status)?;
    if status.kind == UploadKind::Concatenated {
        return Err(refusal::final_upload());
    }
    // What comes for a file that is there is dropped, wherever it goes: its client does not know yet.
    let dropped = status.receipt.duplicate && offset < status.receipt.offset;
    if offset != status.receipt.offset && !dropped {
        return Err(Error::Offset { expected: status.receipt.offset }.into());
    }
    if let (Some(declared), Some(length)) = (status.receipt.size, length)
        && declared != length
    {
        return Err(refusal::other_length(declared));
    }
    let received = offset.saturating_add(coming.unwrap_or(0));
    match status.receipt.size.or(length).filter(|size| received > *size) {
        Some(declared) => Err(refusal::too_long(declared, received)),
        None => Ok(()),
    }
}

/// Where an upload is: relative to the address of the call, which a proxy may have changed.
fn location(call: &Call, id: &UploadId) -> String {
    let path = call.request.path();
    let last = path.rsplit('/').next().unwrap_or_default();
    if has_trailing(&call.request) { id.to_string() } else { format!("{last}/{id}") }
}

/// Says until when an upload is kept (Expiration).
fn expiring<'a>(answer: &'a mut HttpResponseBuilder, receipt: &AppendReceipt) -> &'a mut HttpResponseBuilder {
    let until = HttpDate::from(times::spelled(receipt.kept_until));
    answer.insert_header((UPLOAD_EXPIRES, until.to_string()))
}
