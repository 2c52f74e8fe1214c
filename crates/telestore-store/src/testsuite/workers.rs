//! Two workers on one store.

use std::time::Duration;

use telestore_types::{
    LONGEST_PAUSE, MAX_CRASHES, Outcome, Recovery, ResumeState, Timestamp, Upload, UploadKind, UploadState,
    UserId, WorkerId,
};

use super::sessions::{
    LIMITS, NOW, SECOND, chunk, get, id, owner, queued, queued_by, record, result, upload, worker,
};
use crate::{KnownWorker, Lease, NewEvent, OutboxKind, SessionStore, WorkerInfo};

/// How long a lease of these checks holds.
const HELD: Duration = Duration::from_secs(30);

fn both() -> (WorkerId, WorkerId) {
    (worker("one"), worker("two"))
}

async fn lease(store: &dyn SessionStore, worker: &WorkerId, now: Timestamp) -> Option<Lease> {
    store.lease(worker, now, now + HELD, &[]).await.expect("leases")
}

async fn hold(store: &dyn SessionStore, user: &str, worker: &WorkerId, now: Timestamp) -> bool {
    store.hold_account(&UserId::new(user), worker, now, now + HELD).await.expect("answers")
}

pub(super) async fn no_two_hold_one_upload(store: &dyn SessionStore) {
    let (one, two) = both();
    queued(store, "a", 1, Duration::ZERO).await;
    let held = lease(store, &one, NOW).await.expect("due");
    assert_eq!(held.upload.worker.as_ref(), Some(&one));
    assert_eq!(lease(store, &two, NOW).await, None);
    assert!(store.extend(&held, NOW, NOW + HELD * 2).await.expect("extends"));
    assert_eq!(lease(store, &two, NOW + HELD).await, None);

    // The first is frozen, and the second takes it over.
    let late = NOW + HELD * 2;
    let heir = lease(store, &two, late).await.expect("run out");
    assert_eq!((heir.upload.worker.as_ref(), heir.upload.crashes), (Some(&two), 1));
    let state = ResumeState::new("b", *b"late");
    assert!(!store.extend(&held, late, late + HELD).await.expect("answers"));
    assert!(!store.checkpoint(&held, 50, Some(state.clone())).await.expect("answers"));
    assert!(!store.commit(&held, 50, Some(state)).await.expect("answers"));
    assert!(!store.uncommit(&held).await.expect("answers"));
    assert!(!store.finish(&held, &result(), None, late.into()).await.expect("answers"));
    assert!(!store.fail(&held, "late", Outcome::GaveUp, late).await.expect("answers"));
    assert!(!store.retry_later(&held, late, true, late).await.expect("answers"));
    let found = get(store, "a").await;
    assert_eq!(
        (found.state, found.progress, found.resume),
        (UploadState::Sending, 0, None),
        "it is fenced off"
    );
    assert!(store.finish(&heir, &result(), None, late.into()).await.expect("finishes"));
}

