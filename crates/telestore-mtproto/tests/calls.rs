//! The client by itself: waits, data centres, lost sessions, and what its errors say.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use telestore_mtproto::{
    Account, AllowedAddresses, Calls, Client, ErrorKind, MtprotoConfig, Remedy, Session, tl,
};
use telestore_sandbox::{Fault, Sandbox, SandboxUser};
use telestore_types::{ApiId, ChatId, Verdict};

const MESSAGES: &str = "channels.getMessages";

struct World {
    sandbox: Sandbox,
    user: SandboxUser,
    client: Client,
}

impl World {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut MtprotoConfig)) -> Self {
        let sandbox =
            Sandbox::builder().enforce_single_connection(true).data_centre(4).start().await.unwrap();
        let mut config = MtprotoConfig::default();
        config.allowed = AllowedAddresses::any();
        config.backoff_base = Duration::from_millis(2);
        config.server_keys = vec![sandbox.server_key().parse().unwrap()];
        change(&mut config);
        Self { user: sandbox.user(), client: Client::new(config), sandbox }
    }

    fn account(&self) -> Arc<Account> {
        let session = Session::read(self.user.telethon_session.as_deref().unwrap()).unwrap();
        self.client.account(session, ApiId::new(self.user.api_id).ok()).unwrap()
    }

    fn calls(&self) -> Calls<'static> {
        Calls::new(self.account(), ())
    }

    fn channel(&self) -> ChatId {
        ChatId::new(&self.user.channel_id).unwrap()
    }
}

#[tokio::test]
async fn callers_of_one_session_share_its_connection() {
    let world = World::new().await;
    let clone = world.client.clone();
    let session = Session::read(world.user.telethon_session.as_deref().unwrap()).unwrap();
    let again = clone.account(session, ApiId::new(world.user.api_id).ok()).unwrap();
    assert!(Arc::ptr_eq(&again, &world.account()));
    let (one, other) = (world.calls(), Calls::new(again, ()));
    let (first, second) = tokio::join!(one.connect(), other.connect());
    first.and(second).unwrap();
    assert_eq!(world.sandbox.stats().connections_accepted, 1);
}

#[tokio::test]
async fn a_short_wait_is_told_and_waited_for() {
    let world = World::new().await;
    let told = Mutex::new(Vec::new());
    let calls = Calls::new(world.account(), |wait: Duration| told.lock().unwrap().push(wait));
    let channel = calls.locate(&world.channel()).await.unwrap();
    world.sandbox.faults().inject(Fault::flood_wait(MESSAGES, 1).once());
    assert_eq!(calls.message(&channel, 1000).await.unwrap(), None);
    assert_eq!(*told.lock().unwrap(), [Duration::from_secs(1)]);
}

#[tokio::test]
async fn a_long_wait_is_given_back_with_its_time() {
    let world = World::new().await;
    let calls = world.calls();
    let channel = calls.locate(&world.channel()).await.unwrap();
    world.sandbox.faults().inject(Fault::flood_wait(MESSAGES, 600));
    let error = calls.message(&channel, 1000).await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Wait(Duration::from_secs(600)));
    assert_eq!(error.verdict(), Verdict::Temporary);
    assert!(error.is("FLOOD_WAIT"), "{error}");
}

#[tokio::test]
async fn failures_that_pass_are_tried_again_up_to_a_number() {
    let world = World::with(|config| config.max_failures = 2).await;
    let calls = world.calls();
    let channel = calls.locate(&world.channel()).await.unwrap();
    world.sandbox.faults().inject(Fault::rpc_error(MESSAGES, 500, "RPC_CALL_FAIL").times(2));
    assert_eq!(calls.message(&channel, 1000).await.unwrap(), None);
    world.sandbox.faults().inject(Fault::rpc_error(MESSAGES, 500, "RPC_CALL_FAIL").times(3));
    assert!(calls.message(&channel, 1000).await.unwrap_err().is("RPC_CALL_FAIL"));
}

#[tokio::test]
async fn calls_follow_the_account_and_a_single_call_does_not_drag_it_along() {
    let world = World::new().await;
    let (account, calls) = (world.account(), world.calls());
    calls.connect().await.unwrap();
    let before = account.location();
    world.sandbox.move_account(&world.user, 4);
    let groups = tl::functions::messages::GetChats { id: Vec::new() };
    let error = account.call(&groups).await.unwrap_err();
    assert_eq!((error.remedy(), account.location().migrations()), (Remedy::Migrate(4), 0));

    let channel = calls.locate(&world.channel()).await.unwrap();
    assert_eq!(calls.message(&channel, 1000).await.unwrap(), None);
    let here = account.location();
    assert_eq!((here.dc_id(), here.migrations()), (4, 1));
    assert_ne!(here.fingerprint(), before.fingerprint());
    let behind = account.call_at(0, &groups).await.unwrap_err();
    assert_eq!((behind.kind(), behind.verdict()), (&ErrorKind::Migrated, Verdict::Temporary));
}

#[tokio::test]
async fn an_ended_session_is_for_the_user_to_mend() {
    let world = World::new().await;
    world.sandbox.revoke_session(&world.user);
    let error = world.calls().locate(&world.channel()).await.unwrap_err();
    assert_eq!((error.remedy(), error.verdict()), (Remedy::LogIn, Verdict::Permanent), "{error}");
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_not_dialled() {
    let world = World::with(|config| config.allowed = AllowedAddresses::public()).await;
    let error = world.calls().connect().await.unwrap_err();
    assert_eq!((error.kind(), error.verdict()), (&ErrorKind::NotAdmitted, Verdict::Permanent));
    assert_eq!(world.sandbox.stats().connections_accepted, 0);
}

#[tokio::test]
async fn what_gets_nowhere_stalls() {
    let world = World::with(|config| config.stall_timeout = Duration::from_millis(200)).await;
    let calls = world.calls();
    let channel = calls.locate(&world.channel()).await.unwrap();
    world.sandbox.faults().inject(Fault::hold(MESSAGES));
    let error = calls.unless_stalled(calls.message(&channel, 1000)).await.unwrap_err();
    assert_eq!((error.kind(), error.verdict()), (&ErrorKind::Stalled, Verdict::Temporary));
}

#[tokio::test]
async fn a_chat_that_the_account_does_not_see_is_not_found() {
    let world = World::new().await;
    let error = world.calls().resolve(&ChatId::new("-1009999999999").unwrap(), None).await.unwrap_err();
    assert_eq!((error.kind(), error.verdict()), (&ErrorKind::ChatNotFound, Verdict::Permanent));
}
