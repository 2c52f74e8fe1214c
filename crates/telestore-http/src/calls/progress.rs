use std::fmt;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::web::Query;
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use telestore::types::{UploadEvent, UploadId};
use telestore::{Caller, Error, Telestore};
use tokio::time::{Instant, sleep_until, timeout_at};
use utoipa::ToSchema;

use crate::calls::call::{Call, Id};
use crate::calls::live::{Listener, PAUSE};
use crate::calls::openapi::refusals::{
    BadPoll, Forbidden, NoListener, NotStarted, Storage, TooMany, Unauthorized,
};
use crate::shared::endpoints;
use crate::shared::error::{ApiError, ApiResult};
use crate::shared::measures::Ongoing;
use crate::shared::messages::{Became, Message, several};
use crate::shared::words::of_failure;

/// The longest that a poll waits; what stands in between often closes connections that are silent for a minute.
const LONGEST_WAIT: u64 = 30;

#[derive(Deserialize)]
struct Polling {
    wait: Option<String>,
}

/// How far an upload is: the documented six fields, and what is known beside them.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Progress {
    /// The attempt that runs or comes next, from 1.
    attempt: u32,
    #[serde(flatten)]
    became: Became,
    /// Bytes that Telegram has acknowledged.
    bytes_sent: u64,
    /// Bytes of the file.
    bytes_total: u64,
    /// Why it failed.
    error: Option<String>,
    /// The Bot API's `file_id`, or with MTProto the document id in decimal digits.
    file_id: Option<String>,
    /// The message in the channel; the first, if there are several.
    message_id: Option<i64>,
    /// All messages, if the file is in several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    messages: Option<Vec<Message>>,
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
    Fetching,
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
            became: Became::of(event.file.clone(), event.sha256, event.encoded),
            bytes_sent: event.bytes_sent,
            bytes_total: event.bytes_total,
            error: event.error.as_deref().map(|error| of_failure(error, event.outcome).to_owned()),
            file_id: event.file_id(),
            message_id: event.message_id(),
            messages: several(event.messages()),
            progress: event.progress,
            retry_after: event.retry_after.map(|wait| wait.as_millis().div_ceil(1000) as u64),
            stage: event.stage,
            status: event.status,
            upload_id: event.upload_id.clone(),
        }
    }
}

impl fmt::Display for Progress {
    /// As JSON, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// Asks how far an upload is
///
/// From the moment that its completion was asked for. A failed upload is a 200 with `"status": "failed"`. With
/// `wait`, it is answered when something changes.
#[utoipa::path(
    get,
    path = endpoints::PROGRESS.path,
    tag = "chunked",
    params(
        ("uploadId" = String, Path, description = "The upload", example = "1763790000000_k3j9x0abc"),
        ("wait" = Option<u64>, Query, description = "Seconds to wait for a change, 30 at most (more counts as 30)"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of the state that the client has: \
            with `wait`, only that one is waited on"),
    ),
    security((), ("token" = [])),
    responses(
        (status = 200, description = "How far it is", body = Progress, headers(
            ("ETag" = String, description = "A digest of the state"),
        ), examples(
            ("uploading" = (value = json!({
                "uploadId": "1763790000000_k3j9x0abc", "status": "uploading", "progress": 45, "error": null,
                "messageId": null, "fileId": null, "stage": "sending", "bytesSent": 26_214_400,
                "bytesTotal": 104_857_600, "attempt": 1, "retryAfter": null,
            }))),
            ("completed" = (value = json!({
                "uploadId": "1763790000000_k3j9x0abc", "status": "completed", "progress": 100, "error": null,
                "messageId": 12345, "fileId": "5274001234567890123", "stage": "done", "bytesSent": 104_857_600,
                "bytesTotal": 104_857_600, "attempt": 1, "retryAfter": null, "file": "0f8fad5bd9cb469fa16570867728950e",
            }))),
            ("failed" = (value = json!({
                "uploadId": "1763790000000_k3j9x0abc", "status": "failed", "progress": 30,
                "error": "Telegram session not authorized", "messageId": null, "fileId": null, "stage": "done",
                "bytesSent": 0, "bytesTotal": 104_857_600, "attempt": 1, "retryAfter": null,
            }))),
        )),
        BadPoll, Unauthorized, Forbidden, NotStarted, TooMany, Storage, NoListener,
    )
)]
pub(crate) async fn progress(call: Call, Id(id): Id) -> ApiResult {
    let Call { engine, options, request } = &call;
    let caller = call.caller().await?;
    let state = match wait_of(request)? {
        None => engine.progress(&id, &caller).await?,
        Some(wait) => {
            let by = Ongoing::by_poll;
            let _listener = Listener::admit(engine, options, request, &caller, by).await?;
            changed(engine, &id, &caller, known(request), wait).await?
        }
    };
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((ETAG, format!("\"{}\"", tag(&state))))
        .json(Progress::from(&state)))
}

/// Waits until the state is another one than `known`, or than it was at the beginning. A final state is not waited for.
async fn changed(
    engine: &Telestore,
    id: &UploadId,
    caller: &Caller,
    known: Option<String>,
    wait: Duration,
) -> Result<UploadEvent, ApiError> {
    let begin = Instant::now();
    let mut watch = engine.watch(id, caller).await?;
    let known = known.or_else(|| watch.first().map(tag));
    let mut newest = None;
    while let Ok(next) = timeout_at(begin + wait, watch.next()).await {
        newest = match next? {
            Some(state) if state.is_final() => return Ok(state),
            Some(state) if known.as_ref() != Some(&tag(&state)) => {
                // Who asks again at once is answered ten times a second, as listeners are.
                sleep_until(begin + PAUSE.min(wait)).await;
                return Ok(engine.progress(id, caller).await?);
            }
            None => break,
            same => same,
        };
    }
    Ok(newest.ok_or(Error::NotStarted)?)
}

pub(crate) fn bad_wait() -> ApiError {
    ApiError::invalid("wait must be a whole number of seconds, as in ?wait=20")
}

fn wait_of(request: &HttpRequest) -> Result<Option<Duration>, ApiError> {
    let query = Query::<Polling>::from_query(request.query_string()).map_err(|_| bad_wait())?;
    let Some(wait) = query.into_inner().wait else { return Ok(None) };
    if wait.is_empty() || !wait.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad_wait());
    }
    // Digits that are no number are a large one.
    let seconds = wait.parse().unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
    Ok(Some(Duration::from_secs(seconds)))
}

/// The state that the client says it has.
fn known(request: &HttpRequest) -> Option<String> {
    let tag = request.headers().get(IF_NONE_MATCH)?.to_str().ok()?.trim();
    Some(tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"').to_owned())
}

/// A name for a state: the same for the same state, also after a restart.
pub(crate) fn tag(event: &UploadEvent) -> String {
    let state = Progress::from(event);
    // A wait that grows shorter is no other state.
    let state = Progress { retry_after: state.retry_after.map(|_| 0), ..state };
    hex::encode(&Sha256::digest(state.to_string())[..8])
}
