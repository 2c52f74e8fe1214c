//! A cancelled upload leaves no message, whoever has sent it and whatever was known of it.

use std::time::Duration;

use serde_json::json;
use telestore_sandbox::{Fault, FaultAction, SandboxUser, Standing, UserSpec};

use crate::pools::pool;
use crate::support::{File, MIB, Stage, soon};

const SEND: &str = "messages.sendMedia";
const DELETE: &str = "channels.deleteMessages";

/// Small files by MTProto, large ones in pieces of 11 MiB, which several bots have to send when the file is there: one of them can
/// keep up with a client.
const SETTINGS: [(&str, &str); 3] =
    [("TELESTORE_PREFER_MTPROTO", "on"), ("TELESTORE_PIECE_BYTES", "11 MiB"), ("TELESTORE_EAGER", "off")];

impl Stage {
    /// None of these bots may delete what another one has sent.
    fn each_deletes_its_own(&self, bots: &[SandboxUser]) {
        for bot in bots {
            let standing = Standing::AdministratorWithoutDeletes;
            self.sandbox.set_standing_of_bot(&self.user.channel_id, bot, standing);
        }
    }

    /// Cancels a file in pieces, of which all but the last one are there, by several bots.
    async fn cancelled_with_pieces_of(&self, bots: &[SandboxUser]) -> File {
        let file = File::new(45 * MIB);
        // The last piece is small, and goes in small parts.
        let held = self.sandbox.faults().inject(Fault::hold("upload.saveFilePart"));
        self.queue(&file).await;
        soon("the last piece", self.sandbox.faults().wait_fired(held, 1)).await;
        soon("the others", self.sandbox.wait_for_message(&self.user.channel_id, 4)).await;
        let senders = self.sandbox.messages_of(&self.user);
        let of = |bot: &SandboxUser| senders.iter().filter(|message| message.user_id == bot.user_id).count();
        assert!(bots.iter().all(|bot| of(bot) > 0), "each bot has sent some: {senders:?}");
        self.post("/cancel-upload", json!({ "uploadId": file.id })).await.ok();
        self.sandbox.faults().release(held);
        file
    }

    async fn holds_no_message(&self) {
        let gone = self.sandbox.wait_until(|_| self.sandbox.messages_of(&self.user).is_empty());
        soon("the end of all messages", gone).await;
    }

    /// Nothing is left to be done about uploads that are over.
    async fn has_done_all(&self) {
        soon("the end of all events", async {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            while self.metric("telestore_outbox_events").await > 0.0 {
                ticks.tick().await;
            }
        })
        .await;
    }

    /// Cancels a file while no worker is there.
    async fn cancelled_meanwhile(&self, file: &File) {
        self.command(&["uploads", "cancel", &file.id]).await.ok();
    }
}

#[tokio::test]
async fn pieces_of_several_bots_are_each_deleted_by_its_own() {
    let (stage, bots) = pool(2, &SETTINGS).await;
    stage.each_deletes_its_own(&bots);
    stage.cancelled_with_pieces_of(&bots).await;
    stage.holds_no_message().await;
    stage.has_done_all().await;
}

#[tokio::test]
async fn a_piece_that_stays_keeps_none_of_the_others_and_is_named() {
    let (stage, bots) = pool(2, &SETTINGS).await;
    stage.each_deletes_its_own(&bots);
    let held = stage.sandbox.faults().inject(Fault::hold(DELETE));
    let file = stage.cancelled_with_pieces_of(&bots).await;
    soon("the first delete", stage.sandbox.faults().wait_fired(held, 1)).await;
    // Telegram lets bots delete nothing that is so old: only its first message is.
    let kept = stage.sandbox.messages_of(&stage.user)[0].message_id;
    stage.sandbox.age_message(&stage.user.channel_id, kept, 2 * 24 * 60 * 60);
    stage.sandbox.faults().release(held);
    let log = stage.logged("delete it by hand").await;
    let line = log.lines().find(|line| line.contains("delete it by hand")).unwrap();
    assert!(line.contains(&format!("messages=\"{kept}\"")), "{line}");
    assert!(line.contains("Telegram does not let it be deleted") && line.contains(&file.id), "{line}");
    let left: Vec<_> = stage.sandbox.messages_of(&stage.user).iter().map(|one| one.message_id).collect();
    assert_eq!(left, [kept]);
}

