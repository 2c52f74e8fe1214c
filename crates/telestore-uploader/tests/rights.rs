//! Who may not post hears so before the first byte, by both backends, and moved groups are followed.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use common::{PART, World, bot_api, bot_api_with, credentials_of, mtproto_with};
use serde_json::json;
use telestore_sandbox::{Fault, FaultAction, FloodShape, Sandbox, SandboxUser, Standing, UserSpec};
use telestore_types::{ChatId, FileName, ResumeState, Stage};
use telestore_uploader::testsuite::{Recorder, bytes};
use telestore_uploader::{
    ErrorKind, MtprotoConfig, ProgressSink, Result, TelegramUploader, UploadRequest, Verdict,
};

const WORDS: &str = "Could not resolve channel ID: the account may not post in it; ";
const SEND: &str = "messages.sendMedia";
const LENGTH: usize = 24 * PART + 99;

fn forgetful(config: &mut MtprotoConfig) {
    config.rights_max_age = Duration::ZERO;
}

fn to(world: &World, user: &SandboxUser, length: usize) -> UploadRequest {
    world.request(&bytes(1, length)).with_credentials(Arc::new(credentials_of(user)))
}

/// Nobody got a byte of the file.
fn untouched(sandbox: &Sandbox) {
    let stats = sandbox.stats();
    assert_eq!((stats.parts_total(), stats.calls("sendDocument")), (0, 0));
}

/// A sink that keeps what it is told of a chat, and the states.
#[derive(Debug, Default)]
struct Moves {
    told: Mutex<Vec<(String, String)>>,
    states: Mutex<Vec<ResumeState>>,
}

#[async_trait]
impl ProgressSink for Moves {
    fn stage(&self, _: Stage) {}

    fn acknowledged(&self, _: u64) {}

    fn flood_wait(&self, _: Duration) {}

    async fn moved(&self, from: &ChatId, to: &ChatId) {
        self.told.lock().unwrap().push((from.to_string(), to.to_string()));
    }

    async fn checkpoint(&self, state: ResumeState) -> Result<()> {
        self.states.lock().unwrap().push(state);
        Ok(())
    }
}

impl Moves {
    fn told(&self) -> Vec<(String, String)> {
        self.told.lock().unwrap().clone()
    }

    fn state(&self) -> Option<ResumeState> {
        self.states.lock().unwrap().last().cloned()
    }
}

fn group(world: &World) -> SandboxUser {
    world.sandbox.add_user(UserSpec::new("bob").channel(Some("-4242")))
}

#[tokio::test]
async fn who_may_not_post_hears_so_before_the_first_byte() {
    for (standing, supergroup, cure) in [
        (Standing::AdministratorWithoutPosts, false, "make it an administrator of the channel"),
        (Standing::Member, false, "make it an administrator of the channel"),
        (Standing::Kicked, false, "add it to the channel"),
        (Standing::Restricted, true, "allow its members to send files"),
    ] {
        let world = World::new().await;
        let (sandbox, user) = (&world.sandbox, &world.user);
        sandbox.set_supergroup(&user.channel_id, supergroup);
        // Seen once while it could post, the channel is known, and looked at again.
        let (bot, account) =
            (bot_api_with(sandbox, |config| config.rights_max_age = Duration::ZERO), mtproto_with(forgetful));
        bot.check(&world.credentials()).await.unwrap();
        account.check(&world.credentials()).await.unwrap();
        sandbox.set_standing_of_bot(&user.channel_id, user, standing);
        sandbox.set_standing_of_account(&user.channel_id, user, standing);
        for uploader in [&bot as &dyn TelegramUploader, &account] {
            let error = world.fails(uploader, &bytes(1, LENGTH)).await;
            assert_eq!((error.kind(), error.verdict()), (ErrorKind::ChannelUnresolved, Verdict::Permanent));
            let said = error.to_string();
            assert!(said.starts_with(WORDS) && said.contains(cure), "{standing:?}: {said}");
            assert!(!said.contains("again"), "a client that sends it again does so for ever: {said}");
            assert_eq!(uploader.check(&world.credentials()).await.unwrap_err().to_string(), said);
        }
        let early = account.send_early(world.request(&bytes(1, LENGTH)), Recorder::new()).await;
        assert!(early.unwrap_err().to_string().starts_with(WORDS));
        untouched(sandbox);
    }
}

