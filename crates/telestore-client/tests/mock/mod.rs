//! A worker for tests: tus 1.0.0 and what this client asks beside it, over sockets of its own, with faults on demand.

mod files;
mod http;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use telestore_client::{Client, ClientBuilder};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) use self::files::MockFile;
pub(crate) use self::http::{Answer, Request};

/// The token that it takes.
pub(crate) const TOKEN: &str = "word";

/// The longest that a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// What goes wrong with a request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// This status, with one more header, in the place of an answer. Nothing is done.
    Status(u16, &'static str, &'static str),
    /// The connection breaks before the body is read.
    Drop,
    /// The connection breaks when so many bytes of the body were read. Nothing is done.
    CutBody(usize),
    /// All is done, and the connection breaks before the answer.
    LoseAnswer,
    /// The connection breaks when so many bytes of the answer's body went out.
    CutAnswer(usize),
    /// Nothing more comes when so many bytes of the answer's body went out.
    StallAnswer(usize),
    /// Nothing is answered, ever.
    Hang,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct MockUpload {
    pub(crate) length: Option<usize>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) metadata: HashMap<String, String>,
    /// The same as it was sent.
    sent: String,
    /// The worker's words, if it could not be sent.
    pub(crate) failed: Option<String>,
    pub(crate) message: Option<usize>,
}

#[derive(Default)]
struct State {
    uploads: HashMap<String, MockUpload>,
    /// The newest first.
    files: Vec<MockFile>,
    messages: Vec<(String, Vec<u8>)>,
    faults: Vec<(&'static str, Fault)>,
    requests: Vec<Request>,
    made: usize,
    /// What the next uploads fail with.
    fails: Option<String>,
    /// Whether messages are not made.
    held: bool,
}

/// Bytes that differ from file to file.
pub(crate) fn content(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| ((at + seed) * 31 % 251) as u8).collect()
}

/// A running one.
#[derive(Clone)]
pub(crate) struct Mock {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
}

