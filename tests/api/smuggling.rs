//! What two servers in a row could read as different requests, and what is no HTTP at all.

use crate::raw::{Answer, Raw, assert_unharmed};
use crate::support::{MIB, Stage};

const IMPATIENT: [(&str, &str); 3] =
    [("TELESTORE_HEADER_TIMEOUT", "3s"), ("TELESTORE_BODY_TIMEOUT", "3s"), ("TELESTORE_IDLE_TIMEOUT", "3s")];

/// A request that must not be seen if it stands behind, or in, another one.
const BODY: &str = "{\"uploadId\":\"smuggled\",\"fileName\":\"a\",\"totalChunks\":1,\"fileSize\":1}";

fn smuggled() -> String {
    format!("POST /init-upload HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len())
}

async fn send(stage: &Stage, bytes: &[u8]) -> Vec<Answer> {
    let mut raw = Raw::connect(stage).await;
    raw.push(bytes).await;
    raw.finish().await;
    raw.answers().await
}

/// The answers to something that is no good request: refusals, and the connection closed behind the first.
#[track_caller]
fn assert_refused(name: &str, answers: &[Answer]) {
    for answer in answers {
        assert!((400..500).contains(&answer.status), "{name}: {answers:?}");
    }
    // If a body breaks in its middle actix-web says so once more, behind the answer to the request.
    assert!(answers.len() <= 1 || answers.len() == 2 && answers[1].body.is_empty(), "{name}: {answers:?}");
}

async fn assert_nothing_was_smuggled(stage: &Stage) {
    stage.get("/upload-status/smuggled").await.error(404);
    assert_unharmed(stage).await;
}

#[tokio::test]
async fn the_smuggled_request_would_be_seen() {
    let stage = Stage::with(&IMPATIENT).await;
    let two = format!("GET / HTTP/1.1\r\nHost: x\r\n\r\n{}", smuggled());
    let statuses: Vec<_> = send(&stage, two.as_bytes()).await.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200]);
    stage.get("/upload-status/smuggled").await.ok();
}

#[tokio::test]
async fn two_ideas_of_a_length_are_refused() {
    let stage = Stage::with(&IMPATIENT).await;
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 0\r\nContent-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: 5,6",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: 5a",
        "Content-Length: \u{665}",
        "Content-Length: ",
        "Content-Length: 99999999999999999999999",
        "Content-Length : 5",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding: chunked\u{b}",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Transfer-Encoding:\r\n chunked",
        " Transfer-Encoding: chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "X: y\rTransfer-Encoding: chunked",
        "X: y\u{0}\r\nContent-Length: 5",
        ": y",
        "Host: y",
    ] {
        for body in ["0\r\n\r\n", "5\r\nabcde\r\n0\r\n\r\n", "abcde"] {
            let request =
                format!("POST /init-upload HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n{body}{}", smuggled());
            let answers = send(&stage, request.as_bytes()).await;
            assert_refused(headers, &answers);
            assert_eq!(answers.len(), 1, "{headers:?}: {answers:?}");
        }
    }
    assert_nothing_was_smuggled(&stage).await;
}

#[tokio::test]
async fn chunks_that_are_none_end_the_request() {
    let stage = Stage::with(&IMPATIENT).await;
    let head = "POST /complete-upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for chunks in [
        "-1\r\nabc\r\n",
        "0x5\r\nabcde\r\n",
        "G\r\nabcde\r\n",
        "\r\nabcde\r\n",
        "FFFFFFFFFFFFFFFFF\r\nabcde\r\n",
        "FFFFFFFFFFFFFFFF\r\nabcde",
        "7FFFFFFFFFFFFFFF\r\nabcde",
        "5\nabcde\n0\n\n",
        "5\rabcde\r\n",
        "5;a\nb\r\nabcde\r\n",
        "5;a\rb\r\nabcde\r\n",
        "5\r\nabcdefgh\r\n",
        "5\r\nabcde",
        "5\r\nabcde0\r\n\r\n",
        "5\r\nabcde\r\n",
        "5,5\r\nabcde\r\n",
        "5 5\r\nabcde\r\n",
        "+5\r\nabcde\r\n",
        "0\r\nX: y\r\n",
        &format!("{}5\r\nabcde\r\n", "0".repeat(100)),
        &format!("5;{}\r\nabcde\r\n", "x".repeat(MIB)),
    ] {
        let answers = send(&stage, format!("{head}{chunks}{}", smuggled()).as_bytes()).await;
        assert_refused(&format!("{chunks:.40}"), &answers);
    }
    assert_nothing_was_smuggled(&stage).await;
}

