//! Answers that do not come, one of them or all.

mod common;

use std::time::Duration;

use common::{PART, World, mtproto, mtproto_with};
use telestore_sandbox::{Fault, FaultAction, Stats};
use telestore_uploader::testsuite::{Recorder, bytes};
use telestore_uploader::{MtprotoUploader, TelegramUploader};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

const BIG: &str = "upload.saveBigFilePart";
const SMALL: &str = "upload.saveFilePart";
const SEND: &str = "messages.sendMedia";
const QUESTION: &str = "msgs_state_req";

const PARTS: usize = 22;
const LENGTH: usize = (PARTS - 1) * PART + 99;

/// A backend that asks about a late answer soon.
fn quick() -> MtprotoUploader {
    mtproto_with(|config| config.lost_after = Duration::from_millis(900))
}

/// One that does not take for lost what a busy machine answers late.
fn steady() -> MtprotoUploader {
    mtproto_with(|config| config.lost_after = Duration::from_secs(8))
}

/// How often each part was stored.
fn stored(stats: &Stats) -> Vec<u64> {
    let file = stats.parts.values().next().expect("a file");
    file.per_index.values().copied().collect()
}

#[tokio::test]
async fn a_part_whose_answer_is_lost_goes_again_and_no_other_does() {
    let mut cases = JoinSet::new();
    // Lost behind the work, before it, and while Telegram goes on working; in the middle, and with nothing behind it.
    for (action, times) in
        [(FaultAction::Silence, 2), (FaultAction::NoExecuteSilence, 1), (FaultAction::Hold, 1)]
    {
        for (method, length, part) in [(BIG, LENGTH, 9), (BIG, LENGTH, PARTS - 1), (SMALL, 5 * PART, 0)] {
            cases.spawn(goes_again(Fault::new(method, action.clone()), length, part, times));
        }
    }
    // Side by side, since each of them waits.
    cases.join_all().await;
}

/// Sends a file whose part has this fault, and is stored so often.
async fn goes_again(fault: Fault, length: usize, part: usize, times: u64) {
    let what = format!("{:?} at part {part}", fault.action);
    let (world, method) = (World::new().await, fault.at.clone());
    let fault = world.sandbox.faults().inject(fault.part(part as i32).once());
    world.sends_once(&steady(), &bytes(1, length)).await;
    assert_eq!(world.sandbox.faults().fired(fault), 1);
    let stats = world.sandbox.stats();
    let mut expected = vec![1; length.div_ceil(PART)];
    expected[part] = times;
    assert_eq!(stored(&stats), expected, "{what}");
    assert_eq!(stats.calls(&method), expected.len() as u64 + 1, "{what}");
    assert_eq!(stats.connections_accepted, 1, "{what}");
}

#[tokio::test]
async fn two_lost_answers_at_the_end_are_two_parts_sent_again() {
    let world = World::new().await;
    for part in [PARTS - 2, PARTS - 1] {
        world.sandbox.faults().inject(Fault::new(BIG, FaultAction::Silence).part(part as i32).once());
    }
    world.sends_once(&steady(), &bytes(2, LENGTH)).await;
    let stats = world.sandbox.stats();
    assert_eq!((stats.calls(BIG), stats.connections_accepted), (PARTS as u64 + 2, 1));
}

#[tokio::test]
async fn a_lost_answer_costs_less_than_fifteen_seconds() {
    let (world, uploader, bytes) = (World::new().await, mtproto(), bytes(3, LENGTH));
    world.sandbox.network().set_round_trip(Duration::from_millis(900));
    let lost = world.sandbox.faults().inject(Fault::new(BIG, FaultAction::Silence).part(20).once());
    // Counted from the answer that does not come: how long a file takes depends on the machine.
    let again = async {
        world.sandbox.faults().wait_fired(lost, 1).await;
        let began = Instant::now();
        world.sandbox.wait_until(|stats| stats.calls(BIG) > PARTS as u64).await;
        began.elapsed()
    };
    let (_, took) = tokio::join!(world.sends_once(&uploader, &bytes), again);
    assert!(took < Duration::from_secs(15), "{took:?}");
    let stats = world.sandbox.stats();
    assert_eq!((stored(&stats)[20], stats.calls(BIG), stats.connections_accepted), (2, PARTS as u64 + 1, 1));
}

