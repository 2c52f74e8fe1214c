//! What every [`ProgressBus`] must do.
//!
//! Call [`progress_bus`] with a function that makes a bus and opens it twice, as the worker that sends and the one that is
//! listened to do. It panics if the contract is broken.

use std::future::Future;
use std::time::Duration;

use telestore_types::{Stage, Timestamp, UploadEvent, UploadId, UploadStatus};
use tokio::time::timeout;

use crate::{ProgressBus, Subscription, Tracker};

/// How long an event may take from one worker to another.
const SOON: Duration = Duration::from_secs(5);

/// Runs every check of the contract, each on a bus of its own, with either worker as the one that sends.
pub async fn progress_bus<A, B, F, R>(open: F)
where
    A: ProgressBus,
    B: ProgressBus,
    F: Fn() -> R,
    R: Future<Output = (A, B)>,
{
    macro_rules! check {
        ($($check:path),*) => {$(
            let (one, two) = open().await;
            $check(&one, &two).await;
            let (one, two) = open().await;
            $check(&two, &one).await;
            let (one, _) = open().await;
            $check(&one, &one).await;
        )*};
    }
    check!(
        the_end_is_seen,
        what_waits_is_seen,
        each_hears_of_its_own,
        what_is_remembered_is_the_newest,
        many_listen
    );
}

fn id(name: &str) -> UploadId {
    UploadId::new(name).expect("a good id")
}

fn event(name: &str, acknowledged: u64) -> UploadEvent {
    let mut tracker = Tracker::new(id(name), 1000, 0, 1);
    tracker.stage(Stage::Sending);
    tracker.acknowledged(acknowledged);
    tracker.event(Timestamp::from_millis(0))
}

fn end(name: &str) -> UploadEvent {
    let mut event = event(name, 1000);
    (event.status, event.stage, event.progress) = (UploadStatus::Completed, Stage::Done, 100);
    event
}

async fn next(listener: &mut Subscription) -> UploadEvent {
    let next = timeout(SOON, listener.next()).await.expect("an event comes soon");
    next.expect("the subscription goes on")
}

/// Hears events until the last one, and looks that none is older than the one before.
async fn hear_out(listener: &mut Subscription, name: &str) {
    let mut progress = 0;
    loop {
        let event = next(listener).await;
        assert_eq!(event.upload_id, id(name), "of the upload that is listened to");
        assert!(event.progress >= progress, "{} comes behind {progress}", event.progress);
        progress = event.progress;
        if event.is_final() {
            return;
        }
    }
}

/// However slow the listener is.
async fn the_end_is_seen(sends: &dyn ProgressBus, listens: &dyn ProgressBus) {
    let mut listener = listens.subscribe(&id("a"));
    for sent in 0..1000 {
        sends.publish(event("a", sent));
    }
    sends.publish(end("a"));
    sends.forget(&id("a"));
    hear_out(&mut listener, "a").await;
}

/// Whether or not this worker goes on with it.
async fn what_waits_is_seen(sends: &dyn ProgressBus, listens: &dyn ProgressBus) {
    let mut listener = listens.subscribe(&id("a"));
    sends.publish(event("a", 500));
    sends.release(&id("a"));
    assert_eq!(next(&mut listener).await.bytes_sent, 500);
    sends.publish(event("a", 600));
    sends.publish(end("a"));
    sends.forget(&id("a"));
    // Its subscription may have ended before.
    let next = timeout(SOON, listener.next()).await.expect("an event comes soon");
    if next.is_some_and(|event| !event.is_final()) {
        hear_out(&mut listener, "a").await;
    }
}

async fn each_hears_of_its_own(sends: &dyn ProgressBus, listens: &dyn ProgressBus) {
    let mut listener = listens.subscribe(&id("a"));
    sends.publish(event("b", 1));
    sends.publish(end("b"));
    sends.publish(event("a", 500));
    assert_eq!(next(&mut listener).await.bytes_sent, 500);
    assert!(
        timeout(Duration::from_millis(50), listener.next()).await.is_err(),
        "nothing comes twice, and nothing of others"
    );
}

async fn what_is_remembered_is_the_newest(sends: &dyn ProgressBus, listens: &dyn ProgressBus) {
    let mut listener = listens.subscribe(&id("a"));
    assert_eq!(listens.latest(&id("a")).await, None, "nothing was said yet");
    for sent in [1, 2, 3] {
        sends.publish(event("a", sent));
    }
    while next(&mut listener).await.bytes_sent < 3 {}
    // It may have forgotten it, but must not remember an older one.
    assert!(listens.latest(&id("a")).await.is_none_or(|latest| latest.bytes_sent == 3));
    sends.publish(end("a"));
    hear_out(&mut listener, "a").await;
}

async fn many_listen(sends: &dyn ProgressBus, listens: &dyn ProgressBus) {
    let mut listeners: Vec<_> = (0..20).map(|_| listens.subscribe(&id("a"))).collect();
    sends.publish(event("a", 1));
    // Some go away, which is no reason to stop.
    listeners.truncate(10);
    for listener in &mut listeners {
        next(listener).await;
    }
    sends.publish(end("a"));
    for listener in &mut listeners {
        hear_out(listener, "a").await;
    }
}
