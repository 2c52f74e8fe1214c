//! Requests of the Bot API whose answer tells nothing: the channel is looked into, and each file becomes one message.

use std::time::Duration;

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::multipart::{Form, Part};
use serde_json::json;
use telestore_sandbox::{Executed, Fault, Unsaid, UnsaidAnswer, UserSpec, Via};

use crate::support::{File, Stage, soon};

const SEND: &str = "sendDocument";

/// The look of an account into a channel.
const LOOK: &str = "messages.getHistory";

const ANSWERS: [UnsaidAnswer; 3] = [UnsaidAnswer::Restart, UnsaidAnswer::BadGateway, UnsaidAnswer::Reset];

const LOOK_THERE: &str = "may be in the channel already";

fn of_session() -> UserSpec {
    UserSpec::new("with-session")
}

fn of_bot_with_application() -> UserSpec {
    UserSpec::new("with-application").without_session().with_api_id()
}

fn of_token() -> UserSpec {
    UserSpec::new("with-token").without_session()
}

impl Stage {
    fn unsaid(&self, unsaid: Unsaid) {
        self.sandbox.faults().inject(Fault::unsaid(SEND, unsaid).once());
    }

    /// How many messages of the channel hold a file of this name.
    fn named(&self, name: &str) -> usize {
        self.sandbox.messages_of(&self.user).iter().filter(|message| message.file_name == name).count()
    }
}

#[tokio::test]
async fn what_was_made_is_found_and_what_was_not_is_sent_again() {
    for spec in [of_session(), of_bot_with_application()] {
        let stage = Stage::of(spec, &[]).await;
        for answer in ANSWERS {
            for unsaid in
                [Unsaid::executed(answer), Unsaid::executed_at_look(answer), Unsaid::not_executed(answer)]
            {
                stage.unsaid(unsaid);
                let file = File::new(1000).named(&format!("{answer:?}-{:?}.bin", unsaid.executed));
                let end = stage.send(&file).await;
                assert_eq!(end["status"], "completed", "{unsaid:?}: {end}");
                assert_eq!(stage.named(&file.name), 1, "{unsaid:?}");
                let messages = stage.sandbox.messages_of(&stage.user);
                let message = messages.last().expect("the message");
                assert_eq!(end["messageId"], json!(message.message_id));
                let by = if unsaid.executed == Executed::Never { Via::Mtproto } else { Via::BotApi };
                assert_eq!(message.via, by, "{unsaid:?}: what is sent again cannot be lost again");
            }
        }
        soon("a webhook for each file", stage.sandbox.wait_for_webhooks(9)).await;
    }
}

#[tokio::test]
async fn two_hundred_random_losses_make_two_hundred_messages() {
    const FILES: usize = 200;
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let stage = Stage::of(of_session(), &[("TELESTORE_MAX_CONCURRENT_UPLOADS", "16")]).await;
    for _ in 0..FILES {
        let answer = ANSWERS[random.random_range(0..3)];
        stage.unsaid(match random.random_range(0..3) {
            0 => Unsaid::executed(answer),
            1 => Unsaid::executed_at_look(answer),
            _ => Unsaid::not_executed(answer),
        });
    }
    // Each tenth has a name, a size and so a caption that another one has, too.
    let named = |number: usize| File::new(10).named(&format!("file-{}.bin", number - number % 10 / 9));
    let files: Vec<File> = (0..FILES).map(named).collect();
    join_all(files.iter().map(|file| stage.queue(file))).await;
    for file in &files {
        let end = stage.end(&file.id).await;
        assert_eq!(end["status"], "completed", "{}: {end}", file.name);
    }
    for file in &files {
        let wanted = files.iter().filter(|other| other.name == file.name).count();
        assert_eq!(stage.named(&file.name), wanted, "{}", file.name);
    }
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), FILES);
    let ids: std::collections::BTreeSet<_> =
        join_all(files.iter().map(|file| async { stage.end(&file.id).await["messageId"].as_i64() }))
            .await
            .into_iter()
            .collect();
    assert_eq!(ids.len(), FILES, "no message is two files'");
}

