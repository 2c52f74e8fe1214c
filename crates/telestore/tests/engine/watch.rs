//! Watching an upload: nothing is missed, nothing is told twice, and it ends.

use std::time::Duration;

use telestore::progress::{LocalProgressBus, ProgressBus};
use telestore::store::SessionStore;
use telestore::types::{Clock, Outcome, Stage, UploadEvent, UploadStatus, WorkerId};
use telestore::{Caller, Error, Watch};

use crate::support::{BODY, HOUR, World, file, id, queue, send_chunk, token};
use crate::uploader::stored;

async fn watch(world: &World, name: &str) -> Watch {
    world.engine.watch(&id(name), &Caller::nobody()).await.unwrap()
}

async fn next(watch: &mut Watch) -> UploadEvent {
    watch.next().await.unwrap().expect("a state")
}

#[tokio::test(start_paused = true)]
async fn the_state_comes_first_then_the_changes_then_the_end() {
    let world = World::new();
    let started = world.uploader.then_telling(|call| async move {
        call.sink.stage(Stage::Sending);
        call.request.cancel.cancelled().await;
        Ok(stored(7))
    });
    world.queue("a").await;
    let mut watch = watch(&world, "a").await;
    assert_eq!(watch.first().map(|state| state.stage), Some(Stage::Queued));
    assert_eq!(next(&mut watch).await.stage, Stage::Queued);
    assert_eq!(watch.first(), None);
    let running = world.engine.start().await.unwrap();
    started.notified().await;
    let sending = async { while next(&mut watch).await.stage != Stage::Sending {} };
    sending.await;
    let cancelling = world.engine.clone();
    let cancel = tokio::spawn(async move { cancelling.cancel(&id("a"), &Caller::nobody()).await.unwrap() });
    let end = next(&mut watch).await;
    assert_eq!((end.status, end.message_id()), (UploadStatus::Completed, Some(7)));
    assert_eq!(cancel.await.unwrap(), Some(end));
    assert_eq!(watch.next().await.unwrap(), None);
    running.shutdown().await;
}

#[tokio::test]
async fn what_happens_between_the_look_and_the_listening_is_seen() {
    let world = World::new();
    world.queue("a").await;
    let engine = world.engine.clone();
    world.sessions.hooks.after("get", async move {
        engine.step().await.unwrap();
    });
    let mut watch = watch(&world, "a").await;
    assert_eq!(next(&mut watch).await.status, UploadStatus::Uploading, "what the look saw");
    assert_eq!(next(&mut watch).await.status, UploadStatus::Completed);
    assert_eq!(watch.next().await.unwrap(), None);
}

#[tokio::test]
async fn an_upload_that_still_receives_is_watched_until_it_starts() {
    let world = World::new();
    assert!(matches!(world.engine.watch(&id("a"), &Caller::nobody()).await, Err(Error::NotStarted)));
    send_chunk(&world.engine, &file("a", BODY.len() as u64, 1), 0, BODY).await.unwrap();
    let foreign = world.engine.watch(&id("a"), &Caller::from(token("bob-1"))).await;
    assert!(matches!(foreign, Err(Error::Forbidden)));
    let mut watch = watch(&world, "a").await;
    assert_eq!(watch.first(), None);
    world.engine.complete(&id("a"), &Caller::nobody()).await.unwrap();
    assert_eq!(next(&mut watch).await.stage, Stage::Queued);
}

#[tokio::test]
async fn a_watch_that_is_not_asked_gives_only_the_newest_state() {
    let bus = LocalProgressBus::new();
    let world = World::with(|builder| builder.bus(bus.clone()));
    world.queue("a").await;
    let mut watch = watch(&world, "a").await;
    let queued = next(&mut watch).await;
    for bytes_sent in 0..100_000 {
        let mut event = queued.clone();
        event.bytes_sent = bytes_sent;
        bus.publish(event);
    }
    assert_eq!(next(&mut watch).await.bytes_sent, 99_999);
    let mut last = queued;
    last.bytes_sent = 99_999;
    bus.publish(last);
    let again = tokio::time::timeout(Duration::from_millis(1), watch.next()).await;
    assert!(again.is_err(), "the same state is not told twice");
}

#[tokio::test]
async fn the_first_state_can_be_left_out() {
    let world = World::new();
    world.queue("a").await;
    let mut watching = watch(&world, "a").await;
    watching.skip_first();
    world.drain().await;
    assert_eq!(next(&mut watching).await.status, UploadStatus::Completed);
    let mut late = watch(&world, "a").await;
    late.skip_first();
    assert_eq!(late.next().await.unwrap(), None, "nothing comes after the final state");
}

