//! What an operator sees, and what goes when it is past its time.

use std::time::Duration;

use telestore_types::{UploadState, UserId};

use super::sessions::{LIMITS, NOW, SECOND, chunk, id, lease, queued, queued_by, record, result, upload};
use crate::{Counts, Expiry, Listing, NewEvent, SessionStore};

pub(super) async fn counts(store: &dyn SessionStore) {
    assert_eq!(store.counts().await.expect("counts"), Counts::default());
    queued(store, "later", 1, SECOND).await;
    queued(store, "first", 2, Duration::ZERO).await;
    store.create(&upload("receiving", 3, 2, 20), false, &LIMITS).await.expect("creates");
    let half = upload("cancelled", 4, 2, 20);
    store.create(&half, false, &LIMITS).await.expect("creates");
    record(store, &half, &chunk(0, 10, 1, "half")).await;
    let counted = store.counts().await.expect("counts");
    assert_eq!((counted.uploads[&UploadState::Queued], counted.uploads[&UploadState::Receiving]), (2, 2));
    assert_eq!((counted.stored_bytes, counted.oldest_queued, counted.outbox), (30, Some(NOW), 0));

    store.cancel(&half.id, &half.key, NOW).await.expect("cancels");
    let held = lease(store, NOW).await.expect("due");
    let event = NewEvent::webhook("event", UserId::new("u"), "{}");
    assert!(store.finish(&held, &result(), Some(&event), NOW).await.expect("finishes"));
    store.probe().await.expect("takes writes");
    let expected = Counts {
        uploads: [
            (UploadState::Receiving, 1),
            (UploadState::Queued, 1),
            (UploadState::Completed, 1),
            (UploadState::Cancelled, 1),
        ]
        .into(),
        stored_bytes: 10,
        oldest_queued: Some(NOW + SECOND),
        outbox: 1,
    };
    assert_eq!(store.counts().await.expect("counts"), expected, "what is over holds no bytes");
}

pub(super) async fn expires(store: &dyn SessionStore) {
    let old = upload("old", 1, 1, 10);
    store.create(&old, false, &LIMITS).await.expect("creates");
    queued(store, "waiting", 2, Duration::ZERO).await;
    let states = [UploadState::Receiving, UploadState::Failed];
    let expiry = Expiry { states: &states, unowned: false, before: NOW, limit: 9 };
    assert!(store.expire(&expiry).await.expect("expires").is_empty(), "not older than the limit");
    let gone = store.expire(&Expiry { before: NOW + SECOND, ..expiry }).await.expect("expires");
    assert_eq!(gone.iter().map(|upload| upload.id.as_str()).collect::<Vec<_>>(), ["old"]);
    assert_eq!(store.get(&old.id).await.expect("reads"), None);
    assert!(store.get(&id("waiting")).await.expect("reads").is_some());
}

pub(super) async fn lists(store: &dyn SessionStore) {
    store.create(&upload("new", 1, 1, 10), false, &LIMITS).await.expect("creates");
    for (key, name, after) in [(2, "first", 1), (3, "second", 2)] {
        queued(store, name, key, SECOND * after).await;
    }
    queued_by("other", store, "third", 4, SECOND * 3).await;
    let list = async |listing: Listing| {
        let found = store.list(&listing).await.expect("reads");
        found.iter().map(|upload| upload.id.as_str().to_owned()).collect::<Vec<_>>()
    };
    let all_of_them = Listing { limit: 9, ..Listing::default() };
    assert_eq!(list(all_of_them.clone()).await, ["third", "second", "first", "new"], "the latest first");
    assert_eq!(list(Listing { skip: 1, limit: 2, ..Listing::default() }).await, ["second", "first"]);
    assert_eq!(list(Listing { state: Some(UploadState::Receiving), ..all_of_them.clone() }).await, ["new"]);
    let user = Some(UserId::new("u"));
    assert_eq!(list(Listing { user: user.clone(), ..all_of_them.clone() }).await, ["second", "first"]);
    let none = Listing { state: Some(UploadState::Failed), user, ..all_of_them };
    assert!(list(none).await.is_empty());
}
