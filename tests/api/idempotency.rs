//! Requests of whole files that come again, because their clients did not hear what became of them: one message each.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::iter;
use rand::RngExt;
use reqwest::RequestBuilder;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use telestore_sandbox::{Fault, UserSpec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::support::{Answer, File, MIB, Stage, soon};

/// By what the requests of a file are known.
#[derive(Debug, Clone, Copy, PartialEq)]
enum By {
    Key,
    /// The SHA-256, in the field.
    Digest,
    /// The same, on the part.
    ContentDigest,
    /// As the body of a `PUT`.
    Put,
    /// The same, by the digest of the body.
    PutDigest,
}

impl By {
    fn is_put(self) -> bool {
        matches!(self, Self::Put | Self::PutDigest)
    }

    fn has_key(self) -> bool {
        matches!(self, Self::Key | Self::Put)
    }
}

const BYS: [By; 5] = [By::Key, By::Digest, By::ContentDigest, By::Put, By::PutDigest];

fn numbered(number: usize, bytes: usize) -> File {
    File::new(bytes).named(&format!("file-{number}.bin"))
}

/// The request, as its client writes it each time.
fn request(stage: &Stage, file: &File, by: By) -> Vec<u8> {
    let key = if by.has_key() { format!("Idempotency-Key: \"{}\"\r\n", file.id) } else { String::new() };
    let (call, more, body) = match by.is_put() {
        true if by == By::PutDigest => {
            (format!("PUT /upload/{}", file.name), content_digest(file), file.bytes.clone())
        }
        true => (format!("PUT /upload/{}", file.name), String::new(), file.bytes.clone()),
        false => {
            let boundary = format!("b{}", file.id);
            let kind = format!("Content-Type: multipart/form-data; boundary={boundary}\r\n");
            ("POST /upload".to_owned(), kind, form_as_written(file, by, &boundary))
        }
    };
    let mut request = format!(
        "{call} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{key}{more}Content-Length: {}\r\n\r\n",
        stage.address(),
        stage.user.auth_token,
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(&body);
    request
}

fn content_digest(file: &File) -> String {
    use base64::Engine;
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(&file.bytes));
    format!("Content-Digest: sha-256=:{digest}:\r\n")
}

fn form_as_written(file: &File, by: By, boundary: &str) -> Vec<u8> {
    let digest = Sha256::digest(&file.bytes);
    let of_part = if by == By::ContentDigest { content_digest(file) } else { String::new() };
    let field = |name: &str, value: &str| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let before = if by == By::Digest { field("sha256", &hex::encode(digest)) } else { String::new() };
    let mut body = format!(
        "{before}--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\n{of_part}\r\n",
        file.name
    )
    .into_bytes();
    body.extend_from_slice(&file.bytes);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    body
}

/// Sends a request, and cuts its connection: somewhere in it, or behind it, while the answer is outstanding or on its way.
pub(crate) async fn cut(stage: &Stage, request: &[u8]) {
    let Ok(mut socket) = TcpStream::connect(stage.address()).await else { return };
    let at = if rand::random() { request.len() } else { rand::rng().random_range(0..request.len()) };
    if socket.write_all(&request[..at]).await.is_err() {
        return;
    }
    if at == request.len() {
        match rand::rng().random_range(0..4) {
            0 => {}
            // The answer comes, and its client does not live to see it.
            1 => drop(socket.read(&mut [0; 1]).await),
            _ => sleep(Duration::from_millis(rand::rng().random_range(0..80))).await,
        }
    }
    if rand::random() {
        // A reset, as of a client that has crashed.
        let _ = socket.set_zero_linger();
    }
}

/// The same, as a client of the standard kind sends it.
async fn ask(stage: &Stage, file: &File, by: By) -> Option<Answer> {
    let request = if by.is_put() { put(stage, file, by) } else { post(stage, file, by) };
    let request = request.bearer_auth(&stage.user.auth_token);
    let request = if by.has_key() { request.header("Idempotency-Key", &file.id) } else { request };
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    let body = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
    assert_eq!(status == 201, by.is_put() && status < 300, "{status} {body}");
    Some(Answer { status: if status == 201 { 200 } else { status }, body })
}

fn put(stage: &Stage, file: &File, by: By) -> RequestBuilder {
    // The digest may stand in another place the second time.
    let query = match by {
        By::PutDigest => format!("?sha256={}", hex::encode(Sha256::digest(&file.bytes))),
        _ => String::new(),
    };
    stage.client.put(stage.url(&format!("/upload/{}{query}", file.name))).body(file.bytes.clone())
}

fn post(stage: &Stage, file: &File, by: By) -> RequestBuilder {
    let part = Part::bytes(file.bytes.clone()).file_name(file.name.clone());
    let digest = Sha256::digest(&file.bytes);
    let form = match by {
        By::Key => Form::new(),
        // What came before the file on the first time may come behind it.
        _ => Form::new().text("sha256", hex::encode(digest)),
    };
    stage.client.post(stage.url("/upload")).multipart(form.part("file", part))
}

/// The numbers of the messages of a file.
pub(crate) fn messages(stage: &Stage, file: &File) -> Vec<i64> {
    let all = stage.sandbox.messages_of(&stage.user);
    let of_file = all.into_iter().filter(|message| message.sent_name == file.name);
    of_file.inspect(|message| file.assert_is(message)).map(|message| message.message_id.into()).collect()
}

#[tokio::test]
async fn two_hundred_requests_that_are_cut_and_repeated_make_one_message_each() {
    const CUTS: usize = 200;
    let stage = Stage::with(&[("TELESTORE_MAX_CONCURRENT_UPLOADS", "8")]).await;
    let stage = &stage;
    let one = async |number: usize| {
        let file = numbered(number, rand::rng().random_range(1..300_000));
        let by = BYS[number % BYS.len()];
        let request = request(stage, &file, by);
        // Some lines break again and again.
        for _ in 0..rand::rng().random_range(1..4) {
            cut(stage, &request).await;
        }
        let answer = ask(stage, &file, by).await.expect("an answer").ok();
        let again = ask(stage, &file, by).await.expect("an answer").ok();
        assert_eq!(again, answer, "{by:?}");
        assert_eq!(messages(stage, &file), [answer["messageId"].as_i64().unwrap()], "{by:?}");
    };
    iter(0..CUTS).for_each_concurrent(10, one).await;
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), CUTS);
    stage.sandbox.wait_for_webhooks(CUTS).await;
    stage.emptied(&["chunks", "spool"]).await;
    assert_eq!(stage.sandbox.webhooks().len(), CUTS, "the backend was told once of each");
}

