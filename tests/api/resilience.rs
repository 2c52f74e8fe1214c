//! If one thing fails, everything else goes on. For slow clients see `slow.rs`.

use std::time::Duration;

use serde_json::{Value, json};
use telestore_sandbox::{Fault, FaultAction, SandboxUser, UserSpec, WebhookCall};

use crate::raw::Raw;
use crate::support::{Answer, File, MIB, Stage, files_below, soon};

const PART: &str = "upload.saveBigFilePart";

/// Larger files go by MTProto.
const BOT_LIMIT: (&str, &str) = ("TELESTORE_BOT_API_MAX_BYTES", "20 MiB");

/// A Bot API that breaks off in the middle of a file, for which the file must be larger than what connections buffer.
/// One that had all of a file may have sent it, and is not asked again (`faults.rs`).
fn broken_off() -> Fault {
    Fault::new("sendDocument", FaultAction::DropBodyAfter(100_000))
}

async fn put(stage: &Stage, user: &SandboxUser, file: &File) -> Answer {
    let mut last = None;
    for index in 0..file.total() {
        let answer = stage.form("/upload-chunk", file.chunk(index, &user.auth_token)).await;
        if answer.status != 200 {
            return answer;
        }
        last = Some(answer);
    }
    last.expect("a file has a chunk")
}

/// Sends a file as `user` and asks for its completion.
async fn begin(stage: &Stage, user: &SandboxUser, file: &File) {
    put(stage, user, file).await.ok();
    stage.complete(&file.id).await.ok();
}

async fn send(stage: &Stage, user: &SandboxUser, file: &File) -> Value {
    begin(stage, user, file).await;
    stage.end(&file.id).await
}

/// Every file of `user` arrived, and none of them twice.
#[track_caller]
fn assert_arrived(stage: &Stage, user: &SandboxUser, files: &[&File]) {
    let messages = stage.sandbox.messages_of(user);
    assert_eq!(messages.len(), files.len(), "{messages:?}");
    for file in files {
        let found = messages.iter().filter(|message| message.size == file.bytes.len() as u64);
        assert_eq!(found.count(), 1, "{messages:?}");
    }
}

/// A disk of the worker's own, half of which it keeps free. How full this machine's disk is does not matter.
const SMALL_DISK: [(&str, &str); 2] =
    [("TELESTORE_DISK_BYTES", "128 MiB"), ("TELESTORE_MIN_FREE_BYTES", "64 MiB")];

/// Fills that disk for as long as it is there. It takes no space on this machine's: all of it is a hole.
struct Ballast(std::path::PathBuf);

impl Ballast {
    fn new(stage: &Stage) -> Self {
        let path = stage.data_dir().join("ballast");
        let file = std::fs::File::create(&path).expect("a file");
        file.set_len(100 << 20).expect("a hole");
        Self(path)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Asks until the answer has this status.
async fn until(status: u16, mut ask: impl AsyncFnMut() -> Answer) -> Answer {
    let poll = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            let answer = ask().await;
            if answer.status == status {
                return answer;
            }
        }
    };
    soon("the status", poll).await
}

#[tokio::test]
async fn a_full_disk_refuses_new_bytes_and_nothing_else() {
    let stage = Stage::with(&SMALL_DISK).await;
    let hold = stage.sandbox.faults().inject(Fault::hold("sendDocument"));
    let (running, waiting) = (File::in_chunks(2000, &[1000]), File::in_chunks(4000, &[2000]));
    stage.queue(&running).await;
    soon("the send", stage.sandbox.faults().wait_fired(hold, 1)).await;
    stage.chunk(&waiting, 0).await.ok();

    let ballast = Ballast::new(&stage);
    let probe = File::in_chunks(2000, &[1000]);
    until(507, async || stage.chunk(&probe, 0).await).await;
    let error = stage.chunk(&waiting, 1).await.error(507);
    assert!(error.contains("disk space"), "{error}");
    stage.direct(&File::new(10)).await.error(507);
    // What is there goes on, and so do calls that bring no bytes.
    stage.sandbox.faults().release(hold);
    assert_eq!(stage.end(&running.id).await["status"], "completed");
    assert_eq!(
        stage.get(&format!("/upload-status/{}", waiting.id)).await.ok()["received_chunk_indices"],
        json!([0])
    );
    stage.post("/cancel-upload", json!({ "uploadId": "another" })).await.ok();
    stage.emptied(&["spool"]).await;

    drop(ballast);
    until(200, async || stage.chunk(&waiting, 1).await).await;
    stage.complete(&waiting.id).await.ok();
    assert_eq!(stage.end(&waiting.id).await["status"], "completed");
    assert_arrived(&stage, &stage.user, &[&running, &waiting]);
}

