//! How many chunks a file may come in, and which of them may be empty.

use reqwest::multipart::{Form, Part};
use serde_json::json;
use sha2::{Digest, Sha256};
use telestore_sandbox::Fault;

use crate::support::{CHUNK, File, MIB, Stage, chunk_form, files_below, soon};

/// A file whose client computed `floor(size / chunk) + 1` chunks: the last one is empty.
fn one_too_many(length: usize, chunk: usize) -> File {
    let mut file = File::in_chunks(length, &[chunk]);
    assert_eq!(length % chunk, 0);
    file.ends.push(length);
    file
}

async fn received(stage: &Stage, file: &File) -> serde_json::Value {
    stage.get(&format!("/upload-status/{}", file.id)).await.ok()["received_chunk_indices"].clone()
}

#[tokio::test]
async fn an_empty_last_chunk_is_taken_in_any_order() {
    let stage = Stage::new().await;
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let file = one_too_many(10, 5);
        for index in order {
            stage.chunk(&file, index).await.ok();
        }
        // Again, as clients do that did not see the answer.
        let receipt = stage.chunk(&file, 2).await.ok();
        assert_eq!((&receipt["received_chunks"], &receipt["complete"]), (&json!(3), &json!(true)));
        stage.complete(&file.id).await.ok();
        assert_eq!(stage.end(&file.id).await["status"], "completed", "{order:?}");
        file.assert_is(stage.sandbox.messages_of(&stage.user).last().unwrap());
    }
}

#[tokio::test]
async fn five_bytes_in_two_chunks_arrive_with_a_digest_and_over_a_restart() {
    let mut stage = Stage::new().await;
    let file = one_too_many(5, 5);
    let init = json!({ "uploadId": file.id, "fileName": file.name, "totalChunks": 2, "fileSize": 5 });
    stage.post("/init-upload", init).await.ok();
    let with_digest = |digest: String| {
        let part = Part::bytes(Vec::new()).file_name("blob");
        let form = Form::new().text("chunkSha256", digest).part("chunk", part);
        file.fields(1, &stage.user.auth_token)
            .into_iter()
            .fold(form, |form, (name, value)| form.text(name, value))
    };
    let wrong = with_digest(hex::encode(Sha256::digest(b"x")));
    stage.form("/upload-chunk", wrong).await.error(400);
    let right = with_digest(hex::encode(Sha256::digest(b"")));
    stage.form("/upload-chunk", right).await.ok();
    stage.kill().await;
    stage.start().await;
    assert_eq!(received(&stage, &file).await, json!([1]));
    stage.chunk(&file, 0).await.ok();
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
    stage.emptied(&["spool", "chunks"]).await;
}

#[tokio::test]
async fn an_empty_last_chunk_comes_before_and_after_early_sending() {
    for last_first in [true, false] {
        let stage = Stage::new().await;
        let file = one_too_many(11 * CHUNK, CHUNK);
        if last_first {
            stage.chunk(&file, 11).await.ok();
        }
        for index in 0..11 {
            stage.chunk(&file, index).await.ok();
        }
        let parts = (file.bytes.len() / (MIB / 2)) as u64;
        soon("all parts", stage.sandbox.wait_until(|stats| stats.parts_total() >= parts)).await;
        if !last_first {
            stage.chunk(&file, 11).await.ok();
        }
        stage.complete(&file.id).await.ok();
        assert_eq!(stage.end(&file.id).await["status"], "completed");
        stage.arrived(&file);
        assert_eq!(stage.sandbox.stats().parts_total(), parts, "no part goes twice");
    }
}

