//! What accounts with and without Premium may send, and videos that Telegram converts before it makes their messages.

use reqwest::multipart::Form;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use telestore_sandbox::{Fault, Kind, Limits, SandboxMessage};

use crate::support::{File, MIB, Stage, chunk_form, soon};

const BIG: &str = "upload.saveBigFilePart";
const SEND: &str = "messages.sendMedia";
const LOOK: &str = "messages.getScheduledMessages";
const UNSCHEDULE: &str = "messages.deleteScheduledMessages";

/// Everything of more than 1 MiB by MTProto.
const MTPROTO: (&str, &str) = ("TELESTORE_BOT_API_MAX_BYTES", "1 MiB");
const VIDEO: (&str, &str) = ("TELESTORE_SEND_AS", "video");

/// A message holds 11 MiB, and 22 MiB with Premium.
async fn lowered() -> Stage {
    let stage = Stage::with(&[MTPROTO]).await;
    let mut limits = Limits::default();
    (limits.parts, limits.parts_premium) = (22, 44);
    stage.sandbox.set_limits(limits);
    stage
}

impl Stage {
    fn premium(&self, premium: bool) {
        self.sandbox.set_premium(&self.user, premium);
    }
}

/// Checks that these messages are the file, and that they were told.
#[track_caller]
fn is_in(file: &File, mut messages: Vec<SandboxMessage>, end: &Value) {
    assert_eq!(end["status"], "completed", "{end}");
    messages.sort_by_key(|message| message.sent_name.clone());
    let joined: Vec<u8> = messages.iter().flat_map(|message| std::fs::read(&message.path).unwrap()).collect();
    assert_eq!(Sha256::digest(&joined), Sha256::digest(&file.bytes));
    assert_eq!(end["messageId"], messages[0].message_id);
    let told: Vec<_> =
        end["messages"].as_array().into_iter().flatten().map(|one| &one["messageId"]).collect();
    let there: Vec<_> = messages.iter().map(|message| json!(message.message_id)).collect();
    assert!(told.is_empty() && there.len() == 1 || told == there.iter().collect::<Vec<_>>(), "{end}");
}

#[tokio::test]
async fn premium_decides_file_by_file_over_one_message_or_pieces() {
    let stage = lowered().await;
    let mut before = 0;
    for (premium, count) in [(false, 2), (true, 1), (false, 2)] {
        stage.premium(premium);
        let file = File::new(13 * MIB);
        let end = stage.send(&file).await;
        let there = stage.sandbox.messages_of(&stage.user).split_off(before);
        before += there.len();
        assert_eq!(there.len(), count, "premium: {premium}");
        is_in(&file, there, &end);
    }
}

#[tokio::test]
async fn premium_that_ends_while_a_worker_is_killed_makes_pieces_of_a_file_once() {
    let mut stage = lowered().await;
    stage.premium(true);
    let file = File::new(13 * MIB);
    let hold = stage.sandbox.faults().inject(Fault::hold(BIG).skip(15).once());
    stage.queue(&file).await;
    soon("the part", stage.sandbox.faults().wait_fired(hold, 1)).await;
    stage.kill().await;
    stage.premium(false);
    stage.sandbox.faults().release(hold);
    // Killed once more as soon as the first piece is there.
    let hold = stage.sandbox.faults().inject(Fault::hold(SEND).skip(1).once());
    stage.start().await;
    soon("the second piece", stage.sandbox.faults().wait_fired(hold, 1)).await;
    stage.kill().await;
    stage.sandbox.faults().release(hold);
    stage.start().await;
    let end = stage.end(&file.id).await;
    let there = stage.sandbox.messages_of(&stage.user);
    assert_eq!(there.len(), 2);
    is_in(&file, there, &end);
}

#[tokio::test]
async fn a_file_that_is_sent_early_goes_over_to_pieces_as_well() {
    let stage = lowered().await;
    let file = File::in_chunks(13 * MIB, &[3 * MIB]);
    let last = file.total() - 1;
    for index in 0..last {
        stage.chunk(&file, index).await.ok();
    }
    let early = stage.sandbox.wait_until(|stats| stats.parts_total() >= 22);
    soon("the parts of the first piece", early).await;
    stage.chunk(&file, last).await.ok();
    stage.complete(&file.id).await.ok();
    let end = stage.end(&file.id).await;
    is_in(&file, stage.sandbox.messages_of(&stage.user), &end);
}

