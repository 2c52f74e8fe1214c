//! Files: what completed uploads have become.

use std::str::FromStr;

use actix_web::HttpResponse;
use actix_web::web::{Path, Query};
use serde::{Deserialize, Serialize};
use telestore::store::FileListing;
use telestore::types::{FileId, IndexedFile, Timestamp, UploadId};
use telestore::{Error, FilePage};
use utoipa::ToSchema;

use crate::calls::call::Call;
use crate::calls::openapi::refusals::{
    BadList, NoFile, NotSetUp, Storage, TooMany, Unauthorized, Unavailable,
};
use crate::shared::error::{ApiError, ApiResult};
use crate::shared::messages::{Message, all};
use crate::shared::{endpoints, times};

/// How many files a page has if nothing is said.
const PAGE: u32 = 100;

/// How many digits a cursor has at most: all such numbers are places.
const CURSOR_DIGITS: usize = 18;

/// What the query of a list may say. Whatever else it says is no matter.
#[derive(Deserialize)]
pub(crate) struct Listing {
    limit: Option<String>,
    cursor: Option<String>,
    q: Option<String>,
}

impl Listing {
    fn read(self) -> Result<FileListing, ApiError> {
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let limit = self.limit.map_or(Ok(PAGE), |limit| digits(&limit).ok_or_else(bad_limit))?;
        if !(1..=FilePage::MOST).contains(&limit) {
            return Err(bad_limit());
        }
        let mut query = FileListing::first(limit);
        if let Some(cursor) = said(self.cursor) {
            let place = Some(cursor).filter(|cursor| cursor.len() <= CURSOR_DIGITS);
            query = query.before(place.and_then(|place| digits(&place)).ok_or_else(bad_cursor)?);
        }
        Ok(match said(self.q) {
            Some(search) => query.named(&search),
            None => query,
        })
    }
}

/// A number of digits and nothing else, as the OpenAPI document says: `parse` takes a sign, too.
fn digits<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

pub(crate) fn bad_limit() -> ApiError {
    ApiError::invalid(format!("limit must be a number from 1 to {}", FilePage::MOST))
}

pub(crate) fn bad_cursor() -> ApiError {
    ApiError::invalid(
        "cursor is none that this worker gave: take the one of the page before, or leave it out",
    )
}

/// A file, which stays until it is deleted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct File {
    /// Whether what lies in the channel is compressed.
    compressed: bool,
    /// When it was in the channel: RFC 3339, in UTC.
    #[schema(format = DateTime)]
    created_at: String,
    /// Whether what lies in the channel is encrypted.
    encrypted: bool,
    /// The client's name for it.
    file_name: String,
    /// Its name in the index.
    id: String,
    /// The messages that hold it, in the order of its bytes.
    #[schema(min_items = 1)]
    messages: Vec<Message>,
    /// Its type of content, if the client said one.
    mime_type: Option<String>,
    /// The SHA-256 of its bytes in hexadecimal digits, if the client said it.
    sha256: Option<String>,
    /// How many bytes it has.
    size: u64,
    /// The upload that it was.
    #[schema(value_type = String)]
    upload_id: UploadId,
}

impl From<IndexedFile> for File {
    fn from(file: IndexedFile) -> Self {
        Self {
            compressed: file.encoded.compressed,
            created_at: told(file.created_at),
            encrypted: file.encoded.encrypted,
            file_name: file.file_name.as_str().to_owned(),
            id: file.id.to_string(),
            messages: all(file.stored.messages()),
            mime_type: file.mime_type,
            sha256: file.sha256.map(|sha256| sha256.to_string()),
            size: file.size,
            upload_id: file.upload_id,
        }
    }
}

/// A page of files.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page {
    /// What asks for the next page; nothing if this is the last one.
    cursor: Option<String>,
    /// The files, the newest first.
    files: Vec<File>,
}

/// Lists files
///
/// The caller's own, the newest first. A completed upload is a file until it is deleted, however long the upload itself is
/// remembered.
#[utoipa::path(
    get,
    path = endpoints::FILES.path,
    tag = "files",
    security(("token" = [])),
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "How many at most; 100 if nothing is said"),
        ("cursor" = Option<String>, Query, pattern = "^[0-9]{0,18}$", description = "The `cursor` of the page before"),
        ("token" = Option<String>, Query, description = "The auth token, if it cannot be in the header"),
        ("q" = Option<String>, Query, description = "Only files whose name has this in it; small and capital letters are the same"),
    ),
    responses(
        (status = 200, description = "A page of files", body = Page, example = json!({
            "files": [{
                "id": "0f8fad5bd9cb469fa16570867728950e", "uploadId": "1763790000000_k3j9x0abc", "fileName": "video.mp4",
                "size": 104_857_600, "mimeType": "video/mp4", "sha256": null, "createdAt": "2026-11-22T05:40:00.000Z",
                "messages": [{ "messageId": 7, "fileId": "70", "size": 104_857_600 }],
                "encrypted": false, "compressed": false,
            }],
            "cursor": "1"
        })),
        BadList, Unauthorized, TooMany, Storage, Unavailable,
    )
)]
pub(crate) async fn list(call: Call) -> ApiResult {
    let caller = call.user().await?;
    let listing = Query::<Listing>::from_query(call.request.query_string());
    let listing = listing.map_err(|_| ApiError::invalid("query is malformed"))?.into_inner().read()?;
    let page = call.engine.files(&listing, &caller).await?;
    let files = page.files.into_iter().map(File::from).collect();
    Ok(HttpResponse::Ok().json(Page { cursor: page.next.map(|place| place.to_string()), files }))
}