#[tokio::test]
async fn a_worker_that_is_killed_in_the_middle_makes_one_message_of_each_request() {
    const FILES: usize = 24;
    let mut stage = Stage::with(&[("TELESTORE_BOT_API_MAX_BYTES", "1")]).await;
    let port = stage.address().rsplit(':').next().unwrap().to_owned();
    let files: Vec<File> = (0..FILES).map(|number| numbered(number, 100_000 + number * 50_000)).collect();
    let done: Vec<AtomicBool> = files.iter().map(|_| AtomicBool::new(false)).collect();
    let mut kills = 0;
    while !done.iter().all(|done| done.load(Ordering::Relaxed)) {
        let life = Duration::from_millis(rand::rng().random_range(50..1_500));
        let kill = async {
            // All has to end some time, however slow this machine is.
            if kills < 8 { sleep(life).await } else { std::future::pending().await }
        };
        let clients = join_all(files.iter().enumerate().map(async |(number, file)| {
            while !done[number].load(Ordering::Relaxed) {
                match ask(&stage, file, BYS[number % BYS.len()]).await {
                    Some(Answer { status: 200, .. }) => done[number].store(true, Ordering::Relaxed),
                    Some(Answer { status: 500.., .. }) | None => sleep(Duration::from_millis(20)).await,
                    Some(answer) => panic!("{answer:?}"),
                }
            }
        }));
        tokio::select! {
            () = kill => kills += 1,
            _ = soon("all files", clients) => break,
        }
        stage.kill().await;
        stage.start_at(&port).await;
    }
    for (number, file) in files.iter().enumerate() {
        assert_eq!(messages(&stage, file).len(), 1, "{number}");
        let again = ask(&stage, file, BYS[number % BYS.len()]).await.expect("an answer").ok();
        assert_eq!(messages(&stage, file), [again["messageId"].as_i64().unwrap()]);
    }
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), FILES, "after {kills} kills");
}

async fn keyed(stage: &Stage, key: &str, form: Form) -> Answer {
    let request = stage.client.post(stage.url("/upload")).bearer_auth(&stage.user.auth_token);
    stage.ask(request.header("Idempotency-Key", key).multipart(form)).await
}

