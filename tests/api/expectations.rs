//! `Expect: 100-continue`: a client that asks whether a file is wanted is told before its bytes.

use reqwest::multipart::Form;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::http2::connect_by;
use crate::raw::{Answer, Raw};
use crate::support::{File, Stage, soon};
use crate::tls::Files;

const MIB_99: usize = 99 * 1024 * 1024;

fn head(path: &str, token: Option<&str>, length: usize) -> String {
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\n{token}Content-Type: multipart/form-data; boundary=b\r\n\
         Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    )
}

fn body(file: &File) -> Vec<u8> {
    let head = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"video.bin\"\r\n\r\n";
    [head.as_bytes(), &file.bytes, b"\r\n--b--\r\n"].concat()
}

#[tokio::test]
async fn a_bad_token_is_refused_before_a_byte_of_the_file() {
    let stage = Stage::new().await;
    for path in ["/upload", "/upload-chunk", "//upload/"] {
        let mut raw = Raw::connect(&stage).await;
        raw.send(head(path, Some("guessed"), MIB_99)).await;
        let Answer { status, head, body } = raw.answer_as_it_is().await;
        assert_eq!(status, 401, "{path}: {head}");
        assert!(head.contains("x-request-id: ") && head.contains("cache-control: no-store"), "{head}");
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"], "invalid authToken: sign in again");
    }
    stage.emptied(&["spool", "chunks"]).await;
}

#[tokio::test]
async fn the_same_is_said_by_tls() {
    let files = Files::new();
    let stage = files.stage().await;
    for (token, line) in [("guessed", "HTTP/1.1 401 "), (&stage.user.auth_token, "HTTP/1.1 100 ")] {
        let mut stream = connect_by(b"http/1.1", &files, &stage).await;
        stream.write_all(head("/upload", Some(token), MIB_99).as_bytes()).await.unwrap();
        let mut got = vec![0; line.len()];
        soon("an answer", stream.read_exact(&mut got)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&got), line);
    }
}

#[tokio::test]
async fn a_client_that_sends_on_all_the_same_still_reads_its_refusal() {
    let stage = Stage::new().await;
    let mut raw = Raw::connect(&stage).await;
    raw.send(head("/upload", Some("guessed"), 3_000_000)).await;
    raw.push(&vec![7; 3_000_000]).await;
    assert_eq!(raw.answer().await.status, 401);
}

#[tokio::test]
async fn a_client_that_may_send_is_told_to_go_on() {
    let stage = Stage::new().await;
    // Of the first one's token nothing is known yet, of the second one's it is.
    for _ in 0..2 {
        let (file, mut raw) = (File::new(10_000), Raw::connect(&stage).await);
        let body = body(&file);
        raw.send(head("/upload", Some(&stage.user.auth_token), body.len())).await;
        assert!(raw.head().await.starts_with("HTTP/1.1 100 "));
        raw.send(body).await;
        assert_eq!(raw.answer_as_it_is().await.status, 200);
        file.assert_is(stage.sandbox.messages_of(&stage.user).last().unwrap());
    }
    // Its token may stand in a field.
    let mut raw = Raw::connect(&stage).await;
    raw.send(head("/upload-chunk", None, MIB_99)).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 100 "));
    // Small bodies are taken as they are.
    let mut raw = Raw::connect(&stage).await;
    raw.send(head("/cancel-upload", Some("guessed"), 17)).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 100 "));
}

#[tokio::test]
async fn guesses_count_by_this_door_too() {
    let stage = Stage::with(&[
        ("TELESTORE_LIMITED_ADDRESSES", "all"),
        ("TELESTORE_ADDRESS_REFUSED_TOKENS_PER_MINUTE", "3"),
    ])
    .await;
    let mut statuses = Vec::new();
    for guess in 0..5 {
        let mut raw = Raw::connect(&stage).await;
        raw.send(head("/upload", Some(&format!("guess-{guess}")), MIB_99)).await;
        statuses.push(raw.answer_as_it_is().await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    assert_eq!(stage.sandbox.stats().calls("backend.credentials"), 3, "nobody asks the backend beyond that");
}

#[tokio::test]
async fn a_stop_is_held_up_by_no_client_that_goes_away() {
    let mut stage = Stage::new().await;
    let mut idle = Raw::connect(&stage).await;
    idle.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(idle.answer().await.status, 200);
    let (file, mut raw) = (File::new(10_000), Raw::connect(&stage).await);
    let body = body(&file);
    raw.send(head("/upload", Some(&stage.user.auth_token), body.len())).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 100 "));
    raw.send(&body[..5000]).await;
    stage.signal("TERM").await;
    // The client goes away, and nothing holds the stop up.
    drop(raw);
    assert!(stage.ended().await.success());
}

#[tokio::test]
async fn a_form_of_a_common_client_goes_through() {
    let stage = Stage::new().await;
    let file = File::new(10_000);
    let form: Form = file.chunk(0, &stage.user.auth_token);
    let request = stage.client.post(stage.url("/upload-chunk")).header("Expect", "100-continue");
    stage.ask(request.multipart(form)).await.ok();
    stage.post("/complete-upload", json!({ "uploadId": file.id })).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
}