#[tokio::test]
async fn a_kill_before_the_channel_was_looked_into_is_made_up_for() {
    let mut stage = Stage::of(of_session(), &[]).await;
    for executed in [true, false] {
        let answer = UnsaidAnswer::Reset;
        stage.unsaid(if executed { Unsaid::executed(answer) } else { Unsaid::not_executed(answer) });
        let looks = stage.sandbox.faults().inject(Fault::hold("messages.getHistory").once());
        let file = File::new(100).named(&format!("{executed}.bin"));
        stage.killed_at(looks, &file).await;
        stage.start().await;
        assert_eq!(stage.end(&file.id).await["status"], "completed");
        assert_eq!(stage.named(&file.name), 1);
    }
}

#[tokio::test]
async fn a_cancelled_file_whose_answer_was_lost_leaves_no_message() {
    let stage = Stage::of(of_session(), &[]).await;
    stage.unsaid(Unsaid::executed(UnsaidAnswer::BadGateway));
    let looks = stage.sandbox.faults().inject(Fault::hold("messages.getHistory").once());
    let file = File::new(100);
    stage.queue(&file).await;
    soon("a look", stage.sandbox.faults().wait_fired(looks, 1)).await;
    stage.post("/cancel-upload", json!({ "uploadId": file.id })).await.ok();
    stage.sandbox.faults().release(looks);
    stage
        .sandbox
        .wait_until(|stats| stats.calls("deleteMessage") + stats.calls("channels.deleteMessages") > 0)
        .await;
    soon("the end of the message", stage.sandbox.wait_until(|_| stage.named(&file.name) == 0)).await;
    assert_eq!(stage.progress(&file.id).await.ok()["error"], "Upload cancelled");
}

/// A file whose answer was lost, and that is cancelled while its message is not in the channel. The server may work on it for longer
/// than any test takes.
async fn cancelled_between_two_looks() -> (Stage, File) {
    cancelled_while_it_may_come("1h").await
}

/// The same, if the message may come for so long.
async fn cancelled_while_it_may_come(settle: &str) -> (Stage, File) {
    let stage = Stage::of(of_session(), &[("TELESTORE_BOT_API_SETTLE", settle)]).await;
    stage.unsaid(Unsaid::not_executed(UnsaidAnswer::Reset));
    let file = File::new(100);
    stage.queue(&file).await;
    let looked = stage.sandbox.wait_until(|stats| stats.calls(LOOK) > 0);
    soon("a look", looked).await;
    stage.post("/cancel-upload", json!({ "uploadId": file.id })).await.ok();
    assert_eq!(stage.progress(&file.id).await.ok()["error"], "Upload cancelled");
    (stage, file)
}

impl Stage {
    /// The server has made the message after all.
    async fn is_made(&self, file: &File) {
        let url = format!("{}/bot{}/sendDocument", self.sandbox.bot_api_url(), self.user.bot_token);
        let document = Part::bytes(file.bytes.to_vec()).file_name(file.name.clone());
        let form = Form::new().text("chat_id", self.user.channel_id.clone()).part("document", document);
        let form = form.text("caption", format!("Uploaded: {}", file.name));
        let answer = reqwest::Client::new().post(url).multipart(form).send().await.expect("an answer");
        assert!(answer.status().is_success());
    }

    /// Nothing is left to be done about uploads that are over.
    async fn is_done(&self) {
        soon("the end of all events", async {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            while self.metric("telestore_outbox_events").await > 0.0 {
                ticks.tick().await;
            }
        })
        .await;
    }

    async fn looked_at_again(&self) {
        let before = self.sandbox.stats().calls(LOOK);
        soon("a look", self.sandbox.wait_until(|stats| stats.calls(LOOK) > before + 1)).await;
    }
}

#[tokio::test]
async fn a_message_that_comes_after_a_cancel_between_two_looks_is_taken_back() {
    for kill in [false, true] {
        let (mut stage, file) = cancelled_between_two_looks().await;
        if kill {
            stage.kill().await;
            stage.start().await;
        }
        stage.looked_at_again().await;
        stage.is_made(&file).await;
        assert_eq!(stage.named(&file.name), 1);
        soon("the end of the message", stage.sandbox.wait_until(|_| stage.named(&file.name) == 0)).await;
        stage.is_done().await;
    }
}

