//! Bots that send by MTProto without a session: they sign in once, and Telegram is asked no more than that.

mod common;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::{World, bot_of};
use telestore_sandbox::{Fault, Sandbox, SignInRules};
use telestore_types::{
    ApiId, KeyStore, KeyStoreError, LoginBusy, LoginGuard, LoginHold, Secret, Sender, SenderId, StoredFile,
    TelegramCredentials,
};
use telestore_uploader::testsuite::{Recorder, bytes};
use telestore_uploader::{
    Error, ErrorKind, MtprotoUploader, Result, TelegramUploader, UploadRequest, Verdict,
};

const SEND: &str = "messages.sendMedia";
const SIGN_IN: &str = "auth.importBotAuthorization";

/// Keys that outlive an uploader, as in a worker's database.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<HashMap<String, Secret>>>);

#[async_trait]
impl KeyStore for Kept {
    async fn load(&self, bot: &Sender) -> Result<Option<Secret>, KeyStoreError> {
        Ok(self.0.lock().unwrap().get(bot.bot_token().unwrap().expose()).cloned())
    }

    async fn save(&self, bot: &Sender, key: &Secret) -> Result<(), KeyStoreError> {
        self.0.lock().unwrap().insert(bot.bot_token().unwrap().expose().to_owned(), key.clone());
        Ok(())
    }
}

/// A process: an uploader with nothing in memory yet.
fn process(world: &World, keys: &Kept) -> MtprotoUploader {
    let uploader = world.mtproto_with(|config| config.address = Some(world.sandbox.mtproto_addr()));
    uploader.keep_keys(Arc::new(keys.clone()));
    uploader
}

fn request(world: &World, bytes: &Bytes) -> UploadRequest {
    as_sender(world, bytes, bot_of(&world.user))
}

fn as_sender(world: &World, bytes: &Bytes, credentials: TelegramCredentials) -> UploadRequest {
    world.request(bytes).with_credentials(Arc::new(credentials))
}

async fn send(world: &World, uploader: &MtprotoUploader) -> Result<StoredFile> {
    uploader.upload(request(world, &bytes(1, 1000)), Recorder::new()).await
}

async fn refused(world: &World, uploader: &MtprotoUploader) -> Error {
    send(world, uploader).await.expect_err("nothing is sent")
}

fn sign_ins(world: &World) -> u64 {
    world.sandbox.stats().bot_sign_ins(&world.user.user_id)
}

#[tokio::test]
async fn a_bot_signs_in_once_for_all_processes() {
    let (world, keys) = (World::new().await, Kept::default());
    let bytes = bytes(1, 11 * 1024 * 1024);
    for sent in 1..=5 {
        let uploader = process(&world, &keys);
        uploader.upload(request(&world, &bytes), Recorder::new()).await.unwrap();
        uploader.close().await;
        assert_eq!((world.messages().len(), sign_ins(&world)), (sent, 1));
    }
    let user = process(&world, &keys).user(&bot_of(&world.user)).await.unwrap();
    assert!(user.bot && user.id == world.user.bot_user_id, "{user}");
}

#[tokio::test]
async fn files_that_come_together_sign_in_once() {
    let (world, keys) = (World::new().await, Kept::default());
    let uploader = Arc::new(process(&world, &keys));
    let all = (0..6).map(|_| send(&world, &uploader));
    for sent in futures_util::future::join_all(all).await {
        sent.unwrap();
    }
    assert_eq!((world.messages().len(), sign_ins(&world)), (6, 1));
}

#[tokio::test]
async fn a_bot_that_lives_elsewhere_signs_in_there_and_is_found_there() {
    let (world, keys) = (World::with_another_data_centre().await, Kept::default());
    world.sandbox.move_account(&world.user, 4);
    for _ in 0..2 {
        let uploader = process(&world, &keys);
        send(&world, &uploader).await.unwrap();
        uploader.close().await;
    }
    let stats = world.sandbox.stats();
    assert_eq!((sign_ins(&world), stats.calls(SIGN_IN)), (1, 2), "once where it is not, once where it is");
    assert_eq!(stats.calls("auth.exportAuthorization"), 0);
}

#[tokio::test]
async fn a_bot_that_is_moved_is_found_where_it_went() {
    let (world, keys) = (World::with_another_data_centre().await, Kept::default());
    let uploader = process(&world, &keys);
    send(&world, &uploader).await.unwrap();
    world.sandbox.move_account(&world.user, 4);
    send(&world, &uploader).await.unwrap();
    uploader.close().await;
    send(&world, &process(&world, &keys)).await.unwrap();
    let stats = world.sandbox.stats();
    assert_eq!((sign_ins(&world), stats.calls("auth.exportAuthorization")), (1, 1));
}

