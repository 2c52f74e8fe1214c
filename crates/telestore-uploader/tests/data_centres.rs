//! The MTProto backend when Telegram sends the account to another data centre.

mod common;

use std::time::Duration;

use common::{PART, World, mtproto_with};
use telestore_sandbox::{Fault, FaultAction, FaultId};
use telestore_types::ResumeState;
use telestore_uploader::testsuite::{Recorder, bytes};
use telestore_uploader::{AllowedAddresses, ErrorKind, MtprotoUploader, TelegramUploader, Verdict};

const BIG: &str = "upload.saveBigFilePart";
const SEND: &str = "messages.sendMedia";
const EXCHANGE: &str = "req_pq_multi";
const IMPORT: &str = "auth.importAuthorization";

/// 12 MiB and a bit: 25 parts.
const LENGTH: usize = 24 * PART + 99;

impl World {
    async fn moved() -> Self {
        let world = Self::with_another_data_centre().await;
        world.sandbox.move_account(&world.user, 4);
        world
    }

    /// Waits until a call is held, moves the account, and lets go of the call.
    async fn move_at(&self, hold: FaultId) {
        self.sandbox.faults().wait_fired(hold, 1).await;
        self.sandbox.move_account(&self.user, 4);
        self.sandbox.faults().release(hold);
    }

    /// How many keys were made, logins taken along, and connections open at once.
    fn counts(&self) -> (u64, u64, usize) {
        let stats = self.sandbox.stats();
        (stats.calls(EXCHANGE), stats.calls(IMPORT), stats.max_connections(&self.user.user_id))
    }

    /// Sends a file while the account moves at `hold`, and gives the `random_id`s and `file_id`s that were written down.
    async fn sends_while_moving(
        &self,
        uploader: &MtprotoUploader,
        length: usize,
        hold: Fault,
    ) -> Vec<(i64, i64)> {
        let (bytes, listener) = (bytes(31, length), Recorder::new());
        let hold = self.sandbox.faults().inject(hold);
        let upload = uploader.upload(self.request(&bytes), listener.clone());
        let (stored, ()) = tokio::join!(upload, self.move_at(hold));
        self.holds_once(&stored.unwrap(), &bytes);
        let acknowledged = listener.acknowledged();
        assert!(
            acknowledged.is_sorted() && acknowledged.last() == Some(&(length as u64)),
            "{acknowledged:?}"
        );
        listener.checkpoints().iter().map(ids).collect()
    }
}

fn ids(state: &ResumeState) -> (i64, i64) {
    let state: serde_json::Value = serde_json::from_slice(&state.bytes).unwrap();
    (state["random_id"].as_i64().unwrap(), state["file_id"].as_i64().unwrap())
}

#[tokio::test]
async fn an_account_that_moved_before_is_followed_once_and_for_all() {
    let world = World::moved().await;
    let uploader = world.mtproto();
    world.sends_once(&uploader, &bytes(30, LENGTH)).await;
    assert_eq!(world.counts(), (1, 1, 1));
    assert_eq!(world.sandbox.stats().parts_total(), 25);
    let again = uploader.upload(world.request(&bytes(29, 1000)), Recorder::new()).await;
    assert_eq!((again.unwrap().message_id(), world.counts()), (3, (1, 1, 1)), "the way is remembered");
}

