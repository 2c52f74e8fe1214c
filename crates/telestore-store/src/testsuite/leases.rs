//! Who sends what, and for how long.

use std::time::Duration;

use telestore_types::{Completion, Outcome, Recovery, ResumeState, UploadState};

use super::sessions::{NOW, SECOND, get, id, lease, one, queued, queued_by, result};
use crate::{Completed, SessionStore};

pub(super) async fn leases_in_order(store: &dyn SessionStore) {
    assert_eq!(store.next_due(&one()).await.expect("reads"), None);
    queued(store, "late", 1, SECOND * 2).await;
    queued(store, "early", 2, SECOND).await;
    assert_eq!(store.next_due(&one()).await.expect("reads"), Some(NOW + SECOND));
    let now = NOW + SECOND * 3;
    let first = lease(store, now).await.expect("one is due");
    assert_eq!((first.upload.id.as_str(), first.upload.attempt), ("early", 1));
    assert_eq!(first.upload.sealed_token.as_deref(), Some(&b"t"[..]));
    let second = lease(store, now).await.expect("one is due");
    assert_eq!(second.upload.id.as_str(), "late");
    assert_ne!(first.token, second.token);
    assert_eq!(lease(store, now).await, None, "each is leased once");

    let later = now + SECOND * 9;
    assert!(store.retry_later(&first, later, false, now).await.expect("gives back"));
    assert!(!store.retry_later(&first, later, false, now).await.expect("gives back"), "the lease is over");
    assert_eq!(lease(store, now).await, None, "not before its time");
    assert_eq!(lease(store, later).await.expect("due").upload.attempt, 1, "a wait is not counted");
}

pub(super) async fn users_take_turns(store: &dyn SessionStore) {
    let (now, mut key) = (NOW + SECOND * 99, 0);
    // Alice was first and has much; the others come later with less.
    for (user, name) in [("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("c", "c1"), ("b", "b2")] {
        key += 1;
        queued_by(user, store, name, key, SECOND * u32::from(key)).await;
    }
    let mut order = Vec::new();
    while let Some(lease) = lease(store, now).await {
        order.push(lease.upload.id.as_str().to_owned());
    }
    assert_eq!(order, ["a1", "b1", "c1", "a2", "b2", "a3"]);
}

pub(super) async fn takes_over_expired_leases(store: &dyn SessionStore) {
    queued(store, "a", 1, Duration::ZERO).await;
    let dead = lease(store, NOW).await.expect("due");
    assert_eq!(store.next_due(&one()).await.expect("reads"), Some(NOW + SECOND * 30));
    assert!(store.extend(&dead, NOW, NOW + SECOND * 60).await.expect("extends"));
    assert_eq!(lease(store, NOW + SECOND * 30).await, None, "an extended lease holds");
    let heir = lease(store, NOW + SECOND * 60).await.expect("expired");
    assert_eq!(heir.upload.attempt, 2);
    assert!(!store.extend(&dead, NOW, NOW + SECOND * 90).await.expect("extends"));
    assert!(!store.checkpoint(&dead, 50, None).await.expect("answers"));
    assert!(!store.finish(&dead, &result(), None, NOW.into()).await.expect("answers"));
    assert!(!store.fail(&dead, "no", Outcome::Refused, NOW).await.expect("answers"));
    assert_eq!(get(store, "a").await.state, UploadState::Sending, "the dead one changed nothing");

    let released = store.release(&one(), NOW, 9).await.expect("releases");
    assert!(
        matches!(&released[..], [one] if one.recovery == Recovery::GoesOn && one.upload.id == id("a")),
        "{released:?}"
    );
    assert!(!store.extend(&heir, NOW, NOW + SECOND * 90).await.expect("extends"));
    let after = lease(store, NOW).await.expect("due at once");
    assert_eq!(after.upload.attempt, 2, "a killed attempt is not counted");
}

pub(super) async fn keeps_how_far_it_is(store: &dyn SessionStore) {
    queued(store, "a", 1, Duration::ZERO).await;
    let held = lease(store, NOW).await.expect("due");
    let resume = ResumeState::new("b", *b"part 7");
    assert!(store.checkpoint(&held, 60, Some(resume.clone())).await.expect("writes"));
    assert!(store.checkpoint(&held, 50, None).await.expect("writes"));
    assert!(store.fail(&held, "Could not resolve channel ID", Outcome::GaveUp, NOW).await.expect("fails"));
    let failed = get(store, "a").await;
    assert_eq!((failed.state, failed.progress), (UploadState::Failed, 60));
    assert_eq!(failed.error.as_deref(), Some("Could not resolve channel ID"));
    assert_eq!(failed.resume, Some(resume), "a failure keeps the resume state");
    assert_eq!(store.chunks(&failed.key).await.expect("reads").len(), 1, "and the chunks");
    match store.complete(&failed.id, &failed.key, NOW).await.expect("completes") {
        Completed::Accepted(Completion::Queued, upload) => {
            assert_eq!((upload.progress, upload.error), (0, None))
        }
        other => panic!("not queued again: {other:?}"),
    }
}
