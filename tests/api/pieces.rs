//! Files that are larger than one message, by the whole program.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use telestore_sandbox::{Fault, FaultId, SandboxMessage, UserSpec};

use crate::support::{File, MIB, Stage, soon};

const SEND: &str = "messages.sendMedia";

/// Everything of more than 1 MiB by MTProto, in pieces of 11 MiB.
pub(crate) const PIECES: [(&str, &str); 2] =
    [("TELESTORE_BOT_API_MAX_BYTES", "1 MiB"), ("TELESTORE_PIECE_BYTES", "11 MiB")];

/// The messages of the user's channel, in the order of the file. They are the file, and it is told which they are.
#[track_caller]
pub(crate) fn arrived(stage: &Stage, file: &File, told: &Value) -> Vec<SandboxMessage> {
    let mut there = stage.sandbox.messages_of(&stage.user);
    there.sort_by_key(|message| message.sent_name.clone());
    let joined: Vec<u8> = there.iter().flat_map(|message| std::fs::read(&message.path).unwrap()).collect();
    assert_eq!(Sha256::digest(&joined), Sha256::digest(&file.bytes), "joined they are the file");
    let listed: Vec<_> = there
        .iter()
        .map(|message| {
            let size = message.size;
            (i64::from(message.message_id), size)
        })
        .collect();
    let messages = told["messages"].as_array().unwrap().iter();
    let told_of: Vec<_> = messages
        .map(|message| (message["messageId"].as_i64().unwrap(), message["size"].as_u64().unwrap()))
        .collect();
    assert_eq!(told_of, listed, "each piece once");
    assert_eq!(told["messageId"], told["messages"][0]["messageId"]);
    assert_eq!(told["fileId"], told["messages"][0]["fileId"]);
    there
}

#[tokio::test]
async fn a_large_file_is_several_messages_in_answers_and_webhook() {
    let stage = Stage::with(&PIECES).await;
    let file = File::new(25 * MIB).named("film.mkv");
    let end = stage.send(&file).await;
    assert_eq!(end["status"], "completed");
    let there = arrived(&stage, &file, &end);
    let names: Vec<_> = there.iter().map(|message| message.sent_name.as_str()).collect();
    assert_eq!(names, ["film.mkv.001", "film.mkv.002", "film.mkv.003"]);
    assert_eq!(there[2].caption, "Uploaded: film.mkv (3/3)");
    let webhook = stage.sandbox.wait_for_webhooks(1).await[0].body.clone();
    arrived(&stage, &file, &webhook);
    assert_eq!(webhook["size"], file.bytes.len());

    let direct = File::new(12 * MIB);
    let before = stage.sandbox.messages_of(&stage.user).len();
    let answer = stage.direct(&direct).await.ok();
    assert_eq!(answer["messages"].as_array().unwrap().len(), 2);
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), before + 2);
}

#[tokio::test]
async fn a_bot_alone_sends_what_one_message_of_it_does_not_hold() {
    let mut stage = Stage::with(&[("TELESTORE_BOT_API_MAX_BYTES", "6 MiB")]).await;
    stage.user = stage.sandbox.add_user(UserSpec::new("poor").without_session());
    let file = File::new(13 * MIB);
    let end = stage.send(&file).await;
    assert_eq!(arrived(&stage, &file, &end).len(), 3);
}

#[tokio::test]
async fn a_worker_that_is_killed_at_any_piece_makes_each_once() {
    let file = File::new(25 * MIB);
    for (at, skip) in [("upload.saveBigFilePart", 30), (SEND, 0), (SEND, 1), (SEND, 2)] {
        let mut stage = Stage::with(&PIECES).await;
        let hold = stage.sandbox.faults().inject(Fault::hold(at).skip(skip).once());
        stage.killed_at(hold, &file).await;
        stage.start().await;
        let end = stage.end(&file.id).await;
        assert_eq!(end["status"], "completed", "{at} {skip}: {end}");
        arrived(&stage, &file, &end);
    }
}

/// Cancels a file whose first piece is there, while the next one is at this call.
async fn cancelled_at(call: &str, skip: u64) -> (Stage, File, FaultId) {
    let stage = Stage::with(&PIECES).await;
    let file = File::new(25 * MIB);
    let hold = stage.sandbox.faults().inject(Fault::hold(call).skip(skip).once());
    stage.queue(&file).await;
    soon("the piece", stage.sandbox.faults().wait_fired(hold, 1)).await;
    assert!(!stage.sandbox.messages_of(&stage.user).is_empty());
    stage.post("/cancel-upload", json!({ "uploadId": file.id })).await.ok();
    (stage, file, hold)
}

async fn nothing_stays(stage: &Stage, file: &File) {
    let gone = stage.sandbox.wait_until(|_| stage.sandbox.messages_of(&stage.user).is_empty());
    soon("the end of all pieces", gone).await;
    assert_eq!(stage.end(&file.id).await["error"], "Upload cancelled");
}

#[tokio::test]
async fn a_cancelled_file_leaves_no_piece() {
    let (stage, file, hold) = cancelled_at(SEND, 1).await;
    // Telegram makes the message that it was asked for.
    stage.sandbox.faults().release(hold);
    let deletes = stage.sandbox.wait_until(|stats| stats.calls("channels.deleteMessages") == 2);
    soon("what is taken back", deletes).await;
    nothing_stays(&stage, &file).await;
}

#[tokio::test]
async fn what_is_to_be_taken_back_is_known_to_the_next_process() {
    // The last piece is small, and goes in small parts.
    let (mut stage, file, hold) = cancelled_at("upload.saveFilePart", 0).await;
    stage.kill().await;
    stage.sandbox.faults().release(hold);
    stage.start().await;
    nothing_stays(&stage, &file).await;
}

#[tokio::test]
async fn a_piece_that_fails_names_itself_and_the_others_are_kept_for_the_next_try() {
    let stage = Stage::with(&PIECES).await;
    let file = File::new(25 * MIB);
    stage.sandbox.faults().inject(Fault::rpc_error(SEND, 400, "MEDIA_INVALID").skip(1).once());
    stage.queue(&file).await;
    let failed = stage.end(&file.id).await;
    let error = failed["error"].as_str().unwrap();
    assert!(error.starts_with(&format!("piece 2 of 3 ({}.002): ", file.name)), "{error}");
    assert_eq!(failed.get("messages"), None, "no piece is a result");
    stage.complete(&file.id).await.ok();
    let end = stage.end(&file.id).await;
    assert_eq!(end["status"], "completed");
    arrived(&stage, &file, &end);
}

#[tokio::test]
async fn the_pieces_go_while_the_file_arrives() {
    let stage = Stage::with(&PIECES).await;
    let file = File::in_chunks(25 * MIB, &[5 * MIB]);
    let last = file.total() - 1;
    for index in 0..last {
        stage.chunk(&file, index).await.ok();
    }
    // Of 20 MiB, the first piece and what there is of the second.
    let early = stage.sandbox.wait_until(|stats| stats.parts_total() >= 40);
    soon("the parts of what is there", early).await;
    assert!(stage.sandbox.messages_of(&stage.user).is_empty(), "no message before the end");
    stage.chunk(&file, last).await.ok();
    stage.complete(&file.id).await.ok();
    let end = stage.end(&file.id).await;
    arrived(&stage, &file, &end);
    // A machine so busy that answers take seconds has some parts sent again.
    let again = if stage.sandbox.stats().calls("msgs_state_req") > 0 { 24 } else { 0 };
    let sent = stage.sandbox.stats().parts_total();
    assert!((50..=50 + again).contains(&sent), "no part twice: {sent}");
}