#[tokio::test]
async fn an_account_does_not_lead_where_no_connections_may_go() {
    let world = World::with_another_data_centre().await;
    let uploader = world.mtproto_with(|config| {
        (config.allowed, config.allowed_by) = (AllowedAddresses::public(), Some("A_SETTING".to_owned()));
    });
    let refused = uploader.upload(world.request(&bytes(40, 1000)), Recorder::new()).await.unwrap_err();
    assert_eq!((refused.kind(), refused.verdict()), (ErrorKind::NotAuthorized, Verdict::Permanent));
    assert!(refused.to_string().contains("have the operator allow the address with A_SETTING"), "{refused}");
    assert_eq!(world.sandbox.stats().connections_accepted, 0, "the session's address is not dialled");

    let home = world.sandbox.mtproto_addr();
    let uploader = world.mtproto_with(|config| {
        (config.allowed, config.address) = (AllowedAddresses::none(), Some(home));
    });
    world.sends_once(&uploader, &bytes(41, 1000)).await;
    world.sandbox.move_account(&world.user, 4);
    let refused = uploader.upload(world.request(&bytes(42, 1000)), Recorder::new()).await.unwrap_err();
    assert_eq!((refused.kind(), refused.verdict()), (ErrorKind::NotAuthorized, Verdict::Permanent));
    assert_eq!(world.sandbox.stats().calls(EXCHANGE), 0, "nor is what Telegram names");
}

#[tokio::test]
async fn an_account_that_moves_between_parts_sends_all_of_them_again() {
    for (method, length) in [(BIG, LENGTH), ("upload.saveFilePart", 9 * PART)] {
        let world = World::with_another_data_centre().await;
        let uploader = world.mtproto();
        let hold = Fault::hold(method).part(7).once();
        let states = world.sends_while_moving(&uploader, length, hold).await;
        assert_eq!(world.counts(), (1, 1, 1));
        let (first, last) = (states[0], states[states.len() - 1]);
        assert!(states.iter().all(|(random_id, _)| *random_id == first.0), "one message");
        assert_ne!(first.1, last.1, "the file has another name there");
        let parts = &world.sandbox.stats().parts[&last.1];
        assert_eq!(parts.bytes, length as u64);
    }
}

#[tokio::test]
async fn an_account_that_moves_at_the_send_sends_the_parts_again() {
    for length in [1000, LENGTH] {
        let world = World::with_another_data_centre().await;
        let uploader = world.mtproto();
        let states = world.sends_while_moving(&uploader, length, Fault::hold(SEND).once()).await;
        assert_eq!(world.counts(), (1, 1, 1));
        assert_eq!(world.sandbox.stats().parts.len(), 2);
        let message = &world.messages()[0];
        assert!(states.iter().all(|(random_id, _)| Some(*random_id) == message.random_id));
    }
}

#[tokio::test]
async fn uploads_of_one_account_move_together() {
    let world = World::with_another_data_centre().await;
    let (uploader, bytes) = (world.mtproto(), bytes(32, LENGTH));
    let hold = world.sandbox.faults().inject(Fault::hold(BIG).part(5));
    let upload = || uploader.upload(world.request(&bytes), Recorder::new());
    let (first, second, third, ()) = tokio::join!(upload(), upload(), upload(), world.move_at(hold));
    let mut sent = [first, second, third].map(|stored| stored.unwrap().message_id());
    sent.sort_unstable();
    assert_eq!((sent, world.messages().len()), ([2, 3, 4], 3));
    assert_eq!(world.counts(), (1, 1, 1));
}

#[tokio::test]
async fn a_state_of_another_data_centre_keeps_the_message() {
    let world = World::moved().await;
    let (bytes, listener) = (bytes(33, LENGTH), Recorder::new());
    let fault = Fault::rpc_error(BIG, 500, "RPC_CALL_FAIL").part(20);
    world.sandbox.faults().inject(fault);
    let fragile = world.mtproto_with(|config| config.max_failures = 1);
    fragile.upload(world.request(&bytes), listener.clone()).await.unwrap_err();
    world.sandbox.faults().clear();

    let mut request = world.request(&bytes);
    request.resume = listener.checkpoints().pop();
    let random_id = request.resume.as_ref().map(|state| ids(state).0);
    // As after a restart: the new process begins at the session's data centre.
    let stored = world.mtproto().upload(request, Recorder::new()).await.unwrap();
    world.holds_once(&stored, &bytes);
    assert_eq!(world.messages()[0].random_id, random_id);
}