#[tokio::test]
async fn where_all_answers_stop_for_five_seconds_nothing_goes_twice() {
    // Of the parts alone, while Telegram says that it works on them, and of all there is.
    for all in [false, true] {
        let world = World::new().await;
        let (uploader, bytes) = (mtproto(), bytes(4, LENGTH));
        let began = Instant::now();
        uploader.upload(world.request(&bytes), Recorder::new()).await.unwrap();
        let (whole, before) = (began.elapsed(), world.sandbox.stats().calls(BIG));
        let at = world.sandbox.faults().inject(Fault::hold(BIG).part(12).once());
        let stop = async {
            world.sandbox.faults().wait_fired(at, 1).await;
            let rest = (!all).then(|| world.sandbox.faults().inject(Fault::hold(BIG)));
            world.sandbox.network().set_answering(!all);
            sleep(Duration::from_secs(5)).await;
            world.sandbox.network().set_answering(true);
            rest.into_iter().for_each(|rest| world.sandbox.faults().release(rest));
            world.sandbox.faults().release(at);
            Instant::now()
        };
        let (sent, resumed) = tokio::join!(uploader.upload(world.request(&bytes), Recorder::new()), stop);
        let rest = resumed.elapsed();
        sent.unwrap();
        assert_eq!(world.messages().len(), 2);
        // What is left of the file, and nothing that is waited for.
        assert!(rest < whole * 3 + Duration::from_secs(4), "{rest:?}, where a whole file takes {whole:?}");
        let stats = world.sandbox.stats();
        assert_eq!((stats.calls(BIG) - before, stats.connections_accepted), (PARTS as u64, 1), "all: {all}");
    }
}

#[tokio::test]
async fn while_nothing_is_answered_one_part_goes_again_and_not_all() {
    // As many as the smallest window takes: all of them are in flight, however busy the machine is.
    const HELD: usize = 4;
    let world = World::new().await;
    let held = world.sandbox.faults().inject(Fault::hold(BIG).skip((PARTS - HELD) as u64));
    let (uploader, bytes) = (quick(), bytes(5, LENGTH));
    let release = async {
        world.sandbox.wait_until(|stats| stats.calls(BIG) > PARTS as u64).await;
        // They are asked about again and again; that they are worked on is no reason to send another one.
        let asked = world.sandbox.stats().calls(QUESTION);
        world.sandbox.wait_until(|stats| stats.calls(QUESTION) >= asked + 4).await;
        world.sandbox.faults().release(held);
    };
    tokio::join!(world.sends_once(&uploader, &bytes), release);
    let again = world.sandbox.stats().calls(BIG) as usize - PARTS;
    assert!((1..HELD).contains(&again), "of {HELD}: {again}");
}

#[tokio::test]
async fn parts_in_the_buffers_of_a_slow_line_are_not_lost() {
    let world = World::new().await;
    world.sandbox.network().set_bandwidth(Some(400_000));
    let uploader = mtproto_with(|config| config.lost_after = Duration::from_millis(600));
    world.sends_once(&uploader, &bytes(6, 12 * PART)).await;
    let stats = world.sandbox.stats();
    assert_eq!((stats.calls(BIG) + stats.calls(SMALL), stats.connections_accepted), (12, 1));
}

#[tokio::test]
async fn other_calls_go_again_where_telegram_does_not_have_them_or_has_answered() {
    let mut cases = JoinSet::new();
    for method in ["channels.getChannels", "messages.getDialogs", SEND] {
        for action in [FaultAction::Silence, FaultAction::NoExecuteSilence, FaultAction::HoldBackAnswer] {
            cases.spawn(gets_an_answer(method, action));
        }
    }
    cases.join_all().await;
}

/// Sends a file while this happens to a call, by one connection.
async fn gets_an_answer(method: &str, action: FaultAction) {
    let world = World::new().await;
    let asks_again = action != FaultAction::HoldBackAnswer;
    let fault = world.sandbox.faults().inject(Fault::new(method, action.clone()).once());
    world.sends_once(&quick(), &bytes(7, 1000)).await;
    let stats = world.sandbox.stats();
    let calls = stats.calls(method) - u64::from(asks_again) * world.sandbox.faults().fired(fault);
    assert!(calls <= 1, "{method} {action:?}: {calls}");
    assert_eq!(stats.connections_accepted, 1, "{method} {action:?}");
}

#[tokio::test]
async fn a_message_that_telegram_works_on_is_waited_for() {
    let world = World::new().await;
    let held = world.sandbox.faults().inject(Fault::hold("messages.sendMedia:claimed").once());
    let (uploader, bytes) = (quick(), bytes(8, 1000));
    let release = async {
        // It is asked about again and again.
        world.sandbox.wait_until(|stats| stats.calls(QUESTION) >= 3).await;
        world.sandbox.faults().release(held);
    };
    tokio::join!(world.sends_once(&uploader, &bytes), release);
    assert_eq!(world.sandbox.stats().calls(SEND), 1);
}

#[tokio::test]
async fn answers_to_pings_do_not_put_off_the_end_of_a_silent_call() {
    let world = World::new().await;
    world.sandbox.faults().inject(Fault::new(SEND, FaultAction::Silence).once());
    let uploader = mtproto_with(|config| {
        config.ping_interval = Duration::from_millis(100);
        config.call_timeout = Duration::from_secs(4);
        // Nobody asks.
        config.lost_after = Duration::from_secs(3600);
    });
    let bytes = bytes(9, 1000);
    // What puts it off does so up to four times its time.
    timeout(Duration::from_secs(15), world.sends_once(&uploader, &bytes))
        .await
        .expect("a pong is no answer to a call");
    assert_eq!(world.sandbox.stats().connections_accepted, 2);
}
