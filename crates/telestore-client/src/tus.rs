//! The calls of [tus 1.0.0](https://tus.io/protocols/resumable-upload) that this client makes.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Method, RequestBuilder, StatusCode};
use sha2::{Digest, Sha256};

use crate::calls::{Answer, Calls, Refusal, unreachable};
use crate::error::{Error, ErrorKind, Result};
use crate::meter::Meter;
use crate::patience::Passing;
use crate::progress::Report;
use crate::upload_url::UploadUrl;

const RESUMABLE: &str = "tus-resumable";
const VERSION: &str = "1.0.0";
const OFFSET: &str = "upload-offset";
const LENGTH: &str = "upload-length";
const METADATA: &str = "upload-metadata";

/// The most bytes of `Upload-Metadata` that the worker takes.
const MOST: usize = 32 * 1024;

/// What is known of an upload at the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The worker has so many bytes of it, of so many if that is known.
    At { offset: u64, length: Option<u64> },
    /// There is none.
    Nothing,
}

/// How much of an upload the worker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begins {
    /// Nothing: it is new.
    Empty,
    /// All of it, as it said when the upload was created: the file may be in the channel from then on.
    Whole,
    /// That it must be asked.
    Somewhere,
}

/// What became of bytes that were sent.
#[derive(Debug)]
pub(crate) enum Sent {
    /// The worker has all up to here.
    UpTo(u64),
    /// It has other bytes than this request began behind: it must be asked.
    Elsewhere,
    /// Other bytes came than were sent.
    Corrupt,
    /// A proxy, or the worker, takes no bodies of this size.
    TooMuch(Error),
    /// There is no such upload any more.
    Gone,
    /// It broke off, or the worker asks for patience.
    Passing(Passing),
}

fn tus(calls: &Calls, method: Method, url: &str) -> RequestBuilder {
    calls.request(method, url).header(RESUMABLE, VERSION)
}