#[tokio::test]
async fn a_call_sent_to_where_the_account_is_is_made_again() {
    for method in [BIG, SEND, "help.getConfig", "messages.getDialogs"] {
        let world = World::with_another_data_centre().await;
        world.sandbox.faults().inject(Fault::rpc_error(method, 303, "FILE_MIGRATE_2").once());
        world.sends_once(&world.mtproto_with(|config| config.max_failures = 0), &bytes(34, LENGTH)).await;
        assert_eq!(world.counts(), (0, 0, 1), "{method}");
    }
}

#[tokio::test]
async fn an_account_that_is_sent_away_and_back_arrives() {
    for method in [BIG, SEND, "help.getConfig"] {
        let world = World::with_another_data_centre().await;
        world.sandbox.faults().inject(Fault::rpc_error(method, 303, "NETWORK_MIGRATE_4").once());
        world.sends_once(&world.mtproto(), &bytes(35, LENGTH)).await;
        assert_eq!(world.counts(), (1, 1, 1), "{method}: the session's own key is used for the way back");
    }
}

#[tokio::test]
async fn an_account_that_is_sent_around_for_ever_is_given_back() {
    for method in [BIG, SEND, "messages.getDialogs"] {
        let world = World::with_another_data_centre().await;
        world.sandbox.faults().inject(Fault::rpc_error(method, 303, "USER_MIGRATE_4"));
        let error = world.fails(&world.mtproto(), &bytes(36, LENGTH)).await;
        assert_eq!((error.kind(), error.verdict()), (ErrorKind::Unavailable, Verdict::Temporary), "{method}");
        assert!(error.to_string().contains("from one data centre to the next"), "{method}: {error}");
        assert!(world.messages().is_empty());
    }
}

#[tokio::test]
async fn a_data_centre_that_cannot_be_reached_is_tried_again_later() {
    let world = World::moved().await;
    world.sandbox.stop_data_centre(4).await;
    let uploader = world.mtproto_with(|config| config.max_failures = 2);
    let error = world.fails(&uploader, &bytes(37, LENGTH)).await;
    assert_eq!((error.kind(), error.verdict()), (ErrorKind::Unavailable, Verdict::Temporary));
    assert!(
        error.to_string().contains("data centre 4: cannot connect to Telegram: connection refused"),
        "{error}"
    );

    world.sandbox.move_account(&world.user, 2);
    world.sends_once(&uploader, &bytes(37, LENGTH)).await;
}

#[tokio::test]
async fn a_data_centre_without_an_address_is_tried_again_later() {
    let world = World::new().await;
    world.sandbox.move_account(&world.user, 5);
    let uploader = world.mtproto_with(|config| config.max_failures = 1);
    let error = world.fails(&uploader, &bytes(38, 1000)).await;
    assert_eq!(error.verdict(), Verdict::Temporary);
    assert!(error.to_string().contains("data centre 5 and names no address"), "{error}");
    assert_eq!(world.counts(), (0, 0, 1));
}

#[tokio::test]
async fn a_login_that_is_refused_is_not_authorized() {
    for (method, code, name) in [
        (IMPORT, 400, "AUTH_BYTES_INVALID"),
        (IMPORT, 401, "AUTH_KEY_UNREGISTERED"),
        ("auth.exportAuthorization", 400, "DC_ID_INVALID"),
        ("auth.exportAuthorization", 401, "SESSION_REVOKED"),
    ] {
        let world = World::moved().await;
        world.sandbox.faults().inject(Fault::rpc_error(method, code, name));
        let uploader = world.mtproto();
        let error = world.fails(&uploader, &bytes(39, 1000)).await;
        assert_eq!(error.kind(), ErrorKind::NotAuthorized, "{name}");
        assert!(error.to_string().starts_with("Telegram session not authorized"), "{error}");
        world.sandbox.faults().clear();
        world.sends_once(&uploader, &bytes(39, 1000)).await;
        assert_eq!(world.counts().2, 1);
    }
}