#[tokio::test]
async fn a_disk_that_fills_up_stops_bodies_under_way() {
    let stage = Stage::with(&SMALL_DISK).await;
    let file = File::new(10);
    stage.chunks(&file).await;
    let length = 24 * MIB;
    let mut body = Raw::connect(&stage).await;
    body.send(format!(
        "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\
         Content-Type: multipart/form-data; boundary=X\r\n\r\n--X\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"
    ))
    .await;
    let mebibyte = vec![7; MIB];
    body.send(&mebibyte).await;
    soon("the spool", async {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        while files_below(&stage.data_dir().join("spool")).is_empty() {
            ticks.tick().await;
        }
    })
    .await;

    let ballast = Ballast::new(&stage);
    until(507, async || stage.chunk(&File::new(10), 0).await).await;
    // Far less than all of it.
    for _ in 0..3 {
        body.send(&mebibyte).await;
    }
    let answer = body.answer().await;
    assert_eq!(answer.status, 507, "{answer:?}");
    assert!(answer.json()["error"].as_str().unwrap().contains("disk space"), "{answer:?}");
    stage.emptied(&["spool"]).await;
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    drop(ballast);
    until(200, async || stage.direct(&file).await).await;
}

#[tokio::test]
async fn a_backend_that_is_silent_holds_up_newcomers_once_and_known_users_not_at_all() {
    let stage = Stage::new().await;
    let file = File::in_chunks(100, &[10]);
    stage.chunk(&file, 0).await.ok();
    let silent = Fault::new("backend.credentials", FaultAction::NoExecuteSilence);
    let silent = stage.sandbox.faults().inject(silent);
    let began = std::time::Instant::now();
    // Two hundred, four times each.
    let newcomers: Vec<_> = (0..4 * 200)
        .map(|number| {
            let request = stage.client.post(stage.url("/init-upload")).json(&json!({
                "uploadId": format!("newcomer-{number}"),
                "fileName": "a.bin",
                "fileSize": 10,
                "totalChunks": 1,
                "authToken": format!("newcomer-{}", number / 4),
            }));
            tokio::spawn(async move { (request.send().await.unwrap().status(), began.elapsed()) })
        })
        .collect();
    soon("the questions", stage.sandbox.faults().wait_fired(silent, 16)).await;
    put(&stage, &stage.user, &file).await.ok();
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    assert!(newcomers.iter().any(|newcomer| !newcomer.is_finished()), "meanwhile");
    let mut ends = Vec::new();
    for newcomer in newcomers {
        let (status, took) = newcomer.await.unwrap();
        assert_eq!(status, 503);
        ends.push(took);
    }
    // Questions take ten seconds here, and it takes three that fail to know that all do.
    let first = ends.iter().min().copied().unwrap_or_default();
    let late = ends.iter().filter(|took| **took > first + Duration::from_secs(8)).count();
    assert!(late <= 2 * 4, "{late} waited for the second question");
    assert!(stage.sandbox.faults().fired(silent) <= 16 + 2);
}

