//! What an operator sees, and what goes when it is past its time.

use std::time::Duration;

use telestore_types::{UploadState, UserId};

use super::sessions::{
    LIMITS, NOW, SECOND, chunk, get, id, lease, queued, queued_by, record, result, upload,
};
use crate::{BlobName, Counts, Cursor, Expiry, Listing, NewEvent, SessionStore};

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
    assert!(store.finish(&held, &result(), Some(&event), NOW.into()).await.expect("finishes"));
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
    let old = upload("old", 1, 2, 10);
    store.create(&old, false, &LIMITS).await.expect("creates");
    record(store, &old, &chunk(0, 4, 1, "old-0")).await;
    queued(store, "waiting", 2, Duration::ZERO).await;
    let states = [UploadState::Receiving, UploadState::Failed];
    let expiry = Expiry::new(states, NOW, 9);
    assert!(store.expire(&expiry).await.expect("expires").is_empty(), "not older than the limit");
    let gone = store.expire(&Expiry { before: NOW + SECOND, ..expiry }).await.expect("expires");
    assert_eq!(gone.iter().map(|gone| gone.upload.id.as_str()).collect::<Vec<_>>(), ["old"]);
    assert_eq!(gone[0].blobs, [BlobName::new("old-0")], "its bytes may go");
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
    let all_of_them = Listing::first(9);
    assert_eq!(list(all_of_them.clone()).await, ["third", "second", "first", "new"], "the latest first");
    assert_eq!(list(Listing::first(2).skipping(1)).await, ["second", "first"]);
    assert_eq!(list(all_of_them.clone().in_state(UploadState::Receiving)).await, ["new"]);
    let of_user = all_of_them.of_user(UserId::new("u"));
    assert_eq!(list(of_user.clone()).await, ["second", "first"]);
    assert!(list(of_user.in_state(UploadState::Failed)).await.is_empty());
}

pub(super) async fn pages(store: &dyn SessionStore) {
    for (key, name, after) in [(1, "a", 1), (2, "b", 1), (3, "c", 1), (4, "d", 2), (5, "e", 0)] {
        queued(store, name, key, SECOND * after).await;
    }
    let (mut found, mut page) = (Vec::new(), Listing::first(2));
    loop {
        let uploads = store.list(&page).await.expect("reads");
        let Some(last) = uploads.last() else { break };
        page = Listing::first(2).after(Cursor::of(last));
        found.extend(uploads.into_iter().map(|upload| upload.id.as_str().to_owned()));
    }
    assert_eq!(found, ["d", "a", "b", "c", "e"], "each once, those of one time by their ids");
}

pub(super) async fn bytes_of_use_are_named(store: &dyn SessionStore) {
    let half = upload("half", 1, 2, 20);
    store.create(&half, false, &LIMITS).await.expect("creates");
    record(store, &half, &chunk(0, 10, 1, "half-0")).await;
    queued(store, "done", 2, Duration::ZERO).await;
    let asked = ["blob", "half-0", "nobody's"].map(BlobName::new);
    let named = async || {
        let mut named = store.named(&asked).await.expect("reads");
        named.sort();
        named
    };
    assert_eq!(named().await, asked[..2]);
    let held = lease(store, NOW).await.expect("due");
    assert!(store.finish(&held, &result(), None, NOW.into()).await.expect("finishes"));
    assert_eq!(named().await, asked[1..2], "what is in the channel is of no more use");
    assert!(store.named(&[]).await.expect("reads").is_empty());
}

pub(super) async fn many_are_found_at_once(store: &dyn SessionStore) {
    for (name, key) in [("a", 1), ("b", 2), ("c", 3)] {
        store.create(&upload(name, key, 1, 10), false, &LIMITS).await.expect("creates");
    }
    let asked = ["c", "nobody", "a"].map(id);
    let mut found = store.get_all(&asked).await.expect("reads");
    found.sort_by(|one, other| one.id.as_str().cmp(other.id.as_str()));
    assert_eq!(found, [get(store, "a").await, get(store, "c").await]);
    assert!(store.get_all(&[]).await.expect("reads").is_empty());
}
