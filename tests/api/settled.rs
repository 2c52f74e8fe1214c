//! Requests of the Bot API whose answer tells nothing: the channel is looked into, and each file becomes one message.

use std::time::Duration;

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use telestore_sandbox::{Fault, Unsaid, UnsaidAnswer, UserSpec, Via};

use crate::support::{File, Stage, soon};

const SEND: &str = "sendDocument";

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
            let late = Unsaid::executed_later(answer, Duration::from_millis(300));
            for unsaid in [Unsaid::executed(answer), late, Unsaid::not_executed(answer)] {
                stage.unsaid(unsaid);
                let file = File::new(1000).named(&format!("{answer:?}-{:?}.bin", unsaid.executed_after));
                let end = stage.send(&file).await;
                assert_eq!(end["status"], "completed", "{unsaid:?}: {end}");
                assert_eq!(stage.named(&file.name), 1, "{unsaid:?}");
                let messages = stage.sandbox.messages_of(&stage.user);
                let message = messages.last().expect("the message");
                assert_eq!(end["messageId"], json!(message.message_id));
                let by = if unsaid.executed_after.is_some() { Via::BotApi } else { Via::Mtproto };
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
            1 => Unsaid::executed_later(answer, Duration::from_millis(random.random_range(1..200))),
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
