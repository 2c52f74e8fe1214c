//! What completed uploads have become: the worker's index of files.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use telestore_types::FileId;

use crate::calls::{Answer, Calls};
use crate::delivery::Message;
use crate::error::{Error, ErrorKind, Result};

/// How many files are asked for at a time.
const PAGE: u32 = 100;

/// A file in the worker's index: what a completed upload has become, until it is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct File {
    /// Its name in the index.
    pub id: String,
    /// The upload that it was.
    pub upload_id: String,
    /// What its sender called it. It may hold whatever a name can hold: it is to be made safe before a file is called so, and before
    /// a terminal sees it.
    pub file_name: String,
    /// How many bytes it has.
    pub size: u64,
    /// Its type of content, if its sender said one.
    pub mime_type: Option<String>,
    /// The SHA-256 of its bytes in hexadecimal digits, if it is known.
    pub sha256: Option<String>,
    /// When it was in the channel: RFC 3339, in UTC.
    pub created_at: String,
    /// The messages that hold it, in the order of its bytes.
    #[serde(default)]
    pub messages: Vec<Message>,
    /// Whether what lies in the channel is encrypted.
    #[serde(default)]
    pub encrypted: bool,
    /// Whether what lies in the channel is compressed.
    #[serde(default)]
    pub compressed: bool,
}

/// An address that opens a file without a token, until its time is over.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Link {
    /// The whole address. Whoever has it has the file.
    pub url: String,
    /// When it ends: RFC 3339, in UTC. `None` if the worker does not say so.
    #[serde(default)]
    pub expires_at: Option<String>,
}

impl std::fmt::Debug for Link {
    /// Whoever reads the address has the file.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Which files are listed: all of them, the newest first, unless more is said.
///
/// ```
/// use telestore_client::FileQuery;
///
/// let query = FileQuery::new().named("holiday").page(20);
/// # let _ = query;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct FileQuery {
    named: Option<String>,
    page: u32,
}

impl Default for FileQuery {
    fn default() -> Self {
        Self { named: None, page: PAGE }
    }
}

impl FileQuery {
    /// All files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only files whose name has this text in it; small and capital letters are the same.
    pub fn named(mut self, text: impl Into<String>) -> Self {
        self.named = Some(text.into());
        self
    }

    /// How many are asked for at a time, from 1 to 1000: 100 unless it is named. It is no limit of the whole.
    pub fn page(mut self, files: u32) -> Self {
        self.page = files.clamp(1, 1000);
        self
    }
}

/// A page of the list.
#[derive(Deserialize)]
struct Page {
    files: Vec<File>,
    cursor: Option<String>,
}

/// A list on its way.
struct Listing {
    calls: Arc<Calls>,
    query: FileQuery,
    at_hand: VecDeque<File>,
    /// `None` once there is no further page.
    next: Option<Cursor>,
}

/// Where the next page begins.
enum Cursor {
    First,
    At(String),
}

/// Files, page by page as they are asked for. It ends with its first error.
pub(crate) fn files(
    calls: Arc<Calls>,
    query: FileQuery,
) -> impl Stream<Item = Result<File>> + Send + Unpin + 'static {
    let listing = Listing { calls, query, at_hand: VecDeque::new(), next: Some(Cursor::First) };
    Box::pin(stream::try_unfold(listing, |mut listing| async move {
        loop {
            if let Some(file) = listing.at_hand.pop_front() {
                return Ok(Some((file, listing)));
            }
            let Some(cursor) = listing.next.take() else { return Ok(None) };
            let page = page(&listing.calls, &listing.query, &cursor).await?;
            // One that leads to itself would lead nowhere.
            let repeats = matches!((&cursor, &page.cursor), (Cursor::At(this), Some(next)) if this == next);
            listing.next = page.cursor.filter(|_| !repeats).map(Cursor::At);
            listing.at_hand = page.files.into();
        }
    }))
}

async fn page(calls: &Calls, query: &FileQuery, cursor: &Cursor) -> Result<Page> {
    let malformed = |error: &dyn std::fmt::Display| Error::new(ErrorKind::Config, error.to_string());
    let mut url = Url::parse(&format!("{}/files", calls.base)).map_err(|error| malformed(&error))?;
    url.query_pairs_mut().append_pair("limit", &query.page.to_string());
    if let Cursor::At(cursor) = cursor {
        url.query_pairs_mut().append_pair("cursor", cursor);
    }
    if let Some(text) = &query.named {
        url.query_pairs_mut().append_pair("q", text);
    }
    let answer = calls.ask(None, |calls| calls.request(Method::GET, url.as_str())).await?;
    match answer.status {
        StatusCode::OK => read(answer),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Err(Error::new(
            ErrorKind::Protocol,
            format!(
                "{}: {} has no index of files: is it the address of a worker, of version 0.2 or newer?",
                answer.text(),
                calls.base
            ),
        )),
        _ => Err(answer.refused()),
    }
}

