//! What a store must hold to if processes die, clocks are wrong, and callers are strangers.

use std::time::Duration;

use telestore_types::{
    LONGEST_PAUSE, MAX_CRASHES, MAX_EARLY_CRASHES, Reading, Recovery, ResumeState, Timestamp, Upload,
    UploadKind, UploadState, UserId,
};

use super::sessions::{
    LIMITS, NOW, SECOND, chunk, get, id, lease, one, owner, queued, queued_by, record, result, upload,
};
use crate::{Cancelled, Completed, Created, Expiry, Limits, SessionStore};

async fn restart(store: &dyn SessionStore, now: Timestamp) -> Vec<(Recovery, String)> {
    let mut changed = Vec::new();
    loop {
        // By pages, until there is nothing more.
        let released = store.release(&one(), now, 2).await.expect("releases");
        if released.is_empty() {
            break;
        }
        assert!(released.len() <= 2, "{released:?}");
        changed.extend(released.into_iter().map(|one| (one.recovery, one.upload.id.as_str().to_owned())));
    }
    changed.sort_by(|one, other| one.1.cmp(&other.1));
    changed
}

pub(super) async fn an_end_without_a_word_is_put_in_order(store: &dyn SessionStore) {
    for (key, name) in [(1, "begun"), (2, "handed over"), (3, "repeatable")] {
        queued(store, &name.replace(' ', "-"), key, SECOND * u32::from(key)).await;
    }
    lease(store, NOW).await.expect("due");
    let handed_over = lease(store, NOW).await.expect("due");
    assert!(store.commit(&handed_over, 90, None).await.expect("writes"));
    assert!(get(store, "handed-over").await.maybe_sent);
    let repeatable = lease(store, NOW).await.expect("due");
    let state = ResumeState::new("b", *b"random id");
    assert!(store.commit(&repeatable, 95, Some(state.clone())).await.expect("writes"));

    let changed = restart(store, NOW).await;
    let expected =
        [(Recovery::GoesOn, "begun"), (Recovery::Failed, "handed-over"), (Recovery::GoesOn, "repeatable")];
    assert_eq!(changed, expected.map(|(recovery, name)| (recovery, name.to_owned())));
    let failed = get(store, "handed-over").await;
    assert_eq!((failed.state, failed.maybe_sent), (UploadState::Failed, true));
    assert!(failed.error.is_some_and(|error| error.contains("look there")), "says where to look");
    assert_eq!(get(store, "repeatable").await.resume, Some(state));
    assert!(!store.commit(&handed_over, 90, None).await.expect("answers"), "the lease is over");
    assert!(restart(store, NOW).await.is_empty(), "once");

    // A person's word begins it anew.
    assert!(matches!(
        store.complete(&failed.id, &failed.key, NOW).await.expect("completes"),
        Completed::Accepted(..)
    ));
    assert!(!get(store, "handed-over").await.maybe_sent);
}

pub(super) async fn what_was_handed_over_is_never_leased_again(store: &dyn SessionStore) {
    queued(store, "a", 1, Duration::ZERO).await;
    let held = lease(store, NOW).await.expect("due");
    assert!(store.commit(&held, 90, None).await.expect("writes"));
    // Its runner has died without a word, and its lease runs out.
    assert_eq!(lease(store, NOW + SECOND * 60).await, None);
    let failed = get(store, "a").await;
    assert_eq!((failed.state, failed.maybe_sent), (UploadState::Failed, true));
    assert!(!store.extend(&held, NOW + SECOND * 60, NOW + SECOND * 90).await.expect("answers"));

    queued(store, "b", 2, Duration::ZERO).await;
    let held = lease(store, NOW).await.expect("due");
    assert!(store.commit(&held, 90, None).await.expect("writes"));
    // Telegram has refused it, and it goes another way.
    assert!(store.uncommit(&held).await.expect("writes"));
    assert!(!get(store, "b").await.maybe_sent);
    assert!(lease(store, NOW + SECOND * 60).await.is_some());
}

