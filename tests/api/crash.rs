//! SIGKILL at a named moment, a restart on the same data directory, and everything is as if nothing had happened.
//!
//! Each test names its moment: the worker is held there by the sandbox (or by a body that does not go on), killed, and
//! started again. The client then does what the browser does: it sends again what was not acknowledged, and asks for
//! completion.

use std::time::Duration;

use telestore_sandbox::{Fault, FaultAction};
use tokio::io::AsyncWriteExt;

use crate::support::moments::{By, PART, moments};
use crate::support::{File, MIB, Stage, files_below, soon};

/// A worker, and a file for one of the two APIs. Nothing is sent before completion, since the moments are counted from
/// there.
async fn scene(by: By) -> (Stage, File) {
    let settings = [("TELESTORE_BOT_API_MAX_BYTES", By::LIMIT), ("TELESTORE_EAGER", "off")];
    let stage = Stage::with(&settings).await;
    (stage, by.file())
}

/// Kills the worker when `fault` has struck, while a complete upload is on its way.
async fn killed_at(by: By, fault: Fault) {
    let (mut stage, file) = scene(by).await;
    stage.chunks(&file).await;
    let fault = stage.sandbox.faults().inject(fault);
    stage.complete(&file.id).await.ok();
    soon("the moment", stage.sandbox.faults().wait_fired(fault, 1)).await;
    stage.kill().await;
    recovers(stage, file).await;
}

/// Starts the worker again, goes on as the browser does, and looks at what is left.
async fn recovers(mut stage: Stage, file: File) {
    stage.sandbox.faults().clear();
    stage.start().await;
    let status = stage.get(&format!("/upload-status/{}", file.id)).await;
    let received = match status.status {
        404 => Vec::new(),
        _ => status.ok()["received_chunk_indices"].as_array().expect("a list").clone(),
    };
    for index in 0..file.total() {
        if !received.contains(&index.into()) {
            stage.chunk(&file, index).await.ok();
        }
    }
    stage.complete(&file.id).await.ok();
    let end = stage.end(&file.id).await;
    assert_eq!(end["status"], "completed", "{end}");

    let arrived = stage.sandbox.messages_of(&stage.user);
    assert_eq!(arrived.len(), 1, "{arrived:?}");
    file.assert_is(&arrived[0]);
    assert_eq!(end["messageId"], arrived[0].message_id);

    soon("a delivered webhook", async {
        let mut wanted = 1;
        while !stage.sandbox.webhooks().iter().any(|call| call.status == 200) {
            wanted = 1 + stage.sandbox.wait_for_webhooks(wanted).await.len();
        }
    })
    .await;
    let mut events: Vec<String> = stage
        .sandbox
        .webhooks()
        .iter()
        .flat_map(|call| call.headers.clone())
        .filter(|(name, _)| name.eq_ignore_ascii_case("x-telestore-event-id"))
        .map(|(_, value)| value)
        .collect();
    events.dedup();
    assert_eq!(events.len(), 1, "one event, however often it is delivered");

    stage.emptied(&["chunks", "spool"]).await;
}

// Receiving.

#[tokio::test]
async fn killed_in_the_middle_of_a_chunk() {
    let (mut stage, file) = scene(By::BotApi).await;
    let address = stage.url("").strip_prefix("http://").expect("http").to_owned();
    let mut socket = tokio::net::TcpStream::connect(address).await.expect("connects");
    let head = "POST /upload-chunk HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\
                Content-Type: multipart/form-data; boundary=X\r\n\r\n--X\r\n\
                Content-Disposition: form-data; name=\"chunk\"; filename=\"blob\"\r\n\r\n";
    socket.write_all(head.as_bytes()).await.expect("writes");
    socket.write_all(&file.bytes[..2 * MIB]).await.expect("writes");
    let spool = stage.data_dir().join("spool");
    soon("spooled bytes", async {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        while files_below(&spool).is_empty() {
            ticks.tick().await;
        }
    })
    .await;
    stage.kill().await;
    assert!(!files_below(&spool).is_empty(), "a killed worker leaves its spool");
    recovers(stage, file).await;
}

#[tokio::test]
async fn killed_after_init() {
    let (mut stage, file) = scene(By::BotApi).await;
    let init = serde_json::json!({
        "uploadId": file.id, "fileName": file.name, "totalChunks": file.total(), "fileSize": file.bytes.len(),
    });
    stage.post("/init-upload", init).await.ok();
    stage.kill().await;
    recovers(stage, file).await;
}

#[tokio::test]
async fn killed_after_the_first_chunk() {
    let (mut stage, file) = scene(By::Mtproto).await;
    stage.chunk(&file, 0).await.ok();
    stage.kill().await;
    recovers(stage, file).await;
}

#[tokio::test]
async fn killed_while_chunks_arrive_side_by_side() {
    let (mut stage, file) = scene(By::Mtproto).await;
    let running = (0..file.total()).map(|index| {
        let request = stage.client.post(stage.url("/upload-chunk"));
        tokio::spawn(request.multipart(file.chunk(index, &stage.user.auth_token)).send())
    });
    let running: Vec<_> = running.collect();
    let chunks = stage.data_dir().join("chunks");
    soon("a chunk in its place", async {
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        while files_below(&chunks).is_empty() {
            ticks.tick().await;
        }
    })
    .await;
    stage.kill().await;
    for request in running {
        // Some were answered, the others lost their connection; both are fine.
        let _ = request.await;
    }
    recovers(stage, file).await;
}

#[tokio::test]
async fn killed_after_the_last_chunk() {
    let (mut stage, file) = scene(By::Mtproto).await;
    stage.chunks(&file).await;
    stage.kill().await;
    recovers(stage, file).await;
}

#[tokio::test]
async fn killed_right_after_completion() {
    let (mut stage, file) = scene(By::Mtproto).await;
    stage.queue(&file).await;
    stage.kill().await;
    recovers(stage, file).await;
}

// Sending, finishing and notifying.

macro_rules! test_each {
    ($($name:ident: $by:ident, $fault:expr;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                killed_at(By::$by, $fault).await;
            }
        )*
    };
}
moments!(test_each);

#[tokio::test]
async fn killed_again_and_again() {
    let (mut stage, file) = scene(By::Mtproto).await;
    stage.queue(&file).await;
    for skip in [2, 9, 15] {
        stage.kill().await;
        stage.sandbox.faults().clear();
        let hold = stage.sandbox.faults().inject(Fault::hold(PART).skip(skip));
        stage.start().await;
        soon("the moment", stage.sandbox.faults().wait_fired(hold, 1)).await;
    }
    stage.kill().await;
    recovers(stage, file).await;
}

#[tokio::test]
async fn killed_after_a_bots_message_was_made_and_before_its_answer() {
    // The Bot API has no key for a repetition: the message is found in the channel.
    let (mut stage, file) = scene(By::BotApi).await;
    stage.chunks(&file).await;
    let fault = stage.sandbox.faults().inject(Fault::new("sendDocument", FaultAction::Silence));
    stage.complete(&file.id).await.ok();
    soon("the moment", stage.sandbox.faults().wait_fired(fault, 1)).await;
    soon("the message", stage.sandbox.wait_for_message(&stage.user.channel_id, 1)).await;
    stage.kill().await;
    recovers(stage, file).await;
}

#[tokio::test]
async fn killed_right_after_the_end() {
    let (mut stage, file) = scene(By::Mtproto).await;
    stage.send(&file).await;
    stage.kill().await;
    recovers(stage, file).await;
}