#[tokio::test]
async fn a_message_that_does_not_come_is_looked_for_as_long_as_it_may() {
    let (stage, file) = cancelled_while_it_may_come("5s").await;
    stage.is_done().await;
    assert!(stage.sandbox.stats().calls(LOOK) > 1);
    assert_eq!(stage.named(&file.name), 0);
}

#[tokio::test]
async fn a_cancel_takes_back_no_message_of_another_upload_of_the_same_file() {
    let (mut stage, file) = cancelled_between_two_looks().await;
    let first = stage.user.clone();
    let spec = UserSpec::new("second").channel(Some(first.channel_id.as_str()));
    stage.user = stage.sandbox.add_user(spec);
    let twin = || File::new(100).named(&file.name);
    // It is in the channel.
    let there = stage.send(&twin()).await["messageId"].clone();
    stage.looked_at_again().await;
    assert_eq!(stage.named(&file.name), 1);
    // It comes, and only it goes.
    let second = std::mem::replace(&mut stage.user, first);
    stage.is_made(&file).await;
    soon("the end of the message", stage.sandbox.wait_until(|_| stage.named(&file.name) == 1)).await;
    assert_eq!(json!(stage.sandbox.messages_of(&second)[0].message_id), there);
}

#[tokio::test]
async fn what_may_be_either_of_two_messages_is_nobodys() {
    let (mut stage, file) = cancelled_between_two_looks().await;
    let spec = UserSpec::new("second").channel(Some(stage.user.channel_id.as_str()));
    stage.user = stage.sandbox.add_user(spec);
    stage.unsaid(Unsaid::executed(UnsaidAnswer::Reset));
    let end = stage.send(&File::new(100).named(&file.name)).await;
    assert!(end["status"] == "failed" && end["error"].as_str().unwrap().contains(LOOK_THERE), "{end}");
    stage.looked_at_again().await;
    assert_eq!(stage.named(&file.name), 1, "it is the second one's");
}

#[tokio::test]
async fn a_token_alone_cannot_look_and_the_setting_decides() {
    let stage_of = async |setting| Stage::of(of_token(), &[("TELESTORE_BOT_API_UNKNOWN", setting)]).await;
    let fails = stage_of("fail").await;
    let again = stage_of("again").await;
    for (executed, answer) in [(true, UnsaidAnswer::Restart), (false, UnsaidAnswer::Reset)] {
        let unsaid = if executed { Unsaid::executed(answer) } else { Unsaid::not_executed(answer) };
        let file = File::new(100).named(&format!("{executed}.bin"));
        fails.unsaid(unsaid);
        let end = fails.send(&file).await;
        assert!(end["status"] == "failed" && end["error"].as_str().unwrap().contains(LOOK_THERE), "{end}");
        assert_eq!(fails.named(&file.name), usize::from(executed));
        again.unsaid(unsaid);
        assert_eq!(again.send(&file).await["status"], "completed");
        assert_eq!(again.named(&file.name), usize::from(executed) + 1, "which is what the setting says");
    }
}

/// A file whose message is there, which nobody could find when its answer was lost.
async fn failed_with_the_session_gone() -> (Stage, File) {
    let stage = Stage::of(of_session(), &[]).await;
    stage.sandbox.revoke_session(&stage.user);
    stage.unsaid(Unsaid::executed(UnsaidAnswer::Restart));
    let file = File::new(100);
    let end = stage.send(&file).await;
    assert!(end["status"] == "failed" && end["error"].as_str().unwrap().contains(LOOK_THERE), "{end}");
    (stage, file)
}

#[tokio::test]
async fn what_cannot_be_looked_for_fails_until_a_person_wants_it_sent() {
    let (stage, file) = failed_with_the_session_gone().await;
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    assert_eq!(stage.named(&file.name), 2, "by their word");
}

#[tokio::test]
async fn a_person_who_completes_again_finds_what_is_there_by_then() {
    let (stage, file) = failed_with_the_session_gone().await;
    stage.sandbox.restore_session(&stage.user);
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    assert_eq!(stage.named(&file.name), 1);
}
