//! Callers of whom nothing is known hold all that they can, and a user goes on.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::multipart::{Form, Part};
use serde_json::json;

use crate::raw::{Answer, Raw};
use crate::sse::Events;
use crate::support::{self, File, MIB, Stage, allow_open_files, files_below, soon};

/// What a user may need while strangers hold all of theirs, who needs `usual` without them, however slow the machine is now.
fn quick(usual: Duration) -> Duration {
    usual * 8 + Duration::from_secs(15)
}

const BUDGET: u64 = 24 * MIB as u64;

/// The beginning of a file, without a word of whose it is.
fn begin_of_a_file(path: &str, field: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 40000000\r\nContent-Type: multipart/form-data; boundary=X\r\n\r\n\
         --X\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"a\"\r\n\r\n"
    )
}

/// A stranger who sends `bytes` at once and then a byte now and then, until the worker closes; then the answers.
async fn stranger(stage: &Stage, path: &str, field: &str, bytes: usize) -> Vec<Answer> {
    let mut raw = Raw::connect(stage).await;
    raw.push(begin_of_a_file(path, field).as_bytes()).await;
    raw.push(&vec![b'x'; bytes]).await;
    raw.trickle(b"x", Duration::from_millis(100)).await
}

/// Goes on for ever, even if what it drives has ended.
async fn never<T>(what: impl Future<Output = T>) {
    what.await;
    std::future::pending().await
}

fn spooled(stage: &Stage) -> u64 {
    let files = files_below(&stage.data_dir().join("spool"));
    files.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|file| file.len()).sum()
}