pub(super) async fn an_account_is_used_by_one(store: &dyn SessionStore) {
    let (one, two) = both();
    queued_by("u", store, "u1", 1, Duration::ZERO).await;
    queued_by("u", store, "u2", 2, SECOND).await;
    queued_by("v", store, "v1", 3, SECOND * 2).await;
    let now = NOW + SECOND * 3;
    let first = lease(store, &one, now).await.expect("due");
    assert_eq!(first.upload.id, id("u1"));
    let other = lease(store, &two, now).await.expect("due");
    assert_eq!(other.upload.id, id("v1"), "the other user's");
    assert_eq!(lease(store, &two, now).await, None, "nothing else is free for it");
    assert_eq!(store.next_due(&two).await.expect("reads"), Some(now + HELD), "before the account is free");
    assert!(!hold(store, "u", &two, now).await);
    assert!(hold(store, "u", &one, now).await);
    let second = lease(store, &one, now).await.expect("due");
    assert_eq!(second.upload.id, id("u2"), "its holder may have more of it");

    let early = upload("early", 4, 2, 20);
    store.create(&early, false, &LIMITS).await.expect("creates");
    store.claim(&early.id, &early.key, &owner("u", b"t"), &LIMITS).await.expect("claims");
    let begin = async |worker: &WorkerId| {
        store.begin_early(&early.id, &early.key, worker, now, now + HELD).await.expect("answers")
    };
    assert!(!begin(&two).await, "early sending uses the account, too");
    assert!(begin(&one).await);
    store.end_early(&early.id, &early.key, &two).await.expect("writes");
    assert!(get(store, "early").await.early, "it was not the other's to end");
    let gone = NewEvent::withdrawal("w", "{}").of_user(Some(UserId::new("u")), Some(b"t".to_vec()));
    let added = store.add_event(&id("gone"), &gone, &one, now, now + HELD).await.expect("writes");
    assert!(store.outbox_later(&added, now).await.expect("writes"));
    let withdraw = async |worker: &WorkerId| {
        let kind = OutboxKind::Withdrawal;
        store.outbox_lease(worker, kind, now, now + HELD, 9, &[]).await.expect("claims").len()
    };
    assert_eq!(withdraw(&two).await, 0, "so does a withdrawal");
    assert_eq!(withdraw(&one).await, 1);
}

pub(super) async fn an_account_moves(store: &dyn SessionStore) {
    let (one, two) = both();
    let user = UserId::new("u");
    assert!(hold(store, "u", &one, NOW).await);
    assert!(!hold(store, "u", &two, NOW + SECOND).await);
    let shorter = store.hold_account(&user, &one, NOW, NOW + SECOND).await.expect("answers");
    assert!(shorter, "it is held");
    assert!(!hold(store, "u", &two, NOW + SECOND * 2).await, "and not shortened");
    store.leave_account(&user, &two).await.expect("writes");
    assert!(!hold(store, "u", &two, NOW).await, "it was not the other's to leave");
    store.leave_account(&user, &one).await.expect("writes");
    assert!(hold(store, "u", &two, NOW).await, "it was left");
    assert!(!hold(store, "u", &one, NOW).await);
    assert!(hold(store, "u", &one, NOW + HELD).await, "it ran out");

    // A lease whose account has moved is lost with it.
    queued_by("u", store, "a", 1, Duration::ZERO).await;
    let held = lease(store, &one, NOW + HELD).await.expect("due");
    store.leave_account(&user, &one).await.expect("writes");
    assert!(hold(store, "u", &two, NOW + HELD).await);
    assert!(!store.extend(&held, NOW + HELD, NOW + HELD * 2).await.expect("answers"));
}

pub(super) async fn no_two_work_on_one_event(store: &dyn SessionStore) {
    let (one, two) = both();
    for (key, name) in [(1, "a"), (2, "b"), (3, "c")] {
        queued(store, name, key, Duration::ZERO).await;
        let held = lease(store, &one, NOW).await.expect("due");
        let event = NewEvent::webhook(name, UserId::new("u"), "{}");
        assert!(store.finish(&held, &result(), Some(&event), NOW.into()).await.expect("finishes"));
    }
    let claim = async |worker: &WorkerId, now: Timestamp, limit: u32| {
        let kind = OutboxKind::Webhook;
        store.outbox_lease(worker, kind, now, now + HELD, limit, &[]).await.expect("claims")
    };
    let (first, second) = (claim(&one, NOW, 2).await, claim(&two, NOW, 2).await);
    assert_eq!((first.len(), second.len()), (2, 1));
    assert!(claim(&one, NOW, 9).await.is_empty());
    assert!(store.outbox_done(&second[0]).await.expect("writes"));
    let taken = claim(&two, NOW + HELD, 9).await;
    assert_eq!(taken.len(), 2, "those of the first have run out");
    assert!(!store.outbox_done(&first[0]).await.expect("answers"));
}

