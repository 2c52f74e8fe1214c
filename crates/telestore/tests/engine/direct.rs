//! A whole file in one call.

use telestore::progress::{LocalProgressBus, ProgressBus, Subscription};
use telestore::store::SessionStore;
use telestore::types::{FileName, UploadEvent, UploadId, UploadKind, UploadState};
use telestore::uploader::ErrorKind;
use telestore::{Caller, Error};

use crate::support::{BODY, HOUR, SECOND, TOKEN, World, began, spooled, token};
use crate::uploader::stored;

async fn upload(engine: telestore::Telestore) -> telestore::Result<telestore::DirectReceipt> {
    let spooled = spooled(&engine, b"a whole file").await;
    let name = FileName::new("notes.txt").unwrap();
    engine.upload(name, Some("text/markdown"), spooled, &Caller::from(token(TOKEN))).await
}

#[tokio::test(start_paused = true)]
async fn a_direct_upload_answers_when_the_file_is_in_the_channel() {
    let world = World::new();
    let running = world.engine.start().await.unwrap();
    let receipt = upload(world.engine.clone()).await.unwrap();
    assert_eq!((receipt.stored.message_id(), receipt.stored.file_id().as_str()), (1, "file-1"));
    assert_eq!(receipt.file_name.as_str(), "notes.txt");
    assert_eq!(world.uploader.sent(), [b"a whole file"]);
    assert_eq!(world.uploader.request(0).mime_type, "text/markdown");
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_direct_upload_that_fails_gives_the_words_of_the_failure() {
    let world = World::new();
    world.uploader.then_fail(ErrorKind::ChannelUnresolved, "Could not resolve channel ID");
    let running = world.engine.start().await.unwrap();
    match upload(world.engine.clone()).await {
        Err(Error::UploadFailed { why: words, .. }) => assert_eq!(words, "Could not resolve channel ID"),
        other => panic!("{other:?}"),
    }
    running.shutdown().await;
}

#[tokio::test]
async fn a_direct_upload_needs_a_token_and_bytes() {
    let world = World::new();
    let name = FileName::new("notes.txt").unwrap();
    let bytes = spooled(&world.engine, b"x").await;
    let refused = world.engine.upload(name.clone(), None, bytes, &Caller::nobody()).await;
    assert!(matches!(refused, Err(Error::Unauthorized(_))), "{refused:?}");
    let empty = spooled(&world.engine, b"").await;
    let refused = world.engine.upload(name, None, empty, &Caller::from(token(TOKEN))).await;
    assert!(matches!(refused, Err(Error::Value(_))), "{refused:?}");
    assert_eq!(world.chunks.inner.blobs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_is_not_told_to_come_again_while_its_file_is_on_its_way() {
    // `complete` and `get` are what a file that is there still asks of the store.
    for at in ["complete", "get"] {
        let world = World::new();
        let hooks = world.sessions.hooks.clone();
        world.uploader.then(move |_| async move {
            tokio::time::sleep(SECOND * 40).await;
            hooks.fail("get", 0);
            Ok(stored(1))
        });
        let running = world.engine.start().await.unwrap();
        let caller = tokio::spawn(upload(world.engine.clone()));
        if at == "complete" {
            world.sessions.hooks.fail(at, 20);
        } else {
            began(&world, 1).await;
            world.sessions.hooks.fail(at, usize::MAX);
        }
        assert_eq!(caller.await.unwrap().unwrap().stored.message_id(), 1, "{at}");
        assert_eq!(world.uploader.attempts(), 1);
        running.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_does_not_stop_the_file() {
    // Wherever the caller is when it goes: `create`, `record_chunk` and `complete` are the steps of taking a file in.
    for at in ["create", "record_chunk", "complete"] {
        let world = World::new();
        let (reached, go_on) = world.sessions.hooks.halt(at);
        let caller = tokio::spawn(upload(world.engine.clone()));
        reached.notified().await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        go_on.notify_one();
        let sent = tokio::time::timeout(HOUR, async {
            while world.uploader.sent().is_empty() {
                world.drain().await;
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        });
        assert!(sent.await.is_ok(), "left behind at {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_waits_during_a_shutdown_is_told_that_the_file_is_kept() {
    let world = World::new();
    let started = world.uploader.then_telling(|call| call.until_cancelled());
    let running = world.engine.start().await.unwrap();
    let caller = tokio::spawn(upload(world.engine.clone()));
    started.notified().await;
    running.shutdown().await;
    match caller.await.unwrap() {
        Err(Error::UploadFailed { why: words, .. }) => {
            assert!(words.contains("do not send it again"), "{words}")
        }
        other => panic!("{other:?}"),
    }
    let next_start = world.second_engine(world.uploader.clone());
    assert!(next_start.step().await.unwrap());
    assert_eq!(world.uploader.sent(), [b"a whole file"]);
}

/// A bus that forgets what it was told at once, as its contract allows.
#[derive(Debug, Clone, Default)]
struct Forgetful(LocalProgressBus);

#[async_trait::async_trait]
impl ProgressBus for Forgetful {
    fn publish(&self, event: UploadEvent) {
        let id = event.upload_id.clone();
        self.0.publish(event);
        self.0.forget(&id);
    }

    fn subscribe(&self, id: &UploadId) -> Subscription {
        self.0.subscribe(id)
    }

    async fn latest(&self, _: &UploadId) -> Option<UploadEvent> {
        None
    }

    fn forget(&self, id: &UploadId) {
        self.0.forget(id);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_forgets_does_not_make_a_caller_spin() {
    let world = World::with(|builder| builder.bus(Forgetful::default()));
    let running = world.engine.start().await.unwrap();
    world.uploader.then(|call| async move {
        call.sink.stage(telestore::types::Stage::Sending);
        tokio::time::sleep(HOUR).await;
        Ok(crate::uploader::stored(4))
    });
    let receipt = tokio::time::timeout(HOUR * 2, upload(world.engine.clone())).await;
    assert_eq!(receipt.expect("time stands still for a busy loop").unwrap().stored.message_id(), 4);
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_direct_upload_whose_client_was_told_that_it_is_kept_is_kept() {
    let world = World::new();
    world.uploader.then(|call| call.until_cancelled());
    for _ in 0..2 {
        world.uploader.then_fail(ErrorKind::Unavailable, "Telegram is down");
    }
    let engine = world.engine.clone();
    let running = world.engine.start().await.unwrap();
    let client = tokio::spawn(async move {
        let bytes = spooled(&engine, BODY).await;
        engine.upload(FileName::new("notes.txt").unwrap(), None, bytes, &Caller::from(token("alice-1"))).await
    });
    began(&world, 1).await;
    running.shutdown().await;
    let told = client.await.unwrap().unwrap_err().to_string();
    assert!(told.contains("the file is kept"), "{told}");
    let [upload] = &world.sessions.inner.list(&listing()).await.unwrap()[..] else { panic!() };
    assert_eq!(upload.kind, UploadKind::Kept, "it was written down before");

    // Telegram is still down after the restart, and longer than a client would wait.
    let next = world.second_engine(world.uploader.clone());
    next.recover().await.unwrap();
    for _ in 0..2 {
        world.clock.advance(HOUR * 2);
        assert!(next.step().await.unwrap());
    }
    world.clock.advance(HOUR * 2);
    assert!(next.step().await.unwrap(), "it is still there");
    assert_eq!(world.uploader.sent(), [BODY]);
}

fn listing() -> telestore::store::Listing {
    telestore::store::Listing::first(9)
}

#[tokio::test(start_paused = true)]
async fn a_direct_upload_whose_client_hung_up_is_kept() {
    for at in ["create", "record_chunk", "complete", "lease"] {
        let world = World::new();
        let (reached, go_on) = world.sessions.hooks.halt(at);
        let engine = world.engine.clone();
        let caller = tokio::spawn(async move {
            let bytes = spooled(&engine, BODY).await;
            engine
                .upload(FileName::new("notes.txt").unwrap(), None, bytes, &Caller::from(token("alice-1")))
                .await
        });
        let running = world.engine.start().await.unwrap();
        reached.notified().await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        world.uploader.then_fail(ErrorKind::Unavailable, "Telegram is down");
        go_on.notify_one();
        let kept = async {
            loop {
                let uploads = world.sessions.inner.list(&listing()).await.unwrap();
                if uploads.first().is_some_and(|upload| upload.kind == UploadKind::Kept) {
                    return;
                }
                tokio::time::sleep(SECOND / 10).await;
            }
        };
        assert!(tokio::time::timeout(HOUR, kept).await.is_ok(), "it went away at {at}");
        drop(running);
    }
}

#[tokio::test]
async fn a_direct_upload_that_cannot_be_queued_leaves_nothing_behind() {
    let world = World::new();
    world.sessions.hooks.break_down("complete");
    let bytes = spooled(&world.engine, BODY).await;
    let name = FileName::new("notes.txt").unwrap();
    assert!(world.engine.upload(name, None, bytes, &Caller::from(token("alice-1"))).await.is_err());
    let [upload] = &world.sessions.inner.list(&listing()).await.unwrap()[..] else { panic!() };
    assert_eq!(upload.state, UploadState::Cancelled, "it counts for no quota");
    assert_eq!(world.chunks.inner.blobs(), 0);
}
