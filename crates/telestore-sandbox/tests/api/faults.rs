//! Faults on the wire.

use std::time::Duration;

use grammers_client::{Client, InvocationError, tl};
use telestore_sandbox::{Fault, FaultAction, Sandbox, SandboxUser, UserSpec};

use crate::client::{
    big_file, big_part, call_again, connect, find_channel, message_id, noise, refused, send_media,
};

const PART: &str = "upload.saveBigFilePart";

async fn start() -> (Sandbox, SandboxUser, Client) {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let client = connect(&sandbox, &user);
    assert!(client.is_authorized().await.expect("an answer"));
    (sandbox, user, client)
}

async fn part(client: &Client, index: i32) -> Result<bool, InvocationError> {
    client.invoke(&big_part(1, index, 100, vec![1; 1024])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_telegrams_names_and_the_call_is_not_executed() {
    let (sandbox, _, client) = start().await;
    let faults = sandbox.faults();
    faults.inject(Fault::flood_wait(PART, 3).once());
    assert_eq!(refused(part(&client, 0).await), (420, "FLOOD_WAIT 3".into()));
    faults.inject(Fault::new(PART, FaultAction::FloodPremiumWait(4)).once());
    assert_eq!(refused(part(&client, 0).await), (420, "FLOOD_PREMIUM_WAIT 4".into()));
    faults.inject(Fault::rpc_error(PART, 500, "RPC_CALL_FAIL").once());
    assert_eq!(refused(part(&client, 0).await), (500, "RPC_CALL_FAIL".into()));
    faults.inject(Fault::new(PART, FaultAction::ReturnFalse).once());
    assert!(!part(&client, 0).await.expect("an answer"));
    assert_eq!(sandbox.stats().parts_total(), 0);
    assert!(part(&client, 0).await.expect("an answer"));
    assert_eq!((sandbox.stats().calls(PART), sandbox.stats().part(1, 0)), (5, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_strikes_the_calls_it_is_meant_for() {
    let (sandbox, user, client) = start().await;
    let faults = sandbox.faults();
    let error = |name| Fault::rpc_error(PART, 500, name);
    let hit = async |index| part(&client, index).await.is_err();
    let id = faults.inject(error("A").part(2).once());
    assert_eq!([hit(1).await, hit(2).await, hit(2).await], [false, true, false]);
    assert_eq!(faults.fired(id), 1);
    faults.inject(error("B").skip(1).every(2).times(2));
    let hits =
        [hit(0).await, hit(0).await, hit(0).await, hit(0).await, hit(0).await, hit(0).await, hit(0).await];
    assert_eq!(hits, [false, false, true, false, true, false, false]);
    let id = faults.inject(error("C").user(&user.user_id));
    let other = connect(&sandbox, &sandbox.add_user(UserSpec::new("bob")));
    assert!(part(&other, 0).await.is_ok() && hit(0).await);
    faults.release(id);
    assert!(!hit(0).await);
    faults.inject(error("D"));
    faults.clear();
    assert!(!hit(0).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_connection_is_an_error_and_the_next_call_connects_again() {
    let (sandbox, user, client) = start().await;
    sandbox.faults().inject(Fault::drop_connection(PART).once());
    assert!(matches!(part(&client, 0).await, Err(InvocationError::Io(_) | InvocationError::Dropped(_))));
    assert!(call_again(&client, &big_part(1, 0, 100, vec![1; 1024])).await);
    assert_eq!(sandbox.stats().connections_accepted, 2);
    assert_eq!(sandbox.stats().max_connections(&user.user_id), 1);
    assert_eq!(sandbox.stats().part(1, 0), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_send_leaves_one_message() {
    let (sandbox, user, client) = start().await;
    let peer = find_channel(&client, &user).await;
    client.invoke(&big_part(1, 0, 1, noise(100, 1))).await.expect("a part");
    sandbox.faults().inject(Fault::lose_answer("messages.sendMedia").once());
    let call = send_media(peer, big_file(1, 1), 11);
    assert!(client.invoke(&call).await.is_err());
    let message = sandbox.wait_for_message(&user.channel_id, 1).await.remove(0);
    let again = call_again(&client, &call).await;
    assert_eq!(message_id(&again), message.message_id);
    assert_eq!(message.random_id, Some(11));
    assert_eq!(sandbox.messages_of(&user).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_keeps_the_connection_and_says_nothing() {
    let (sandbox, _, client) = start().await;
    let executed = sandbox.faults().inject(Fault::new(PART, FaultAction::Silence).part(0));
    let ignored = sandbox.faults().inject(Fault::new(PART, FaultAction::NoExecuteSilence).part(1));
    let calls = [0, 1].map(|index| {
        let client = client.clone();
        tokio::spawn(async move { part(&client, index).await })
    });
    sandbox.faults().wait_fired(executed, 1).await;
    sandbox.faults().wait_fired(ignored, 1).await;
    sandbox.wait_until(|stats| stats.part(1, 0) == 1).await;
    // Others are answered on the same connection meanwhile.
    assert!(part(&client, 2).await.expect("an answer"));
    assert!(calls.iter().all(|call| !call.is_finished()));
    assert_eq!((sandbox.stats().part(1, 1), sandbox.stats().connections_accepted), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_call_waits_for_its_release() {
    let (sandbox, _, client) = start().await;
    let pause = sandbox.pause(PART);
    let held = tokio::spawn({
        let client = client.clone();
        async move { part(&client, 0).await }
    });
    sandbox.faults().wait_fired(pause, 1).await;
    assert_eq!(sandbox.stats().parts_total(), 0);
    assert!(client.is_authorized().await.expect("an answer"));
    sandbox.resume(pause);
    assert!(held.await.expect("a task").expect("an answer"));
    sandbox.faults().inject(Fault::new(PART, FaultAction::Delay(Duration::from_millis(5))));
    assert!(part(&client, 1).await.expect("an answer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_can_be_refused() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let refused = sandbox.faults().inject(Fault::drop_connection("mtproto.connect").once());
    let client = connect(&sandbox, &sandbox.user());
    assert!(client.invoke(&tl::functions::updates::GetState {}).await.is_err());
    assert_eq!(sandbox.faults().fired(refused), 1);
    assert!(client.is_authorized().await.expect("an answer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_travel_side_by_side_on_a_slow_network() {
    let (sandbox, _, client) = start().await;
    sandbox.network().set_round_trip(Duration::from_millis(20));
    sandbox.network().set_bandwidth(Some(4 * 1024 * 1024));
    let parts: Vec<_> = (0..8)
        .map(|index| {
            let client = client.clone();
            tokio::spawn(async move { part(&client, index).await })
        })
        .collect();
    for part in parts {
        assert!(part.await.expect("a task").expect("an answer"));
    }
    assert_eq!(sandbox.stats().parts_total(), 8);
}
