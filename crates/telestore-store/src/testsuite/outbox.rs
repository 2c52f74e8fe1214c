//! What is to be done about uploads that are over.

use std::collections::BTreeMap;
use std::time::Duration;

use telestore_types::{ChunkVerdict, Timestamp, UploadState, UserId};

use super::sessions::{NOW, SECOND, chunk, get, id, lease, one, queued, record, result, worker};
use crate::{NewEvent, OutboxEvent, OutboxKind, Recorded, SessionStore};

/// Claims what is due for half a minute.
async fn claim(store: &dyn SessionStore, kind: OutboxKind, now: Timestamp, limit: u32) -> Vec<OutboxEvent> {
    store.outbox_lease(&one(), kind, now, now + SECOND * 30, limit, &[]).await.expect("claims")
}

pub(super) async fn finishes_with_the_webhook(store: &dyn SessionStore) {
    let upload = queued(store, "a", 1, Duration::ZERO).await;
    let held = lease(store, NOW).await.expect("due");
    let event = NewEvent::webhook("e1", UserId::new("u"), "{}");
    assert!(store.finish(&held, &result(), Some(&event), NOW.into()).await.expect("finishes"));
    assert!(!store.finish(&held, &result(), Some(&event), NOW.into()).await.expect("answers"), "once");
    let done = get(store, "a").await;
    assert_eq!((done.state, done.progress), (UploadState::Completed, 100));
    assert_eq!(done.stored, Some(result()));
    assert_eq!((done.sealed_token, done.resume), (None, None), "secrets go when they are of no more use");
    assert_eq!(claim(store, OutboxKind::Webhook, NOW, 9).await.len(), 1);
    assert!(matches!(
        record(store, &upload, &chunk(0, 10, 1, "x")).await,
        Recorded::Refused { verdict: ChunkVerdict::Duplicate, .. }
    ));
}

/// Two finished uploads, with an event each.
async fn two_events(store: &dyn SessionStore) {
    for (key, name) in [(1, "a"), (2, "b")] {
        queued(store, name, key, Duration::ZERO).await;
        let held = lease(store, NOW).await.expect("due");
        let event =
            NewEvent::webhook(format!("event-{name}"), UserId::new("u"), format!("{{\"of\":\"{name}\"}}"));
        assert!(store.finish(&held, &result(), Some(&event), NOW.into()).await.expect("finishes"));
    }
}

pub(super) async fn delivers_the_outbox(store: &dyn SessionStore) {
    assert_eq!(store.outbox_due(NOW).await.expect("reads"), []);
    two_events(store).await;
    assert_eq!(store.outbox_due(NOW).await.expect("reads"), [(OutboxKind::Webhook, NOW)]);
    assert_eq!(store.outbox_due(NOW - SECOND).await.expect("reads"), [], "not yet");
    let one = claim(store, OutboxKind::Webhook, NOW, 1).await;
    assert_eq!(one.iter().map(|due| due.event.event_id.as_str()).collect::<Vec<_>>(), ["event-a"]);
    let due = claim(store, OutboxKind::Webhook, NOW, 9).await;
    assert_eq!(due.iter().map(|due| due.event.event_id.as_str()).collect::<Vec<_>>(), ["event-b"]);
    assert_eq!(
        (due[0].upload_id.as_str(), due[0].event.body.as_str(), due[0].attempt),
        ("b", "{\"of\":\"b\"}", 0)
    );
    assert_eq!(
        store.outbox_next_due().await.expect("reads"),
        Some(NOW + SECOND * 30),
        "as the claims run out"
    );

    assert_eq!(store.outbox_due(NOW + SECOND).await.expect("reads"), [], "both are worked on");
    assert!(store.outbox_later(&one[0], NOW + SECOND).await.expect("writes"));
    assert!(store.outbox_done(&due[0]).await.expect("writes"));
    assert!(!store.outbox_done(&due[0]).await.expect("answers"), "it is done");
    assert!(claim(store, OutboxKind::Webhook, NOW, 9).await.is_empty());
    assert_eq!(store.outbox_next_due().await.expect("reads"), Some(NOW + SECOND));
    assert_eq!(store.outbox_due(NOW).await.expect("reads"), []);
    let due = store.outbox_due(NOW + SECOND * 2).await.expect("reads");
    assert_eq!(due, [(OutboxKind::Webhook, NOW + SECOND)]);
    let again = claim(store, OutboxKind::Webhook, NOW + SECOND, 9).await;
    assert_eq!((again[0].event.event_id.as_str(), again[0].attempt), ("event-a", 1));
    assert!(store.outbox_done(&again[0]).await.expect("writes"));
    assert_eq!(store.outbox_next_due().await.expect("reads"), None);
}