/// Shows a file
#[utoipa::path(
    get,
    path = endpoints::FILE.path,
    tag = "files",
    security(("token" = [])),
    params(
        ("id" = String, Path, description = "The file's `id`", example = "0f8fad5bd9cb469fa16570867728950e"),
        ("token" = Option<String>, Query, description = "The auth token, if it cannot be in the header"),
    ),
    responses(
        (status = 200, description = "The file", body = File, example = json!({
            "id": "0f8fad5bd9cb469fa16570867728950e", "uploadId": "1763790000000_k3j9x0abc", "fileName": "video.mp4",
            "size": 104_857_600, "mimeType": "video/mp4", "sha256": null, "createdAt": "2026-11-22T05:40:00.000Z",
            "messages": [{ "messageId": 7, "fileId": "70", "size": 104_857_600 }], "encrypted": false, "compressed": false,
        })),
        NotSetUp, Unauthorized, NoFile, TooMany, Storage, Unavailable,
    )
)]
pub(crate) async fn show(call: Call, id: Path<String>) -> ApiResult {
    let caller = call.user().await?;
    let file = call.engine.file(&id_of(&id)?, &caller).await?;
    Ok(HttpResponse::Ok().json(File::from(file)))
}

fn told(at: Timestamp) -> String {
    humantime::format_rfc3339_millis(times::spelled(at)).to_string()
}

/// What cannot be a name is the name of no file.
pub(super) fn id_of(id: &str) -> Result<FileId, ApiError> {
    FileId::parse(id).map_err(|_| Error::NoFile.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::times::LAST;

    fn listing(query: &str) -> Result<FileListing, ApiError> {
        Query::<Listing>::from_query(query).unwrap().into_inner().read()
    }

    #[test]
    fn a_query_says_which_files() {
        assert_eq!(listing("").unwrap(), FileListing::first(100));
        assert_eq!(listing("cursor=&q=").unwrap(), FileListing::first(100));
        let all = FileListing::first(1000).named("a b%").before(7);
        assert_eq!(listing("limit=1000&cursor=7&q=a+b%25&else=1").unwrap(), all);
        for wrong in ["limit=0", "limit=1001", "limit=-1", "limit=%2b7", "limit=ten", "limit="] {
            assert!(listing(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_cursor_is_whatever_the_document_says() {
        let longest = "9".repeat(CURSOR_DIGITS);
        for (cursor, place) in [("0", 0), ("007", 7), (longest.as_str(), 999_999_999_999_999_999)] {
            let listed = listing(&format!("cursor={cursor}")).unwrap();
            assert_eq!(listed, FileListing::first(100).before(place));
        }
        for wrong in ["-1", "%2b7", "x", "7%20", "1e3", "%D9%A7", &format!("0{longest}")] {
            assert!(listing(&format!("cursor={wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_document_says_what_cursors_and_limits_are() {
        let document = serde_json::to_value(crate::openapi()).unwrap();
        let parameters = document["paths"][endpoints::FILES.path]["get"]["parameters"].as_array().unwrap();
        let cursor = parameters.iter().find(|parameter| parameter["name"] == "cursor").unwrap();
        assert_eq!(cursor["schema"]["pattern"], format!("^[0-9]{{0,{CURSOR_DIGITS}}}$"));
        let limit = parameters.iter().find(|parameter| parameter["name"] == "limit").unwrap();
        assert_eq!(limit["schema"]["maximum"], FilePage::MOST);
    }

    #[test]
    fn whatever_a_clock_showed_is_told() {
        for (at, text) in [
            (1_763_790_000_000, "2025-11-22T05:40:00.000Z"),
            (LAST, "9999-12-31T23:59:59.999Z"),
            (LAST + 1, "9999-12-31T23:59:59.999Z"),
            (i64::MAX, "9999-12-31T23:59:59.999Z"),
            (-1, "1970-01-01T00:00:00.000Z"),
            (i64::MIN, "1970-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(told(Timestamp::from_millis(at)), text);
        }
    }
}