/// Creates an upload, and says how much of it the worker has: it may know the file already, or the key, of which the answer was lost
/// before.
pub(crate) async fn create(
    calls: &Calls,
    report: Option<&Report>,
    length: Option<u64>,
    metadata: &str,
    key: &str,
) -> Result<(UploadUrl, Begins)> {
    if metadata.len() > MOST {
        return Err(Error::new(
            ErrorKind::Config,
            "the name, the caption and the thumbnail are too much together: with them, a thumbnail may have about 20 kB",
        ));
    }
    let endpoint = format!("{}/tus", calls.base);
    let request = |calls: &Calls| {
        let request = tus(calls, Method::POST, &endpoint).header(CONTENT_LENGTH, 0);
        let request = request.header("idempotency-key", key);
        let request = match length {
            Some(length) => request.header(LENGTH, length),
            None => request.header("upload-defer-length", 1),
        };
        if metadata.is_empty() { request } else { request.header(METADATA, metadata) }
    };
    let answer = calls.ask(report, request).await?;
    match answer.status {
        StatusCode::CREATED => {
            let begins = match answer.header(OFFSET).and_then(|offset| offset.parse::<u64>().ok()) {
                None | Some(0) => Begins::Empty,
                offset if offset == length => Begins::Whole,
                Some(_) => Begins::Somewhere,
            };
            Ok((url_of(calls, &answer)?, begins))
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Err(Error::new(
            ErrorKind::Protocol,
            format!(
                "{}: {} takes no uploads by tus: is it the address of a worker, of version 0.2 or newer?",
                answer.text(),
                calls.base
            ),
        )),
        _ => Err(answer.refused()),
    }
}

/// Only the id is taken from `Location`: a worker behind a proxy may call itself by another name, and the token goes nowhere but to
/// the address that was given.
fn url_of(calls: &Calls, answer: &Answer) -> Result<UploadUrl> {
    let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let path = location.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let id = path.rsplit('/').next().unwrap_or_default();
    UploadUrl::of(&calls.base, id).ok_or_else(|| {
        Error::new(
            ErrorKind::Protocol,
            "the worker created an upload without saying where: Location is missing or malformed",
        )
    })
}

/// Asks where an upload is to go on.
pub(crate) async fn head(calls: &Calls, report: Option<&Report>, url: &UploadUrl) -> Result<Found> {
    let answer = calls.ask(report, |calls| tus(calls, Method::HEAD, url.as_str())).await?;
    match answer.status {
        status if status.is_success() => match answer.header(OFFSET).and_then(|offset| offset.parse().ok()) {
            Some(offset) => {
                Ok(Found::At { offset, length: answer.header(LENGTH).and_then(|length| length.parse().ok()) })
            }
            None => {
                Err(Error::new(ErrorKind::Protocol, "the worker does not say how much of the upload it has"))
            }
        },
        StatusCode::NOT_FOUND | StatusCode::GONE => Ok(Found::Nothing),
        _ => Err(answer.refused()),
    }
}

/// What was said of an upload when it was created. What is no text is left out.
pub(crate) async fn metadata(calls: &Calls, url: &UploadUrl) -> Result<Option<BTreeMap<String, String>>> {
    let answer = calls.ask(None, |calls| tus(calls, Method::HEAD, url.as_str())).await?;
    match answer.status {
        status if status.is_success() => {
            let pairs = answer.header(METADATA).unwrap_or_default().split(',').filter_map(|pair| {
                let (name, value) = pair.trim().split_once(' ').unwrap_or((pair.trim(), ""));
                Some((name.to_owned(), String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?))
            });
            Ok(Some(pairs.filter(|(name, _)| !name.is_empty()).collect()))
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
        _ => Err(answer.refused()),
    }
}

/// Sends bytes that go behind an offset, with their digest. They are taken as a whole or not at all.
pub(crate) async fn patch(
    calls: &Calls,
    meter: &std::sync::Arc<Meter>,
    url: &UploadUrl,
    offset: u64,
    bytes: Bytes,
    length: Option<u64>,
) -> Result<Sent> {
    let checksum = STANDARD.encode(Sha256::digest(&bytes));
    let mut request = tus(calls, Method::PATCH, url.as_str())
        .header(OFFSET, offset)
        .header(CONTENT_TYPE, "application/offset+octet-stream")
        .header(CONTENT_LENGTH, bytes.len());
    if let Some(length) = length {
        request = request.header(LENGTH, length);
    }
    // A digest of nothing tells nothing.
    if !bytes.is_empty() {
        request = request.header("upload-checksum", format!("sha256 {checksum}")).body(meter.body(bytes));
    }
    let stalled = || Passing { text: "the connection does not move".to_owned(), after: None };
    let answer = tokio::select! {
        answer = calls.once(request) => answer,
        () = meter.stalled(calls.stall) => Err(Refusal::Passing(stalled())),
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(Refusal::Passing(passing)) => return Ok(Sent::Passing(passing)),
        Err(Refusal::Final(error)) => return Err(error),
    };
    match answer.status.as_u16() {
        200 | 204 => match answer.header(OFFSET).and_then(|offset| offset.parse().ok()) {
            Some(offset) => Ok(Sent::UpTo(offset)),
            None => Ok(Sent::Elsewhere),
        },
        404 | 410 => Ok(Sent::Gone),
        409 => Ok(Sent::Elsewhere),
        460 => Ok(Sent::Corrupt),
        // A proxy, or the worker: bytes with a digest are compared before they are kept, so that it takes no more of them at a time than
        // a chunk may have.
        413 => Ok(Sent::TooMuch(answer.refused())),
        _ => Err(answer.refused()),
    }
}

/// Has the worker forget an upload, once and without patience: what is left of it otherwise ends by itself.
pub(crate) async fn terminate(calls: &Calls, url: &UploadUrl) {
    let request = tus(calls, Method::DELETE, url.as_str()).timeout(std::time::Duration::from_secs(5));
    let _ = request.send().await.map_err(unreachable);
}