#[tokio::test]
async fn chunked_bodies_are_read_to_their_end_and_no_further() {
    let stage = Stage::with(&IMPATIENT).await;
    let (first, second) = BODY.split_at(30);
    for (id, chunks) in [
        ("in-one-c", format!("{:x}\r\n{BODY}\r\n0\r\n\r\n", BODY.len())),
        ("in-two-c", format!("1E\r\n{first}\r\n{:X}\r\n{second}\r\n0\r\n\r\n", second.len())),
        ("extended", format!("{:x};name=\"v\"\r\n{BODY}\r\n0;last\r\n\r\n", BODY.len())),
    ] {
        let request = format!(
            "POST /init-upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{}GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            chunks.replace("smuggled", id)
        );
        let answers = send(&stage, request.as_bytes()).await;
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [200, 200], "{id}: {answers:?}");
        stage.get(&format!("/upload-status/{}", id)).await.ok();
    }
}

#[tokio::test]
async fn a_length_that_is_not_true_harms_nobody() {
    let stage = Stage::with(&IMPATIENT).await;
    for path in ["/init-upload", "/complete-upload", "/cancel-upload", "/upload", "/upload-chunk", "/nowhere"]
    {
        // Too long: the client stops before it.
        let long = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{BODY}");
        assert_refused(path, &send(&stage, long.as_bytes()).await);
        // Too short: the rest is no request.
        let short = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{BODY}");
        let answers = send(&stage, short.as_bytes()).await;
        assert!((1..=2).contains(&answers.len()), "{path}: {answers:?}");
        assert!(answers.iter().all(|answer| (400..500).contains(&answer.status)), "{path}: {answers:?}");
        // A body with a request that has none.
        let get = format!("GET {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}", 500, smuggled());
        assert_refused(path, &send(&stage, get.as_bytes()).await);
        let upgrade = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nabcde{}",
            smuggled()
        );
        assert_refused(path, &send(&stage, upgrade.as_bytes()).await);
    }
    assert_nothing_was_smuggled(&stage).await;
}

#[tokio::test]
async fn what_is_no_http_gets_no_service() {
    let stage = Stage::with(&IMPATIENT).await;
    let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 512]].concat();
    let random = (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>();
    for (name, bytes) in [
        ("HTTP/0.9", b"GET /\r\n".to_vec()),
        ("no version", b"GET / \r\nHost: x\r\n\r\n".to_vec()),
        ("HTTP/2 in clear", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec()),
        ("HTTP/1.2", b"GET / HTTP/1.2\r\nHost: x\r\n\r\n".to_vec()),
        ("HTTP/9.9", b"GET / HTTP/9.9\r\nHost: x\r\n\r\n".to_vec()),
        ("no host", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("a method that is none", b"G@T / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("a long method", [&[b'A'; 1000][..], b" / HTTP/1.1\r\nHost: x\r\n\r\n"].concat()),
        ("a space in the path", b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("a control in the path", b"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("no path", b"GET  HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("half a head", b"GET / HTTP/1.1\r\nHost: x\r\n".to_vec()),
        ("TLS", hello),
        ("zeroes", vec![0; 100_000]),
        ("line ends", b"\r\n".repeat(100_000)),
        ("noise", random),
        ("TRACE", b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("CONNECT", b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
    ] {
        let answers = send(&stage, &[bytes, smuggled().into_bytes()].concat()).await;
        for answer in &answers {
            assert!(answer.status < 500, "{name}: {answers:?}");
        }
        if answers.first().is_some_and(|answer| answer.status == 400) {
            assert_eq!(answers.len(), 1, "{name}: {answers:?}");
        }
    }
    assert_unharmed(&stage).await;
}

#[tokio::test]
async fn heads_are_bounded() {
    let stage = Stage::with(&IMPATIENT).await;
    let long = "x".repeat(MIB);
    let many: String = (0..10_000).map(|n| format!("X-{n}: y\r\n")).collect();
    for (name, head, statuses) in [
        ("a long header", format!("GET / HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n"), &[431][..]),
        ("many headers", format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n"), &[400, 431]),
        ("a long path", format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), &[431]),
        ("a path of 100 KB", format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", &long[..100_000]), &[400, 414]),
        ("a long query", format!("GET /?{long} HTTP/1.1\r\nHost: x\r\n\r\n"), &[431]),
        (
            "a long token",
            format!("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {long}\r\n\r\n"),
            &[431],
        ),
    ] {
        let answers = send(&stage, head.as_bytes()).await;
        let [answer] = answers.as_slice() else { panic!("{name}: {answers:?}") };
        assert!(statuses.contains(&answer.status), "{name}: {answer:?}");
    }
    assert_unharmed(&stage).await;
}