#[tokio::test]
async fn a_session_that_dies_where_it_moved_to_begins_anew_after_the_next_login() {
    let world = World::moved().await;
    let uploader = world.mtproto();
    uploader.check(&world.credentials()).await.unwrap();
    world.sandbox.revoke_session(&world.user);
    let error = world.fails(&uploader, &bytes(40, 1000)).await;
    assert_eq!(error.kind(), ErrorKind::NotAuthorized);
    world.sandbox.restore_session(&world.user);
    world.sends_once(&uploader, &bytes(40, 1000)).await;
    assert_eq!(world.counts(), (2, 2, 1));
}

#[tokio::test]
async fn a_key_that_dies_while_nobody_is_connected_is_replaced_by_the_next_attempt() {
    let world = World::moved().await;
    let uploader = world.mtproto_with(|config| config.idle_timeout = Duration::from_millis(50));
    uploader.check(&world.credentials()).await.unwrap();
    world.sandbox.wait_until(|stats| stats.connections.values().all(|open| *open == 0)).await;
    let before = world.counts();
    let dead = Fault::rpc_error("help.getConfig", 401, "AUTH_KEY_UNREGISTERED").once();
    world.sandbox.faults().inject(dead);
    assert_eq!(world.fails(&uploader, &bytes(45, 1000)).await.kind(), ErrorKind::NotAuthorized);
    world.sends_once(&uploader, &bytes(45, 1000)).await;
    // On a slow machine a connection may also become idle on the way, and the move begins again.
    let (keys, imports, connections) = world.counts();
    assert!(keys > before.0 && imports > before.1, "{before:?} {keys} {imports}");
    assert_eq!(connections, 1);
}

#[tokio::test]
async fn a_flood_wait_on_the_way_is_waited_for() {
    let world = World::moved().await;
    world.sandbox.faults().inject(Fault::flood_wait(IMPORT, 1).once());
    let listener = world.sends_once(&world.mtproto(), &bytes(41, 1000)).await;
    assert_eq!(listener.flood_waits(), [Duration::from_secs(1)]);
}

#[tokio::test]
async fn a_server_may_ask_for_another_half_of_the_key_but_not_for_ever() {
    const END: &str = "set_client_DH_params";
    let world = World::moved().await;
    world.sandbox.faults().inject(Fault::new(END, FaultAction::ReturnFalse).times(3));
    world.sends_once(&world.mtproto(), &bytes(42, 1000)).await;
    assert_eq!((world.sandbox.stats().calls(END), world.counts().0), (4, 1));

    let world = World::moved().await;
    world.sandbox.faults().inject(Fault::new(END, FaultAction::ReturnFalse));
    let uploader = world.mtproto_with(|config| config.max_failures = 0);
    let error = world.fails(&uploader, &bytes(42, 1000)).await;
    assert_eq!(error.verdict(), Verdict::Temporary);
    assert!(error.to_string().contains("refused every key"), "{error}");
}

#[tokio::test]
async fn an_exchange_that_breaks_is_begun_again() {
    for step in [EXCHANGE, "req_DH_params", "set_client_DH_params"] {
        let world = World::moved().await;
        let faults = world.sandbox.faults();
        faults.inject(Fault::drop_connection(step).once());
        let silent = faults.inject(Fault::new(step, FaultAction::Silence).once());
        // The exchanges that succeed take a part of it, on a busy machine the larger part of a second.
        let uploader = world.mtproto_with(|config| config.connect_timeout = Duration::from_secs(4));
        world.sends_once(&uploader, &bytes(43, 1000)).await;
        assert_eq!((faults.fired(silent), world.counts().0), (1, 3), "{step}");
    }
}

#[tokio::test]
async fn a_server_with_a_key_that_nobody_knows_is_not_trusted() {
    let world = World::moved().await;
    let error = world.fails(&mtproto_with(|config| config.max_failures = 0), &bytes(44, 1000)).await;
    assert_eq!(error.verdict(), Verdict::Temporary);
    assert!(error.to_string().contains("none of the keys"), "{error}");
    assert_eq!(world.sandbox.stats().calls("req_DH_params"), 0, "nothing is encrypted for it");
}