impl Mock {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let mock = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            state: Arc::default(),
            changed: watch::Sender::new(0),
        };
        let server = mock.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move { server.serve(connection).await });
            }
        });
        mock
    }

    /// A patient client of it, which differs by `more`.
    pub(crate) fn client(&self, more: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Client {
        let builder = Client::builder(&self.url).token(TOKEN).patience(Duration::from_secs(60));
        more(builder).build().unwrap()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The next requests that begin with this, such as `PATCH /tus/`, one for each fault, in their order.
    pub(crate) fn fault(&self, what: &'static str, faults: &[Fault]) {
        self.state().faults.extend(faults.iter().map(|fault| (what, fault.clone())));
    }

    /// Uploads that are complete from now on fail with these words; `None`: they do not.
    pub(crate) fn fails(&self, words: Option<&str>) {
        self.state().fails = words.map(str::to_owned);
    }

    /// Whether uploads that are complete wait.
    pub(crate) fn hold(&self, held: bool) {
        let mut state = self.state();
        state.held = held;
        let all: Vec<String> = state.uploads.keys().cloned().collect();
        all.iter().for_each(|id| state.sends(id));
        drop(state);
        self.changed.send_modify(|count| *count += 1);
    }

    /// Forgets all uploads, as a worker does whose time for them is over.
    pub(crate) fn forget(&self) {
        self.state().uploads.clear();
    }

    pub(crate) fn messages(&self) -> Vec<(String, Vec<u8>)> {
        self.state().messages.clone()
    }

    pub(crate) fn uploads(&self) -> HashMap<String, MockUpload> {
        self.state().uploads.clone()
    }

    /// All requests that began with this.
    pub(crate) fn requests(&self, what: &str) -> Vec<Request> {
        let state = self.state();
        state.requests.iter().filter(|request| request.line().starts_with(what)).cloned().collect()
    }

    /// Waits for so many requests that begin with this.
    pub(crate) async fn asked(&self, what: &str, count: usize) {
        let mut changed = self.changed.subscribe();
        let come = changed.wait_for(|_| self.requests(what).len() >= count);
        tokio::time::timeout(PATIENCE, come)
            .await
            .unwrap_or_else(|_| panic!("no {count} of {what}"))
            .unwrap();
    }

    /// Waits until this holds for the uploads.
    pub(crate) async fn until(&self, holds: impl Fn(&HashMap<String, MockUpload>) -> bool) {
        let mut changed = self.changed.subscribe();
        let come = changed.wait_for(|_| holds(&self.state().uploads));
        tokio::time::timeout(PATIENCE, come).await.expect("it does not come to hold").unwrap();
    }

    async fn serve(&self, connection: TcpStream) {
        let mut connection = http::Connection::new(connection);
        while let Some(mut request) = connection.head().await {
            let fault = {
                let mut state = self.state();
                let at = state.faults.iter().position(|(what, _)| request.line().starts_with(what));
                let fault = at.map(|at| state.faults.remove(at).1);
                state.requests.push(request.clone());
                fault
            };
            self.changed.send_modify(|count| *count += 1);
            let read = match fault {
                Some(Fault::Drop) => return,
                Some(Fault::Hang) => std::future::pending().await,
                Some(Fault::CutBody(bytes)) => {
                    connection.body(&mut request, bytes).await;
                    return;
                }
                _ => connection.body(&mut request, usize::MAX).await,
            };
            if !read {
                return;
            }
            let answer = match fault {
                Some(Fault::Status(status, name, value)) => Answer::new(status).header(name, value),
                _ => self.answer(&request).await,
            };
            self.changed.send_modify(|count| *count += 1);
            let most = match fault {
                Some(Fault::LoseAnswer) => return,
                Some(Fault::CutAnswer(bytes) | Fault::StallAnswer(bytes)) => bytes,
                _ => usize::MAX,
            };
            if !connection.answer_up_to(&answer, &request, most).await {
                return;
            }
            match fault {
                Some(Fault::CutAnswer(_)) => return,
                Some(Fault::StallAnswer(_)) => std::future::pending().await,
                _ => {}
            }
        }
    }

    async fn answer(&self, request: &Request) -> Answer {
        if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
            return Answer::new(401).json(&json!({ "error": "invalid authToken: sign in again" }));
        }
        if request.path.starts_with("/files") {
            return self.state().about_files(request);
        }
        let path = request.path.split('?').next().unwrap();
        let id = path.rsplit('/').next().unwrap().to_owned();
        match (request.method.as_str(), path) {
            ("POST", "/tus") => self.state().create(request),
            ("HEAD", path) if path.starts_with("/tus/") => self.state().head(&id),
            ("PATCH", path) if path.starts_with("/tus/") => self.state().patch(&id, request),
            ("DELETE", path) if path.starts_with("/tus/") => match self.state().uploads.remove(&id) {
                Some(_) => Answer::new(204).header("Tus-Resumable", "1.0.0"),
                None => Answer::new(404).header("Tus-Resumable", "1.0.0"),
            },
            ("GET", path) if path.starts_with("/upload-progress/") => self.progress(&id, request).await,
            ("POST", "/cancel-upload") => self.state().cancel(request),
            ("POST", "/complete-upload") => self.state().again(request),
            _ => Answer::new(404).json(&json!({ "error": "there is nothing here" })),
        }
    }

    /// Waits, as the worker does, for another state than the one that the client has.
    async fn progress(&self, id: &str, request: &Request) -> Answer {
        let mut changed = self.changed.subscribe();
        let known = request.header("if-none-match");
        let look = || self.state().progress(id);
        if request.path.contains("wait=") {
            let other = changed.wait_for(|_| {
                let answer = look();
                answer.status != 200 || answer.is_final() || answer.find("ETag") != known
            });
            let _ = tokio::time::timeout(Duration::from_secs(1), other).await;
        }
        look()
    }
}

impl State {
    fn create(&mut self, request: &Request) -> Answer {
        let length = request.header("upload-length").map(|length| length.parse().unwrap());
        assert!(length.is_some() != (request.header("upload-defer-length") == Some("1")), "{request:?}");
        let sent = request.header("upload-metadata").unwrap_or_default().to_owned();
        let metadata = sent.split(',').map(|pair| {
            let (name, value) = pair.split_once(' ').unwrap_or((pair, ""));
            (name.to_owned(), String::from_utf8(STANDARD.decode(value).unwrap()).unwrap())
        });
        self.made += 1;
        let id = format!("upload-{}", self.made);
        let metadata = metadata.collect();
        self.uploads.insert(id.clone(), MockUpload { length, metadata, sent, ..MockUpload::default() });
        // As a worker behind a proxy that does not say so: only the last part of it counts.
        Answer::new(201)
            .header("Location", &format!("http://inside.invalid/tus/{id}"))
            .header("Tus-Resumable", "1.0.0")
    }

