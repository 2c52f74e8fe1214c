//! tus 1.0.0, held against the protocol's text (<https://tus.io/protocols/resumable-upload>): each test names the section
//! that it is about.

mod checksum;
pub(crate) mod concatenation;
mod core;
mod creation;
mod http2;
mod keyed;
mod kills;
mod small;
pub(crate) mod streams;
mod termination;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

use crate::support::{File, Stage, soon};

pub(crate) const OFFSET_STREAM: &str = "application/offset+octet-stream";

/// A client of tus, no cleverer than the protocol.
pub(crate) struct Tus<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) token: String,
}

impl<'a> Tus<'a> {
    pub(crate) fn new(stage: &'a Stage) -> Self {
        Self { stage, token: stage.user.auth_token.clone() }
    }

    /// A request with a token and the version.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = self.stage.client.request(method, self.stage.url(path)).bearer_auth(&self.token);
        request.header("Tus-Resumable", "1.0.0")
    }

    pub(crate) async fn create(&self, headers: &[(&str, &str)]) -> Response {
        let request = headers
            .iter()
            .fold(self.request("POST", "/tus"), |request, (name, value)| request.header(*name, *value));
        request.send().await.expect("the worker answers")
    }

    /// The path of an upload that has begun with these words.
    pub(crate) async fn begin(&self, headers: &[(&str, &str)]) -> String {
        let answer = self.create(headers).await;
        assert_eq!(answer.status(), 201, "{:?}", answer.headers());
        path_of(&answer)
    }

    /// The path of an upload for this file.
    pub(crate) async fn begin_file(&self, file: &File) -> String {
        let length = file.bytes.len().to_string();
        self.begin(&[("Upload-Length", &length), ("Upload-Metadata", &name_of(file))]).await
    }

    pub(crate) async fn head(&self, path: &str) -> Response {
        self.request("HEAD", path).send().await.expect("the worker answers")
    }

    /// Where the next byte goes, as a HEAD says.
    pub(crate) async fn offset(&self, path: &str) -> usize {
        let answer = self.head(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        number(&answer, "upload-offset")
    }

    pub(crate) fn patch(&self, path: &str, offset: usize) -> RequestBuilder {
        let request = self.request("PATCH", path).header("Upload-Offset", offset.to_string());
        request.header("Content-Type", OFFSET_STREAM)
    }

    /// Appends bytes; says where the next one goes.
    pub(crate) async fn append(&self, path: &str, offset: usize, bytes: &[u8]) -> usize {
        let answer = self.patch(path, offset).body(bytes.to_vec()).send().await.expect("the worker answers");
        assert_eq!(answer.status(), 204, "{path}");
        assert!(answer.headers().contains_key("upload-expires"), "{:?}", answer.headers());
        number(&answer, "upload-offset")
    }

    /// Waits until the upload is in the channel, as this file.
    pub(crate) async fn arrived(&self, path: &str, file: &File) -> Value {
        // Its last byte may still be on its way.
        let begun = async {
            while self.stage.progress(id_of(path)).await.status == 404 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon("the last byte", begun).await;
        let end = self.stage.end(id_of(path)).await;
        assert_eq!(end["status"], "completed", "{end}");
        self.stage.arrived(file);
        end
    }
}

/// `Upload-Metadata` with the name of a file.
pub(crate) fn name_of(file: &File) -> String {
    pair("filename", &file.name)
}

pub(crate) fn pair(name: &str, value: &str) -> String {
    format!("{name} {}", STANDARD.encode(value))
}

/// Where an upload is: its address is relative to that of the call.
pub(crate) fn path_of(answer: &Response) -> String {
    let location = answer.headers()["location"].to_str().expect("text").to_owned();
    answer.url().join(&location).expect("an address").path().to_owned()
}

/// The upload's id for all other calls.
pub(crate) fn id_of(path: &str) -> &str {
    path.rsplit('/').next().expect("a segment")
}

#[track_caller]
pub(crate) fn number(answer: &Response, name: &str) -> usize {
    let value = answer.headers().get(name).unwrap_or_else(|| panic!("no {name} in {answer:?}"));
    value.to_str().expect("text").parse().expect("a number")
}

/// The status and the words of a refusal.
pub(crate) async fn refused(answer: Response) -> (u16, String) {
    assert_eq!(answer.headers()["tus-resumable"], "1.0.0");
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("a body");
    let body: Value =
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status} without JSON: {text:?}"));
    (status, body["error"].as_str().expect("words").to_owned())
}
