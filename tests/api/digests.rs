//! Clients may send a digest with their bytes; other bytes are refused, and leave nothing.

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::multipart::{Form, Part};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::{Answer, CHUNK, File, MIB, Stage};

/// SHA-256 of no bytes, which are never those of a test.
const OTHER: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const OTHER_BASE64: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

/// A file of one chunk that is written in several turns, so that its digest goes over several too.
fn file() -> File {
    File::new(MIB + 7)
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn bytes(file: &File, content_digest: Option<&str>) -> Part {
    let part = Part::bytes(file.bytes.clone()).file_name("blob");
    let Some(digest) = content_digest else { return part };
    let mut headers = HeaderMap::new();
    headers.insert("content-digest", HeaderValue::from_str(digest).unwrap());
    part.headers(headers)
}

fn with_fields(form: Form, stage: &Stage, file: &File) -> Form {
    let fields = file.fields(0, &stage.user.auth_token);
    fields.into_iter().fold(form, |form, (name, value)| form.text(name, value))
}

/// Sends a chunk with `chunkSha256` behind its bytes, or before them.
async fn with_field(stage: &Stage, file: &File, digest: &str, before: bool) -> Answer {
    let digest = digest.to_owned();
    let form = if before {
        Form::new().text("chunkSha256", digest).part("chunk", bytes(file, None))
    } else {
        Form::new().part("chunk", bytes(file, None)).text("chunkSha256", digest)
    };
    stage.form("/upload-chunk", with_fields(form, stage, file)).await
}

async fn with_header(stage: &Stage, file: &File, digest: &str) -> Answer {
    let form = Form::new().part("chunk", bytes(file, Some(digest)));
    stage.form("/upload-chunk", with_fields(form, stage, file)).await
}

async fn nothing_is_recorded(stage: &Stage, file: &File) {
    stage.emptied(&["spool", "chunks"]).await;
    stage.get(&format!("/upload-status/{}", file.id)).await.error(404);
}

#[tokio::test]
async fn other_bytes_than_chunk_sha256_says_are_refused_and_leave_nothing() {
    let stage = Stage::new().await;
    let file = file();
    for before in [false, true] {
        let error = with_field(&stage, &file, OTHER, before).await.error(400);
        assert!(error.contains("sha-256") && error.contains("again; if not, correct it"), "{error}");
        nothing_is_recorded(&stage, &file).await;
        with_field(&stage, &file, "e3b0", before).await.error(400);
        nothing_is_recorded(&stage, &file).await;
    }
    for before in [false, true] {
        with_field(&stage, &file, &sha256(&file.bytes).to_uppercase(), before).await.ok();
    }
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
}

#[tokio::test]
async fn content_digest_of_the_part_is_compared_and_what_is_unknown_ignored() {
    let stage = Stage::new().await;
    let file = file();
    for (digest, word) in [
        (format!("sha-256=:{OTHER_BASE64}:"), "sha-256"),
        (format!("sha-512=:{}==:", "A".repeat(86)), "sha-512"),
        ("crc32c=:AAAAAA==:".to_owned(), "crc32c"),
        ("sha-256=:AAAA:".to_owned(), "Content-Digest is malformed"),
        ("sha-256".to_owned(), "Content-Digest is malformed"),
    ] {
        let error = with_header(&stage, &file, &digest).await.error(400);
        assert!(error.contains(word), "{digest}: {error}");
        nothing_is_recorded(&stage, &file).await;
    }
    with_header(&stage, &file, "md5=:AAAA:, new=(1 2)").await.ok();
    let status = stage.get(&format!("/upload-status/{}", file.id)).await.ok();
    assert_eq!(status["received_chunk_indices"], json!([0]));
}

#[tokio::test]
async fn a_refused_replacement_leaves_the_chunk_that_was_there() {
    let stage = Stage::new().await;
    let file = file();
    stage.chunk(&file, 0).await.ok();
    let damaged = File { bytes: vec![7; file.bytes.len()], ..file.clone() };
    with_field(&stage, &damaged, &sha256(&file.bytes), false).await.error(400);
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
}

#[tokio::test]
async fn a_direct_upload_may_carry_a_digest_too() {
    let stage = Stage::new().await;
    let file = file();
    let send = async |digest: &str| {
        let form = Form::new()
            .part("file", bytes(&file, Some(digest)))
            .text("fileName", file.name.clone())
            .text("authToken", stage.user.auth_token.clone());
        stage.form("/upload", form).await
    };
    send(&format!("sha-256=:{OTHER_BASE64}:")).await.error(400);
    assert!(stage.sandbox.messages_of(&stage.user).is_empty());
    send("unknown=:AAAA:").await.ok();
    stage.arrived(&file);
}

#[tokio::test]
async fn a_chunk_of_nothing_but_beginnings_of_boundaries_arrives_whole() {
    let stage = Stage::new().await;
    let mut file = File::new(CHUNK);
    file.bytes = b"\r\n--".repeat(CHUNK / 4);
    with_field(&stage, &file, &sha256(&file.bytes), false).await.ok();
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
}
