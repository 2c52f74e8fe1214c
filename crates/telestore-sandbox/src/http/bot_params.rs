//! Parameters of a Bot API call, in any of the ways the Bot API takes them.

use std::collections::HashMap;
use std::path::Path;

use axum::Json;
use axum::extract::multipart::Field;
use axum::extract::{FromRequest, Multipart, Query, Request};
use axum::http::{Uri, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempPath;
use tokio::io::AsyncWriteExt;

use super::faulty::{Refusal, bot_error};
use crate::shared::Shared;

/// What a bot may send: 50 MB, and 2000 MB by a server of its own.
fn document_max(shared: &Shared) -> u64 {
    if shared.rules.local_bot_api { 2000 * 1024 * 1024 } else { 50 * 1024 * 1024 }
}

/// The parameters of one call.
#[derive(Default)]
pub(crate) struct Params {
    pub(crate) text: HashMap<String, String>,
    /// The files, by the names of their parts.
    pub(crate) files: HashMap<String, Document>,
}

/// A file that was spooled to disk; the file goes unless it is moved away.
pub(crate) struct Document {
    pub(crate) path: TempPath,
    pub(crate) size: u64,
    pub(crate) sha256: String,
    pub(crate) file_name: String,
    pub(crate) content_type: Option<String>,
}

impl Params {
    pub(crate) fn get(&self, name: &str) -> &str {
        self.text.get(name).map_or("", String::as_str)
    }

    pub(crate) fn is_set(&self, name: &str) -> bool {
        matches!(self.get(name), "true" | "True" | "1" | "yes")
    }

    /// Reads them all. The error is the answer.
    pub(crate) async fn read(
        shared: &Shared,
        request: Request,
        drop_after: Option<u64>,
    ) -> Result<Self, Refusal> {
        let mut params = Self { text: from_query(request.uri()), files: HashMap::new() };
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        match content_type.unwrap_or_default() {
            kind if kind.starts_with("multipart/form-data") => {
                let multipart = Multipart::from_request(request, &()).await.map_err(bad_request)?;
                params.read_multipart(shared, multipart, drop_after).await?;
            }
            kind if kind.starts_with("application/json") => {
                let Json(body) = Json::<Value>::from_request(request, &()).await.map_err(bad_request)?;
                params.text.extend(from_json(&body));
            }
            kind if kind.starts_with("application/x-www-form-urlencoded") => {
                let body = String::from_request(request, &()).await.map_err(bad_request)?;
                params
                    .text
                    .extend(format!("/?{body}").parse().map(|uri| from_query(&uri)).unwrap_or_default());
            }
            _ => {}
        }
        Ok(params)
    }

    async fn read_multipart(
        &mut self,
        shared: &Shared,
        mut multipart: Multipart,
        drop_after: Option<u64>,
    ) -> Result<(), Refusal> {
        while let Some(field) = multipart.next_field().await.map_err(bad_request)? {
            let name = field.name().unwrap_or_default().to_owned();
            if field.file_name().is_some() {
                let file = spool(shared, field, drop_after).await?;
                self.files.insert(name, file);
            } else {
                self.text.insert(name, field.text().await.map_err(bad_request)?);
            }
        }
        let of_message = self.files.iter().filter(|(name, _)| *name != "thumbnail").map(|(_, file)| file);
        for file in of_message {
            shared.stats.write(|stats| *stats.documents.entry(file.file_name.clone()).or_default() += 1);
        }
        match self.files.values().any(|file| file.size > document_max(shared)) {
            true => Err(bot_error(413, "Request Entity Too Large", json!({}))),
            false => Ok(()),
        }
    }
}

/// Writes a document to disk as it comes in. One that is too large is read to its end all the same, so that the
/// client is there to read the answer, but not kept.
async fn spool(shared: &Shared, mut field: Field<'_>, drop_after: Option<u64>) -> Result<Document, Refusal> {
    let path = temp_path(&shared.dir.join("parts")).map_err(internal)?;
    let mut file = tokio::fs::File::create(&path).await.map_err(internal)?;
    let (mut size, mut hasher) = (0, Sha256::new());
    let file_name = field.file_name().unwrap_or("file").to_owned();
    let content_type = field.content_type().map(str::to_owned);
    while let Some(chunk) = field.chunk().await.map_err(bad_request)? {
        shared.network.admit(chunk.len()).await;
        size += chunk.len() as u64;
        if drop_after.is_some_and(|limit| size >= limit) {
            return Err(Refusal::Abort);
        }
        if size <= document_max(shared) {
            hasher.update(&chunk);
            file.write_all(&chunk).await.map_err(internal)?;
        }
    }
    file.flush().await.map_err(internal)?;
    shared.stats.write(|stats| stats.bytes_received += size);
    Ok(Document { path, size, sha256: hex::encode(hasher.finalize()), file_name, content_type })
}

fn temp_path(dir: &Path) -> std::io::Result<TempPath> {
    tempfile::Builder::new().prefix("bot-").tempfile_in(dir).map(tempfile::NamedTempFile::into_temp_path)
}

fn from_query(uri: &Uri) -> HashMap<String, String> {
    Query::try_from_uri(uri).map(|Query(params)| params).unwrap_or_default()
}

fn from_json(body: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    body.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn bad_request(error: impl std::fmt::Display) -> Refusal {
    bot_error(400, &format!("Bad Request: {error}"), json!({}))
}

pub(super) fn internal(error: std::io::Error) -> Refusal {
    tracing::warn!(%error, "document could not be written");
    bot_error(500, "Internal Server Error", json!({}))
}
