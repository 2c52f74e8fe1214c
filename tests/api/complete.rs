//! Completing again, after success and after failure.

use serde_json::json;
use telestore_sandbox::Fault;

use crate::support::{File, MIB, Stage, files_below, soon};

#[tokio::test]
async fn completing_again_answers_the_same_and_sends_once() {
    let stage = Stage::new().await;
    let file = File::new(10);
    let send = stage.sandbox.faults().inject(Fault::hold("sendDocument"));
    stage.chunks(&file).await;
    let first = stage.complete(&file.id).await.ok();
    soon("the send", stage.sandbox.faults().wait_fired(send, 1)).await;
    assert_eq!(stage.complete(&file.id).await.ok(), first, "while it is being sent");
    stage.sandbox.faults().release(send);
    stage.end(&file.id).await;
    assert_eq!(stage.complete(&file.id).await.ok(), first, "after it was sent");
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
    assert_eq!(stage.sandbox.stats().calls("sendDocument"), 1);
}

#[tokio::test]
async fn many_completions_at_once_send_once() {
    let stage = Stage::new().await;
    let file = File::new(10);
    stage.chunks(&file).await;
    for answer in futures_util::future::join_all((0..16).map(|_| stage.complete(&file.id))).await {
        answer.ok();
    }
    stage.end(&file.id).await;
    stage.arrived(&file);
}

#[tokio::test]
async fn a_chunk_that_comes_again_while_the_file_is_sent_is_fine_and_other_bytes_are_not() {
    let stage = Stage::new().await;
    let (file, mut other) = (File::new(11 * MIB), File::new(11 * MIB));
    other.id.clone_from(&file.id);
    let send = stage.sandbox.faults().inject(Fault::hold("sendDocument"));
    stage.queue(&file).await;
    soon("the send", stage.sandbox.faults().wait_fired(send, 1)).await;
    let again = stage.chunk(&file, 1).await.ok();
    assert_eq!((&again["received_chunks"], &again["complete"]), (&json!(3), &json!(true)));
    assert!(stage.chunk(&other, 1).await.error(409).contains("already on its way"));
    stage.sandbox.faults().release(send);
    stage.end(&file.id).await;
    assert_eq!(stage.chunk(&file, 2).await.ok()["complete"], true, "also after the end");
    stage.arrived(&file);
    // Late chunks leave nothing.
    stage.emptied(&["chunks"]).await;
}

#[tokio::test]
async fn a_failure_keeps_the_chunks_and_completing_starts_again() {
    let stage = Stage::new().await;
    let file = File::in_chunks(30, &[10]);
    stage.sandbox.remove_bot(&stage.user.channel_id, &stage.user);
    let end = stage.send(&file).await;
    assert_eq!((&end["status"], &end["error"]), (&json!("failed"), &json!("Could not resolve channel ID")));
    assert_eq!(files_below(&stage.data_dir().join("chunks")).len(), 3);
    let status = stage.get(&format!("/upload-status/{}", file.id)).await.ok();
    assert_eq!((&status["complete"], &status["received_chunks"]), (&json!(true), &json!(3)));
    stage.sandbox.join(&stage.user.channel_id, &stage.user);
    assert_eq!(stage.complete(&file.id).await.ok()["message"], "Upload started in background");
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
    stage.emptied(&["chunks"]).await;
}

#[tokio::test]
async fn faults_that_pass_are_tried_again() {
    let stage = Stage::new().await;
    stage.sandbox.faults().inject(
        Fault::http_status(
            "sendDocument",
            429,
            json!({
                "ok": false, "error_code": 429, "description": "Too Many Requests: retry after 1",
                "parameters": { "retry_after": 1 },
            }),
        )
        .once(),
    );
    let file = File::new(10);
    assert_eq!(stage.send(&file).await["status"], "completed");
    stage.arrived(&file);
}

#[tokio::test]
async fn more_files_than_slots_wait_their_turn() {
    let stage = Stage::with(&[("TELESTORE_MAX_CONCURRENT_UPLOADS", "2")]).await;
    let send = stage.sandbox.faults().inject(Fault::hold("sendDocument"));
    let files: Vec<File> = (0..6).map(|n| File::new(10).named(&format!("{n}.bin"))).collect();
    for file in &files {
        stage.queue(file).await;
    }
    soon("two sends", stage.sandbox.faults().wait_fired(send, 2)).await;
    let waiting = stage.progress(&files[5].id).await.ok();
    assert_eq!(
        (&waiting["status"], &waiting["stage"], &waiting["progress"]),
        (&json!("uploading"), &json!("queued"), &json!(0))
    );
    assert_eq!(stage.sandbox.faults().fired(send), 2);
    stage.sandbox.faults().release(send);
    for file in &files {
        assert_eq!(stage.end(&file.id).await["status"], "completed");
    }
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), 6);
}