#[tokio::test]
async fn a_backend_that_is_down_stops_newcomers_only() {
    let mut stage = Stage::new().await;
    let newcomer = stage.sandbox.add_user(UserSpec::new("newcomer"));
    let (first, second) = (File::new(1000), File::new(2000));
    assert_eq!(stage.send(&first).await["status"], "completed");
    soon("the first webhook", stage.sandbox.wait_for_webhooks(1)).await;

    for at in ["backend.credentials", "backend.webhook"] {
        stage.sandbox.faults().inject(Fault::drop_connection(at));
    }
    assert_eq!(stage.send(&second).await["status"], "completed", "known users go on");
    let stranger = File::new(10);
    let refused = put(&stage, &newcomer, &stranger).await.error(503);
    assert!(refused.contains("try again later"), "{refused}");
    // Completed now, and killed before it is sent: who it is for is not known any more after the start.
    let third = File::new(3000);
    stage.sandbox.faults().inject(Fault::flood_wait("sendDocument", 10).once());
    stage.queue(&third).await;
    let waits = async {
        while stage.progress(&third.id).await.ok()["retryAfter"].is_null() {
            tokio::task::yield_now().await;
        }
    };
    soon("the wait that Telegram asked for", waits).await;
    stage.kill().await;
    let asked = stage.sandbox.stats().calls("backend.credentials");
    stage.start().await;
    let tried = stage.sandbox.wait_until(|stats| stats.calls("backend.credentials") > asked);
    soon("the question whose it is", tried).await;
    assert_eq!(stage.progress(&third.id).await.ok()["status"], "uploading");

    stage.sandbox.faults().clear();
    assert_eq!(stage.end(&third.id).await["status"], "completed");
    assert_eq!(send(&stage, &newcomer, &stranger).await["status"], "completed");
    let sizes = soon("every webhook", async {
        let mut wanted = 4;
        loop {
            let calls = stage.sandbox.wait_for_webhooks(wanted).await;
            let sizes = delivered(&calls);
            if sizes.len() == 4 {
                return sizes;
            }
            wanted = calls.len() + 1;
        }
    })
    .await;
    assert_eq!(sizes, [10, 1000, 2000, 3000], "each file is told of once");
}

/// The sizes of the files that the backend has taken note of.
fn delivered(calls: &[WebhookCall]) -> Vec<u64> {
    let taken = calls.iter().filter(|call| call.status == 200);
    let mut sizes: Vec<u64> = taken.filter_map(|call| call.body["size"].as_u64()).collect();
    sizes.sort_unstable();
    sizes
}

#[tokio::test]
async fn a_telegram_that_is_down_for_one_user_is_up_for_others() {
    let stage = Stage::with(&[BOT_LIMIT]).await;
    let bob = stage.sandbox.add_user(UserSpec::new("bob"));
    for fault in [Fault::drop_connection(PART), broken_off()] {
        stage.sandbox.faults().inject(fault.user(&bob.user_id));
    }
    // More than are sent at a time.
    let bobs: Vec<File> =
        (0..6).map(|n| File::new(if n % 2 == 0 { 16 * MIB + n } else { 21 * MIB + n })).collect();
    for file in &bobs {
        begin(&stage, &bob, file).await;
    }
    let (small, large) = (File::new(10), File::new(22 * MIB));
    assert_eq!(stage.send(&small).await["status"], "completed");
    assert_eq!(stage.send(&large).await["status"], "completed");
    assert_arrived(&stage, &stage.user, &[&small, &large]);
    for file in &bobs {
        assert_eq!(stage.progress(&file.id).await.ok()["status"], "uploading");
    }
    assert!(stage.sandbox.messages_of(&bob).is_empty());

    stage.sandbox.faults().clear();
    for file in &bobs {
        assert_eq!(stage.end(&file.id).await["status"], "completed");
    }
    assert_arrived(&stage, &bob, &bobs.iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_bot_api_that_is_down_does_not_stop_mtproto() {
    let stage = Stage::with(&[BOT_LIMIT]).await;
    stage.sandbox.faults().inject(broken_off());
    let bob = stage.sandbox.add_user(UserSpec::new("bob"));
    let (small, large) = (File::new(16 * MIB), File::new(22 * MIB));
    begin(&stage, &bob, &small).await;
    let tried = stage.sandbox.wait_until(|stats| stats.calls("sendDocument") >= 1);
    soon("a try", tried).await;
    assert_eq!(stage.send(&large).await["status"], "completed");
    stage.arrived(&large);
    stage.sandbox.faults().clear();
    assert_eq!(stage.end(&small.id).await["status"], "completed");
    assert_arrived(&stage, &bob, &[&small]);
}