/// A call of a client that says last who it is: it tries again if it is told to, as the stock client does. On a busy machine strangers are
/// not given up at once.
async fn again(call: impl AsyncFn() -> support::Answer) -> support::Answer {
    loop {
        let answer = call().await;
        if answer.status != 503 {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What users do: the stock client, who says last who it is, and one that says it first. Gives how long that takes.
async fn users_go_on(stage: &Stage) -> Duration {
    let begin = Instant::now();
    let chunked = File::new(11 * MIB);
    for index in 0..chunked.total() {
        again(async || stage.chunk(&chunked, index).await).await.ok();
    }
    stage.complete(&chunked.id).await.ok();
    assert_eq!(stage.end(&chunked.id).await["status"], "completed");
    let direct = File::new(8 * MIB);
    again(async || stage.direct(&direct).await).await.ok();
    let file = File::new(12 * MIB);
    let token = &stage.user.auth_token;
    let upload = stage.client.post(stage.url("/upload")).multipart(file.direct("")).bearer_auth(token);
    stage.ask(upload).await.ok();
    stage.get("/ready").await.ok();
    begin.elapsed()
}

#[tokio::test]
async fn files_of_strangers_fill_no_disk_and_keep_nobody_out() {
    let budget = BUDGET.to_string();
    let stage = Stage::with(&[
        ("TELESTORE_UNKNOWN_SENDER_BYTES", budget.as_str()),
        ("TELESTORE_MAX_FILE_BYTES", "64 MiB"),
    ])
    .await;
    let usual = users_go_on(&stage).await;
    let memory = stage.memory();
    let strangers = (0..24).map(|n| {
        let (path, field) = [("/upload", "file"), ("/upload-chunk", "chunk")][n % 2];
        stranger(&stage, path, field, 5 * MIB)
    });
    let mut most = 0;
    let watching = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        loop {
            ticks.tick().await;
            most = spooled(&stage).max(most);
        }
    };
    let users = async {
        // Strangers hold what they can get.
        let full = async {
            while spooled(&stage) < BUDGET / 2 {
                tokio::time::sleep(Duration::from_millis(5)).await
            }
        };
        soon("the strangers", full).await;
        let took = users_go_on(&stage).await;
        assert!(took < quick(usual), "{took:?}, and {usual:?} without them");
    };
    let grown = tokio::select! {
        () = never(join_all(strangers)) => unreachable!(),
        () = watching => unreachable!(),
        () = users => stage.memory(),
    };
    // The user's own come on top, one after the other.
    assert!(most < BUDGET + 14 * MIB as u64, "{most} bytes in the spool");
    assert!(grown < memory + 48 * MIB as u64, "{grown} bytes with them, {memory} without");
}

#[tokio::test]
async fn a_stranger_that_holds_much_and_sends_little_is_given_up_in_words() {
    let stage = Stage::with(&[("TELESTORE_UNKNOWN_SENDER_BYTES", "8 MiB")]).await;
    let answers = stranger(&stage, "/upload", "file", 7 * MIB).await;
    let [answer] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(
        answer.head.contains("retry-after: 5") && answer.head.contains("connection: close"),
        "{answer:?}"
    );
    assert!(answer.json()["error"].as_str().unwrap().contains("bearer token"), "{answer:?}");
    stage.emptied(&["spool"]).await;
}

#[tokio::test]
async fn a_file_that_is_larger_than_the_budget_says_first_whose_it_is() {
    let stage = Stage::with(&[("TELESTORE_UNKNOWN_SENDER_BYTES", "2 MiB")]).await;
    let file = File::new(3 * MIB);
    let error = stage.direct(&file).await.error(401);
    assert!(error.contains("2097152 bytes") && error.contains("form field that comes first"), "{error}");
    let token = stage.user.auth_token.clone();
    let first = Form::new().text("authToken", token).part("file", Part::bytes(file.bytes).file_name("a"));
    stage.form("/upload", first).await.ok();
}

#[tokio::test]
async fn in_strict_mode_the_token_comes_before_the_first_byte_of_a_file() {
    let stage = Stage::with(&[("TELESTORE_AUTH", "strict")]).await;
    for (path, field) in [("/upload", "file"), ("/upload-chunk", "chunk")] {
        let mut raw = Raw::connect(&stage).await;
        raw.send(begin_of_a_file(path, field)).await;
        let answer = raw.answer().await;
        assert_eq!(answer.status, 401, "{answer:?}");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains("before the file") && error.contains("bearer token"), "{error}");
        let guess = begin_of_a_file(path, field).replace(
            "--X\r\n",
            "--X\r\nContent-Disposition: form-data; name=\"authToken\"\r\n\r\nguess\r\n--X\r\n",
        );
        let mut raw = Raw::connect(&stage).await;
        raw.send(guess).await;
        assert_eq!(raw.answer().await.status, 401);
    }
    assert_eq!(spooled(&stage), 0);
    let file = File::new(1000);
    let token = stage.user.auth_token.clone();
    let first =
        Form::new().text("authToken", token).part("file", Part::bytes(file.bytes.clone()).file_name("a"));
    stage.form("/upload", first).await.ok();
    let upload = stage.client.post(stage.url("/upload")).multipart(file.direct(""));
    stage.ask(upload.bearer_auth(&stage.user.auth_token)).await.ok();
}

#[tokio::test]
async fn many_small_fields_take_no_more_than_json() {
    let stage = Stage::new().await;
    let form = (0..20).fold(Form::new(), |form, n| form.text(format!("field{n}"), "x".repeat(16_000)));
    let error = stage.form("/upload", form).await.error(400);
    assert!(error.contains("too much text"), "{error}");
}

#[tokio::test]
async fn polls_that_wait_are_listeners_and_strangers_have_a_half_of_the_places() {
    let stage = Stage::with(&[("TELESTORE_MAX_LISTENERS", "8")]).await;
    let file = File::new(1000);
    stage.chunks(&file).await;
    let path = format!("/upload-progress/{}?wait=30", file.id);
    let begin = Instant::now();
    let polls = join_all((0..300).map(|_| stage.get(&path)));
    let users = async {
        // Strangers have theirs.
        let full = async { while stage.get(&path).await.status != 503 {} };
        soon("the strangers", full).await;
        assert_eq!(Events::open(&stage, &file.id, None).await.response.status(), 503);
        let mut listeners = Vec::new();
        for _ in 0..2 {
            let own = format!("{}?token={}", file.id, stage.user.auth_token);
            listeners.push(Events::open(&stage, &own, None).await);
        }
        for listener in &listeners {
            assert_eq!(listener.response.status(), 200, "a user has a place");
        }
        let poll = stage.client.get(stage.url(&format!("/upload-progress/{}?wait=1", file.id)));
        stage.ask(poll.bearer_auth(&stage.user.auth_token)).await.error(404);
        assert!(begin.elapsed() < Duration::from_secs(25), "{:?}", begin.elapsed());
    };
    let (polls, ()) = tokio::join!(polls, users);
    let refused = polls.iter().filter(|poll| poll.status == 503).count();
    assert!(refused >= 290, "{refused} of 300");
}

#[tokio::test]
async fn strangers_cannot_take_all_connections() {
    allow_open_files(4096);
    let stage =
        Stage::with(&[("TELESTORE_MAX_CONNECTIONS", "64"), ("TELESTORE_HEADER_TIMEOUT", "60s")]).await;
    let begin = Instant::now();
    assert_eq!(stage.send(&File::new(11 * MIB)).await["status"], "completed");
    let usual = begin.elapsed();
    let mut held = Vec::new();
    for n in 0..80 {
        let mut raw = Raw::connect(&stage).await;
        match n % 3 {
            0 => {}
            1 => raw.push(b"GET / HTTP/1.1\r\nHost: x\r\nX-Half: ").await,
            _ => raw.push(begin_of_a_file("/upload", "file").as_bytes()).await,
        }
        held.push(raw);
    }
    // Each call by a connection of its own, as if it came from another user.
    let begin = Instant::now();
    let token = &stage.user.auth_token;
    let call = async |path: &str| {
        let client = reqwest::Client::new();
        let call = client.get(stage.url(path)).bearer_auth(token).send().await;
        call.map(|answer| answer.status().as_u16()).unwrap_or_default()
    };
    // They are all there.
    soon("the strangers", async { while call("/upload-status/unknown").await == 404 {} }).await;
    soon("a place", async { while call("/upload-status/unknown").await != 404 {} }).await;
    for _ in 0..10 {
        assert_eq!(call("/upload-status/unknown").await, 404);
    }
    let file = File::new(11 * MIB);
    assert_eq!(stage.send(&file).await["status"], "completed");
    let took = begin.elapsed();
    assert!(took < quick(usual), "{took:?}, and {usual:?} for a file without them");
}

#[tokio::test]
async fn a_request_that_asks_for_a_websocket_where_there_is_none_is_refused_at_once() {
    let stage = Stage::new().await;
    let body = json!({ "uploadId": "a", "fileName": "a", "totalChunks": 1, "fileSize": 1 }).to_string();
    for (method, path) in [("POST", "/init-upload"), ("GET", "/health"), ("POST", "/ws/upload-progress/a")] {
        let begin = Instant::now();
        let mut raw = Raw::connect(&stage).await;
        raw.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
        let answers = raw.answers().await;
        let [answer] = answers.as_slice() else { panic!("{answers:?}") };
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.json()["error"].as_str().unwrap().contains("no WebSocket"), "{answer:?}");
        assert!(answer.head.contains("connection: close"), "{answer:?}");
        assert!(begin.elapsed() < Duration::from_secs(10), "{path}: {:?}", begin.elapsed());
    }
    // Other upgrades mean nothing: some clients offer HTTP/2 with everything.
    let mut raw = Raw::connect(&stage).await;
    raw.send(format!(
        "POST /init-upload HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABk\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    assert_eq!(raw.answer().await.status, 200);
}

#[tokio::test]
async fn metrics_are_not_for_pages() {
    let stage = Stage::new().await;
    let page = stage.client.get(stage.url("/metrics")).header("Origin", "https://a.example");
    let preflight = stage.client.request(reqwest::Method::OPTIONS, stage.url("/metrics"));
    let preflight =
        preflight.header("Origin", "https://a.example").header("Access-Control-Request-Method", "GET");
    for request in [page, preflight] {
        let answer = request.send().await.unwrap();
        let cors = answer.headers().keys().filter(|name| name.as_str().starts_with("access-control-"));
        assert_eq!(cors.count(), 0, "{answer:?}");
    }
    let beside = stage.client.get(stage.url("/")).header("Origin", "https://a.example").send().await.unwrap();
    assert_eq!(beside.headers()["access-control-allow-origin"], "*", "all else may be read");
    // A page whose name leads to this machine.
    let rebound = stage.client.get(stage.url("/metrics")).header("Host", "evil.example");
    assert!(stage.ask(rebound).await.error(403).contains("TELESTORE_METRICS_TOKEN"));
}

#[tokio::test]
async fn who_shows_no_token_learns_nothing_of_an_upload_by_contradicting_it() {
    let stage = Stage::new().await;
    let file = File::in_chunks(1000, &[600]).named("secret-plans.pdf");
    stage.chunk(&file, 0).await.ok();
    let other = |token: Option<&str>| {
        let mut body = json!({ "uploadId": file.id, "fileName": "a", "totalChunks": 7, "fileSize": 10 });
        if let Some(token) = token {
            body["authToken"] = json!(token);
        }
        stage.post("/init-upload", body)
    };
    let error = other(None).await.error(409);
    assert!(
        !error.contains("secret-plans") && !error.contains("1000") && !error.contains(" 2 chunks"),
        "{error}"
    );
    let error = other(Some(&stage.user.auth_token)).await.error(409);
    assert!(error.contains("secret-plans.pdf") && error.contains("1000 bytes in 2 chunks"), "{error}");
}
