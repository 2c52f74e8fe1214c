//! What becomes of an upload once the worker has all of it.

use std::time::Duration;

use reqwest::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::calls::{Answer, Calls, Refusal};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Phase, Report};
use crate::tus::{self, Found};
use crate::upload_url::UploadUrl;

/// How long a poll waits at the worker, and how long it does so if others wait for its place.
const WAIT: u64 = 25;
const SHORT_WAIT: u64 = 2;

/// How much longer than its wait a poll may take.
const SPARE: Duration = Duration::from_secs(30);

/// A file that is in the channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Delivered {
    /// The upload that it was.
    pub upload_id: String,
    /// The message; the first one, if the file is in several.
    pub message_id: i64,
    /// The file's id at Telegram, of the first message.
    pub file_id: String,
    /// All messages in the order of the file's bytes, if there are several; else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Message>,
}

/// One of the messages of a file that is in several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Message {
    /// The message.
    pub message_id: i64,
    /// Its file's id at Telegram.
    pub file_id: String,
    /// How many bytes of the file are in it.
    pub size: u64,
}

/// What the worker knows of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It still receives the file.
    Receiving {
        /// How many bytes it has.
        kept: u64,
        /// Of how many, if that is known.
        total: Option<u64>,
    },
    /// It has the file, and sends it, or will.
    OnItsWay {
        /// 0 to 100.
        percent: u64,
        /// Bytes that Telegram has.
        delivered: u64,
    },
    /// The file is in the channel.
    Delivered(Delivered),
    /// It could not be sent, or was cancelled: the worker's words.
    Failed(String),
    /// The worker knows no such upload.
    Unknown,
}

/// How a cancellation went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cancelled {
    /// The upload has ended, and nothing of it stays.
    Yes,
    /// Too late: the file is in the channel, as this message.
    Delivered(i64),
}

/// One look at `/upload-progress`.
enum Look {
    State(Value, Option<HeaderValue>),
    /// The worker does not know it, or it still receives the file.
    NotStarted,
}

/// Waits until an upload that the worker has is in the channel.
pub(crate) async fn wait(calls: &Calls, report: &Report, url: &UploadUrl) -> Result<Delivered> {
    let (mut waits, mut etag) = (calls.waits(Some(report)), None);
    loop {
        let look = {
            let _place = calls.polls.acquire().await.map_err(|_| gone(url, ErrorKind::Lost))?;
            let seconds = if calls.polls.available_permits() == 0 { SHORT_WAIT } else { WAIT };
            look(calls, url, Some(seconds), etag.as_ref()).await
        };
        match look {
            Ok(Look::State(state, tag)) => {
                waits.forget();
                if tag != etag {
                    calls.patience.went_forward();
                }
                etag = tag;
                if let Some(end) = end(url, &state)? {
                    report.change(|progress| {
                        (progress.phase, progress.percent) = (Phase::Done, Some(100));
                        progress.delivered = progress.total.unwrap_or(progress.delivered);
                    });
                    return Ok(end);
                }
                told(report, &state);
            }
            Ok(Look::NotStarted) => return Err(gone(url, ErrorKind::Lost)),
            Err(Refusal::Passing(passing)) => waits.after(passing).await?,
            Err(Refusal::Final(error)) => return Err(error),
        }
    }
}

fn gone(url: &UploadUrl, kind: ErrorKind) -> Error {
    Error::new(
        kind,
        format!(
            "upload {} is gone from the worker, which had the whole file, or may have had it: look into the channel, and send the file again only if it is not there",
            url.upload_id()
        ),
    )
}

/// An upload that the worker does not know any more, although it may have had the whole file.
pub(crate) fn lost(url: &UploadUrl) -> Error {
    gone(url, ErrorKind::Lost)
}

fn told(report: &Report, state: &Value) {
    let waits = matches!(state["stage"].as_str(), Some("queued"));
    report.change(|progress| {
        progress.phase = if waits { Phase::Queued } else { Phase::Sending };
        progress.delivered = state["bytesSent"].as_u64().unwrap_or(progress.delivered);
        progress.percent = state["progress"].as_u64();
    });
}

