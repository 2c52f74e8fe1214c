//! Limits of users and addresses.

use std::time::Duration;

use telestore_types::{AddressKey, Outcome, Timestamp, Upload, UploadState, UserId};

use super::sessions::{NOW, chunk, get, lease, new_chunk, owner, record_within, result, upload};
use crate::{
    Claim, Completed, Created, Exceeded, Expiry, Limits, NewChunk, Quota, Recorded, Resource, SessionStore,
    Subject, Usage, Whose, until_midnight,
};

const MINUTE: Duration = Duration::from_secs(60);

fn of(user: Option<&str>, address: &str, name: &str, key: u8) -> Upload {
    Upload {
        user_id: user.map(UserId::new),
        sealed_token: user.map(|_| b"t".to_vec()),
        address: Some(AddressKey::new(address)),
        ..upload(name, key, 4, 40)
    }
}

fn users(user: Quota) -> Limits {
    Limits { user, ..Limits::NONE }
}

fn addresses(address: Quota) -> Limits {
    Limits { address, ..Limits::NONE }
}

fn too_much(whose: Whose, resource: Resource, limit: u64) -> Exceeded {
    Exceeded { whose, resource, limit }
}

async fn create(store: &dyn SessionStore, upload: &Upload, limits: &Limits) -> Created {
    store.create(upload, false, limits).await.expect("creates")
}

async fn usage(store: &dyn SessionStore, user: &str) -> Usage {
    store.usage(Subject::User(&UserId::new(user)), NOW).await.expect("reads")
}

pub(super) async fn uploads_that_are_not_over_are_counted(store: &dyn SessionStore) {
    let limits = users(Quota { sessions: Some(2), ..Quota::NONE });
    let first = of(Some("u"), "a", "first", 1);
    assert_eq!(create(store, &first, &limits).await, Created::New);
    assert_eq!(create(store, &of(Some("u"), "b", "second", 2), &limits).await, Created::New);
    assert!(matches!(create(store, &first, &limits).await, Created::Exists(_)), "what is there is no more");
    let third = of(Some("u"), "c", "third", 3);
    let exceeded = too_much(Whose::User, Resource::Sessions, 2);
    assert_eq!(create(store, &third, &limits).await, Created::TooMuch(exceeded));
    assert_eq!(store.get(&third.id).await.expect("reads"), None);
    assert_eq!(create(store, &of(Some("v"), "a", "others", 4), &limits).await, Created::New);

    // One that nobody owns becomes somebody's.
    let free = of(None, "a", "free", 5);
    assert_eq!(create(store, &free, &limits).await, Created::New);
    let claim = async |user: &str| {
        store.claim(&free.id, &free.key, &owner(user, b"t"), &limits).await.expect("claims")
    };
    assert_eq!(claim("u").await, Claim::TooMuch(exceeded));
    assert_eq!(get(store, "free").await.user_id, None);
    store.cancel(&first.id, &first.key, NOW).await.expect("cancels");
    assert_eq!(claim("u").await, Claim::Owned);
    assert_eq!(claim("u").await, Claim::Owned, "a renewal is no more");
    assert_eq!(create(store, &third, &limits).await, Created::TooMuch(exceeded));
    assert_eq!(usage(store, "u").await.sessions, 2);
}

pub(super) async fn an_address_is_counted_with_and_without_owners(store: &dyn SessionStore) {
    let limits = addresses(Quota { sessions: Some(2), ..Quota::NONE });
    assert_eq!(create(store, &of(None, "a", "free", 1), &limits).await, Created::New);
    assert_eq!(create(store, &of(Some("u"), "a", "owned", 2), &limits).await, Created::New);
    let exceeded = too_much(Whose::Address, Resource::Sessions, 2);
    assert_eq!(create(store, &of(Some("v"), "a", "more", 3), &limits).await, Created::TooMuch(exceeded));
    assert_eq!(create(store, &of(Some("v"), "b", "more", 3), &limits).await, Created::New);
    let unlimited = Upload { address: None, ..of(None, "", "unlimited", 4) };
    assert_eq!(create(store, &unlimited, &limits).await, Created::New);
    assert_eq!(get(store, "free").await.address, Some(AddressKey::new("a")));
    // Making room for itself is possible.
    let free = get(store, "free").await;
    store.cancel(&free.id, &free.key, NOW).await.expect("cancels");
    let anew = of(None, "a", "free", 5);
    assert_eq!(store.create(&anew, true, &limits).await.expect("creates"), Created::New);
}

