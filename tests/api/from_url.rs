//! Files that the worker fetches from where users say.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use telestore_sandbox::UserSpec;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::support::{Answer, File, MIB, Stage, files_below, soon};

/// A server of files, by the book unless it is told otherwise.
#[derive(Clone)]
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    body: Mutex<Vec<u8>>,
    /// What stands in the head beside the length.
    headers: &'static str,
    ranges: bool,
    /// After how many bytes the next answers break, one after the other.
    breaks: Mutex<Vec<usize>>,
    /// Whether they stand still there instead, until this tells.
    stands: Option<Notify>,
    /// What was asked for, in small letters.
    asked: Mutex<Vec<String>>,
    served: AtomicUsize,
}

impl Server {
    pub(crate) async fn of(body: &[u8], headers: &'static str, ranges: bool) -> Self {
        Self::start(body, headers, ranges, false).await
    }

    async fn start(body: &[u8], headers: &'static str, ranges: bool, stands: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = State {
            body: Mutex::new(body.to_vec()),
            headers,
            ranges,
            breaks: Mutex::default(),
            stands: stands.then(Notify::new),
            asked: Mutex::default(),
            served: AtomicUsize::new(0),
        };
        let server = Self { address: listener.local_addr().unwrap(), state: Arc::new(state) };
        let serving = server.clone();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let server = serving.clone();
                tokio::spawn(async move { server.answer(socket).await });
            }
        });
        server
    }

    pub(crate) fn breaking(self, after: &[usize]) -> Self {
        self.state.breaks.lock().unwrap().extend(after.iter().rev());
        self
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn answer(&self, mut socket: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = socket.read_u8().await else { return };
            head.push(byte);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        self.state.asked.lock().unwrap().push(head.clone());
        let body = self.state.body.lock().unwrap().clone();
        let from =
            head.split("range: bytes=").nth(1).and_then(|rest| rest.split('-').next()?.parse::<usize>().ok());
        let from = from.filter(|_| self.state.ranges && head.contains("if-range: \"v1\""));
        let (status, from) = match from {
            Some(from) => (
                format!(
                    "206 Partial Content\r\nContent-Range: bytes {from}-{}/{}",
                    body.len() - 1,
                    body.len()
                ),
                from,
            ),
            None => ("200 OK".to_owned(), 0),
        };
        let rest = &body[from..];
        let head = format!(
            "HTTP/1.1 {status}\r\n{}Content-Length: {}\r\nConnection: close\r\n\r\n",
            self.state.headers,
            rest.len()
        );
        let until = self.state.breaks.lock().unwrap().pop().unwrap_or(rest.len()).min(rest.len());
        let _ = socket.write_all(head.as_bytes()).await;
        if socket.write_all(&rest[..until]).await.is_ok() {
            self.state.served.fetch_add(until, Ordering::SeqCst);
        }
        if until < rest.len()
            && let Some(stands) = &self.state.stands
        {
            stands.notified().await;
        }
    }

    fn asked(&self) -> Vec<String> {
        self.state.asked.lock().unwrap().clone()
    }
}

pub(crate) async fn stage() -> Stage {
    Stage::with(&[("TELESTORE_FROM_URL", "on"), ("TELESTORE_FROM_URL_ADDRESSES", "127.0.0.0/8")]).await
}

async fn post(stage: &Stage, body: Value) -> Answer {
    let request = stage.client.post(stage.url("/uploads/from-url")).bearer_auth(&stage.user.auth_token);
    stage.ask(request.json(&body)).await
}