#[tokio::test]
async fn captions_are_cut_where_the_account_must_end() {
    for (premium, units) in [(false, 1024), (true, 3000)] {
        let stage = Stage::with(&[MTPROTO]).await;
        stage.premium(premium);
        let file = File::new(2 * MIB);
        let mut fields = file.fields(0, &stage.user.auth_token);
        fields.push(("caption", "👍".repeat(1500)));
        let form: Form = chunk_form(file.bytes.clone(), fields);
        stage.form("/upload-chunk", form).await.ok();
        stage.complete(&file.id).await.ok();
        assert_eq!(stage.end(&file.id).await["status"], "completed");
        let message = stage.sandbox.messages_of(&stage.user).pop().unwrap();
        assert_eq!(message.caption.encode_utf16().count(), units, "premium: {premium}");
    }
}

/// A film that Telegram has, and converts; it has been looked whether it is there.
async fn converted() -> (Stage, File) {
    let stage = Stage::with(&[MTPROTO, VIDEO]).await;
    stage.sandbox.convert_videos(true).unwrap();
    let file = File::new(2 * MIB).named("film.mp4");
    stage.queue(&file).await;
    soon("a look", stage.sandbox.wait_until(|stats| stats.calls(LOOK) > 0)).await;
    (stage, file)
}

async fn looked_at_again(stage: &Stage) {
    let before = stage.sandbox.stats().calls(LOOK);
    soon("a look", stage.sandbox.wait_until(|stats| stats.calls(LOOK) > before)).await;
}

#[tokio::test]
async fn a_worker_that_is_killed_while_telegram_converts_a_video_finds_its_message() {
    for ready_before in [false, true] {
        let (mut stage, file) = converted().await;
        assert_eq!(stage.progress(&file.id).await.ok()["status"], "uploading");
        stage.kill().await;
        if ready_before {
            stage.sandbox.convert_videos(false).unwrap();
            stage.start().await;
        } else {
            stage.start().await;
            looked_at_again(&stage).await;
            stage.sandbox.convert_videos(false).unwrap();
        }
        let end = stage.end(&file.id).await;
        let there = stage.sandbox.messages_of(&stage.user);
        assert_eq!((there.len(), there[0].kind), (1, Kind::Video));
        is_in(&file, there, &end);
        assert_eq!(stage.sandbox.stats().calls(SEND), 1, "nothing is asked for a second time");
    }
}

#[tokio::test]
async fn a_worker_that_stops_leaves_the_video_to_the_next_one() {
    let (mut stage, file) = converted().await;
    assert!(stage.terminate().await.success());
    stage.start().await;
    looked_at_again(&stage).await;
    stage.sandbox.convert_videos(false).unwrap();
    let end = stage.end(&file.id).await;
    is_in(&file, stage.sandbox.messages_of(&stage.user), &end);
    assert_eq!(stage.sandbox.stats().calls(SEND), 1);
}

#[tokio::test]
async fn a_cancelled_video_is_taken_back_before_it_is_made() {
    let (stage, file) = converted().await;
    stage.post("/cancel-upload", json!({ "uploadId": file.id })).await.ok();
    let gone = stage.sandbox.wait_until(|stats| stats.calls(UNSCHEDULE) > 0);
    soon("what is taken back", gone).await;
    stage.sandbox.convert_videos(false).unwrap();
    assert!(stage.sandbox.messages_of(&stage.user).is_empty());
}

#[tokio::test]
async fn a_video_that_is_cancelled_before_it_was_looked_for_again_is_taken_back() {
    for kill in [false, true] {
        let (mut stage, file) = converted().await;
        // Telegram is away, so that the next attempt gets nowhere.
        let away = stage.sandbox.faults().inject(Fault::drop_connection("mtproto.connect"));
        stage.kill().await;
        stage.start().await;
        soon("an attempt", stage.sandbox.faults().wait_fired(away, 1)).await;
        stage.post("/cancel-upload", json!({ "uploadId": file.id })).await.ok();
        if kill {
            stage.kill().await;
        }
        stage.sandbox.faults().clear();
        if kill {
            stage.start().await;
        }
        let gone = stage.sandbox.wait_until(|stats| stats.calls(UNSCHEDULE) > 0);
        soon("what is taken back", gone).await;
        stage.sandbox.convert_videos(false).unwrap();
        assert!(stage.sandbox.messages_of(&stage.user).is_empty(), "{kill}");
    }
}

#[tokio::test]
async fn the_bot_api_answers_when_the_video_is_ready() {
    let stage = Stage::with(&[VIDEO]).await;
    stage.sandbox.convert_videos(true).unwrap();
    let file = File::new(1000).named("film.mp4");
    stage.queue(&file).await;
    let asked = stage.sandbox.wait_until(|stats| stats.calls("sendVideo") > 0);
    soon("the call", asked).await;
    stage.sandbox.convert_videos(false).unwrap();
    let end = stage.end(&file.id).await;
    is_in(&file, stage.sandbox.messages_of(&stage.user), &end);
}
