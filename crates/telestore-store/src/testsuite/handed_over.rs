//! Files of which no answer came and whose messages can be looked for.

use telestore_types::{
    Caption, ChatId, HandedOver, MAX_CRASHES, Outcome, Reading, Recovery, ResumeState, SendAs, Timestamp,
    UploadState,
};

use super::sessions::{NOW, SECOND, get, lease, one, queued, result};
use crate::{Completed, Lease, Listing, SessionStore};

fn handed_over() -> HandedOver {
    let chat = ChatId::new("-1001").expect("a chat");
    let now = Reading { at: NOW, wall: Timestamp::from_millis(1_700_000_000_000) };
    HandedOver::new(chat, &Caption::from("Uploaded: a"), SendAs::Document, 1, now)
}

async fn hand_over(store: &dyn SessionStore, key: u8, now: Timestamp) -> Lease {
    queued(store, "a", key, std::time::Duration::ZERO).await;
    let held = lease(store, now).await.expect("due");
    let state = ResumeState::from(&handed_over());
    assert!(store.commit(&held, 90, Some(state)).await.expect("writes"));
    assert!(get(store, "a").await.maybe_sent);
    held
}

async fn listed(store: &dyn SessionStore) -> usize {
    let user = get(store, "a").await.user_id;
    store.list(&Listing::first(10).of_user(user).handed_over()).await.expect("lists").len()
}

pub(super) async fn it_is_looked_for_whatever_ends_the_attempt(store: &dyn SessionStore) {
    let held = hand_over(store, 1, NOW).await;
    assert_eq!(listed(store).await, 1);
    // The process ends.
    let released = store.release(&one(), NOW, 10).await.expect("releases");
    assert_eq!(released.iter().map(|one| one.recovery).collect::<Vec<_>>(), [Recovery::GoesOn]);
    let row = get(store, "a").await;
    assert_eq!((row.state, row.handed_over()), (UploadState::Queued, Some(handed_over())));
    assert!(!store.commit(&held, 90, None).await.expect("answers"), "the lease is over");
    // The next attempt knows, and its worker dies without a word.
    let held = lease(store, NOW + SECOND).await.expect("due");
    assert_eq!(held.upload.handed_over(), Some(handed_over()));
    let held = lease(store, NOW + SECOND * 60).await.expect("due");
    assert_eq!(held.upload.handed_over(), Some(handed_over()));
    // It is not there yet.
    let later = NOW + SECOND * 70;
    assert!(store.retry_later(&held, later, false, NOW + SECOND * 60).await.expect("writes"));
    let held = lease(store, later).await.expect("due");
    assert_eq!(held.upload.handed_over(), Some(handed_over()));
    // It is there.
    assert!(store.finish(&held, &result(), None, later).await.expect("finishes"));
    assert_eq!((get(store, "a").await.state, listed(store).await), (UploadState::Completed, 0));
}

pub(super) async fn a_runner_that_is_gone_leaves_it_to_the_next(store: &dyn SessionStore) {
    let gone = hand_over(store, 1, NOW).await;
    let next = lease(store, NOW + SECOND * 60).await.expect("its lease has run out");
    assert_eq!(next.upload.handed_over(), Some(handed_over()));
    assert!(!store.finish(&gone, &result(), None, NOW + SECOND * 60).await.expect("answers"));
    // There is no message.
    assert!(store.uncommit(&next).await.expect("writes"));
    assert_eq!((get(store, "a").await.handed_over(), listed(store).await), (None, 0));
}

pub(super) async fn it_is_never_said_not_to_be_there(store: &dyn SessionStore) {
    let mut now = NOW;
    hand_over(store, 1, now).await;
    for crash in 1..=MAX_CRASHES {
        store.release(&one(), now, 10).await.expect("releases");
        now = now + SECOND * 70;
        assert_eq!(lease(store, now).await.is_some(), crash < MAX_CRASHES);
    }
    let failed = get(store, "a").await;
    assert_eq!((failed.state, failed.outcome), (UploadState::Failed, Some(Outcome::Ambiguous)));
    // A person wants it sent all the same.
    let completed = store.complete(&failed.id, &failed.key, now).await.expect("completes");
    assert!(matches!(completed, Completed::Accepted(..)));
    let insisted = lease(store, now).await.expect("due").upload.handed_over().expect("it may be there");
    assert!(insisted.insisted && insisted.mark == handed_over().mark);
}
