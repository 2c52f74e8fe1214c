//! `telestore-worker uploads`: the operator's commands, beside a running worker and without one.

use std::collections::HashSet;

use serde_json::{Value, json};
use telestore_sandbox::{Fault, UserSpec};

use crate::support::{File, MIB, Ran, Stage, files_below, soon};

const REFUSED: &str = "Bad Request: file must be non-empty";

impl Stage {
    /// An `uploads` command; nothing that it says holds a secret.
    async fn uploads(&self, args: &[&str]) -> Ran {
        let ran = self.command(&[&["uploads"], args].concat()).await;
        let user = &self.user;
        let session = user.telethon_session.as_deref().unwrap_or(&user.bot_token);
        for secret in [user.auth_token.as_str(), &user.bot_token, session, &user.api_hash] {
            assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{}", ran.stdout);
        }
        ran
    }

    async fn listed(&self, args: &[&str]) -> Vec<String> {
        let listed = self.uploads(&[&["list", "--json"], args].concat()).await.json();
        let ids = listed["uploads"].as_array().unwrap().iter();
        ids.map(|upload| upload["uploadId"].as_str().unwrap().to_owned()).collect()
    }

    /// An upload that Telegram has refused, once.
    async fn failed(&self) -> File {
        self.sandbox.faults().inject(Fault::rpc_error("sendDocument", 400, REFUSED).once());
        let file = File::new(1000);
        assert_eq!(self.send(&file).await["status"], "failed");
        file
    }
}

#[tokio::test]
async fn uploads_are_listed_and_shown() {
    let stage = Stage::new().await;
    let failed = stage.failed().await;
    let (sent, waiting) = (File::new(10).named("\u{202e}evil.bin"), File::in_chunks(30, &[10]));
    stage.send(&sent).await;
    stage.chunk(&waiting, 0).await.ok();

    assert_eq!(stage.listed(&[]).await, [&*waiting.id, &*sent.id, &*failed.id], "the latest first");
    assert_eq!(stage.listed(&["--state", "failed"]).await, [&*failed.id]);
    assert_eq!(
        stage.listed(&["--user", &stage.user.user_id, "--skip", "1", "--limit", "1"]).await,
        [&*sent.id]
    );
    assert!(stage.listed(&["--user", "somebody"]).await.is_empty());
    let table = stage.uploads(&["list", "--limit", "2"]).await.ok();
    assert!(table.contains("receiving") && table.contains("1/3") && table.contains("--skip 2"), "{table}");
    assert!(table.contains("\\u{202e}evil.bin"), "names do not command the terminal: {table}");

    let shown = stage.uploads(&["show", &failed.id, "--json"]).await.json();
    let expected = json!({
        "uploadId": failed.id, "state": "failed", "user": stage.user.user_id, "fileName": "video.bin",
        "fileSize": 1000, "totalChunks": 1, "receivedChunks": 1, "receivedBytes": 1000, "messageId": null,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&shown[name], value, "{name}");
    }
    let place = stage.data_dir().join(shown["directory"].as_str().unwrap());
    assert_eq!(files_below(&place).len(), 1, "the directory is that of its chunks");
    let page = stage.uploads(&["show", &failed.id]).await.ok();
    assert!(page.contains("state           failed") && page.contains(REFUSED), "{page}");
}

#[tokio::test]
async fn a_failed_upload_that_is_retried_arrives_once() {
    for running in [true, false] {
        let mut stage = Stage::new().await;
        let file = stage.failed().await;
        if !running {
            assert!(stage.terminate().await.success());
        }
        let said = stage.uploads(&["retry", &file.id]).await.ok();
        assert!(said.contains(if running { "within seconds" } else { "after the next start" }), "{said}");
        if !running {
            stage.start().await;
        }
        assert_eq!(stage.end(&file.id).await["status"], "completed");
        stage.arrived(&file);
        let again = stage.uploads(&["retry", &file.id]).await.error();
        assert!(again.contains("is completed"), "{again}");
        stage.arrived(&file);
    }
}

#[tokio::test]
async fn what_cannot_be_retried_says_why() {
    let mut stage = Stage::new().await;
    let waiting = File::in_chunks(30, &[10]);
    stage.chunk(&waiting, 0).await.ok();
    stage.sandbox.faults().inject(Fault::rpc_error("sendDocument", 400, REFUSED).once());
    stage.direct(&File::new(10)).await.error(500);
    let direct = stage.listed(&["--state", "failed"]).await.remove(0);
    for (id, why) in
        [(waiting.id.as_str(), "still receives"), ("unknown", "not found"), (&direct, "send it again")]
    {
        let error = stage.uploads(&["retry", id]).await.error();
        assert!(error.contains(why), "{error}");
    }
    assert!(stage.uploads(&["cancel", "unknown"]).await.error().contains("not found"));
    assert!(stage.uploads(&["show", "a/b"]).await.error().contains("upload id must be"));
    stage.terminate().await;
    stage.set("TELESTORE_DATA_DIR", stage.dir.path().join("elsewhere").to_str().unwrap());
    assert!(stage.uploads(&["list"]).await.error().contains("set TELESTORE_DATA_DIR"));
    assert!(!stage.dir.path().join("elsewhere").exists(), "looking makes nothing");
}