/// An upload of one request of which `worker` has taken one of two chunks.
async fn direct(store: &dyn SessionStore, name: &str, key: u8, worker: &WorkerId) -> Upload {
    let direct =
        Upload { kind: UploadKind::Direct, worker: Some(worker.clone()), ..upload(name, key, 2, 20) };
    store.create(&direct, false, &LIMITS).await.expect("creates");
    record(store, &direct, &chunk(0, 10, 1, name)).await;
    direct
}

pub(super) async fn a_release_leaves_what_others_have(store: &dyn SessionStore) {
    let (one, two) = both();
    store.beat(&two, NOW + HELD).await.expect("writes");
    for (key, user, mine) in [(1, "u", &one), (2, "v", &two)] {
        queued_by(user, store, &format!("sent-by-{mine}"), key, Duration::ZERO).await;
        lease(store, mine, NOW).await.expect("due");
        direct(store, &format!("direct-of-{mine}"), key + 10, mine).await;
        let early = upload(&format!("early-by-{mine}"), key + 20, 2, 20);
        store.create(&early, false, &LIMITS).await.expect("creates");
        assert!(store.begin_early(&early.id, &early.key, mine, NOW, NOW + HELD).await.expect("writes"));
        let event = NewEvent::webhook(format!("event-of-{mine}"), UserId::new(user), "{}");
        store.add_event(&id("over"), &event, mine, NOW, NOW + HELD).await.expect("writes");
    }
    let mut released = Vec::new();
    loop {
        let page = store.release(&one, NOW, 2).await.expect("releases");
        if page.is_empty() {
            break;
        }
        released.extend(page);
    }
    assert!(store.release_gone(&one, NOW, 9).await.expect("releases").is_empty(), "the other one lives");
    let mut named: Vec<_> =
        released.iter().map(|one| (one.upload.id.as_str().to_owned(), one.recovery)).collect();
    named.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        ("direct-of-one", Recovery::Abandoned),
        ("early-by-one", Recovery::GoesOn),
        ("sent-by-one", Recovery::GoesOn),
    ];
    assert_eq!(named, expected.map(|(name, recovery)| (name.to_owned(), recovery)));
    let bytes: Vec<_> = released.iter().flat_map(|one| &one.blobs).map(|blob| blob.as_str()).collect();
    assert_eq!(bytes, ["direct-of-one"], "the bytes of which nobody knows may go");

    assert_eq!(get(store, "sent-by-two").await.state, UploadState::Sending);
    assert_eq!(get(store, "direct-of-two").await.state, UploadState::Receiving);
    assert!(get(store, "early-by-two").await.early);
    assert!(hold(store, "u", &two, NOW).await, "its accounts are free");
    assert!(!hold(store, "v", &one, NOW).await, "and those of the other are not");
    let claimed =
        store.outbox_lease(&one, OutboxKind::Webhook, NOW, NOW + HELD, 9, &[]).await.expect("claims");
    let claimed: Vec<_> = claimed.iter().map(|event| event.event.event_id.as_str()).collect();
    assert_eq!(claimed, ["event-of-one"]);
}