fn read<T: DeserializeOwned>(answer: Answer) -> Result<T> {
    serde_json::from_value(answer.body).map_err(|error| {
        Error::new(
            ErrorKind::Protocol,
            format!("the worker's answer is none that this client understands: {error}"),
        )
    })
}

/// Where a file is, below the base address.
///
/// # Errors
/// [`ErrorKind::Config`] if no file has such an id.
pub(crate) fn path(id: &str, below: &str) -> Result<String> {
    let id = FileId::parse(id).map_err(|_| {
        Error::new(ErrorKind::Config, "a file's id is 32 hexadecimal digits: the list of files has them")
    })?;
    Ok(format!("/files/{id}{below}"))
}

/// What the worker says to calls about a file that it does not know.
pub(crate) fn missing(answer: &Answer) -> Option<Error> {
    let gone = matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE);
    gone.then(|| Error::new(ErrorKind::Gone, answer.text()))
}

pub(crate) async fn file(calls: &Calls, id: &str) -> Result<File> {
    let path = path(id, "")?;
    let answer = calls.ask(None, |calls| calls.at(Method::GET, &path)).await?;
    match answer.status {
        StatusCode::OK => read(answer),
        _ => Err(missing(&answer).unwrap_or_else(|| answer.refused())),
    }
}

pub(crate) async fn link(calls: &Calls, id: &str, lasts: Duration) -> Result<Link> {
    let path = path(id, "/link")?;
    let body = json!({ "expiresIn": lasts.as_secs() });
    let answer = calls.ask(None, |calls| calls.at(Method::POST, &path).json(&body)).await?;
    if !answer.status.is_success() {
        return Err(missing(&answer).unwrap_or_else(|| answer.refused()));
    }
    let link: Link = read(answer)?;
    Ok(Link { url: whole(&calls.base, &link.url), ..link })
}

/// A worker that does not know its own address names only the part behind it.
fn whole(base: &str, url: &str) -> String {
    match url.starts_with("http://") || url.starts_with("https://") {
        true => url.to_owned(),
        false => format!("{base}/{}", url.trim_start_matches('/')),
    }
}

pub(crate) async fn delete(calls: &Calls, id: &str) -> Result<bool> {
    let path = path(id, "")?;
    let answer = calls.ask(None, |calls| calls.at(Method::DELETE, &path)).await?;
    match answer.status {
        status if status.is_success() => Ok(true),
        StatusCode::NOT_FOUND | StatusCode::GONE => Ok(false),
        _ => Err(answer.refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0f8fad5bd9cb469fa16570867728950e";

    #[test]
    fn only_ids_lead_to_files() {
        assert_eq!(path(ID, "/content").unwrap(), format!("/files/{ID}/content"));
        for wrong in ["", "..", "a/../b", "film.mkv", &ID[1..], "0f8fad5bd9cb469fa16570867728950e/link"] {
            assert_eq!(path(wrong, "").unwrap_err().kind(), ErrorKind::Config, "{wrong}");
        }
    }

    #[test]
    fn a_link_is_a_whole_address_and_no_log_holds_it() {
        let base = "https://worker.example/below";
        for (told, url) in [
            ("https://other.example/files/x/content?s=1", "https://other.example/files/x/content?s=1"),
            ("/files/x/content?s=1", "https://worker.example/below/files/x/content?s=1"),
            ("files/x/content?s=1", "https://worker.example/below/files/x/content?s=1"),
        ] {
            assert_eq!(whole(base, told), url);
        }
        let link = Link { url: "https://worker.example/secret".to_owned(), expires_at: None };
        assert!(!format!("{link:?}").contains("secret"));
    }

    #[test]
    fn what_a_newer_worker_says_more_is_no_matter() {
        let text = json!({
            "id": ID, "uploadId": "u", "fileName": "a", "size": 7, "mimeType": null, "sha256": null,
            "createdAt": "2026-11-22T05:40:00.000Z", "messages": [{ "messageId": 7, "fileId": "70", "size": 7 }],
            "colour": "blue",
        });
        let file: File = serde_json::from_value(text).unwrap();
        assert_eq!((file.messages.len(), file.encrypted), (1, false));
    }
}