#[tokio::test]
async fn default_permissions_of_groups_count() {
    let world = World::new().await;
    let user = group(&world);
    let standing = [Standing::Member; 2];
    world.sandbox.set_standing_of_account("-4242", &user, standing[0]);
    world.sandbox.set_standing_of_bot("-4242", &user, standing[1]);
    world.sandbox.set_documents("-4242", false);
    let (bot, account) = (bot_api(&world.sandbox), mtproto_with(|_| {}));
    for uploader in [&bot as &dyn TelegramUploader, &account] {
        let error = uploader.upload(to(&world, &user, 1000), Recorder::new()).await.unwrap_err();
        assert!(error.to_string().contains("allow its members to send files"), "{error}");
    }
    untouched(&world.sandbox);
    world.sandbox.set_documents("-4242", true);
    for (uploader, count) in [(&bot as &dyn TelegramUploader, 1), (&account, 2)] {
        uploader.upload(to(&world, &user, 1000), Recorder::new()).await.unwrap();
        assert_eq!(world.sandbox.messages("-4242").len(), count, "a plain group, and its members may");
    }
}

#[tokio::test]
async fn files_in_a_row_cost_no_further_questions() {
    let world = World::new().await;
    let (bot, account) = (bot_api(&world.sandbox), mtproto_with(|_| {}));
    for uploader in [&bot as &dyn TelegramUploader, &account] {
        for _ in 0..3 {
            uploader.upload(world.request(&bytes(1, 1000)), Recorder::new()).await.unwrap();
        }
    }
    let stats = world.sandbox.stats();
    assert_eq!((stats.calls("getChat"), stats.calls("getChatMember")), (1, 1));
    assert!(stats.calls("channels.getChannels") <= 2, "{stats:?}");
}