fn form_of(name: &str, bytes: &[u8]) -> Form {
    Form::new().part("file", Part::bytes(bytes.to_vec()).file_name(name.to_owned()))
}

#[tokio::test]
async fn a_key_is_for_one_file_and_its_user() {
    let stage = Stage::new().await;
    let first = keyed(&stage, "a-key", form_of("a.txt", b"hello")).await.ok();
    assert_eq!(
        keyed(&stage, "\"a-key\"", form_of("a.txt", b"hello")).await.ok(),
        first,
        "quotes are no part of it"
    );
    for form in [
        form_of("b.txt", b"hello"),
        form_of("a.txt", b"hallo"),
        form_of("a.txt", b"hello!"),
        form_of("a.txt", b"hello").text("caption", "else"),
    ] {
        let refused = keyed(&stage, "a-key", form).await.error(422);
        assert!(refused.starts_with("Idempotency-Key was used for another file"), "{refused}");
    }
    for bad in ["a b", "", &"x".repeat(300)] {
        let refused = keyed(&stage, bad, form_of("a.txt", b"hello")).await.error(400);
        assert!(refused.starts_with("Idempotency-Key must be"), "{refused}");
    }
    // The token may come in the form, as behind the file.
    let form = form_of("a.txt", b"hello").text("authToken", stage.user.auth_token.clone());
    let request = stage.client.post(stage.url("/upload")).header("Idempotency-Key", "a-key").multipart(form);
    assert_eq!(stage.ask(request).await.ok(), first);
    let bob = stage.sandbox.add_user(UserSpec::new("bob"));
    let form = form_of("a.txt", b"hello").text("authToken", bob.auth_token.clone());
    let request = stage.client.post(stage.url("/upload")).header("Idempotency-Key", "a-key").multipart(form);
    stage.ask(request).await.ok();
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), 1);
    assert_eq!(stage.sandbox.messages_of(&bob).len(), 1);
}

#[tokio::test]
async fn a_repeat_is_taken_in_without_room_and_waits_for_the_first() {
    let stage = Stage::with(&[("TELESTORE_USER_STORED_BYTES", "3 MiB")]).await;
    let file = File::new(2 * MIB);
    let hold = stage.sandbox.faults().inject(Fault::hold("sendDocument").once());
    let request = request(&stage, &file, By::Key);
    let mut socket = TcpStream::connect(stage.address()).await.unwrap();
    socket.write_all(&request).await.unwrap();
    soon("the send", stage.sandbox.faults().wait_fired(hold, 1)).await;
    drop(socket);
    // Another file has no room beside it; the same one needs none, and leaves nothing in the spool.
    let other = ask(&stage, &File::new(2 * MIB), By::Key).await.unwrap();
    assert_eq!(other.status, 507, "{other:?}");
    let (answer, ()) = tokio::join!(ask(&stage, &file, By::Key), async {
        sleep(Duration::from_millis(200)).await;
        stage.sandbox.faults().release(hold);
    });
    let answer = answer.unwrap().ok();
    assert_eq!(answer["messageId"], json!(stage.arrived(&file).message_id));
    stage.emptied(&["chunks", "spool"]).await;
}

#[tokio::test]
async fn pages_may_send_a_key() {
    let stage = Stage::new().await;
    let asked = stage.client.request(reqwest::Method::OPTIONS, stage.url("/upload"));
    let asked =
        asked.header("Origin", "https://page.example").header("Access-Control-Request-Method", "POST");
    let answer =
        asked.header("Access-Control-Request-Headers", "authorization,idempotency-key").send().await.unwrap();
    assert!(answer.status().is_success());
    let allowed = answer.headers()["access-control-allow-headers"].to_str().unwrap().to_lowercase();
    assert!(allowed == "*" || allowed.contains("idempotency-key"), "{allowed}");
}

#[tokio::test]
async fn answers_say_where_to_look() {
    let stage = Stage::new().await;
    let file = File::new(1000);
    let answer: Value = stage.direct(&file).await.ok();
    let message = stage.arrived(&file).message_id;
    let channel = stage.user.channel_id.to_string();
    let channel = channel.trim_start_matches("-100");
    assert_eq!(answer["url"], json!(format!("https://t.me/c/{channel}/{message}")));
}
