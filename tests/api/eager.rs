//! Sending while chunks still arrive.

use serde_json::json;
use telestore_sandbox::Fault;

use crate::support::{CHUNK, File, MIB, Stage, soon};

/// So many parts of an account are in flight at most, as it is by default.
const IN_FLIGHT: u64 = 16;

/// A file over the Bot API's limit, in twelve chunks.
fn large() -> File {
    File::new(11 * CHUNK + 77)
}

/// Waits until the sandbox has this many bytes in whole parts.
async fn until_sent(stage: &Stage, bytes: usize) {
    let parts = (bytes / (MIB / 2)) as u64;
    soon("parts", stage.sandbox.wait_until(|stats| stats.parts_total() >= parts)).await;
}

/// Sends the chunks from `next` on and completes; once the file has arrived, gives how many parts went, and how many
/// the file has.
async fn go_on(stage: &Stage, file: &File, next: usize) -> (u64, u64) {
    for index in next..file.total() {
        stage.chunk(file, index).await.ok();
    }
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(file);
    (stage.sandbox.stats().parts_total(), file.bytes.len().div_ceil(MIB / 2) as u64)
}

/// Looks that so many parts went, and none of them twice.
///
/// A machine so busy that answers take seconds has the worker ask what became of parts, and send some again, as it must
/// on a line that loses answers: of each question those that were in flight at most.
fn went(stage: &Stage, sent: u64, expected: u64) {
    let questions = stage.sandbox.stats().calls("msgs_state_req");
    let again = questions * IN_FLIGHT;
    assert!(
        (expected..=expected + again).contains(&sent),
        "{sent} parts went instead of {expected}; {questions} questions after late ones"
    );
}

#[tokio::test]
async fn after_completion_only_the_end_is_left_to_send() {
    let stage = Stage::new().await;
    let file = large();
    for index in 0..file.total() - 1 {
        stage.chunk(&file, index).await.ok();
        until_sent(&stage, file.ends[index]).await;
    }
    assert!(stage.sandbox.messages_of(&stage.user).is_empty(), "nobody has asked for the message");
    let (sent, parts) = go_on(&stage, &file, file.total() - 1).await;
    went(&stage, sent, parts);
}

#[tokio::test]
async fn on_a_slow_line_no_part_goes_twice() {
    let stage = Stage::with(&[("TELESTORE_BOT_API_MAX_BYTES", "2 MiB")]).await;
    let file = File::new(2 * CHUNK + 2 * MIB);
    stage.sandbox.network().set_bandwidth(Some(3 * MIB as u64));
    for index in 0..file.total() {
        stage.chunk(&file, index).await.ok();
    }
    until_sent(&stage, MIB).await;
    // What is in flight now takes longer than a second.
    let (sent, parts) = go_on(&stage, &file, file.total()).await;
    went(&stage, sent, parts);
}

#[tokio::test]
async fn a_replaced_chunk_goes_again_and_the_rest_does_not() {
    let stage = Stage::new().await;
    let mut file = large();
    for index in 0..4 {
        stage.chunk(&file, index).await.ok();
    }
    until_sent(&stage, 4 * CHUNK).await;
    file.bytes[CHUNK..2 * CHUNK].iter_mut().for_each(|byte| *byte ^= 0xff);
    stage.chunk(&file, 1).await.ok();
    until_sent(&stage, 5 * CHUNK).await;
    let (sent, parts) = go_on(&stage, &file, 4).await;
    went(&stage, sent, parts + (CHUNK / (MIB / 2)) as u64);
}

#[tokio::test]
async fn a_cancelled_upload_stops() {
    let stage = Stage::new().await;
    let file = large();
    let hold = stage.sandbox.faults().inject(Fault::hold("upload.saveBigFilePart"));
    stage.chunk(&file, 0).await.ok();
    soon("a part", stage.sandbox.faults().wait_fired(hold, 1)).await;
    let answer = stage.post("/cancel-upload", json!({ "uploadId": file.id })).await.ok();
    assert_eq!(answer["message"], "Upload cancelled");
    stage.sandbox.faults().release(hold);
    // Another file goes through, and nothing of the first comes after it.
    let next = large();
    assert_eq!(stage.send(&next).await["status"], "completed");
    stage.arrived(&next);
}

#[tokio::test]
async fn a_killed_worker_goes_on_early_with_the_next_chunk() {
    let mut stage = Stage::new().await;
    let file = large();
    for index in 0..6 {
        stage.chunk(&file, index).await.ok();
    }
    until_sent(&stage, 6 * CHUNK).await;
    stage.kill().await;
    stage.start().await;
    let (sent, parts) = go_on(&stage, &file, 6).await;
    let again = sent - parts;
    assert!(again <= 32, "{again} parts went again, which is more than 16 MiB");
}

#[tokio::test]
async fn a_stopped_worker_sends_nothing_twice() {
    let mut stage = Stage::new().await;
    let file = large();
    for index in 0..6 {
        stage.chunk(&file, index).await.ok();
    }
    until_sent(&stage, 3 * CHUNK).await;
    assert!(stage.terminate().await.success());
    stage.start().await;
    let (sent, parts) = go_on(&stage, &file, 6).await;
    went(&stage, sent, parts);
}

#[tokio::test]
async fn turned_off_nothing_goes_before_completion() {
    let stage = Stage::with(&[("TELESTORE_EAGER", "off")]).await;
    let file = large();
    stage.chunks(&file).await;
    assert_eq!(stage.sandbox.stats().parts_total(), 0);
    go_on(&stage, &file, file.total()).await;
}