#[tokio::test]
async fn rights_that_are_lost_meanwhile_are_named_and_looked_at_again() {
    let world = World::new().await;
    let (sandbox, user) = (&world.sandbox, &world.user);
    let (bot, account) = (bot_api(sandbox), mtproto_with(|_| {}));
    for uploader in [&bot as &dyn TelegramUploader, &account] {
        uploader.upload(world.request(&bytes(1, 1000)), Recorder::new()).await.unwrap();
    }
    sandbox.set_standing_of_bot(&user.channel_id, user, Standing::AdministratorWithoutPosts);
    sandbox.set_standing_of_account(&user.channel_id, user, Standing::AdministratorWithoutPosts);
    let sent = sandbox.stats();
    for uploader in [&bot as &dyn TelegramUploader, &account] {
        for _ in 0..2 {
            let error = world.fails(uploader, &bytes(2, 1000)).await;
            assert_eq!(error.verdict(), Verdict::Permanent);
            assert!(error.to_string().starts_with(WORDS), "{error}");
        }
    }
    let stats = sandbox.stats();
    assert_eq!(stats.calls("sendDocument") - sent.calls("sendDocument"), 1, "the second is not sent");
    assert_eq!(stats.parts_total() - sent.parts_total(), 1);
    sandbox.set_standing_of_bot(&user.channel_id, user, Standing::Administrator);
    bot.upload(world.request(&bytes(3, 1000)), Recorder::new()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_tells_nothing_of_members_takes_files() {
    let no_such_method =
        json!({"ok": false, "error_code": 404, "description": "Not Found: method not found"});
    let forbidden =
        json!({"ok": false, "error_code": 403, "description": "Forbidden: method is disabled here"});
    let hidden =
        json!({"ok": false, "error_code": 400, "description": "Bad Request: member list is inaccessible"});
    let admins = json!({"ok": false, "error_code": 400, "description": "Bad Request: CHAT_ADMIN_REQUIRED"});
    for (status, answer) in
        [(404, no_such_method), (403, forbidden), (400, hidden), (400, admins), (502, json!("x"))]
    {
        for methods in [&["getChatMember"][..], &["getChat", "getChatMember"]] {
            let world = World::new().await;
            for method in methods {
                world.sandbox.faults().inject(Fault::http_status(*method, status, answer.clone()));
            }
            world.sends_once(&bot_api(&world.sandbox), &bytes(1, 1000)).await;
        }
    }
    let world = World::new().await;
    world.sandbox.faults().inject(Fault::new("getChat", FaultAction::NoExecuteSilence));
    let impatient = bot_api_with(&world.sandbox, |config| config.answer_timeout = Duration::from_secs(3));
    world.sends_once(&impatient, &bytes(1, 1000)).await;
}

#[tokio::test]
async fn a_question_that_is_to_wait_is_a_wait_in_every_shape() {
    use FloodShape::{BadRequest, Date, Header, Name, Parameters, Text, Unsaid};
    let world = World::new().await;
    let bot = bot_api(&world.sandbox);
    for method in ["getChat", "getChatMember"] {
        for shape in [Parameters, Text, BadRequest, Name, Header, Date, Unsaid] {
            world.sandbox.faults().inject(Fault::flood_as(method, shape, 7).once());
            let error = world.fails(&bot, &bytes(1, 1000)).await;
            let wait = error.retry_after().map(|wait| wait.as_secs());
            // A date has no fractions.
            let near = |wait| if shape == Unsaid { wait == 0 } else { (6..=8).contains(&wait) };
            assert!(wait.is_some_and(near), "{shape:?} at {method}: {error}");
        }
    }
    untouched(&world.sandbox);
    world.sends_once(&bot, &bytes(1, 1000)).await;
}

#[tokio::test]
async fn a_group_that_became_a_supergroup_is_followed() {
    let new = "-1001555555555";
    for by_account in [false, true] {
        let world = World::new().await;
        let user = group(&world);
        let bot = bot_api_with(&world.sandbox, |config| config.rights_max_age = Duration::ZERO);
        let account = mtproto_with(forgetful);
        let uploader: &dyn TelegramUploader = if by_account { &account } else { &bot };
        uploader.upload(to(&world, &user, 1000), Recorder::new()).await.unwrap();
        assert!(world.sandbox.migrate_group("-4242", new));
        let sink = Arc::new(Moves::default());
        for count in 1..=2 {
            uploader.upload(to(&world, &user, 1000), sink.clone()).await.unwrap();
            assert_eq!(world.sandbox.messages(new).len(), count);
        }
        assert_eq!(sink.told()[0], ("-4242".to_owned(), new.to_owned()));
        assert_eq!(world.sandbox.messages("-4242").len(), 1);
        assert!(world.sandbox.stats().calls("sendDocument") <= 3, "none is sent to the old one");
    }
}

#[tokio::test]
async fn a_bot_alone_cannot_know_what_nobody_tells() {
    let world = World::new().await;
    let user = group(&world);
    world.sandbox.migrate_group("-4242", "-1001555555555");
    let answer = json!({"ok": false, "error_code": 400,
        "description": "Bad Request: group chat was upgraded to a supergroup chat"});
    for method in ["getChatMember", "sendDocument"] {
        world.sandbox.faults().inject(Fault::http_status(method, 400, answer.clone()));
    }
    let error = bot_api(&world.sandbox).upload(to(&world, &user, 1000), Recorder::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.verdict()), (ErrorKind::GroupUpgraded, Verdict::Permanent));
    assert!(error.to_string().contains("became a supergroup, which has a new id"), "{error}");
    let account = mtproto_with(|_| {});
    let moved_to = account.moved_to(&credentials_of(&user)).await.unwrap();
    assert_eq!(moved_to.unwrap().as_str(), "-1001555555555", "the session can tell");
    assert_eq!(account.moved_to(&world.credentials()).await.unwrap(), None);
}

#[tokio::test]
async fn one_message_is_made_across_a_restart_that_names_the_supergroup() {
    let new = "-1001555555555";
    let world = World::new().await;
    let user = group(&world);
    world.sandbox.migrate_group("-4242", new);
    let lost = world.sandbox.faults().inject(Fault::lose_answer(SEND));
    let sink = Arc::new(Moves::default());
    let uploader = mtproto_with(|config| config.max_failures = 0);
    let error = uploader.upload(to(&world, &user, 1000), sink.clone()).await.unwrap_err();
    assert_eq!(error.verdict(), Verdict::Temporary);
    world.sandbox.faults().release(lost);
    let credentials = credentials_of(&user).in_chat(ChatId::new(new).unwrap());
    let mut again = to(&world, &user, 1000);
    (again.credentials, again.resume) = (Arc::new(credentials), sink.state());
    common::mtproto().upload(again, Recorder::new()).await.unwrap();
    assert_eq!(world.sandbox.messages(new).len(), 1, "it has the random id of the first attempt");
}

#[tokio::test]
async fn one_message_is_made_where_the_group_moved_just_before_it() {
    let new = "-1001555555555";
    let world = World::new().await;
    let user = group(&world);
    let asked = world.sandbox.faults().inject(Fault::hold(SEND).once());
    let sink = Arc::new(Moves::default());
    let uploader = mtproto_with(|config| config.max_failures = 0);
    let upgrade = async {
        world.sandbox.faults().wait_fired(asked, 1).await;
        assert!(world.sandbox.migrate_group("-4242", new));
        world.sandbox.faults().inject(Fault::lose_answer(SEND).once());
        world.sandbox.faults().release(asked);
    };
    let (ended, ()) = tokio::join!(uploader.upload(to(&world, &user, 1000), sink.clone()), upgrade);
    assert_eq!(ended.unwrap_err().verdict(), Verdict::Temporary);
    assert_eq!(sink.told(), [("-4242".to_owned(), new.to_owned())]);
    // The process ends here, and the next one knows by what was told where the chat is.
    let credentials = credentials_of(&user).in_chat(ChatId::new(new).unwrap());
    let mut again = to(&world, &user, 1000);
    (again.credentials, again.resume) = (Arc::new(credentials), sink.state());
    common::mtproto().upload(again, Recorder::new()).await.unwrap();
    assert_eq!(world.sandbox.messages(new).len(), 1, "the state names the supergroup");
}

#[tokio::test]
async fn a_refusal_behind_a_lost_answer_does_not_say_that_nothing_was_sent() {
    let world = World::new().await;
    for (code, name) in [(403, "CHAT_WRITE_FORBIDDEN"), (400, "MEDIA_INVALID"), (406, "CHANNEL_PRIVATE")] {
        world.sandbox.faults().clear();
        world.sandbox.faults().inject(Fault::lose_answer(SEND).once());
        world.sandbox.faults().inject(Fault::rpc_error(SEND, code, name));
        let (listener, bytes) = (Recorder::new(), bytes(1, 1000));
        let count = world.messages().len();
        let error = common::mtproto().upload(world.request(&bytes), listener.clone()).await.unwrap_err();
        assert_eq!(error.verdict(), Verdict::Ambiguous, "{name}: {error}");
        assert!(error.to_string().contains("may have made the message"), "{error}");
        // Tried again, it is that message.
        world.sandbox.faults().clear();
        let mut again = world.request(&bytes);
        again.resume = listener.checkpoints().pop();
        common::mtproto().upload(again, Recorder::new()).await.unwrap();
        assert_eq!(world.messages().len(), count + 1, "{name}");
    }
}

#[tokio::test]
async fn a_message_can_be_taken_back_by_who_may_not_post_any_more() {
    let world = World::new().await;
    let account = mtproto_with(forgetful);
    let stored = account.upload(world.request(&bytes(1, 1000)), Recorder::new()).await.unwrap();
    let standing = Standing::AdministratorWithoutPosts;
    world.sandbox.set_standing_of_account(&world.user.channel_id, &world.user, standing);
    // One that has to find the channel first.
    drop(account);
    assert!(common::mtproto().withdraw(&world.credentials(), &stored).await.unwrap());
    assert!(world.messages().is_empty());
}

#[tokio::test]
async fn telegram_never_eats_the_extension() {
    let world = World::new().await;
    let (bot, account) = (bot_api(&world.sandbox), mtproto_with(|_| {}));
    for (count, uploader) in [&bot as &dyn TelegramUploader, &account].into_iter().enumerate() {
        for (name, stored) in [
            (format!("{}.txt", "字".repeat(80)), format!("{}.txt", "字".repeat(56))),
            (format!("{} b.tar.gz", "a-b ".repeat(20)), format!("{}a.tar.gz", "a-b ".repeat(13))),
            (format!("{}.mp4", "é".repeat(100)), format!("{}.mp4", "é".repeat(56))),
            ("short - name.txt".to_owned(), "short - name.txt".to_owned()),
        ] {
            let mut request = world.request(&bytes(1, 1000));
            request.file_name = FileName::new(&name).unwrap();
            uploader.upload(request, Recorder::new()).await.unwrap();
            let message = world.messages().pop().unwrap();
            assert_eq!((message.file_name, message.sent_name), (stored.clone(), stored), "{count}: {name}");
        }
    }
}

#[tokio::test]
async fn a_message_is_taken_back_from_its_own_chat_whatever_the_credentials_name_by_then() {
    let world = World::new().await;
    let bytes = bytes(1, 1000);
    let (bot, account) = (bot_api(&world.sandbox), common::mtproto());
    for uploader in [&bot as &dyn TelegramUploader, &account] {
        let stored = uploader.upload(world.request(&bytes), Recorder::new()).await.unwrap();
        let chat = stored.first().chat_id.as_ref().map(ChatId::as_str);
        assert_eq!(chat, Some(world.user.channel_id.as_str()), "{}", uploader.name());
        assert_eq!(stored.size(), bytes.len() as u64);
        let elsewhere = world.credentials().in_chat(ChatId::new("@another_channel").unwrap());
        assert!(uploader.withdraw(&elsewhere, &stored).await.unwrap(), "{}", uploader.name());
        assert!(world.messages().is_empty(), "{}", uploader.name());
    }
}
