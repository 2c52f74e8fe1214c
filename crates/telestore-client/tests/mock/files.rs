//! The worker's index of files, and their bytes, as RFC 9110 has ranges.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::http::{Answer, Request};
use super::{Mock, State};

/// How many files are on a page at most.
const PAGE: usize = 3;

/// A file in the index.
#[derive(Debug, Clone)]
pub(crate) struct MockFile {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// What the index says of it, if it does.
    pub(crate) sha256: Option<String>,
    pub(crate) size: usize,
    /// What `ETag` says, if it does.
    pub(crate) tag: Option<String>,
    /// Whether it takes ranges.
    pub(crate) ranges: bool,
}

impl MockFile {
    fn entry(&self) -> Value {
        json!({
            "id": self.id, "uploadId": format!("upload-of-{}", self.id), "fileName": self.name, "size": self.size,
            "mimeType": null, "sha256": self.sha256, "createdAt": "2026-11-22T05:40:00.000Z",
            "messages": [{ "messageId": 7, "fileId": "70", "size": self.size }], "encrypted": false, "compressed": false,
        })
    }

    fn content(&self, request: &Request) -> Answer {
        let total = self.bytes.len();
        let tagged = |answer: Answer| match &self.tag {
            Some(tag) => answer.header("ETag", tag),
            None => answer,
        };
        let is_same = request.header("if-range").is_none_or(|asked| Some(asked) == self.tag.as_deref());
        let asked = request.header("range").filter(|_| self.ranges && is_same);
        let Some(asked) = asked else { return tagged(Answer::new(200)).bytes(&self.bytes) };
        let from =
            asked.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-')).expect("one open range");
        let from: usize = from.parse().unwrap();
        if from >= total {
            return tagged(Answer::new(416)).header("Content-Range", &format!("bytes */{total}"));
        }
        tagged(Answer::new(206))
            .header("Content-Range", &format!("bytes {from}-{}/{total}", total - 1))
            .bytes(&self.bytes[from..])
    }
}

impl Mock {
    /// Puts a file into the index, and gives its id.
    pub(crate) fn has(&self, name: &str, bytes: &[u8]) -> String {
        let mut state = self.state();
        let id = format!("{:032x}", state.files.len() + 1);
        let sha256 = hex::encode(Sha256::digest(bytes));
        let tag = Some(format!("\"{}\"", &sha256[..16]));
        let (name, size) = (name.to_owned(), bytes.len());
        let file = MockFile {
            id: id.clone(),
            name,
            size,
            bytes: bytes.to_vec(),
            sha256: Some(sha256),
            tag,
            ranges: true,
        };
        state.files.insert(0, file);
        id
    }

    /// Changes a file.
    pub(crate) fn change(&self, id: &str, change: impl FnOnce(&mut MockFile)) {
        change(self.state().files.iter_mut().find(|file| file.id == id).expect("it is there"));
    }

    pub(crate) fn files(&self) -> Vec<MockFile> {
        self.state().files.clone()
    }
}

impl State {
    pub(super) fn about_files(&mut self, request: &Request) -> Answer {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let missing = || Answer::new(404).json(&json!({ "error": "file not found: it was deleted" }));
        if path == "/files" {
            return self.listed(query);
        }
        let mut parts = path.trim_start_matches("/files/").split('/');
        let (id, below) = (parts.next().unwrap(), parts.next());
        let Some(at) = self.files.iter().position(|file| file.id == id) else { return missing() };
        match (request.method.as_str(), below) {
            ("GET", None) => Answer::new(200).json(&self.files[at].entry()),
            ("GET", Some("content")) => self.files[at].content(request),
            ("DELETE", None) => {
                self.files.remove(at);
                Answer::new(204)
            }
            ("POST", Some("link")) => {
                let body: Value = serde_json::from_slice(&request.body).unwrap();
                let url = format!("/files/{id}/content?link={}", body["expiresIn"]);
                Answer::new(200).json(&json!({ "url": url, "expiresAt": "2026-11-22T06:40:00.000Z" }))
            }
            _ => Answer::new(405),
        }
    }

    fn listed(&self, query: &str) -> Answer {
        let said = |name: &str| {
            query
                .split('&')
                .find_map(|pair| Some(pair.strip_prefix(name)?.strip_prefix('=')?.replace('+', " ")))
        };
        let (from, named) =
            (said("cursor").map_or(0, |at| at.parse().unwrap()), said("q").unwrap_or_default());
        let limit: usize = said("limit").unwrap().parse().unwrap();
        let found: Vec<&MockFile> = self
            .files
            .iter()
            .filter(|file| file.name.to_lowercase().contains(&named.to_lowercase()))
            .collect();
        let end = found.len().min(from + limit.min(PAGE));
        let page: Vec<Value> = found[from..end].iter().map(|file| file.entry()).collect();
        let cursor = (end < found.len()).then(|| end.to_string());
        Answer::new(200).json(&json!({ "files": page, "cursor": cursor }))
    }
}