pub(super) async fn events_wait_until_they_are_done(store: &dyn SessionStore) {
    let withdrawal =
        NewEvent::withdrawal("w", "{}").of_user(Some(UserId::new("u")), Some(b"sealed".to_vec()));
    let until = NOW + SECOND * 30;
    let added = store.add_event(&id("gone"), &withdrawal, &one(), NOW, until).await.expect("writes");
    assert_eq!((&added.event, &added.upload_id), (&withdrawal, &id("gone")));
    assert!(claim(store, OutboxKind::Withdrawal, NOW, 9).await.is_empty(), "it is worked on");
    assert!(store.outbox_later(&added, NOW).await.expect("writes"));
    two_events(store).await;
    let due = store.outbox_due(NOW).await.expect("reads").into_iter().collect::<BTreeMap<_, _>>();
    let both = [OutboxKind::Webhook, OutboxKind::Withdrawal].map(|kind| (kind, NOW));
    assert_eq!(due, BTreeMap::from(both), "each kind by itself");
    let except = async |user: &str| {
        let except = [UserId::new(user)];
        let kind = OutboxKind::Withdrawal;
        store.outbox_lease(&one(), kind, NOW, until, 9, &except).await.expect("claims")
    };
    assert!(except("u").await.is_empty());
    let due = except("v").await;
    assert_eq!((&due[0].event, &due[0].upload_id), (&withdrawal, &id("gone")));
    // Written with a clock that was a year ahead.
    assert!(store.outbox_later(&due[0], NOW + SECOND * 31_536_000).await.expect("writes"));
    let kinds = store.outbox_due(NOW).await.expect("reads");
    assert!(kinds.iter().any(|(kind, _)| *kind == OutboxKind::Withdrawal), "{kinds:?}");
    let due = claim(store, OutboxKind::Withdrawal, NOW, 9).await;
    assert!(store.outbox_done(&due[0]).await.expect("writes"));
    assert!(claim(store, OutboxKind::Withdrawal, NOW, 9).await.is_empty());
}

pub(super) async fn a_claim_keeps_others_away(store: &dyn SessionStore) {
    two_events(store).await;
    let first = claim(store, OutboxKind::Webhook, NOW, 1).await;
    // The try counts before it begins, and the claim may still end the event.
    assert!(store.outbox_later(&first[0], NOW + SECOND).await.expect("writes"));
    assert!(store.outbox_done(&first[0]).await.expect("writes"));

    let late = claim(store, OutboxKind::Webhook, NOW, 9).await;
    assert_eq!(late.len(), 1);
    let after = NOW + SECOND * 30;
    let other = store.outbox_lease(&worker("two"), OutboxKind::Webhook, after, after + SECOND, 9, &[]).await;
    let other = other.expect("claims");
    assert_eq!(other.len(), 1, "the first claim has run out");
    assert!(!store.outbox_later(&late[0], after).await.expect("answers"), "what is late writes nothing");
    assert!(!store.outbox_done(&late[0]).await.expect("answers"));
    assert!(store.outbox_done(&other[0]).await.expect("writes"));
}