#[tokio::test]
async fn a_bus_that_forgets_makes_the_watch_look_into_the_store() {
    let bus = LocalProgressBus::new();
    let world = World::with(|builder| builder.bus(bus.clone()));
    world.queue("a").await;
    let mut watch = watch(&world, "a").await;
    next(&mut watch).await;
    world.sessions.hooks.fail("get", 2);
    bus.forget(&id("a"));
    assert!(matches!(watch.next().await, Err(Error::StoreUnavailable(_))));
    assert!(matches!(watch.next().await, Err(Error::StoreUnavailable(_))));
    world.drain().await;
    assert_eq!(next(&mut watch).await.status, UploadStatus::Completed);
}

#[tokio::test]
async fn an_upload_that_is_past_its_time_ends_its_watches() {
    let world = World::new();
    send_chunk(&world.engine, &file("a", 2 * BODY.len() as u64, 2), 0, BODY).await.unwrap();
    let mut watch = watch(&world, "a").await;
    world.clock.advance(HOUR * 24 * 8);
    assert_eq!(world.engine.sweep().await.unwrap(), 1);
    assert_eq!(watch.next().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_a_watch() {
    let world = World::new();
    world.uploader.then(|call| call.until_cancelled());
    let running = world.engine.start().await.unwrap();
    send_chunk(&world.engine, &file("waits", 2 * BODY.len() as u64, 2), 0, BODY).await.unwrap();
    let mut watch = watch(&world, "waits").await;
    let ended = tokio::spawn(async move { watch.next().await.unwrap() });
    queue(&world.engine, "runs").await;
    running.shutdown().await;
    assert_eq!(ended.await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn what_another_process_does_is_seen_at_the_next_look() {
    let world = World::new();
    world.queue("a").await;
    let mut watch = watch(&world, "a").await;
    next(&mut watch).await;
    // In the store only, as by an operator's command beside the worker.
    let key = world.stored("a").await.key;
    world.sessions.cancel(&id("a"), &key, world.clock.now()).await.unwrap();
    // A listener drops the call for each heartbeat.
    let look = async {
        loop {
            if let Ok(state) = tokio::time::timeout(Duration::from_secs(15), next(&mut watch)).await {
                return state;
            }
        }
    };
    let state = tokio::time::timeout(Duration::from_secs(31), look).await.expect("a look each half a minute");
    assert_eq!(state.error.as_deref(), Some("Upload cancelled"));
    assert_eq!(watch.next().await.unwrap(), None);
}

#[tokio::test]
async fn an_end_behind_the_look_into_the_store_is_not_told_as_a_beginning() {
    let world = World::new();
    world.uploader.then(|call| async move {
        call.sink.acknowledged(7);
        call.until_cancelled().await
    });
    world.queue("a").await;
    let engine = world.engine.clone();
    let sending = tokio::spawn(async move { engine.step().await });
    while world.progress("a").await.progress == 0 {
        tokio::task::yield_now().await;
    }
    // The send ends after a poll has read that it runs, and before that poll asks how far it is.
    let (store, engine) = (world.sessions.clone(), world.engine.clone());
    world.sessions.hooks.after("get", async move {
        let upload = store.inner.get(&id("a")).await.unwrap().unwrap();
        store.inner.cancel(&id("a"), &upload.key, telestore::types::Timestamp::from_millis(0)).await.unwrap();
        engine.cancel(&id("a"), &Caller::nobody()).await.unwrap();
        sending.await.unwrap().unwrap();
    });
    let told = world.progress("a").await;
    assert_eq!(told.status, telestore::types::UploadStatus::Failed, "{told:?}");
}

#[tokio::test]
async fn an_end_that_the_bus_has_and_not_yet_forgotten_is_told() {
    let bus = LocalProgressBus::new();
    let world = World::with(|builder| builder.bus(bus.clone()));
    world.queue("a").await;
    let (worker, now) = (WorkerId::new("runner").unwrap(), world.clock.now());
    let lease = world.sessions.lease(&worker, now, now + HOUR, &[]).await.unwrap().unwrap();
    // The run ends after a poll has read that it goes on; listeners are told, and the bus is not let forget it yet.
    let store = world.sessions.inner.clone();
    world.sessions.hooks.after("get", async move {
        assert!(store.fail(&lease, "no", Outcome::GaveUp, now).await.unwrap());
        let ended = store.get(&id("a")).await.unwrap().unwrap();
        bus.publish(ended.event(now).unwrap());
    });
    let told = world.progress("a").await;
    assert_eq!(told.status, UploadStatus::Failed, "{told:?}");
}
