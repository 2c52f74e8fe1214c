//! Telling the backend of finished uploads.

use std::sync::{Arc, Mutex};

use telestore::backend::{Error, MockWebhookSender};
use telestore::store::SessionStore;
use telestore::types::{Clock, UploadState};
use telestore::uploader::ErrorKind;

use crate::support::{HOUR, World, id};

type Received = Arc<Mutex<Vec<(String, String)>>>;

/// A receiver that refuses the first `refusals` deliveries.
fn receiver(refusals: usize) -> (MockWebhookSender, Received) {
    let received = Received::default();
    let log = Arc::clone(&received);
    let mut webhooks = MockWebhookSender::new();
    webhooks.expect_is_wanted().return_const(true);
    webhooks.expect_send().returning(move |event_id, event| {
        let mut log = log.lock().unwrap();
        log.push((event_id.to_owned(), serde_json::to_string(event).unwrap()));
        if log.len() <= refusals { Err(Error::Unavailable("it answered 500".to_owned())) } else { Ok(()) }
    });
    (webhooks, received)
}

#[tokio::test]
async fn a_finished_upload_has_one_event_with_the_documented_body() {
    let (webhooks, received) = receiver(0);
    let world = World::telling(webhooks);
    world.queue("a").await;
    assert_eq!(world.engine.deliver().await.unwrap(), 0, "nothing before the end");
    world.drain().await;
    let (kind, now) = (telestore::store::OutboxKind::Webhook, world.clock.now());
    let other = telestore::types::WorkerId::new("other").unwrap();
    let waiting = world.sessions.outbox_lease(&other, kind, now, now, 1, &[]).await.unwrap();
    assert_eq!(waiting.len(), 1, "it is written down together with the result");
    assert_eq!(world.engine.deliver().await.unwrap(), 1);
    assert_eq!(world.engine.deliver().await.unwrap(), 0, "once");
    let received = received.lock().unwrap().clone();
    let [(event_id, body)] = &received[..] else { panic!("{received:?}") };
    assert_eq!(*event_id, waiting[0].event.event_id);
    // And the file of the index.
    let file = telestore::types::FileId::of(&world.sessions.get(&id("a")).await.unwrap().unwrap().key);
    let documented = r#"{"userId":"alice","fileName":"film.mp4","messageId":1,"fileId":"file-1","size":14,"mimeType":"video/mp4""#;
    assert_eq!(*body, format!(r#"{documented},"file":"{file}"}}"#));
}

#[tokio::test]
async fn what_was_not_sent_is_not_told() {
    let (webhooks, received) = receiver(0);
    let world = World::telling(webhooks);
    world.uploader.then_fail(ErrorKind::Rejected, "no");
    world.queue("a").await;
    world.drain().await;
    world.engine.deliver().await.unwrap();
    assert!(received.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_webhook_is_delivered_again_with_the_same_event_id() {
    let (webhooks, received) = receiver(2);
    let world = World::telling(webhooks);
    world.queue("a").await;
    world.drain().await;
    for _ in 0..3 {
        assert_eq!(world.engine.deliver().await.unwrap(), 1);
        assert_eq!(world.engine.deliver().await.unwrap(), 0, "only after its pause");
        world.clock.advance(HOUR);
    }
    assert_eq!(world.engine.deliver().await.unwrap(), 0);
    assert_eq!(world.stored("a").await.state, UploadState::Completed);
    let received = received.lock().unwrap();
    assert_eq!(received.len(), 3);
    assert!(received.iter().all(|delivery| *delivery == received[0]));
}

#[tokio::test]
async fn a_webhook_is_given_up_after_a_day() {
    let (webhooks, received) = receiver(usize::MAX);
    let world = World::telling(webhooks);
    world.queue("a").await;
    world.drain().await;
    for _ in 0..30 {
        world.engine.deliver().await.unwrap();
        world.clock.advance(HOUR);
    }
    assert_eq!(received.lock().unwrap().len(), 26, "hours 0 to 24, and the last one");
    assert_eq!(world.sessions.outbox_next_due().await.unwrap(), None);
    assert_eq!(world.stored("a").await.state, UploadState::Completed, "it never fails the upload");
}

#[tokio::test]
async fn nothing_is_claimed_of_what_is_not_due() {
    let (webhooks, _) = receiver(0);
    let world = World::telling(webhooks);
    assert_eq!(world.engine.deliver().await.unwrap(), 0);
    assert_eq!(world.sessions.hooks.calls("outbox_lease"), 0);
    world.queue("a").await;
    world.drain().await;
    assert_eq!(world.engine.deliver().await.unwrap(), 1);
    assert_eq!(world.sessions.hooks.calls("outbox_lease"), 1, "of one kind, and once");
}

#[tokio::test]
async fn a_webhook_that_was_delivered_but_not_recorded_comes_again() {
    let (webhooks, received) = receiver(0);
    let world = World::telling(webhooks);
    world.queue("a").await;
    world.drain().await;
    world.sessions.hooks.fail("outbox_done", 1);
    world.engine.deliver().await.unwrap_err();
    world.engine.deliver().await.unwrap();
    let received = received.lock().unwrap();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0], received[1]);
}

#[tokio::test]
async fn without_a_receiver_nothing_is_put_into_the_outbox() {
    let mut nobody = MockWebhookSender::new();
    nobody.expect_is_wanted().return_const(false);
    for world in [World::new(), World::telling(nobody)] {
        world.queue("a").await;
        world.drain().await;
        assert_eq!(world.sessions.outbox_next_due().await.unwrap(), None);
    }
}