pub(super) async fn stored_bytes_are_given_back(store: &dyn SessionStore) {
    let limits = users(Quota { stored_bytes: Some(30), ..Quota::NONE });
    let one = of(Some("u"), "a", "one", 1);
    let two = of(Some("u"), "a", "two", 2);
    for upload in [&one, &two] {
        assert_eq!(create(store, upload, &limits).await, Created::New);
        assert!(matches!(
            record_within(store, upload, &chunk(0, 10, 1, "x"), &limits).await,
            Recorded::Stored { .. }
        ));
    }
    let exceeded = Recorded::TooMuch(too_much(Whose::User, Resource::StoredBytes, 30));
    assert_eq!(record_within(store, &one, &chunk(1, 11, 1, "y"), &limits).await, exceeded);
    assert_eq!(usage(store, "u").await, Usage { sessions: 2, stored_bytes: 20, bytes_today: 0 });
    for length in [10, 20, 15, 20] {
        let again = record_within(store, &one, &chunk(0, length, 2, "again"), &limits).await;
        assert!(matches!(again, Recorded::Stored { .. }), "{length} bytes in the same place: {again:?}");
    }
    assert_eq!(record_within(store, &one, &chunk(0, 21, 3, "y"), &limits).await, exceeded);
    assert_eq!(get(store, "one").await.received_bytes, 20, "nothing has changed");
    let no_room = create(store, &of(Some("u"), "a", "three", 3), &limits).await;
    assert_eq!(no_room, Created::TooMuch(too_much(Whose::User, Resource::StoredBytes, 30)));
    store.cancel(&one.id, &one.key, NOW).await.expect("cancels");
    assert_eq!(usage(store, "u").await.stored_bytes, 10);
    assert!(matches!(
        record_within(store, &two, &chunk(1, 20, 1, "y"), &limits).await,
        Recorded::Stored { .. }
    ));
    // A failed upload keeps its bytes, until it is past its time.
    let whole = of(Some("v"), "a", "whole", 4);
    let whole = Upload { total_chunks: Some(1), file_size: Some(10), ..whole };
    assert_eq!(create(store, &whole, &limits).await, Created::New);
    record_within(store, &whole, &chunk(0, 10, 1, "z"), &limits).await;
    assert!(matches!(
        store.complete(&whole.id, &whole.key, NOW).await.expect("completes"),
        Completed::Accepted(..)
    ));
    let held = lease(store, NOW).await.expect("due");
    assert!(store.fail(&held, "no", Outcome::Refused, NOW).await.expect("fails"));
    assert_eq!(usage(store, "v").await.stored_bytes, 10);
    store.complete(&whole.id, &whole.key, NOW).await.expect("completes");
    let held = lease(store, NOW).await.expect("due");
    assert!(store.finish(&held, &result(), None, NOW.into()).await.expect("finishes"));
    assert_eq!(usage(store, "v").await, Usage::default());
    let expiry = Expiry::new([UploadState::Receiving], NOW + MINUTE, 9);
    store.expire(&expiry).await.expect("expires");
    assert_eq!(usage(store, "u").await, Usage::default());
}

pub(super) async fn bytes_of_a_day_are_counted_until_midnight(store: &dyn SessionStore) {
    let limits = addresses(Quota { bytes_per_day: Some(30), ..Quota::NONE });
    let one = of(Some("u"), "a", "one", 1);
    assert_eq!(create(store, &one, &limits).await, Created::New);
    for index in [0, 1, 1] {
        let stored = record_within(store, &one, &chunk(index, 10, 1, "x"), &limits).await;
        assert!(matches!(stored, Recorded::Stored { .. }));
    }
    let address = AddressKey::new("a");
    let today = store.usage(Subject::Address(&address), NOW).await.expect("reads");
    assert_eq!(today, Usage { sessions: 1, stored_bytes: 20, bytes_today: 30 }, "what came again came twice");
    store.cancel(&one.id, &one.key, NOW).await.expect("cancels");
    let exceeded = too_much(Whose::Address, Resource::BytesPerDay, 30);
    let two = of(Some("v"), "a", "two", 2);
    assert_eq!(create(store, &two, &limits).await, Created::TooMuch(exceeded), "a cancel gives none back");
    let elsewhere = of(Some("v"), "b", "elsewhere", 3);
    assert_eq!(create(store, &elsewhere, &limits).await, Created::New);

    let tomorrow = NOW + until_midnight(NOW);
    let two = Upload { created_at: tomorrow, ..two };
    assert_eq!(create(store, &two, &limits).await, Created::New);
    let first = chunk(0, 30, 1, "x");
    let first = NewChunk { now: tomorrow, ..new_chunk(&two, &first).within(limits) };
    let stored = store.record_chunk(first).await.expect("records");
    assert!(matches!(stored, Recorded::Stored { .. }));
    store.expire(&Expiry::new([], tomorrow, 9)).await.expect("expires");
    let used =
        async |now: Timestamp| store.usage(Subject::Address(&address), now).await.expect("reads").bytes_today;
    assert_eq!(used(tomorrow).await, 30, "this day is not over");
    assert_eq!(used(NOW).await, 0);
}

pub(super) async fn what_comes_at_once_is_not_more_than_allowed(store: &dyn SessionStore) {
    let limits = users(Quota { sessions: Some(3), stored_bytes: Some(50), bytes_per_day: None });
    let uploads: Vec<Upload> = (0..10).map(|n| of(Some("u"), "a", &format!("n{n}"), n)).collect();
    let created = super::sessions::all(uploads.iter().map(|upload| create(store, upload, &limits))).await;
    assert_eq!(created.iter().filter(|created| **created == Created::New).count(), 3);
    let there: Vec<&Upload> = uploads
        .iter()
        .zip(&created)
        .filter(|(_, created)| **created == Created::New)
        .map(|(upload, _)| upload)
        .collect();
    let chunks: Vec<_> = (0..4).map(|index| chunk(index, 10, index, &format!("blob-{index}"))).collect();
    let each = there.iter().flat_map(|upload| chunks.iter().map(move |chunk| (*upload, chunk)));
    let recorded =
        super::sessions::all(each.map(|(upload, chunk)| record_within(store, upload, chunk, &limits))).await;
    let stored = recorded.iter().filter(|recorded| matches!(recorded, Recorded::Stored { .. })).count();
    assert_eq!((stored, usage(store, "u").await.stored_bytes), (5, 50));
}
