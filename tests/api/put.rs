//! `PUT /upload/{fileName}`: a file as the body of a request.

use reqwest::RequestBuilder;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Answer, File, MIB, Stage};

fn put(stage: &Stage, name: &str) -> RequestBuilder {
    stage.client.put(stage.url(&format!("/upload/{name}"))).bearer_auth(&stage.user.auth_token)
}

async fn answer(request: RequestBuilder) -> Answer {
    let answer = request.send().await.expect("the worker answers");
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("a body");
    let body: Value =
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status} without JSON: {text:?}"));
    Answer { status, body }
}

#[tokio::test]
async fn a_body_of_known_or_unknown_length_is_a_file() {
    let stage = Stage::new().await;
    for length in [1, MIB, 9 * MIB] {
        let stream = |bytes: &[u8]| {
            let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
                bytes.chunks(70_000).map(|piece| Ok(piece.to_vec())).collect();
            reqwest::Body::wrap_stream(futures_util::stream::iter(pieces))
        };
        let (known, unknown) = (File::new(length), File::new(length));
        for (file, body) in [(&known, known.bytes.clone().into()), (&unknown, stream(&unknown.bytes))] {
            let got = answer(put(&stage, &file.name).body(body)).await;
            assert_eq!(got.status, 201, "{}", got.body);
            let messages = stage.sandbox.messages_of(&stage.user);
            let message =
                messages.iter().find(|one| one.message_id == got.body["messageId"]).expect("it is there");
            file.assert_is(message);
            assert_eq!(got.body["fileName"], file.name);
            assert_eq!(got.body["success"], true);
        }
    }
    stage.emptied(&["chunks", "spool"]).await;
}

#[tokio::test]
async fn the_name_is_the_last_segment_as_curl_writes_it() {
    let stage = Stage::new().await;
    for (segment, name) in [
        ("a%20b%20%c3%bc%23%25.txt", "a b \u{fc}#%.txt"),
        ("..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("a+b.txt", "a+b.txt"),
        ("%fc.txt", "\u{fc}.txt"),
    ] {
        let got = answer(put(&stage, segment).body("hello")).await;
        assert_eq!(got.status, 201, "{}", got.body);
        assert_eq!(got.body["fileName"], name);
    }
    let long = answer(put(&stage, &"x".repeat(256)).body("hello")).await;
    assert!(long.error(400).contains("255 characters"));
    let nameless = stage.client.put(stage.url("/upload/")).bearer_auth(&stage.user.auth_token).body("hello");
    assert_eq!(answer(nameless).await.status, 405, "`curl -T -` of a directory has no name");
}

#[tokio::test]
async fn options_stand_in_the_query_and_types_in_the_head() {
    let stage = Stage::new().await;
    let digest = hex::encode(Sha256::digest(b"hello"));
    let path = format!("a.bin?caption=to%20the%20letter&silent=true&sha256={digest}&sendAs=document");
    let got = answer(put(&stage, &path).header("Content-Type", "text/x-log").body("hello")).await;
    assert_eq!(got.status, 201, "{}", got.body);
    let message = &stage.sandbox.messages_of(&stage.user)[0];
    assert_eq!((message.caption.as_str(), message.mime_type.as_str()), ("to the letter", "text/x-log"));
    let by_query = format!("/upload/b.bin?token={}", stage.user.auth_token);
    assert_eq!(answer(stage.client.put(stage.url(&by_query)).body("hello")).await.status, 201);
    for (query, why) in [
        ("topicId=x", "topicId must be"),
        ("silent=maybe", "silent must be"),
        ("sendAs=letter", "sendAs must be"),
        ("sha256=e3b0", "sha256 must be"),
    ] {
        let words = answer(put(&stage, &format!("a.bin?{query}")).body("hello")).await.error(400);
        assert!(words.contains(why), "{query}: {words}");
    }
    let form = put(&stage, "a.bin").header("Content-Type", "multipart/form-data; boundary=x").body("hello");
    assert!(answer(form).await.error(415).contains("POST /upload"));
    assert!(answer(put(&stage, "a.bin").body("")).await.error(400).contains("empty"));
}

#[tokio::test]
async fn other_bytes_than_their_digest_are_refused() {
    let stage = Stage::new().await;
    let wrong = "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:";
    for name in ["Content-Digest", "Repr-Digest"] {
        let words = answer(put(&stage, "a.bin").header(name, wrong).body("hello")).await.error(400);
        assert!(words.contains("sha-256 digest"), "{words}");
    }
    let query = format!("a.bin?sha256={}", "0".repeat(64));
    assert_eq!(answer(put(&stage, &query).body("hello")).await.status, 400);
    assert!(stage.sandbox.messages_of(&stage.user).is_empty());
    stage.emptied(&["chunks", "spool"]).await;
}

#[tokio::test]
async fn a_token_is_needed_and_limits_hold() {
    let stage = Stage::with(&[("TELESTORE_MAX_FILE_BYTES", "1 MiB")]).await;
    for token in ["", "wrong"] {
        let request = stage.client.put(stage.url("/upload/a.bin")).body("hello");
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        assert!(answer(request).await.error(401).contains("authToken"));
    }
    let large = vec![7; 2 * MIB];
    assert!(answer(put(&stage, "a.bin").body(large.clone())).await.error(413).contains("1048576"));
    let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
        large.chunks(10_000).map(|piece| Ok(piece.to_vec())).collect();
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    assert!(answer(put(&stage, "a.bin").body(stream)).await.error(413).contains("1048576"));
    stage.emptied(&["chunks", "spool"]).await;
    let got = stage.ask(stage.client.get(stage.url("/upload/a.bin"))).await;
    assert!(got.error(405).contains("not allowed"));
}

#[tokio::test]
async fn a_cut_body_leaves_nothing() {
    let stage = Stage::new().await;
    let mut socket = TcpStream::connect(stage.address()).await.unwrap();
    let head = format!(
        "PUT /upload/a.bin HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 5000000\r\n\r\n",
        stage.user.auth_token
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&vec![7; 2 * MIB]).await.unwrap();
    drop(socket);
    stage.emptied(&["chunks", "spool"]).await;
    assert!(stage.sandbox.messages_of(&stage.user).is_empty());
}
