//! A bot with an application, and no session: by MTProto, signed in once.

use serde_json::Value;
use telestore_sandbox::{Fault, Sandbox, SignInRules, UserSpec, Via};

use crate::support::{File, MIB, Stage, soon};

const SIGN_IN: &str = "auth.importBotAuthorization";

/// A user of the backend with a bot, an application and no session.
async fn stage(settings: &[(&str, &str)]) -> Stage {
    let sandbox = Sandbox::builder().default_user(false).data_centre(4).start().await.expect("a sandbox");
    sandbox.add_user(UserSpec::new("botty").without_session().with_api_id());
    let mut stage = Stage::before(sandbox, settings);
    let address = stage.sandbox.mtproto_addr().to_string();
    stage.set("TELESTORE_MTPROTO_DC", &address);
    stage.record();
    stage
}

impl Stage {
    fn sign_ins(&self) -> u64 {
        self.sandbox.stats().bot_sign_ins(&self.user.user_id)
    }

    /// Polls until the progress shows this.
    async fn shows<T>(&self, id: &str, what: &str, seen: impl Fn(&Value) -> Option<T>) -> T {
        let shown = async {
            let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
            loop {
                ticks.tick().await;
                if let Some(seen) = seen(&self.progress(id).await.ok()) {
                    return seen;
                }
            }
        };
        soon(what, shown).await
    }
}

#[tokio::test]
async fn sixty_megabytes_are_one_message_and_fifty_starts_are_one_sign_in() {
    let mut stage = stage(&[]).await;
    stage.start().await;
    let file = File::new(60 * MIB);
    assert_eq!(stage.send(&file).await["status"], "completed");
    assert_eq!(stage.arrived(&file).via, Via::Mtproto);
    stage.set("TELESTORE_BOT_API_MAX_BYTES", "1 MiB");
    for start in 1..=50 {
        stage.kill().await;
        stage.start().await;
        // The last ones send, too: each needs the key.
        if start > 45 {
            assert_eq!(stage.send(&File::new(2 * MIB)).await["status"], "completed");
        }
    }
    assert_eq!((stage.sandbox.messages_of(&stage.user).len(), stage.sign_ins()), (6, 1));
    let small = File::new(1000);
    assert_eq!(stage.send(&small).await["status"], "completed");
    assert_eq!(stage.sandbox.messages_of(&stage.user)[6].via, Via::BotApi, "clients know its fileId");
}

#[tokio::test]
async fn an_operator_may_have_everything_go_by_mtproto() {
    let mut stage = stage(&[("TELESTORE_PREFER_MTPROTO", "on")]).await;
    stage.start().await;
    let small = File::new(1000);
    let end = stage.send(&small).await;
    let message = stage.arrived(&small);
    assert_eq!((message.via, &end["fileId"]), (Via::Mtproto, &message.document_id.to_string().into()));
}

#[tokio::test]
async fn a_worker_killed_while_its_bot_signs_in_signs_in_once_more_and_no_message_is_lost() {
    let mut stage = stage(&[("TELESTORE_PREFER_MTPROTO", "on")]).await;
    stage.sandbox.move_account(&stage.user, 4);
    stage.start().await;
    // The call that ends the sign-in, in the data centre where the bot is.
    let hold = stage.sandbox.faults().inject(Fault::hold(SIGN_IN).skip(1).once());
    let file = File::new(MIB);
    stage.killed_at(hold, &file).await;
    stage.start().await;
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
    assert!((1..=2).contains(&stage.sign_ins()), "{}", stage.sign_ins());
}

#[tokio::test]
async fn a_flood_of_sign_ins_is_waited_for_and_told() {
    let mut stage = stage(&[("TELESTORE_PREFER_MTPROTO", "on")]).await;
    stage.start().await;
    stage.sandbox.faults().inject(Fault::rpc_error(SIGN_IN, 420, "FLOOD_WAIT_3").once());
    let file = File::new(1000);
    stage.queue(&file).await;
    let wait = stage.shows(&file.id, "the wait", |progress| progress["retryAfter"].as_u64()).await;
    assert!((1..=4).contains(&wait), "{wait}");
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    assert_eq!((stage.sandbox.stats().calls(SIGN_IN), stage.sign_ins()), (2, 1));
    stage.logged("Telegram asks to wait before the bot signs in").await;
}

#[tokio::test]
async fn a_login_that_is_ended_is_made_anew_and_a_revoked_token_is_told() {
    let mut stage = stage(&[("TELESTORE_PREFER_MTPROTO", "on")]).await;
    stage.start().await;
    assert_eq!(stage.send(&File::new(1000)).await["status"], "completed");
    stage.sandbox.end_bot_logins(&stage.user);
    assert_eq!(stage.send(&File::new(1000)).await["status"], "completed", "nobody has to do anything");
    assert_eq!(stage.sign_ins(), 2);
    stage.kill().await;
    stage.sandbox.revoke_bot(&stage.user);
    stage.start().await;
    let end = stage.send(&File::new(1000)).await;
    let error = end["error"].as_str().unwrap_or_default();
    assert!(end["status"] == "failed" && error.contains("copy it from @BotFather anew"), "{end}");
    let log = stage.logged("copy it from @BotFather anew").await;
    assert!(!log.contains(stage.user.bot_token.split_once(':').unwrap().1), "no secret in the log");
    assert!(!log.contains(&stage.user.api_hash));
}

#[tokio::test]
async fn check_says_who_the_bot_is_and_signs_nobody_in_for_that() {
    let mut stage = stage(&[]).await;
    for (name, value) in [
        ("BACKEND_URL", ""),
        ("TELESTORE_BOT_TOKEN", &*stage.user.bot_token.clone()),
        ("TELESTORE_API_ID", &*stage.user.api_id.to_string()),
        ("TELESTORE_API_HASH", &*stage.user.api_hash.clone()),
        ("TELESTORE_CHANNEL_ID", &*stage.user.channel_id.clone()),
        ("TELESTORE_AUTH_TOKENS", &*stage.user.auth_token.clone()),
    ] {
        stage.set(name, value);
    }
    let before = stage.command(&["check"]).await.stdout;
    assert!(
        before.contains("the bot is not signed in for a check: its key is kept in the worker's data"),
        "{before}"
    );
    assert_eq!(stage.sign_ins(), 0);
    stage.start().await;
    let file = File::new(60 * MIB);
    assert_eq!(stage.send(&file).await["status"], "completed");
    assert_eq!(stage.arrived(&file).via, Via::Mtproto);
    assert!(stage.terminate().await.success());
    stage.sandbox.set_sign_in_rules(SignInRules::default().with(|rules| rules.bot_sign_ins = Some(0)));
    let said = stage.command(&["check"]).await.ok();
    let id = format!("id {}", stage.user.bot_user_id);
    let line = said.lines().find(|line| line.starts_with("ok       bot")).unwrap_or_default();
    assert!(line.contains("signs in as ") && line.contains(&id) && line.ends_with("a bot"), "{said}");
    assert_eq!(stage.sign_ins(), 1);
}
