//! A client as real ones are: what gets no answer, or a 503, it sends again, to whichever worker.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use telestore_sandbox::SandboxUser;

use crate::cluster::Cluster;
use crate::support::{File, soon};

/// What is said of a file that may be in the channel.
const LOOK_THERE: &str = "look there before you complete the upload again";

/// What is said of a file whose worker was killed again and again while it sent it.
const NOT_THERE: &str = "The file is not in the channel; complete the upload again to try once more";

/// The longest pause before something is sent again; real clients take `Retry-After`, which is longer.
const PAUSE: Duration = Duration::from_millis(400);

/// How long a request may take. Workers wait up to 45 seconds for an object store.
const PATIENCE: Duration = Duration::from_secs(100);

/// What a worker says to a request.
pub(crate) enum Said {
    /// A status, and JSON.
    Answer(u16, Value),
    /// It has not done it, and it may go well later.
    ComeAgain,
    /// The file may be in the channel, and the worker that knew was killed.
    LookThere,
    /// It does not run now.
    Away,
    /// It was killed while it was at it.
    Nothing,
}

/// Somebody who has files sent.
pub(crate) struct Person<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) user: SandboxUser,
    client: Client,
    /// How often a worker said that it could not now.
    pub(crate) refused: AtomicUsize,
}

impl<'a> Person<'a> {
    pub(crate) fn new(cluster: &'a Cluster, user: SandboxUser) -> Self {
        let client = Client::builder().timeout(PATIENCE).build().expect("a client");
        Self { cluster, user, client, refused: AtomicUsize::new(0) }
    }

    /// What any worker says.
    ///
    /// # Panics
    /// If that is another error of its own than 503, or a 503 that does not say when to come again. A client that waits for the
    /// end of a file may also be told that nobody knows it.
    async fn once(&self, request: &impl Fn(&Client, &str) -> RequestBuilder) -> Said {
        let Some(base) = self.cluster.base(rand::random_range(0..self.cluster.len())) else {
            return Said::Away;
        };
        let answer = match request(&self.client, &base).send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => return Said::Away,
            Err(_) => return Said::Nothing,
        };
        let status = answer.status();
        let (again, path) = (answer.headers().contains_key("retry-after"), answer.url().path().to_owned());
        let Ok(text) = answer.text().await else { return Said::Nothing };
        let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: {status} {text}"));
        if !status.is_server_error() {
            return Said::Answer(status.as_u16(), body);
        }
        if path == "/upload" && text.contains(LOOK_THERE) {
            return Said::LookThere;
        }
        if path == "/upload" && text.contains(NOT_THERE) {
            return Said::ComeAgain;
        }
        assert!(status == 503 && again, "{path}: {status} {text}, Retry-After: {again}");
        self.refused.fetch_add(1, Ordering::Relaxed);
        Said::ComeAgain
    }

    pub(crate) async fn pause() {
        tokio::time::sleep(PAUSE.mul_f64(rand::random())).await;
    }

    /// Asks until there is an answer: its status, and its JSON.
    pub(crate) async fn ask(
        &self,
        what: &str,
        request: impl Fn(&Client, &str) -> RequestBuilder,
    ) -> (u16, Value) {
        let asked = async {
            loop {
                if let Said::Answer(status, body) = self.once(&request).await {
                    return (status, body);
                }
                Self::pause().await;
            }
        };
        soon(what, asked).await
    }

    async fn ok(&self, what: &str, request: impl Fn(&Client, &str) -> RequestBuilder) -> Value {
        let (status, body) = self.ask(what, request).await;
        assert_eq!(status, 200, "{what}: {body}");
        body
    }

    pub(crate) async fn chunk(&self, file: &File, index: usize) {
        let form = || file.chunk(index, &self.user.auth_token);
        self.ok("a chunk", |client, base| client.post(format!("{base}/upload-chunk")).multipart(form()))
            .await;
    }

    async fn post(&self, path: &str, file: &File) -> Value {
        let body = json!({ "uploadId": file.id, "authToken": self.user.auth_token });
        self.ok(path, |client, base| client.post(format!("{base}{path}")).json(&body)).await
    }

    /// Sends the chunks that are missing, as somebody does who comes back.
    pub(crate) async fn missing_chunks(&self, file: &File) {
        let status = |client: &Client, base: &str| client.get(format!("{base}/upload-status/{}", file.id));
        let (status, told) = self.ask("the chunks that are there", status).await;
        let there = if status == 404 {
            Vec::new()
        } else {
            told["received_chunk_indices"].as_array().expect("a list").clone()
        };
        for index in (0..file.total()).filter(|index| !there.contains(&(*index).into())) {
            self.chunk(file, index).await;
        }
    }

    pub(crate) async fn complete(&self, file: &File) {
        self.post("/complete-upload", file).await;
    }

    /// How the upload ends.
    pub(crate) async fn end(&self, file: &File) -> Value {
        loop {
            let url = |base: &str| format!("{base}/upload-progress/{}?wait=5", file.id);
            let told = self.ok("progress", |client, base| client.get(url(base))).await;
            if told["status"] != "uploading" {
                return told;
            }
        }
    }

    /// Waits for the end, and does what a person does where that is bad: looks into the channel if the file may be there,
    /// and completes the upload again if it is not. Gives whether the service knows that it is there.
    pub(crate) async fn sees_to_it(&self, file: &File) -> bool {
        loop {
            let end = self.end(file).await;
            if end["status"] == "completed" {
                return true;
            }
            let why = end["error"].as_str().unwrap_or_default();
            let maybe = why.contains(LOOK_THERE);
            assert!(maybe || why.contains(NOT_THERE), "{}: {end}", file.name);
            if maybe && self.messages(&file.name) > 0 {
                self.post("/cancel-upload", file).await;
                return false;
            }
            self.complete(file).await;
        }
    }

    /// Has a file sent in chunks. Gives whether the service knows that it is there.
    pub(crate) async fn sends(&self, file: &File) -> bool {
        for index in 0..file.total() {
            self.chunk(file, index).await;
        }
        self.complete(file).await;
        self.sees_to_it(file).await
    }

    /// Sends a file in one request, once.
    pub(crate) async fn sends_directly(&self, file: &File) -> Said {
        let form = || file.direct(&self.user.auth_token);
        let upload = |client: &Client, base: &str| client.post(format!("{base}/upload")).multipart(form());
        let sent = async {
            loop {
                match self.once(&upload).await {
                    Said::Away => Self::pause().await,
                    said => return said,
                }
            }
        };
        soon("a file in one request", sent).await
    }

    /// Sends a file in one request, and repeats that under one key until there is an answer.
    pub(crate) async fn repeats(&self, file: &File) -> Said {
        let form = || file.direct(&self.user.auth_token);
        let upload = |client: &Client, base: &str| {
            client.post(format!("{base}/upload")).header("Idempotency-Key", &file.id).multipart(form())
        };
        let sent = async {
            loop {
                match self.once(&upload).await {
                    Said::Away | Said::ComeAgain | Said::Nothing => Self::pause().await,
                    said => return said,
                }
            }
        };
        soon("a file in one request that is repeated", sent).await
    }

    /// How many messages of this name are in the channel.
    pub(crate) fn messages(&self, name: &str) -> usize {
        let messages = self.cluster.sandbox.messages_of(&self.user);
        messages.iter().filter(|message| message.sent_name == name).count()
    }
}
