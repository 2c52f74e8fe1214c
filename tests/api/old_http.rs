//! HTTP/1.0, which is what nginx asks its upstreams in unless it is told otherwise.

use serde_json::{Value, json};

use crate::raw::Raw;
use crate::sse::held;
use crate::support::{File, Stage, soon};

/// Head and body of the one answer, up to the end of the connection.
async fn asked(stage: &Stage, request: &str) -> (String, String) {
    let mut raw = Raw::connect(stage).await;
    raw.send(request).await;
    let all = soon("the end of the connection", raw.everything()).await;
    let all = String::from_utf8_lossy(&all);
    let (head, body) = all.split_once("\r\n\r\n").expect("a head");
    (head.to_ascii_lowercase(), body.to_owned())
}

#[tokio::test]
async fn events_are_a_body_that_ends_with_the_connection() {
    let stage = Stage::new().await;
    for connection in ["", "Connection: keep-alive\r\n", "Connection: close\r\n", "Connection: upgrade\r\n"] {
        let file = File::new(1000);
        let sending = held(&stage, &file).await;
        let request = format!(
            "GET /upload-events/{} HTTP/1.0\r\nHost: a\r\n{connection}Accept-Encoding: gzip\r\n\r\n",
            file.id
        );
        let (answer, ()) = tokio::join!(asked(&stage, &request), async {
            stage.sandbox.faults().release(sending);
        });
        let (head, body) = answer;
        assert!(head.contains(" 200 ") && head.contains("content-type: text/event-stream"), "{head}");
        assert!(!head.contains("transfer-encoding") && !head.contains("\r\ncontent-length:"), "{head}");
        assert!(!head.contains("keep-alive"), "{connection}: {head}");
        let last = body.lines().rfind(|line| line.starts_with("data: ")).expect("events").split_at(6).1;
        assert_eq!(serde_json::from_str::<Value>(last).unwrap()["status"], "completed");
        assert!(body.starts_with(':') && body.ends_with("\n\n"), "no sizes of pieces stand in it: {body}");
    }
}

#[tokio::test]
async fn answers_of_known_length_keep_the_connection_where_it_was_asked_for() {
    let stage = Stage::new().await;
    // Long enough to be compressed, which would take its length away.
    let (head, body) =
        asked(&stage, "GET /openapi.json HTTP/1.0\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n").await;
    assert!(!head.contains("transfer-encoding") && head.contains("\r\ncontent-length:"), "{head}");
    drop(body);
    let mut raw = Raw::connect(&stage).await;
    for path in ["/", "/health", "/upload-status/nobody"] {
        raw.send(format!("GET {path} HTTP/1.0\r\nConnection: keep-alive\r\nAccept-Encoding: gzip\r\n\r\n"))
            .await;
        let answer = raw.answer().await;
        assert!(answer.head.contains("connection: keep-alive"), "{}", answer.head);
        assert!(!answer.head.contains("transfer-encoding"), "{}", answer.head);
        assert!(answer.json().is_object());
    }
}

#[tokio::test]
async fn a_whole_upload_goes_by_it() {
    let stage = Stage::new().await;
    let file = File::new(70_000);
    let mut body = Vec::new();
    for (name, value) in file.fields(0, &stage.user.auth_token) {
        body.extend(
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
        );
    }
    body.extend(b"--b\r\nContent-Disposition: form-data; name=\"chunk\"; filename=\"blob\"\r\n\r\n");
    body.extend(&file.bytes);
    body.extend(b"\r\n--b--\r\n");
    let mut raw = Raw::connect(&stage).await;
    // RFC 9110, 10.1.1: what HTTP/1.0 expects is not looked at.
    raw.send(format!(
        "POST /upload-chunk HTTP/1.0\r\nContent-Type: multipart/form-data; boundary=b\r\nExpect: 100-continue\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    ))
    .await;
    raw.send(body).await;
    let all = soon("the end of the connection", raw.everything()).await;
    assert!(all.starts_with(b"HTTP/1.0 200 ") || all.starts_with(b"HTTP/1.1 200 "), "{all:?}");
    let id = json!({ "uploadId": file.id }).to_string();
    let request = format!(
        "POST /complete-upload HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{id}",
        id.len()
    );
    assert!(asked(&stage, &request).await.0.contains(" 200 "));
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
}

#[tokio::test]
async fn there_is_no_websocket_in_it() {
    let stage = Stage::new().await;
    let file = File::new(10);
    stage.send(&file).await;
    let (head, body) = asked(
        &stage,
        &format!(
            "GET /ws/upload-progress/{} HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n",
            file.id
        ),
    )
    .await;
    assert!(head.contains(" 400 "), "{head}");
    assert!(body.contains("needs HTTP/1.1") && body.contains("/upload-events/"), "{body}");
}