/// The killed worker has asked for the message, and the upload is cancelled before the next attempt.
#[tokio::test]
async fn what_was_asked_for_before_a_kill_is_found_and_deleted() {
    let bot = UserSpec::new("with-application").without_session().with_api_id();
    for spec in [UserSpec::new("with-session"), bot] {
        let mut stage = Stage::of(spec, &SETTINGS[..1]).await;
        let other = File::new(1000);
        stage.send(&other).await;
        let file = File::new(2000);
        let held = stage.sandbox.faults().inject(Fault::hold(SEND).once());
        stage.killed_at(held, &file).await;
        soon("the message", stage.sandbox.wait_for_message(&stage.user.channel_id, 2)).await;
        stage.cancelled_meanwhile(&file).await;
        stage.start().await;
        let gone = stage.sandbox.wait_until(|_| stage.sandbox.messages_of(&stage.user).len() == 1);
        soon("the end of the message", gone).await;
        other.assert_is(&stage.sandbox.messages_of(&stage.user)[0]);
        stage.has_done_all().await;
        assert_eq!(stage.sandbox.messages_of(&stage.user).len(), 1, "nothing was made again");
    }
}

#[tokio::test]
async fn pieces_that_were_asked_for_before_a_kill_are_found_and_deleted() {
    let (mut stage, bots) = pool(2, &SETTINGS).await;
    stage.each_deletes_its_own(&bots);
    let file = File::new(44 * MIB);
    // Each bot has made a piece, and is at its next one.
    let held = stage.sandbox.faults().inject(Fault::hold(SEND).skip(2).times(2));
    stage.queue(&file).await;
    soon("the pieces", stage.sandbox.faults().wait_fired(held, 2)).await;
    stage.kill().await;
    stage.sandbox.faults().release(held);
    soon("all messages", stage.sandbox.wait_for_message(&stage.user.channel_id, 4)).await;
    stage.cancelled_meanwhile(&file).await;
    stage.start().await;
    stage.holds_no_message().await;
}

#[tokio::test]
async fn a_recall_deletes_no_message_of_another_upload_of_the_same_file() {
    let settings = [SETTINGS[0], ("TELESTORE_BOT_API_SETTLE", "5s")];
    let mut stage = Stage::of(UserSpec::new("with-session"), &settings).await;
    let file = File::new(2000);
    // One whose message is never made, and one whose message is there.
    let never = Fault::new(SEND, FaultAction::NoExecuteSilence).once();
    let never = stage.sandbox.faults().inject(never);
    let silent = File::new(2000).named(&file.name);
    stage.killed_at(never, &silent).await;
    stage.cancelled_meanwhile(&silent).await;
    let held = stage.sandbox.faults().inject(Fault::hold(SEND).once());
    stage.start().await;
    stage.killed_at(held, &file).await;
    let there = soon("the message", stage.sandbox.wait_for_message(&stage.user.channel_id, 1)).await;
    stage.cancelled_meanwhile(&file).await;
    let sends = stage.sandbox.faults().inject(Fault::hold(SEND).once());
    let deletes = stage.sandbox.faults().inject(Fault::hold(DELETE));
    let twin = File::new(2000).named(&file.name);
    stage.start().await;
    stage.queue(&twin).await;
    soon("a send", stage.sandbox.faults().wait_fired(sends, 1)).await;
    stage.sandbox.faults().release(deletes);
    stage.sandbox.faults().release(sends);
    let end = stage.end(&twin.id).await;
    assert_eq!(end["status"], "completed");
    let gone = stage.sandbox.wait_until(|_| {
        stage.sandbox.messages_of(&stage.user).iter().all(|one| one.message_id != there[0].message_id)
    });
    soon("the end of the message", gone).await;
    stage.has_done_all().await;
    let left = stage.sandbox.messages_of(&stage.user);
    assert_eq!((left.len(), json!(left[0].message_id)), (1, end["messageId"].clone()));
}