#[tokio::test]
async fn a_file_that_may_be_in_the_channel_is_retried_by_force_only() {
    let stage = Stage::of(UserSpec::new("bob").without_session(), &[]).await;
    let lost = stage.sandbox.faults().inject(Fault::lose_answer("sendDocument").once());
    let file = File::new(1000);
    assert_eq!(stage.send(&file).await["status"], "failed");
    soon("the fault", stage.sandbox.faults().wait_fired(lost, 1)).await;
    let error = stage.uploads(&["retry", &file.id]).await.error();
    assert!(error.contains("force the retry"), "{error}");
    assert_eq!(stage.progress(&file.id).await.ok()["status"], "failed");
    stage.arrived(&file);
    stage.uploads(&["retry", &file.id, "--force"]).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), 2, "which is what the operator was warned of");
}

async fn cancelled(stage: &Stage, id: &str) {
    assert!(stage.uploads(&["cancel", id]).await.ok().contains("cancelled"));
    let shown = stage.uploads(&["show", id, "--json"]).await.json();
    assert_eq!((&shown["state"], &shown["receivedChunks"]), (&json!("cancelled"), &json!(1)));
}

#[tokio::test]
async fn a_running_send_that_is_cancelled_stops_and_no_message_stays() {
    for (length, at) in
        [(51 * MIB, "upload.saveBigFilePart"), (51 * MIB, "messages.sendMedia"), (10, "sendDocument")]
    {
        let stage = Stage::with(&[
            ("TELESTORE_MAX_CONCURRENT_UPLOADS", "1"),
            ("TELESTORE_MAX_CHUNK_BYTES", "60 MiB"),
        ])
        .await;
        let file = File::in_chunks(length, &[length]);
        let hold = stage.sandbox.faults().inject(Fault::hold(at));
        stage.queue(&file).await;
        soon("the send", stage.sandbox.faults().wait_fired(hold, 1)).await;
        cancelled(&stage, &file.id).await;
        assert_eq!(stage.end(&file.id).await["error"], "Upload cancelled");
        stage.sandbox.faults().release(hold);
        // One slot: it is free when the cancelled one has stopped and its message is taken back.
        let next = File::new(10);
        assert_eq!(stage.send(&next).await["status"], "completed");
        stage.arrived(&next);
        stage.emptied(&["chunks"]).await;
    }
}

#[tokio::test]
async fn an_upload_can_be_cancelled_while_no_worker_runs() {
    let mut stage = Stage::new().await;
    let file = stage.failed().await;
    assert!(stage.terminate().await.success());
    cancelled(&stage, &file.id).await;
    assert!(files_below(&stage.data_dir().join("chunks")).is_empty());
    stage.start().await;
    assert_eq!(stage.progress(&file.id).await.ok()["error"], "Upload cancelled");
}

#[tokio::test]
async fn a_directory_that_was_copied_as_documented_goes_on_elsewhere() {
    let mut stage = Stage::new().await;
    let (half, failed) = (File::in_chunks(30, &[10]), stage.failed().await);
    stage.chunk(&half, 0).await.ok();
    assert!(stage.terminate().await.success());
    let kept: HashSet<&str> =
        HashSet::from(["telestore.db", "telestore.db-wal", "telestore.db-shm", "secret.key", "chunks"]);
    let backup = stage.dir.path().join("backup");
    std::fs::create_dir(&backup).unwrap();
    for path in files_below(&stage.data_dir()) {
        let place = path.strip_prefix(stage.data_dir()).unwrap();
        if kept.contains(place.iter().next().unwrap().to_str().unwrap()) {
            std::fs::create_dir_all(backup.join(place).parent().unwrap()).unwrap();
            std::fs::copy(&path, backup.join(place)).unwrap();
        }
    }
    std::fs::remove_dir_all(stage.data_dir()).unwrap();
    stage.set("TELESTORE_DATA_DIR", backup.to_str().unwrap());
    stage.start().await;
    let status: Value = stage.get(&format!("/upload-status/{}", half.id)).await.ok();
    assert_eq!(status["received_chunk_indices"], json!([0]));
    for index in [1, 2] {
        stage.chunk(&half, index).await.ok();
    }
    for file in [&half, &failed] {
        stage.complete(&file.id).await.ok();
        assert_eq!(stage.end(&file.id).await["status"], "completed");
    }
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), 2);
}

#[tokio::test]
async fn a_worker_that_is_alone_is_shown_alive_and_gone() {
    let mut stage = Stage::new().await;
    let told = async |stage: &Stage| stage.command(&["workers", "--json"]).await.json()["workers"].clone();
    let alone = told(&stage).await;
    assert_eq!((alone[0]["state"].as_str(), alone.as_array().unwrap().len()), (Some("alive"), 1), "{alone}");
    assert_eq!(alone[0]["uploads"], json!([]));
    assert!(stage.command(&["workers"]).await.ok().contains(alone[0]["id"].as_str().unwrap()));
    assert!(stage.terminate().await.success());
    assert_eq!(told(&stage).await[0]["state"], "gone");
}
