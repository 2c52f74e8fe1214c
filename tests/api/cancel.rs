//! Cancelling, at any time.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use telestore_sandbox::Fault;

use crate::support::{File, MIB, Stage, files_below, soon};

async fn cancel(stage: &Stage, id: &str) -> Value {
    stage.post("/cancel-upload", json!({ "uploadId": id })).await.ok()
}

fn cancelled() -> Value {
    json!({ "success": true, "message": "Upload cancelled" })
}

#[tokio::test]
async fn cancelling_takes_the_chunks_away() {
    let stage = Stage::new().await;
    let file = File::in_chunks(30, &[10]);
    stage.chunk(&file, 0).await.ok();
    stage.chunk(&file, 1).await.ok();
    assert_eq!(cancel(&stage, &file.id).await, cancelled());
    assert!(files_below(&stage.data_dir().join("chunks")).is_empty());
    assert_eq!(
        stage.get(&format!("/upload-status/{}", file.id)).await.error(404),
        "Upload session not found"
    );
    let progress = stage.progress(&file.id).await.ok();
    assert_eq!((&progress["status"], &progress["error"]), (&json!("failed"), &json!("Upload cancelled")));
    assert_eq!(cancel(&stage, &file.id).await, cancelled(), "again");
    assert!(
        stage.chunk(&file, 2).await.error(409).contains("cancelled"),
        "a late chunk does not bring it back"
    );
    assert!(stage.complete(&file.id).await.error(409).contains("cancelled"));
    assert!(files_below(&stage.data_dir().join("chunks")).is_empty());
}

#[tokio::test]
async fn cancelling_what_is_not_there_is_a_success() {
    let stage = Stage::new().await;
    assert_eq!(cancel(&stage, "unknown").await, cancelled());
}

#[tokio::test]
async fn a_running_send_stops_and_no_message_stays() {
    for (length, at) in
        [(51 * MIB, "upload.saveBigFilePart"), (51 * MIB, "messages.sendMedia"), (10, "sendDocument")]
    {
        // One slot: the next file goes out when the cancelled one is over, its message taken back if there is one.
        let stage = Stage::with(&[("TELESTORE_MAX_CONCURRENT_UPLOADS", "1")]).await;
        let file = File::new(length);
        let hold = stage.sandbox.faults().inject(Fault::hold(at));
        stage.queue(&file).await;
        soon("the send", stage.sandbox.faults().wait_fired(hold, 1)).await;
        let begun = Instant::now();
        assert_eq!(cancel(&stage, &file.id).await, cancelled());
        // Telegram is waited for a minute and more, a busy machine for less.
        assert!(begun.elapsed() < Duration::from_secs(20), "a cancel does not wait for Telegram");
        assert_eq!(stage.end(&file.id).await["error"], "Upload cancelled");
        // Telegram makes the message that it was asked for, whatever becomes of the connection.
        stage.sandbox.faults().release(hold);
        let next = File::new(length);
        assert_eq!(stage.send(&next).await["status"], "completed");
        stage.arrived(&next);
    }
}

#[tokio::test]
async fn cancelling_too_late_says_so() {
    let stage = Stage::new().await;
    let file = File::new(10);
    let end = stage.send(&file).await;
    let answer = cancel(&stage, &file.id).await;
    assert_eq!((&answer["success"], &answer["messageId"]), (&json!(true), &end["messageId"]));
    assert!(answer["message"].as_str().unwrap().contains("already completed"));
    assert_eq!(stage.end(&file.id).await, end);
}

#[tokio::test]
async fn an_explicit_start_may_use_a_cancelled_id_again() {
    let stage = Stage::new().await;
    let (old, mut file) = (File::new(10), File::new(20));
    file.id.clone_from(&old.id);
    stage.chunks(&old).await;
    cancel(&stage, &old.id).await;
    let init = json!({
        "uploadId": file.id, "fileName": file.name, "totalChunks": 1, "fileSize": 20,
        "authToken": stage.user.auth_token,
    });
    stage.post("/init-upload", init).await.ok();
    assert_eq!(stage.send(&file).await["status"], "completed");
    stage.arrived(&file);
}