    fn head(&self, id: &str) -> Answer {
        let gone = Answer::new(404).header("Tus-Resumable", "1.0.0");
        let Some(upload) = self.uploads.get(id).filter(|upload| upload.failed.is_none()) else { return gone };
        let answer = Answer::new(200)
            .header("Tus-Resumable", "1.0.0")
            .header("Cache-Control", "no-store")
            .header("Upload-Metadata", &upload.sent)
            .header("Upload-Offset", &upload.bytes.len().to_string());
        match upload.length {
            Some(length) => answer.header("Upload-Length", &length.to_string()),
            None => answer.header("Upload-Defer-Length", "1"),
        }
    }

    fn patch(&mut self, id: &str, request: &Request) -> Answer {
        let tus = |status| Answer::new(status).header("Tus-Resumable", "1.0.0");
        assert_eq!(request.header("content-type"), Some("application/offset+octet-stream"));
        let Some(upload) = self.uploads.get_mut(id) else { return tus(404) };
        if request.header("upload-offset") != Some(&upload.bytes.len().to_string()) {
            return tus(409);
        }
        if let Some(checksum) = request.header("upload-checksum") {
            let digest = STANDARD.encode(Sha256::digest(&request.body));
            if checksum != format!("sha256 {digest}") {
                return tus(460);
            }
        }
        if let Some(length) = request.header("upload-length") {
            upload.length = Some(length.parse().unwrap());
        }
        upload.bytes.extend_from_slice(&request.body);
        let offset = upload.bytes.len().to_string();
        self.sends(id);
        tus(204).header("Upload-Offset", &offset)
    }

    /// Makes the message of an upload that is complete.
    fn sends(&mut self, id: &str) {
        let (number, held, fails) = (self.messages.len() + 1, self.held, self.fails.clone());
        let Some(upload) = self.uploads.get_mut(id) else { return };
        let is_complete = upload.length == Some(upload.bytes.len());
        if !is_complete || held || upload.message.is_some() || upload.failed.is_some() {
            return;
        }
        match fails {
            Some(words) => upload.failed = Some(words),
            None => {
                upload.message = Some(number);
                let name = upload.metadata.get("filename").cloned().unwrap_or_default();
                self.messages.push((name, upload.bytes.clone()));
            }
        }
    }

    fn progress(&self, id: &str) -> Answer {
        let complete = |upload: &&MockUpload| upload.length == Some(upload.bytes.len());
        let Some(upload) = self.uploads.get(id).filter(complete) else {
            return Answer::new(404).json(&json!({ "error": "Upload not found or not started" }));
        };
        let (status, stage) = match upload {
            MockUpload { failed: Some(_), .. } => ("failed", "sending"),
            MockUpload { message: Some(_), .. } => ("completed", "done"),
            _ => ("uploading", "queued"),
        };
        let body = json!({
            "uploadId": id, "status": status, "progress": 0, "error": upload.failed, "messageId": upload.message,
            "fileId": upload.message.map(|number| format!("file-{number}")), "stage": stage, "bytesSent": 0,
            "bytesTotal": upload.length, "attempt": 1, "retryAfter": null,
        });
        let tag = format!("\"{status}\"");
        Answer::new(200).header("ETag", &tag).json(&body)
    }

    fn cancel(&mut self, request: &Request) -> Answer {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let id = body["uploadId"].as_str().unwrap();
        let message = self.uploads.get(id).and_then(|upload| upload.message);
        if message.is_none() {
            self.uploads.remove(id);
        }
        Answer::new(200)
            .json(&json!({ "success": true, "message": "Upload cancelled", "messageId": message }))
    }

    fn again(&mut self, request: &Request) -> Answer {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let id = body["uploadId"].as_str().unwrap().to_owned();
        let Some(upload) = self.uploads.get_mut(&id) else {
            return Answer::new(404).json(&json!({ "error": "Upload session not found" }));
        };
        upload.failed = None;
        self.sends(&id);
        Answer::new(200).json(&json!({ "success": true }))
    }
}
