//! What is to be done about uploads that are over.

use std::time::Duration;

use telestore_types::{ChunkVerdict, UploadState, UserId};

use super::sessions::{NOW, SECOND, chunk, get, lease, queued, record, result};
use crate::{NewEvent, OutboxKind, Recorded, SessionStore};

pub(super) async fn finishes_with_the_webhook(store: &dyn SessionStore) {
    let upload = queued(store, "a", 1, Duration::ZERO).await;
    assert_eq!(store.live_keys().await.expect("reads"), std::slice::from_ref(&upload.key));
    let held = lease(store, NOW).await.expect("due");
    let event = NewEvent::webhook("e1", UserId::new("u"), "{}");
    assert!(store.finish(&held, &result(), Some(&event), NOW).await.expect("finishes"));
    assert!(!store.finish(&held, &result(), Some(&event), NOW).await.expect("answers"), "once");
    let done = get(store, "a").await;
    assert_eq!((done.state, done.progress), (UploadState::Completed, 100));
    assert_eq!(done.stored, Some(result()));
    assert_eq!((done.sealed_token, done.resume), (None, None), "secrets go when they are of no more use");
    assert_eq!(store.outbox_due(OutboxKind::Webhook, NOW, 9, &[]).await.expect("reads").len(), 1);
    assert!(store.live_keys().await.expect("reads").is_empty(), "the bytes are free to go");
    assert!(matches!(
        record(store, &upload, &chunk(0, 10, 1, "x")).await,
        Recorded::Refused { verdict: ChunkVerdict::Duplicate, .. }
    ));
}

pub(super) async fn delivers_the_outbox(store: &dyn SessionStore) {
    for (key, name) in [(1, "a"), (2, "b")] {
        queued(store, name, key, Duration::ZERO).await;
        let held = lease(store, NOW).await.expect("due");
        let event =
            NewEvent::webhook(format!("event-{name}"), UserId::new("u"), format!("{{\"of\":\"{name}\"}}"));
        assert!(store.finish(&held, &result(), Some(&event), NOW).await.expect("finishes"));
    }
    let due = store.outbox_due(OutboxKind::Webhook, NOW, 9, &[]).await.expect("reads");
    assert_eq!(due.iter().map(|due| due.event.event_id.as_str()).collect::<Vec<_>>(), ["event-a", "event-b"]);
    assert_eq!(
        (due[0].upload_id.as_str(), due[0].event.body.as_str(), due[0].attempt),
        ("a", "{\"of\":\"a\"}", 0)
    );
    assert_eq!(store.outbox_due(OutboxKind::Webhook, NOW, 1, &[]).await.expect("reads").len(), 1);

    store.outbox_retry("event-a", NOW + SECOND).await.expect("writes");
    store.outbox_done("event-b").await.expect("writes");
    assert!(store.outbox_due(OutboxKind::Webhook, NOW, 9, &[]).await.expect("reads").is_empty());
    assert_eq!(store.outbox_next_due().await.expect("reads"), Some(NOW + SECOND));
    let again = store.outbox_due(OutboxKind::Webhook, NOW + SECOND, 9, &[]).await.expect("reads");
    assert_eq!((again[0].event.event_id.as_str(), again[0].attempt), ("event-a", 1));
    store.outbox_done("event-a").await.expect("writes");
    assert_eq!(store.outbox_next_due().await.expect("reads"), None);
}