#[tokio::test]
async fn an_empty_chunk_elsewhere_is_refused_with_the_place_where_it_may_be() {
    let stage = Stage::new().await;
    let file = File::in_chunks(10, &[5]);
    let empty = |index| chunk_form(Vec::new(), file.fields(index, &stage.user.auth_token));
    let error = stage.form("/upload-chunk", empty(0)).await.error(400);
    assert!(error.contains("chunkIndex 0 must have bytes") && error.contains("last one, 1"), "{error}");
    assert!(files_below(&stage.data_dir().join("chunks")).is_empty());
    // The last one, and the others are not the whole file: it has lost its bytes on the way.
    stage.chunk(&file, 0).await.ok();
    let answer = stage.form("/upload-chunk", empty(1)).await;
    assert_eq!((&answer.body["declared"], &answer.body["received"]), (&json!(10), &json!(5)));
    assert!(answer.error(400).contains("fileSize says 10 bytes"));
    // The same in the other order is found at completion, and is mended by sending it.
    let late = File::in_chunks(10, &[5]);
    let empty = chunk_form(Vec::new(), late.fields(1, &stage.user.auth_token));
    stage.form("/upload-chunk", empty).await.ok();
    stage.chunk(&late, 0).await.ok();
    let answer = stage.complete(&late.id).await;
    assert_eq!((answer.status, &answer.body["received"]), (400, &json!(5)));
    stage.chunk(&late, 1).await.ok();
    stage.complete(&late.id).await.ok();
    assert_eq!(stage.end(&late.id).await["status"], "completed");
    stage.arrived(&late);
}

#[tokio::test]
async fn more_chunks_than_a_file_can_have_are_refused_at_once() {
    let stage = Stage::new().await;
    let init = |total: u64, size: u64| json!({ "uploadId": format!("a-{total}-{size}"), "fileName": "a", "totalChunks": total, "fileSize": size });
    let error = stage.post("/init-upload", init(20, 10)).await.error(400);
    assert!(
        error.contains("totalChunks 20") && error.contains("fileSize 10") && error.contains("11"),
        "{error}"
    );
    stage.get("/upload-status/a-20-10").await.error(404);
    stage.post("/init-upload", init(12, 10)).await.error(400);
    stage.post("/init-upload", init(11, 10)).await.ok();
    stage.post("/init-upload", init(10_000, 9_998)).await.error(400);
    // Each byte a chunk, and one too many.
    let file = one_too_many(3, 1);
    stage.queue(&file).await;
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
    let mut fields = file.fields(0, &stage.user.auth_token);
    fields.retain(|(name, _)| *name != "totalChunks");
    fields.push(("totalChunks", "20".to_owned()));
    let error = stage.form("/upload-chunk", chunk_form(vec![1], fields)).await.error(400);
    assert!(error.contains("totalChunks"), "{error}");
}

#[tokio::test]
async fn chunks_that_are_more_than_the_file_are_refused_when_they_come() {
    let stage = Stage::new().await;
    let file = File::in_chunks(10, &[4, 3]);
    let with = |file: &File, index, bytes: usize| {
        chunk_form(vec![7; bytes], file.fields(index, &stage.user.auth_token))
    };
    // One that is longer than the file makes no upload.
    let answer = stage.form("/upload-chunk", with(&file, 0, 11)).await;
    assert_eq!((&answer.body["declared"], &answer.body["received"]), (&json!(10), &json!(11)));
    assert!(answer.error(400).contains("fileSize says 10 bytes"));
    stage.get(&format!("/upload-status/{}", file.id)).await.error(404);
    stage.chunk(&file, 0).await.ok();
    let answer = stage.form("/upload-chunk", with(&file, 1, 7)).await;
    assert_eq!((answer.status, &answer.body["received"]), (400, &json!(11)));
    assert_eq!(received(&stage, &file).await, json!([0]));
    stage.chunk(&file, 1).await.ok();
    stage.chunk(&file, 2).await.ok();
    // Those that are there may be cut anew, one after the other: in between they are more than the file.
    let anew = File { ends: vec![6, 9, 10], ..file.clone() };
    stage.chunks(&anew).await;
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
}

#[tokio::test]
async fn a_refused_chunk_takes_nothing_from_what_is_being_sent() {
    let stage = Stage::new().await;
    let file = File::in_chunks(10, &[5]);
    let held = stage.sandbox.faults().inject(Fault::hold("sendDocument"));
    stage.queue(&file).await;
    soon("the sending", stage.sandbox.faults().wait_fired(held, 1)).await;
    let empty = chunk_form(Vec::new(), file.fields(1, &stage.user.auth_token));
    stage.form("/upload-chunk", empty).await.error(409);
    stage.sandbox.faults().release(held);
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
}
