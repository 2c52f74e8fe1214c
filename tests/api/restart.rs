//! A killed worker finds everything again.

use serde_json::json;
use telestore_sandbox::Fault;

use crate::support::{File, MIB, Stage, files_below, soon};

/// Sends a file's chunks and completes it; returns once so many parts have gone and the next one is held.
async fn send_parts(stage: &Stage, file: &File, parts: u64) {
    let hold = stage.sandbox.faults().inject(Fault::hold("upload.saveBigFilePart").skip(parts));
    stage.queue(file).await;
    soon("the parts", stage.sandbox.faults().wait_fired(hold, 1)).await;
}

#[tokio::test]
async fn chunks_and_results_are_there_after_a_kill() {
    let mut stage = Stage::new().await;
    let (done, half) = (File::new(10), File::new(21 * MIB));
    let end = stage.send(&done).await;
    for index in [0, 3, 4] {
        stage.chunk(&half, index).await.ok();
    }
    stage.kill().await;
    stage.start().await;
    assert_eq!(stage.end(&done.id).await, end, "the result is still known");
    let status = stage.get(&format!("/upload-status/{}", half.id)).await.ok();
    assert_eq!(status["received_chunk_indices"], json!([0, 3, 4]));
    for index in [1, 2] {
        stage.chunk(&half, index).await.ok();
    }
    stage.complete(&half.id).await.ok();
    assert_eq!(stage.end(&half.id).await["status"], "completed");
    half.assert_is(&stage.sandbox.messages_of(&stage.user)[1]);
}

#[tokio::test]
async fn an_upload_goes_on_after_a_kill_without_its_token_being_sent_again() {
    let mut stage = Stage::new().await;
    let file = File::new(51 * MIB);
    send_parts(&stage, &file, 40).await;
    stage.kill().await;
    stage.sandbox.faults().clear();
    stage.start().await;
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
    soon("the webhook", stage.sandbox.wait_for_webhooks(1)).await;
}

#[tokio::test]
async fn a_token_that_was_lost_or_ran_out_is_told_in_the_documented_words() {
    let mut stage = Stage::new().await;
    let file = File::new(51 * MIB);
    send_parts(&stage, &file, 2).await;
    stage.kill().await;
    stage.sandbox.faults().clear();
    stage.set("TELESTORE_SECRET_KEY", "another than the tokens were sealed with");
    stage.start().await;
    let end = stage.end(&file.id).await;
    assert_eq!(
        (&end["status"], &end["error"]),
        (
            &json!("failed"),
            &json!("authToken is no longer known to the worker: send it with /complete-upload")
        )
    );

    let hold = stage.sandbox.faults().inject(Fault::hold("upload.saveBigFilePart"));
    let again = json!({ "uploadId": file.id, "authToken": stage.user.auth_token });
    stage.post("/complete-upload", again).await.ok();
    soon("a part", stage.sandbox.faults().wait_fired(hold, 1)).await;
    stage.kill().await;
    stage.sandbox.faults().clear();
    stage.sandbox.revoke_token(&stage.user);
    stage.start().await;
    let end = stage.end(&file.id).await;
    assert_eq!(
        (&end["status"], &end["error"]),
        (&json!("failed"), &json!("authToken is no longer valid: sign in again"))
    );
    assert!(stage.sandbox.messages_of(&stage.user).is_empty());
}

#[tokio::test]
async fn a_stop_leaves_running_work_for_the_next_start() {
    let mut stage = Stage::new().await;
    let file = File::new(51 * MIB);
    send_parts(&stage, &file, 40).await;
    assert!(stage.terminate().await.success());
    stage.sandbox.faults().clear();
    stage.start().await;
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
}

#[tokio::test]
async fn orphans_of_a_killed_worker_go() {
    let mut stage = Stage::new().await;
    let file = File::in_chunks(20, &[10]);
    stage.chunk(&file, 0).await.ok();
    stage.kill().await;
    let data = stage.data_dir();
    let kept = files_below(&data.join("chunks"));
    std::fs::write(data.join("spool/00000000deadbeef"), "half a chunk").unwrap();
    std::fs::write(kept[0].with_file_name("00001-00000000deadbeef"), "never recorded").unwrap();
    let strange = data.join("chunks/0123456789abcdef0123456789abcdef");
    std::fs::create_dir(&strange).unwrap();
    std::fs::write(strange.join("00000-0000000000000000"), "of nobody").unwrap();
    stage.start().await;
    assert_eq!(files_below(&data.join("chunks")), kept);
    assert!(files_below(&data.join("spool")).is_empty());
    stage.chunk(&file, 1).await.ok();
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
}

#[tokio::test]
async fn no_secret_is_on_disk_in_clear() {
    let mut stage = Stage::new().await;
    let (sent, waiting) = (File::new(51 * MIB), File::new(10));
    stage.send(&sent).await;
    stage.chunks(&waiting).await;
    stage.kill().await;
    let user = &stage.user;
    let session = user.telethon_session.clone().unwrap();
    let secrets = [&user.auth_token, &user.bot_token, &session, &user.api_hash];
    for path in files_below(&stage.data_dir()) {
        let bytes = std::fs::read(&path).unwrap();
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "a secret is in {}", path.display());
        }
    }
}

#[tokio::test]
async fn a_killed_worker_sends_at_most_sixteen_mebibytes_of_parts_again() {
    let mut stage = Stage::new().await;
    let file = File::new(120 * MIB);
    send_parts(&stage, &file, 120).await;
    stage.kill().await;
    stage.sandbox.faults().clear();
    stage.start().await;
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
    let stats = stage.sandbox.stats();
    assert_eq!(stats.parts.len(), 1, "the file went on under the same file_id");
    let again = stats.parts.values().map(|parts| parts.bytes).sum::<u64>() - file.bytes.len() as u64;
    assert!(again <= 16 * MIB as u64, "{again} bytes arrived a second time");
}

#[tokio::test]
async fn with_durability_disk_everything_works_the_same() {
    let mut stage = Stage::with(&[("TELESTORE_DURABILITY", "disk")]).await;
    let file = File::new(11 * MIB);
    stage.chunk(&file, 0).await.ok();
    stage.chunk(&file, 1).await.ok();
    stage.kill().await;
    stage.start().await;
    stage.chunk(&file, 2).await.ok();
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
}