pub(super) async fn what_ends_the_process_again_and_again_is_given_up(store: &dyn SessionStore) {
    queued(store, "deadly", 1, Duration::ZERO).await;
    queued(store, "other", 2, SECOND).await;
    let goes_on = [(Recovery::GoesOn, "deadly".to_owned())];
    let mut now = NOW;
    for crash in 1..=2 {
        assert_eq!(lease(store, now).await.expect("due").upload.id, id("deadly"), "{crash}: at once");
        assert_eq!(restart(store, now).await, goes_on);
    }
    let other = lease(store, now).await.expect("due");
    assert_eq!(other.upload.id, id("other"), "others do not wait for it");
    assert!(store.finish(&other, &result(), None, now.into()).await.expect("finishes"));
    assert_eq!(lease(store, now).await, None, "it pauses, and longer each time");
    // Getting further forgets what was.
    now = now + SECOND * 60;
    let held = lease(store, now).await.expect("due");
    assert!(store.checkpoint(&held, 30, None).await.expect("writes"));
    assert!(store.checkpoint(&held, 30, None).await.expect("writes"));
    for crash in 1..=MAX_CRASHES {
        let last = crash == MAX_CRASHES;
        let expected = if last { Recovery::Failed } else { Recovery::GoesOn };
        assert_eq!(restart(store, now).await, [(expected, "deadly".to_owned())], "{crash}");
        now = now + SECOND * 60;
        assert_eq!(lease(store, now).await.is_some(), !last);
    }
    let failed = get(store, "deadly").await;
    assert_eq!((failed.state, failed.maybe_sent), (UploadState::Failed, false));
    assert!(failed.error.is_some_and(|error| error.contains("5 times")), "says what happened");
}

pub(super) async fn early_sending_counts_too(store: &dyn SessionStore) {
    let upload = upload("a", 1, 2, 20);
    assert!(
        !store.begin_early(&upload.id, &upload.key, &one(), NOW, NOW + SECOND).await.expect("answers"),
        "there is none"
    );
    store.create(&upload, false, &LIMITS).await.expect("creates");
    store.claim(&upload.id, &upload.key, &owner("u", b"t"), &LIMITS).await.expect("claims");
    assert!(store.begin_early(&upload.id, &upload.key, &one(), NOW, NOW + SECOND).await.expect("writes"));
    store.end_early(&upload.id, &upload.key, &one()).await.expect("writes");
    assert!(restart(store, NOW).await.is_empty(), "it had ended in order");
    for _ in 0..MAX_EARLY_CRASHES {
        assert!(store.begin_early(&upload.id, &upload.key, &one(), NOW, NOW + SECOND).await.expect("writes"));
        assert_eq!(restart(store, NOW).await, [(Recovery::GoesOn, "a".to_owned())]);
    }
    assert!(
        !store.begin_early(&upload.id, &upload.key, &one(), NOW, NOW + SECOND).await.expect("answers"),
        "not again"
    );
    record(store, &upload, &chunk(0, 10, 1, "a")).await;
    record(store, &upload, &chunk(1, 10, 1, "b")).await;
    store.complete(&upload.id, &upload.key, NOW).await.expect("completes");
    assert_eq!(get(store, "a").await.crashes, 0, "the run that counts begins anew");
}

pub(super) async fn direct_uploads_are_kept_or_abandoned(store: &dyn SessionStore) {
    for (key, name) in [(1, "half"), (2, "waiting"), (3, "sending"), (4, "kept")] {
        let upload = Upload { kind: UploadKind::Direct, ..upload(name, key, 1, 10) };
        store.create(&upload, false, &LIMITS).await.expect("creates");
        assert_eq!(get(store, name).await.kind, UploadKind::Direct);
        store.claim(&upload.id, &upload.key, &owner("u", b"t"), &LIMITS).await.expect("claims");
        record(store, &upload, &chunk(0, 10, 1, name)).await;
        if name != "half" {
            store
                .complete(&upload.id, &upload.key, NOW + SECOND * u32::from(4 - key))
                .await
                .expect("completes");
        }
    }
    // Its client went away before it was queued.
    let gone = Upload { kind: UploadKind::Direct, ..upload("gone", 5, 1, 10) };
    store.create(&gone, false, &LIMITS).await.expect("creates");
    store.claim(&gone.id, &gone.key, &owner("u", b"t"), &LIMITS).await.expect("claims");
    record(store, &gone, &chunk(0, 10, 1, "gone")).await;
    store.keep(&gone.id, &gone.key).await.expect("writes");
    let told = get(store, "kept").await;
    let kept = store.keep(&told.id, &told.key).await.expect("writes").expect("is there");
    assert_eq!((kept.kind, kept.state), (UploadKind::Kept, UploadState::Queued));
    assert_eq!(store.keep(&told.id, &get(store, "half").await.key).await.expect("answers"), None);
    lease(store, NOW).await.expect("due");
    lease(store, NOW).await.expect("due");

    restart(store, NOW).await;
    assert_eq!(get(store, "half").await.state, UploadState::Cancelled, "nobody knows of it");
    assert!(store.chunks(&get(store, "half").await.key).await.expect("reads").is_empty());
    for name in ["waiting", "sending", "kept", "gone"] {
        let found = get(store, name).await;
        assert_eq!((found.kind, found.state), (UploadKind::Kept, UploadState::Queued), "{name}");
    }
}