async fn look(
    calls: &Calls,
    url: &UploadUrl,
    wait: Option<u64>,
    etag: Option<&HeaderValue>,
) -> Result<Look, Refusal> {
    let query = wait.map(|seconds| format!("?wait={seconds}")).unwrap_or_default();
    let mut request = calls
        .at(Method::GET, &format!("/upload-progress/{}{query}", url.upload_id()))
        .timeout(Duration::from_secs(wait.unwrap_or_default()) + SPARE);
    if let Some(etag) = etag {
        request = request.header(IF_NONE_MATCH, etag);
    }
    let answer = calls.once(request).await?;
    match answer.status {
        StatusCode::NOT_FOUND => Ok(Look::NotStarted),
        StatusCode::OK if answer.body["status"].is_string() => {
            let tag = answer.headers.get(ETAG).cloned();
            Ok(Look::State(answer.body, tag))
        }
        _ => Err(Refusal::Final(answer.refused())),
    }
}

/// What an upload became, if it has ended.
fn end(url: &UploadUrl, state: &Value) -> Result<Option<Delivered>> {
    match state["status"].as_str() {
        Some("completed") => {
            let delivered = Delivered {
                upload_id: url.upload_id().to_owned(),
                message_id: state["messageId"].as_i64().unwrap_or_default(),
                file_id: state["fileId"].as_str().unwrap_or_default().to_owned(),
                messages: serde_json::from_value(state["messages"].clone()).unwrap_or_default(),
            };
            Ok(Some(delivered))
        }
        Some("failed") => Err(Error::new(ErrorKind::Failed, words(state))),
        _ => Ok(None),
    }
}

fn words(state: &Value) -> String {
    state["error"].as_str().unwrap_or("the worker could not send the file, and does not say why").to_owned()
}

/// What the worker knows of an upload.
pub(crate) async fn status(calls: &Calls, url: &UploadUrl) -> Result<Status> {
    if let Some(state) = started(calls, None, url).await? {
        return Ok(match end(url, &state) {
            Ok(Some(delivered)) => Status::Delivered(delivered),
            Ok(None) => Status::OnItsWay {
                percent: state["progress"].as_u64().unwrap_or_default(),
                delivered: state["bytesSent"].as_u64().unwrap_or_default(),
            },
            Err(error) => Status::Failed(error.to_string()),
        });
    }
    Ok(match tus::head(calls, None, url).await? {
        Found::At { offset, length } => Status::Receiving { kept: offset, total: length },
        Found::Nothing => Status::Unknown,
    })
}

/// The state of an upload of which the worker has all, as `/upload-progress` says it.
async fn started(calls: &Calls, report: Option<&Report>, url: &UploadUrl) -> Result<Option<Value>> {
    let path = format!("/upload-progress/{}", url.upload_id());
    let answer = calls.ask(report, |calls| calls.at(Method::GET, &path)).await?;
    match answer.status {
        StatusCode::OK => Ok(Some(answer.body)),
        StatusCode::NOT_FOUND => Ok(None),
        _ => Err(answer.refused()),
    }
}

/// Why an upload is gone: the words of the worker, if it failed or was cancelled.
pub(crate) async fn why_gone(calls: &Calls, report: &Report, url: &UploadUrl) -> Result<Option<Error>> {
    let state = started(calls, Some(report), url).await?;
    Ok(state.and_then(|state| end(url, &state).err()))
}

/// Asks the worker to send the file of a failed upload again, from what it has of it. `false` if it has not.
pub(crate) async fn again(calls: &Calls, report: Option<&Report>, url: &UploadUrl) -> Result<bool> {
    let body = json!({ "uploadId": url.upload_id() });
    let answer: Answer =
        calls.ask(report, |calls| calls.at(Method::POST, "/complete-upload").json(&body)).await?;
    match answer.status {
        StatusCode::OK => Ok(true),
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::CONFLICT => Ok(false),
        _ => Err(answer.refused()),
    }
}

/// Cancels an upload.
pub(crate) async fn cancel(calls: &Calls, url: &UploadUrl) -> Result<Cancelled> {
    let body = json!({ "uploadId": url.upload_id() });
    let answer = calls.ask(None, |calls| calls.at(Method::POST, "/cancel-upload").json(&body)).await?;
    match (answer.status, answer.body["messageId"].as_i64()) {
        (StatusCode::OK, None) => Ok(Cancelled::Yes),
        (StatusCode::OK, Some(message)) => Ok(Cancelled::Delivered(message)),
        _ => Err(answer.refused()),
    }
}