#[tokio::test]
async fn a_flood_of_sign_ins_is_given_back_and_telegram_is_left_alone() {
    let world = World::new().await;
    world.sandbox.set_sign_in_rules(SignInRules::default().with(|rules| rules.bot_sign_ins = Some(0)));
    let uploader = process(&world, &Kept::default());
    let error = refused(&world, &uploader).await;
    assert_eq!(error.kind(), ErrorKind::FloodWait(Duration::from_secs(1200)), "{error}");
    assert!(error.to_string().contains("1200 s: the bot has signed in too often"), "{error}");
    let error = refused(&world, &uploader).await;
    assert!(
        matches!(error.kind(), ErrorKind::FloodWait(left) if left <= Duration::from_secs(1200)),
        "{error}"
    );
    assert_eq!(world.sandbox.stats().calls(SIGN_IN), 1);
}

#[tokio::test]
async fn what_telegram_has_against_a_sign_in_is_said_in_words() {
    let world = World::new().await;
    let not_that = "copy both from https://my.telegram.org (API_ID_INVALID)";
    for (fault, words) in [
        ("ACCESS_TOKEN_INVALID", "copy it from @BotFather anew (ACCESS_TOKEN_INVALID)"),
        ("API_ID_INVALID", not_that),
        (
            "API_ID_PUBLISHED_FLOOD",
            "make one of your own on https://my.telegram.org (API_ID_PUBLISHED_FLOOD)",
        ),
    ] {
        world.sandbox.faults().inject(Fault::rpc_error(SIGN_IN, 400, fault).once());
        let error = refused(&world, &process(&world, &Kept::default())).await;
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!((error.kind(), error.verdict()), (ErrorKind::NotAuthorized, Verdict::Permanent));
    }
    // An application of somebody else, and half of one.
    let uploader = process(&world, &Kept::default());
    let bot = || common::nobody(&world.user).with_bot(Secret::new(&world.user.bot_token));
    let id = ApiId::new(world.user.api_id).ok();
    for (hash, words) in [(Some(Secret::new("0".repeat(32))), not_that), (None, "not authorized")] {
        let sent = as_sender(&world, &bytes(1, 10), bot().with_application(id, hash));
        let error = uploader.upload(sent, Recorder::new()).await.unwrap_err();
        assert!(error.kind() == ErrorKind::NotAuthorized && error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn the_number_of_a_bot_is_not_enough_for_its_key() {
    let (world, keys) = (World::new().await, Kept::default());
    let uploader = process(&world, &keys);
    send(&world, &uploader).await.unwrap();
    let (number, _) = world.user.bot_token.split_once(':').unwrap();
    let thief = common::nobody(&world.user).with_bot(Secret::new(format!("{number}:{}", "A".repeat(35))));
    let thief =
        thief.with_application(ApiId::new(world.user.api_id).ok(), Some(Secret::new(&world.user.api_hash)));
    let error = uploader.upload(as_sender(&world, &bytes(1, 10), thief), Recorder::new()).await.unwrap_err();
    assert!(error.to_string().contains("ACCESS_TOKEN_INVALID"), "{error}");
    assert_eq!(world.messages().len(), 1);
}

#[tokio::test]
async fn a_login_that_telegram_has_ended_is_made_anew_once() {
    let (world, keys) = (World::new().await, Kept::default());
    send(&world, &process(&world, &keys)).await.unwrap();
    // In a new process, which has the dead key from the store.
    let uploader = process(&world, &keys);
    world.sandbox.end_bot_logins(&world.user);
    let error = refused(&world, &uploader).await;
    assert_eq!((error.kind(), error.verdict()), (ErrorKind::Unavailable, Verdict::Temporary), "{error}");
    send(&world, &uploader).await.unwrap();
    assert_eq!((world.messages().len(), sign_ins(&world)), (2, 2));
    uploader.close().await;
    let next = process(&world, &keys);
    send(&world, &next).await.unwrap();
    next.close().await;
    assert_eq!(sign_ins(&world), 2, "the new key is kept");
    world.sandbox.end_bot_logins(&world.user);
    assert_eq!(
        refused(&world, &uploader).await.kind(),
        ErrorKind::NotAuthorized,
        "it does not go on like that"
    );
    assert_eq!(sign_ins(&world), 2);
}

#[tokio::test]
async fn a_revoked_token_is_said_in_words() {
    let (world, keys) = (World::new().await, Kept::default());
    let uploader = process(&world, &keys);
    send(&world, &uploader).await.unwrap();
    world.sandbox.revoke_bot(&world.user);
    assert_eq!(refused(&world, &uploader).await.verdict(), Verdict::Temporary);
    let error = refused(&world, &uploader).await;
    assert!(error.to_string().contains("was revoked: copy it from @BotFather anew"), "{error}");
    assert_eq!(error.kind(), ErrorKind::NotAuthorized);
}

#[tokio::test]
async fn a_key_that_is_unknown_in_passing_is_not_thrown_away() {
    let (world, keys) = (World::new().await, Kept::default());
    let uploader = process(&world, &keys);
    send(&world, &uploader).await.unwrap();
    uploader.close().await;
    world.sandbox.set_keys_known(&world.user, false);
    let error = refused(&world, &uploader).await;
    assert_eq!((error.kind(), error.verdict()), (ErrorKind::Unavailable, Verdict::Temporary), "{error}");
    world.sandbox.set_keys_known(&world.user, true);
    send(&world, &uploader).await.unwrap();
    assert_eq!(sign_ins(&world), 1);
}

#[tokio::test]
async fn a_lost_answer_to_a_sign_in_is_no_second_one() {
    let (world, keys) = (World::new().await, Kept::default());
    world.sandbox.faults().inject(Fault::lose_answer(SIGN_IN).once());
    send(&world, &process(&world, &keys)).await.unwrap();
    assert_eq!(sign_ins(&world), 1);
}

#[tokio::test]
async fn a_message_that_was_made_is_found_without_a_history() {
    // A channel whose changes are told, and one in which there were too many.
    for others in [0, 150] {
        let world = World::of(Sandbox::builder().start().await.unwrap());
        let uploader = process(&world, &Kept::default());
        for _ in 0..others {
            send(&world, &uploader).await.unwrap();
        }
        world.sandbox.faults().inject(Fault::lose_answer(SEND).once());
        world.sandbox.faults().inject(Fault::rpc_error(SEND, 500, "RANDOM_ID_DUPLICATE"));
        let sent = uploader.upload(request(&world, &bytes(2, 2000)), Recorder::new()).await.unwrap();
        let messages = world.messages();
        assert_eq!(messages.len(), others + 1);
        let last = messages.last().unwrap();
        assert_eq!((i64::from(last.message_id), last.size), (sent.message_id(), 2000));
        assert!(world.sandbox.stats().calls("channels.getMessages") > 0 || others == 0);
    }
}

/// Says no to a login, and notes what it was asked for.
#[derive(Debug, Default)]
struct Guard {
    busy: Mutex<Option<SenderId>>,
    asked: Mutex<Vec<SenderId>>,
}

#[derive(Debug)]
struct Hold;

impl LoginHold for Hold {
    fn until(&self) -> Option<std::time::Instant> {
        None
    }
}

#[async_trait]
impl LoginGuard for Guard {
    async fn take(&self, login: &SenderId) -> Result<Box<dyn LoginHold>, LoginBusy> {
        self.asked.lock().unwrap().push(login.clone());
        match self.busy.lock().unwrap().as_ref() == Some(login) {
            true => Err(LoginBusy::new("another worker signs this bot in")),
            false => Ok(Box::new(Hold)),
        }
    }
}

#[tokio::test]
async fn one_worker_at_a_time_signs_a_bot_in() {
    let (world, keys, guard) = (World::new().await, Kept::default(), Arc::new(Guard::default()));
    let uploader = process(&world, &keys);
    uploader.guard_logins(guard.clone());
    let bot = bot_of(&world.user).senders[0].id.clone();
    *guard.busy.lock().unwrap() = Some(bot.clone());
    assert_eq!(refused(&world, &uploader).await.kind(), ErrorKind::LoginBusy);
    assert_eq!((sign_ins(&world), world.sandbox.stats().calls(SIGN_IN)), (0, 0));
    // The other worker has signed it in meanwhile, and its key is for all.
    let other = process(&world, &keys);
    send(&world, &other).await.unwrap();
    other.close().await;
    send(&world, &uploader).await.unwrap();
    assert_eq!(sign_ins(&world), 1);
    let asked = guard.asked.lock().unwrap().clone();
    assert!(asked[0] == bot && asked.last().unwrap().as_str().starts_with("session:"), "{asked:?}");
}

#[tokio::test]
async fn a_bot_takes_its_message_back() {
    let (world, keys) = (World::new().await, Kept::default());
    let uploader = process(&world, &keys);
    let stored = send(&world, &uploader).await.unwrap();
    assert!(uploader.withdraw(&bot_of(&world.user), &stored).await.unwrap());
    assert!(world.messages().is_empty());
}