pub(super) async fn those_who_are_gone_are_put_in_order(store: &dyn SessionStore) {
    let (one, two) = both();
    store.beat(&one, NOW + HELD).await.expect("writes");
    store.beat(&two, NOW + HELD * 9).await.expect("writes");
    assert_eq!(store.living(NOW, None, 9).await.expect("reads"), [one.clone(), two.clone()]);
    assert_eq!(store.living(NOW, Some(&one), 9).await.expect("reads"), std::slice::from_ref(&two));
    assert_eq!(store.living(NOW, None, 1).await.expect("reads"), std::slice::from_ref(&one));
    queued(store, "sent", 1, Duration::ZERO).await;
    lease(store, &one, NOW).await.expect("due");
    direct(store, "direct", 2, &one).await;
    let event = NewEvent::webhook("event", UserId::new("u"), "{}");
    let claimed = store.add_event(&id("over"), &event, &one, NOW, NOW + HELD * 9).await.expect("writes");
    let longer = NOW + HELD * 9;
    for (user, worker) in [("w", &one), ("x", &two)] {
        assert!(store.hold_account(&UserId::new(user), worker, NOW, longer).await.expect("answers"));
    }
    assert!(store.release_gone(&two, NOW, 9).await.expect("releases").is_empty(), "it is alive");
    assert!(!hold(store, "w", &two, NOW).await);
    assert!(store.release_gone(&one, NOW + HELD, 9).await.expect("releases").is_empty(), "not by itself");
    assert_eq!(get(store, "direct").await.state, UploadState::Receiving);

    let gone = NOW + HELD;
    let released = store.release_gone(&two, gone, 9).await.expect("releases");
    let found: Vec<_> = released.iter().map(|one| (one.upload.id.as_str(), one.recovery)).collect();
    assert_eq!(found, [("direct", Recovery::Abandoned)], "what it sent is held by its lease");
    assert!(store.release_gone(&two, gone, 9).await.expect("releases").is_empty());
    assert_eq!(store.living(gone, None, 9).await.expect("reads"), std::slice::from_ref(&two));
    let again = store.outbox_lease(&two, OutboxKind::Webhook, gone, gone + HELD, 9, &[]).await;
    assert_eq!(again.expect("claims").len(), 1, "before the claim has run out");
    assert!(!store.outbox_done(&claimed).await.expect("answers"));
    assert!(hold(store, "w", &two, gone).await, "the account before its time");
    assert!(!hold(store, "x", &one, gone).await, "and not that of the living");
    assert!(lease(store, &two, gone).await.is_some());
}

pub(super) async fn what_ends_one_worker_after_the_other_is_given_up(store: &dyn SessionStore) {
    let (one, two) = both();
    queued(store, "deadly", 1, Duration::ZERO).await;
    let mut now = NOW;
    for worker in [&one, &two].into_iter().cycle().take(MAX_CRASHES as usize) {
        assert!(lease(store, worker, now).await.is_some());
        now = now + HELD;
    }
    assert_eq!(lease(store, &worker("three"), now).await, None, "it has ended each that took it");
    let found = get(store, "deadly").await;
    assert_eq!((found.state, found.maybe_sent), (UploadState::Failed, false));
}

pub(super) async fn workers_are_known_with_what_they_hold(store: &dyn SessionStore) {
    let (one, two) = both();
    let info = WorkerInfo::of_version("0.2.9").on_host("a host");
    store.introduce(&one, &info, NOW, NOW + HELD).await.expect("writes");
    store.beat(&two, NOW + HELD * 2).await.expect("writes");
    for user in ["v", "u"] {
        assert!(hold(store, user, &one, NOW).await);
    }
    let mut expected = KnownWorker::new(one.clone(), NOW + HELD, true);
    (expected.info, expected.since) = (Some(info), Some(NOW));
    expected.accounts = vec![UserId::new("u"), UserId::new("v")];
    let nothing = KnownWorker::new(two.clone(), NOW + HELD * 2, true);
    assert_eq!(store.workers(NOW).await.expect("reads"), [expected.clone(), nothing.clone()]);

    // It says nothing any more, and is shown for a while: but not as one that has anything.
    let gone = NOW + HELD;
    assert!(store.release_gone(&two, gone, 9).await.expect("releases").is_empty());
    let dead = KnownWorker { alive: false, accounts: Vec::new(), ..expected.clone() };
    assert_eq!(store.workers(gone).await.expect("reads"), [dead, nothing]);
    assert_eq!(store.living(gone, None, 9).await.expect("reads"), std::slice::from_ref(&two));
    // It was frozen, and knows itself.
    store.beat(&one, gone + HELD).await.expect("writes");
    let found = store.workers(gone).await.expect("reads");
    assert_eq!((found[0].alive, &found[0].info), (true, &expected.info));
    // One that ends itself is not missed, and one that is long gone neither.
    store.release(&two, gone, 9).await.expect("releases");
    assert_eq!(store.workers(gone).await.expect("reads").len(), 1);
    let later = gone + LONGEST_PAUSE + HELD;
    store.release_gone(&two, later, 9).await.expect("releases");
    assert!(store.workers(later).await.expect("reads").is_empty());
}