async fn begin(stage: &Stage, body: Value) -> String {
    let answer = post(stage, body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let id = answer.body["uploadId"].as_str().unwrap().to_owned();
    assert_eq!(answer.body["checkProgressAt"], json!(format!("/upload-progress/{id}")));
    id
}

/// Fetches a file, and gives how that ended.
pub(crate) async fn fetched(stage: &Stage, url: &str) -> Value {
    let id = begin(stage, json!({ "url": url })).await;
    stage.end(&id).await
}

#[tokio::test]
async fn a_file_is_fetched_and_sent_as_any_other() {
    let stage = stage().await;
    let file = File::new(21 * MIB).named("фильм.bin");
    let server = Server::of(&file.bytes, "ETag: \"v1\"\r\nContent-Disposition: attachment; filename*=UTF-8''%D1%84%D0%B8%D0%BB%D1%8C%D0%BC.bin\r\n", true).await;
    let id = begin(&stage, json!({ "url": server.url("/x?token=hush") })).await;
    let end = stage.end(&id).await;
    assert_eq!(end["status"], "completed", "{end}");
    assert_eq!(end["messageId"], json!(stage.arrived(&file).message_id));
    stage.sandbox.wait_for_webhooks(1).await;
    stage.emptied(&["chunks", "spool"]).await;
    // Another name, and options, of the client's.
    let named = File { name: "own.bin".to_owned(), ..file };
    let body = json!({ "url": server.url("/x"), "fileName": "own.bin", "caption": "from afar" });
    assert_eq!(stage.end(&begin(&stage, body).await).await["status"], "completed");
    let messages = stage.sandbox.messages_of(&stage.user);
    assert_eq!(
        (messages[1].sent_name.as_str(), messages[1].caption.as_str()),
        (named.name.as_str(), "from afar")
    );
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_name_is_the_servers_or_the_addresss() {
    let stage = stage().await;
    for (path, headers, expected) in [
        ("/a/b%20c.bin?d", "", "b c.bin"),
        ("/", "", "download"),
        ("/x", "Content-Disposition: inline; filename=\"../../etc/y.bin\"\r\n", "y.bin"),
    ] {
        let server = Server::of(b"hello", headers, false).await;
        assert_eq!(fetched(&stage, &server.url(path)).await["status"], "completed");
        assert_eq!(stage.sandbox.messages_of(&stage.user).last().unwrap().sent_name, expected);
    }
}

#[tokio::test]
async fn a_broken_line_goes_on_where_it_broke_or_is_compared_from_the_beginning() {
    let stage = stage().await;
    for ranges in [true, false] {
        let file = File::new(20 * MIB).named(&format!("ranges-{ranges}.bin"));
        let tag = if ranges { "ETag: \"v1\"\r\n" } else { "" };
        let server = Server::of(&file.bytes, tag, ranges).await.breaking(&[9 * MIB, 6 * MIB + 5]);
        let end = fetched(&stage, &server.url(&format!("/{}", file.name))).await;
        assert_eq!(end["status"], "completed", "{end}");
        file.assert_is(stage.sandbox.messages_of(&stage.user).last().unwrap());
        let again = server.asked().iter().filter(|asked| asked.contains("range: bytes=")).count();
        assert_eq!(again, if ranges { 2 } else { 0 });
        let served = server.state.served.load(Ordering::SeqCst);
        assert!(!ranges || served <= 21 * MIB, "{served}");
    }
}

#[tokio::test]
async fn a_file_that_has_changed_is_not_put_together_of_two() {
    let stage = stage().await;
    let file = File::new(20 * MIB);
    let server = Server::of(&file.bytes, "", false).await.breaking(&[9 * MIB]);
    let id = begin(&stage, json!({ "url": server.url("/a") })).await;
    let changes = async {
        while server.asked().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.state.body.lock().unwrap()[100] ^= 1;
    };
    soon("the first question", changes).await;
    let end = stage.end(&id).await;
    assert!(end["error"].as_str().unwrap().contains("another one than when"), "{end}");
    assert!(stage.sandbox.messages_of(&stage.user).is_empty());
    stage.emptied(&["chunks", "spool"]).await;
}

#[tokio::test]
async fn a_killed_worker_goes_on_with_what_it_fetched() {
    for ranges in [true, false] {
        let mut stage = stage().await;
        let file = File::new(20 * MIB).named("a.bin");
        let tag = if ranges { "ETag: \"v1\"\r\n" } else { "" };
        let server = Server::start(&file.bytes, tag, ranges, true).await.breaking(&[17 * MIB]);
        let id = begin(&stage, json!({ "url": server.url("/a.bin?key=hush-hush") })).await;
        let there = async {
            while stage.get(&format!("/upload-status/{id}")).await.body["received_chunks"] != 2 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        soon("two pieces", there).await;
        let progress = stage.progress(&id).await.ok();
        assert_eq!((&progress["status"], &progress["stage"]), (&json!("uploading"), &json!("fetching")));
        assert_eq!(progress["bytesTotal"], json!(20 * MIB));
        stage.kill().await;
        // Its address is nowhere to be read.
        for path in files_below(&stage.data_dir()) {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(9).any(|window| window == b"hush-hush");
            assert!(!found, "{}", path.display());
        }
        stage.start().await;
        let end = stage.end(&id).await;
        assert_eq!(end["status"], "completed", "{end}");
        stage.arrived(&file);
        let asked = server.asked();
        assert_eq!(asked.len(), 2);
        let from = asked[1]
            .split("range: bytes=")
            .nth(1)
            .and_then(|rest| rest.split('-').next()?.parse::<usize>().ok());
        // Pieces end where the bytes came to an end that are more than 8 MiB.
        assert!(from.is_some_and(|from| (16 * MIB..=17 * MIB).contains(&from)) == ranges, "{}", asked[1]);
    }
}

#[tokio::test]
async fn a_fetch_can_be_cancelled_and_leaves_nothing() {
    let stage = stage().await;
    let server = Server::start(&File::new(20 * MIB).bytes, "", false, true).await.breaking(&[9 * MIB]);
    let id = begin(&stage, json!({ "url": server.url("/a.bin") })).await;
    let there = async {
        while stage.get(&format!("/upload-status/{id}")).await.body["received_chunks"] != 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("a piece", there).await;
    stage.post("/cancel-upload", json!({ "uploadId": id })).await.ok();
    assert_eq!(stage.end(&id).await["status"], "failed");
    stage.emptied(&["chunks", "spool"]).await;
    assert!(stage.sandbox.messages_of(&stage.user).is_empty());
}

#[tokio::test]
async fn addresses_that_may_not_be_asked_are_refused_at_once_or_fail() {
    let stage = Stage::with(&[("TELESTORE_FROM_URL", "on")]).await;
    for inside in [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://192.168.1.1:8080/",
    ] {
        let refused = post(&stage, json!({ "url": inside })).await.error(400);
        assert!(refused.contains("TELESTORE_FROM_URL_ADDRESSES"), "{inside}: {refused}");
    }
    for bad in ["", "no address", "ftp://files.example/a", "file:///etc/passwd"] {
        let refused = post(&stage, json!({ "url": bad })).await.error(400);
        assert!(refused.contains("http://"), "{bad}: {refused}");
    }
    // A name is looked at where it is dialled.
    let server = Server::of(b"hello", "", false).await;
    let url = format!("http://localhost:{}/a?token=hush", server.address.port());
    let end = fetched(&stage, &url).await;
    let error = end["error"].as_str().unwrap();
    assert!(error.contains("makes no connections") && !error.contains("hush"), "{end}");
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn redirects_do_not_lead_inside() {
    let stage = stage().await;
    for to in [
        "http://169.254.169.254/latest/",
        "http://[::ffff:10.0.0.1]/",
        "http://167772161/",
        "file:///etc/passwd",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let answer = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
                let _ = socket.read(&mut [0; 4096]).await;
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        let end = fetched(&stage, &format!("http://{address}/a?token=hush")).await;
        let error = end["error"].as_str().unwrap();
        assert!(error.contains("makes no connections") || error.contains("neither http://"), "{to}: {end}");
        assert!(!error.contains("hush"), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_file_of_use_fails_in_words() {
    let stage = Stage::with(&[
        ("TELESTORE_FROM_URL", "on"),
        ("TELESTORE_FROM_URL_ADDRESSES", "127.0.0.1"),
        ("TELESTORE_MAX_FILE_BYTES", "1 MiB"),
    ])
    .await;
    for (server, words) in [
        (Server::of(b"", "", false).await, "is empty"),
        (Server::of(&vec![7; 2 * MIB], "", false).await, "larger than the limit of 1048576 bytes"),
        (Server::of(b"hello", "Content-Encoding: gzip\r\n", false).await, "packed (Content-Encoding: gzip)"),
    ] {
        let end = fetched(&stage, &server.url("/a?token=hush")).await;
        let error = end["error"].as_str().unwrap();
        assert!(end["status"] == "failed" && error.contains(words) && !error.contains("hush"), "{end}");
    }
    assert!(stage.sandbox.messages_of(&stage.user).is_empty());
    stage.emptied(&["chunks", "spool"]).await;
}

#[tokio::test]
async fn it_is_for_users_only_and_off_unless_it_is_switched_on() {
    let off = Stage::new().await;
    let refused = post(&off, json!({ "url": "https://files.example/a" })).await.error(404);
    assert!(refused.contains("TELESTORE_FROM_URL"), "{refused}");
    let stage = stage().await;
    let server = Server::of(b"hello", "", false).await;
    stage.post("/uploads/from-url", json!({ "url": server.url("/a") })).await.error(401);
    let body = json!({ "url": server.url("/a"), "authToken": "wrong" });
    stage.post("/uploads/from-url", body).await.error(401);
    let body = json!({ "url": server.url("/a"), "authToken": stage.user.auth_token });
    let answer = stage.post("/uploads/from-url", body).await;
    assert_eq!(answer.status, 202);
    assert_eq!(stage.end(answer.body["uploadId"].as_str().unwrap()).await["status"], "completed");
    // Another user's is not theirs to cancel.
    let bob = stage.sandbox.add_user(UserSpec::new("bob"));
    let request = stage.client.post(stage.url("/cancel-upload")).bearer_auth(&bob.auth_token);
    stage.ask(request.json(&json!({ "uploadId": answer.body["uploadId"] }))).await.error(403);
}

#[tokio::test]
async fn a_key_makes_one_upload_of_a_request_that_comes_again() {
    let stage = stage().await;
    let server = Server::of(b"hello", "", false).await;
    let ask = async |url: &str| {
        let request = stage.client.post(stage.url("/uploads/from-url")).bearer_auth(&stage.user.auth_token);
        stage.ask(request.header("Idempotency-Key", "a-key").json(&json!({ "url": url }))).await
    };
    let first = ask(&server.url("/a")).await;
    assert_eq!(first.status, 202);
    stage.end(first.body["uploadId"].as_str().unwrap()).await;
    assert_eq!(ask(&server.url("/a")).await, first);
    ask(&server.url("/b")).await.error(422);
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), 1);
}
