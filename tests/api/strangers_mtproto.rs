//! A user whose session string leads to a server that means no good. Everybody else goes on.

use std::time::Duration;

use telestore_sandbox::{Fault, FaultId, HostileMtproto, SandboxUser, UserSpec};
use tokio::time::timeout;

use crate::support::{File, MIB, Stage, soon};

const SEND: &str = "messages.sendMedia";

/// Seconds, beside a busy machine.
const SECONDS: Duration = Duration::from_secs(60);

/// All goes by MTProto.
const BY_MTPROTO: [(&str, &str); 1] = [("TELESTORE_BOT_API_MAX_BYTES", "1000")];

/// The user of the hostile server, and what that does.
async fn mallory(stage: &Stage, fault: Fault) -> (SandboxUser, FaultId) {
    let mallory = stage.sandbox.add_user(UserSpec::new("mallory"));
    let fault = stage.sandbox.faults().inject(fault.user(&mallory.user_id));
    (mallory, fault)
}

/// A file of that user is received and waits to be sent.
async fn complete(stage: &Stage, user: &SandboxUser) -> File {
    let file = File::new(2 * MIB);
    stage.form("/upload-chunk", file.chunk(0, &user.auth_token)).await.ok();
    stage.complete(&file.id).await.ok();
    file
}

/// A file of the other user arrives.
async fn others_go_on(stage: &Stage) {
    let sent = timeout(SECONDS, stage.send(&File::new(2 * MIB))).await.expect("within seconds");
    assert_eq!(sent["status"], "completed", "{sent}");
}

#[tokio::test]
async fn an_answer_nested_without_end_harms_nobody_else_and_no_start() {
    let mut stage = Stage::with(&BY_MTPROTO).await;
    let (mallory, fault) =
        mallory(&stage, Fault::hostile_mtproto(SEND, HostileMtproto::Nested(10_000))).await;
    complete(&stage, &mallory).await;
    let pid = stage.pid();
    soon("the answer", stage.sandbox.faults().wait_fired(fault, 1)).await;
    others_go_on(&stage).await;
    assert_eq!(stage.pid(), pid);
    let fired = stage.sandbox.faults().fired(fault);
    stage.kill().await;
    stage.start().await;
    // Queued again, or waiting for its time.
    let another = complete(&stage, &mallory).await;
    soon("the answer", stage.sandbox.faults().wait_fired(fault, fired + 1)).await;
    others_go_on(&stage).await;
    assert!(stage.sandbox.messages_of(&mallory).is_empty());
    let progress = stage.progress(&another.id).await.ok();
    assert_ne!(progress["status"], "completed", "{progress}");
}

#[tokio::test]
async fn answers_that_grow_do_not_take_the_memory_of_others() {
    let stage = Stage::with(&BY_MTPROTO).await;
    others_go_on(&stage).await;
    let before = stage.memory();
    for answer in [
        HostileMtproto::Vector(1_000_000),
        HostileMtproto::Gzip(256 * MIB),
        HostileMtproto::GzipOfGzip(256 * MIB),
        HostileMtproto::Words(8 * MIB),
    ] {
        let (mallory, fault) = mallory(&stage, Fault::hostile_mtproto(SEND, answer)).await;
        complete(&stage, &mallory).await;
        soon("the answer", stage.sandbox.faults().wait_fired(fault, 2)).await;
    }
    others_go_on(&stage).await;
    let grown = stage.memory().saturating_sub(before);
    assert!(grown < 64 * MIB as u64, "{} MiB", grown / MIB as u64);
}

#[tokio::test]
async fn an_error_of_megabytes_is_shown_in_few_words() {
    let stage = Stage::with(&BY_MTPROTO).await;
    let (mallory, _) = mallory(&stage, Fault::hostile_mtproto(SEND, HostileMtproto::Words(1000))).await;
    let file = complete(&stage, &mallory).await;
    let end = stage.end(&file.id).await;
    let error = end["error"].as_str().expect("it says why");
    assert!(error.len() < 500 && !error.contains(['\r', '\n']), "{error}");
}

#[tokio::test]
async fn waits_without_end_do_not_hold_what_others_wait_for() {
    let stage = Stage::with(&BY_MTPROTO).await;
    let (mallory, fault) = mallory(&stage, Fault::flood_wait(SEND, 1)).await;
    for _ in 0..8 {
        complete(&stage, &mallory).await;
    }
    soon("the waits", stage.sandbox.faults().wait_fired(fault, 4)).await;
    others_go_on(&stage).await;
}
