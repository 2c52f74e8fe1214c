//! What an account may do in its channel is looked at before any byte goes to Telegram, and a group that moves is followed.

use serde_json::json;
use telestore_sandbox::{Fault, Standing, UserSpec};

use crate::support::{File, MIB, Stage};

const WORDS: &str = "Could not resolve channel ID: the account may not post in it";
const OLD: &str = "-4242";
const NEW: &str = "-1001555555555";

impl Stage {
    /// Makes both, the bot and the account, this.
    fn stand(&self, standing: Standing) {
        self.sandbox.set_standing_of_bot(&self.user.channel_id, &self.user, standing);
        self.sandbox.set_standing_of_account(&self.user.channel_id, &self.user, standing);
    }

    /// Sends a file that fails, and gives what is said of it.
    async fn refuses(&self, file: &File) -> String {
        let end = self.send(file).await;
        assert_eq!(end["status"], "failed", "{end}");
        end["error"].as_str().unwrap_or_default().to_owned()
    }

    fn nothing_went_out(&self) {
        let stats = self.sandbox.stats();
        assert_eq!((stats.parts_total(), stats.calls("sendDocument")), (0, 0));
    }

    /// A user whose files go to a basic group.
    async fn in_a_group(spec: UserSpec) -> Self {
        let mut stage = Self::new().await;
        stage.user = stage.sandbox.add_user(spec.channel(Some(OLD)));
        stage
    }
}

#[tokio::test]
async fn who_may_not_post_hears_so_before_part_0() {
    let stage = Stage::new().await;
    stage.stand(Standing::AdministratorWithoutPosts);
    for length in [10, 60 * MIB] {
        let said = stage.refuses(&File::new(length)).await;
        assert!(said.starts_with(WORDS), "{said}");
        assert!(
            said.contains("make it an administrator of the channel with the right to post messages"),
            "{said}"
        );
    }
    stage.nothing_went_out();

    let file = File::new(60 * MIB);
    assert!(stage.refuses(&file).await.starts_with(WORDS));
    stage.stand(Standing::Administrator);
    // What was looked at is not believed for long if it was a no.
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed", "the chunks were kept");
    stage.arrived(&file);
}

#[tokio::test]
async fn a_direct_upload_and_a_restricted_member_of_a_group_hear_it_too() {
    let stage = Stage::in_a_group(UserSpec::new("bob")).await;
    stage.stand(Standing::Restricted);
    let said = stage.direct(&File::new(10)).await.error(500);
    assert!(said.starts_with(WORDS) && said.contains("allow its members to send files"), "{said}");
    stage.stand(Standing::Kicked);
    let said = stage.refuses(&File::new(60 * MIB)).await;
    assert!(said.starts_with(WORDS) && said.contains("add it to the channel"), "{said}");
    stage.nothing_went_out();
}

#[tokio::test]
async fn a_moved_group_is_remembered_over_a_restart() {
    let mut stage = Stage::in_a_group(UserSpec::new("bob").without_session()).await;
    assert_eq!(stage.send(&File::new(10)).await["status"], "completed");
    assert!(stage.sandbox.migrate_group(OLD, NEW));
    assert_eq!(stage.send(&File::new(10)).await["status"], "completed");
    stage.kill().await;
    stage.start().await;
    let asked = stage.sandbox.stats().calls("getChatMember");
    assert_eq!(stage.send(&File::new(10)).await["status"], "completed");
    assert_eq!(stage.sandbox.stats().calls("getChatMember"), asked + 1, "of the new one alone");
    assert_eq!(stage.sandbox.messages(NEW).len(), 2);
    assert_eq!(stage.sandbox.messages(OLD).len(), 1);

    // Behind a proxy that drops `parameters`, another bot cannot know.
    let answer = json!({"ok": false, "error_code": 400,
        "description": "Bad Request: group chat was upgraded to a supergroup chat"});
    let carol = UserSpec::new("carol").without_session().channel(Some("-77"));
    stage.user = stage.sandbox.add_user(carol);
    stage.sandbox.migrate_group("-77", "-1007777777777");
    stage.sandbox.faults().inject(Fault::http_status("getChatMember", 400, answer));
    let said = stage.refuses(&File::new(10)).await;
    assert!(said.contains("the group became a supergroup, which has a new id; enter that one"), "{said}");
    stage.sandbox.faults().clear();
}

#[tokio::test]
async fn a_session_tells_where_a_bot_was_not_told() {
    let stage = Stage::in_a_group(UserSpec::new("bob")).await;
    stage.sandbox.migrate_group(OLD, NEW);
    let answer = json!({"ok": false, "error_code": 400,
        "description": "Bad Request: group chat was upgraded to a supergroup chat"});
    let fault = Fault::http_status("getChatMember", 400, answer).once();
    stage.sandbox.faults().inject(fault);
    for count in 1..=2 {
        assert_eq!(stage.send(&File::new(10)).await["status"], "completed");
        assert_eq!(stage.sandbox.messages(NEW).len(), count);
    }
    assert_eq!(stage.send(&File::new(60 * MIB)).await["status"], "completed");
    assert_eq!(stage.sandbox.messages(NEW).len(), 3);
}

#[tokio::test]
async fn the_answer_has_the_name_that_telegram_cuts() {
    let stage = Stage::new().await;
    let mut file = File::new(10);
    file.name = format!("{}.txt", "字".repeat(80));
    let end = stage.send(&file).await;
    assert_eq!(end["status"], "completed", "{end}");
    let message = stage.sandbox.messages_of(&stage.user).remove(0);
    assert_eq!(message.file_name, format!("{}.txt", "字".repeat(56)));
    assert_eq!(message.caption, format!("Uploaded: {}", file.name), "the whole name can be searched for");
    let webhook = stage.sandbox.wait_for_webhooks(1).await.remove(0);
    assert_eq!(webhook.body["fileName"], json!(file.name), "{}", webhook.body);
}
