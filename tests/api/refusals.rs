//! What is refused is refused before its body is taken, and the client gets to read why.

use serde_json::json;
use telestore_sandbox::Fault;

use crate::raw::{Answer, Raw};
use crate::support::{MIB, Stage, soon};

/// Far more than the system keeps for a reader that does not read.
const BODY: usize = 32 * MIB;

/// Sends a request's head, and its body on and on, as a browser does that sees the answer late.
async fn refusal(stage: &Stage, path: &str, header: &str) -> Answer {
    let kind = "Content-Type: multipart/form-data; boundary=X";
    let mut raw = Raw::connect(stage).await;
    let length = BODY + 1000;
    raw.send(format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\n{kind}\r\nContent-Length: {length}\r\n{header}\r\n"
    ))
    .await;
    // It is there before a byte of the body is.
    let answer = raw.answer().await;
    // Every byte is taken, though nobody wants it.
    let piece = vec![7; MIB];
    for _ in 0..BODY / MIB {
        raw.send(&piece).await;
    }
    assert!(answer.head.contains("connection: close"), "{answer:?}");
    answer
}

#[tokio::test]
async fn a_bad_token_in_the_header_is_refused_before_the_body() {
    let stage = Stage::new().await;
    for path in ["/upload", "/upload-chunk"] {
        let answer = refusal(&stage, path, "Authorization: Bearer wrong\r\n").await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(answer.json()["error"].is_string());
    }
}

#[tokio::test]
async fn a_declared_length_over_the_limit_is_refused_before_the_body() {
    let stage =
        Stage::with(&[("TELESTORE_MAX_CHUNK_BYTES", "1 MiB"), ("TELESTORE_MAX_FILE_BYTES", "1 MiB")]).await;
    for path in ["/upload", "/upload-chunk"] {
        let answer = refusal(&stage, path, "").await;
        assert_eq!(answer.status, 413, "{answer:?}");
        assert!(answer.json()["error"].as_str().unwrap().contains("1048576 bytes"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_full_disk_is_told_of_before_the_body() {
    let stage = Stage::with(&[("TELESTORE_MIN_FREE_BYTES", "1 EiB")]).await;
    for path in ["/upload", "/upload-chunk"] {
        let answer = refusal(&stage, path, "").await;
        assert_eq!(answer.status, 507, "{answer:?}");
        assert!(answer.json()["error"].as_str().unwrap().contains("disk"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_stopping_worker_says_so_before_the_body() {
    let mut stage = Stage::with(&[("TELESTORE_SHUTDOWN_GRACE", "20s")]).await;
    let hold = stage.sandbox.faults().inject(Fault::hold("backend.credentials"));
    let kind = "Content-Type: multipart/form-data; boundary=X";
    let mut raw = Raw::connect(&stage).await;
    let token = stage.user.auth_token.clone();
    raw.send(format!(
        "POST /upload-chunk HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{kind}\r\nContent-Length: 1000000\r\n\r\n"
    ))
    .await;
    // The stop comes while it is asked whose token it is.
    soon("the question", stage.sandbox.faults().wait_fired(hold, 1)).await;
    stage.signal("TERM").await;
    soon("the end of listening", async {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(10));
        while tokio::net::TcpStream::connect(stage.address()).await.is_ok() {
            ticks.tick().await;
        }
    })
    .await;
    stage.sandbox.faults().release(hold);
    let answer = raw.answer().await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.head.contains("retry-after"), "{answer:?}");
    assert_eq!(answer.json(), json!({ "error": "worker is shutting down; try again in a moment" }));
    drop(raw);
    assert!(stage.ended().await.success());
}