pub(super) async fn another_life_is_never_touched(store: &dyn SessionStore) {
    let first = upload("a", 1, 1, 10);
    store.create(&first, false, &LIMITS).await.expect("creates");
    store.cancel(&first.id, &first.key, NOW).await.expect("cancels");
    let second = upload("a", 2, 1, 10);
    assert_eq!(store.create(&second, true, &LIMITS).await.expect("creates"), Created::New);
    store.claim(&second.id, &second.key, &owner("u", b"t"), &LIMITS).await.expect("claims");
    record(store, &second, &chunk(0, 10, 1, "a")).await;
    assert_eq!(store.cancel(&first.id, &first.key, NOW).await.expect("answers"), Cancelled::NotFound);
    assert_eq!(store.complete(&first.id, &first.key, NOW).await.expect("answers"), Completed::NotFound);
    assert_eq!(store.keep(&first.id, &first.key).await.expect("answers"), None);
    assert!(!store.begin_early(&first.id, &first.key, &one(), NOW, NOW + SECOND).await.expect("answers"));
    assert_eq!(get(store, "a").await.state, UploadState::Receiving);
    assert_eq!(store.chunks(&second.key).await.expect("reads").len(), 1);
}

pub(super) async fn users_are_left_out(store: &dyn SessionStore) {
    queued_by("busy", store, "first", 1, Duration::ZERO).await;
    queued_by("other", store, "second", 2, SECOND).await;
    let busy = [UserId::new("busy")];
    let leased = store.lease(&one(), NOW, NOW + SECOND, &busy).await.expect("leases").expect("due");
    assert_eq!(leased.upload.id, id("second"));
    assert_eq!(store.lease(&one(), NOW, NOW + SECOND, &busy).await.expect("leases"), None);
    assert_eq!(lease(store, NOW).await.expect("due").upload.id, id("first"));
}

pub(super) async fn what_nobody_owns_is_few_and_short_lived(store: &dyn SessionStore) {
    let limits = Limits { unowned: Some(2), ..LIMITS };
    for (key, name) in [(1, "a"), (2, "b"), (3, "c")] {
        let new = Upload { created_at: NOW + SECOND * u32::from(key), ..upload(name, key, 1, 10) };
        assert_eq!(store.create(&new, false, &limits).await.expect("creates"), Created::New);
        if name == "a" {
            store.claim(&new.id, &new.key, &owner("u", b"t"), &limits).await.expect("claims");
        }
    }
    let last = Upload { created_at: NOW + SECOND * 9, ..upload("d", 4, 1, 10) };
    assert_eq!(store.create(&last, false, &limits).await.expect("creates"), Created::New);
    let mut there = Vec::new();
    for name in ["a", "b", "c", "d"] {
        there.extend(store.get(&id(name)).await.expect("reads").map(|upload| upload.id.as_str().to_owned()));
    }
    assert_eq!(there, ["a", "c", "d"], "the oldest that nobody owns made room");
    let expiry = Expiry::new([UploadState::Receiving], NOW + SECOND * 60, 1).unowned();
    for left in [1, 1, 0] {
        assert_eq!(store.expire(&expiry).await.expect("expires").len(), left, "one at a time");
    }
    assert!(store.get(&id("a")).await.expect("reads").is_some(), "it has an owner");
}

pub(super) async fn a_due_time_that_cannot_be_is_due(store: &dyn SessionStore) {
    queued(store, "a", 1, Duration::ZERO).await;
    let held = lease(store, NOW).await.expect("due");
    let far = NOW + LONGEST_PAUSE;
    assert!(store.retry_later(&held, far, false, NOW).await.expect("writes"));
    assert_eq!(lease(store, NOW).await, None, "nothing is put off for longer, so this was meant");
    let held = lease(store, far).await.expect("due");
    assert!(store.retry_later(&held, far + SECOND, false, NOW).await.expect("writes"));
    assert!(lease(store, NOW).await.is_some(), "no process means a time so far off");
}

pub(super) async fn the_clock_is_kept(store: &dyn SessionStore) {
    assert_eq!(store.clock().await.expect("reads"), None);
    let created = Upload { updated_at: NOW + SECOND, ..upload("a", 1, 1, 10) };
    store.create(&created, false, &LIMITS).await.expect("creates");
    let at = NOW + SECOND;
    assert_eq!(store.clock().await.expect("reads"), Some(Reading { at, wall: at }), "of the latest row");
    for reading in [Reading { at, wall: NOW }, Reading { at: at + SECOND, wall: NOW - SECOND }] {
        store.save_clock(reading).await.expect("writes");
        assert_eq!(store.clock().await.expect("reads"), Some(reading));
    }
}
