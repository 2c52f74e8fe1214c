//! Files of which no answer came and whose messages can be looked for.

use telestore_types::{
    Caption, ChatId, HandedOver, MAX_CRASHES, Outcome, Reading, Recovery, ResumeState, SendAs, Timestamp,
    UploadState,
};

use super::sessions::{NOW, SECOND, get, lease, one, queued, result, worker};
use crate::{Completed, Lease, Listing, OutboxEvent, OutboxKind, Recall, SessionStore};

fn handed_over() -> HandedOver {
    let chat = ChatId::new("-1001").expect("a chat");
    let now = Reading { at: NOW, wall: Timestamp::from_millis(1_700_000_000_000) };
    HandedOver::new(chat, &Caption::from("Uploaded: a"), SendAs::Document, 1, now)
}

async fn hand_over(store: &dyn SessionStore, key: u8, now: Timestamp) -> Lease {
    hand_over_of(store, "a", key, now).await
}

async fn hand_over_of(store: &dyn SessionStore, name: &str, key: u8, now: Timestamp) -> Lease {
    queued(store, name, key, std::time::Duration::ZERO).await;
    let held = lease(store, now).await.expect("due");
    let state = ResumeState::from(&handed_over());
    assert!(store.commit(&held, 90, Some(state)).await.expect("writes"));
    assert!(get(store, name).await.maybe_sent);
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
    assert!(store.finish(&held, &result(), None, later.into()).await.expect("finishes"));
    assert_eq!((get(store, "a").await.state, listed(store).await), (UploadState::Completed, 0));
}

pub(super) async fn a_runner_that_is_gone_leaves_it_to_the_next(store: &dyn SessionStore) {
    let gone = hand_over(store, 1, NOW).await;
    let next = lease(store, NOW + SECOND * 60).await.expect("its lease has run out");
    assert_eq!(next.upload.handed_over(), Some(handed_over()));
    assert!(!store.finish(&gone, &result(), None, (NOW + SECOND * 60).into()).await.expect("answers"));
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

async fn cancel(store: &dyn SessionStore, name: &str, now: Timestamp) {
    let row = get(store, name).await;
    store.cancel(&row.id, &row.key, now).await.expect("cancels");
    assert_eq!(get(store, name).await.resume, None);
}

async fn recalls(store: &dyn SessionStore, now: Timestamp) -> Vec<OutboxEvent> {
    let until = now + SECOND * 30;
    store.outbox_lease(&one(), OutboxKind::Recall, now, until, 9, &[]).await.expect("claims")
}

/// The one message that is recalled, which is done then.
async fn recalled(store: &dyn SessionStore, name: &str, now: Timestamp) -> Recall {
    let events = recalls(store, now).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event.user_id, get(store, name).await.user_id);
    assert_eq!(events[0].event.sealed_token.as_deref(), Some(&b"t"[..]), "it is done with the user's token");
    assert!(store.outbox_done(&events[0]).await.expect("writes"));
    Recall::read(&events[0].event.body).expect("a body that can be read")
}

pub(super) async fn a_cancel_has_it_recalled(store: &dyn SessionStore) {
    // While it is sent, between two looks, and after nobody could tell.
    for (key, name) in [(1, "a"), (2, "b"), (3, "c")] {
        let held = hand_over_of(store, name, key, NOW).await;
        match key {
            1 => {}
            2 => assert!(store.retry_later(&held, NOW + SECOND, false, NOW).await.expect("writes")),
            _ => assert!(store.fail(&held, "no", Outcome::Ambiguous, NOW).await.expect("writes")),
        }
        cancel(store, name, NOW).await;
        let (row, recall) = (get(store, name).await, recalled(store, name, NOW).await);
        assert_eq!((recall.key.clone(), recall.size), (row.key.clone(), row.size()));
        assert_eq!(recall.state().handed_over(), Some(handed_over()));
    }
}

pub(super) async fn nothing_is_recalled_of_what_was_not_begun(store: &dyn SessionStore) {
    // There is no message.
    let held = hand_over(store, 1, NOW).await;
    assert!(store.uncommit(&held).await.expect("writes"));
    cancel(store, "a", NOW).await;
    assert_eq!(recalls(store, NOW).await, []);
    // It is known.
    let held = hand_over_of(store, "b", 2, NOW).await;
    assert!(store.finish(&held, &result(), None, NOW.into()).await.expect("finishes"));
    let row = get(store, "b").await;
    store.cancel(&row.id, &row.key, NOW).await.expect("answers");
    assert_eq!(recalls(store, NOW).await, []);
    // A backend says what comes of its own state.
    queued(store, "c", 3, std::time::Duration::ZERO).await;
    let held = lease(store, NOW).await.expect("due");
    let state = ResumeState::new("MTProto", *b"part 7");
    assert!(store.checkpoint(&held, 50, Some(state.clone())).await.expect("writes"));
    cancel(store, "c", NOW).await;
    assert_eq!(recalled(store, "c", NOW).await.state(), state);
}

pub(super) async fn a_recall_keeps_what_was_seen(store: &dyn SessionStore) {
    hand_over(store, 1, NOW).await;
    cancel(store, "a", NOW).await;
    let list = async || store.outbox_list(OutboxKind::Recall, None, 9).await.expect("lists");
    let mut event = recalls(store, NOW).await.pop().expect("due");
    assert_eq!(list().await, [event.event.clone()], "also if it is claimed");
    event.event.body = "{\"seen\":1}".to_owned();
    assert!(store.outbox_later(&event, NOW + SECOND).await.expect("writes"));
    assert_eq!(list().await, [event.event.clone()], "and not due");
    assert!(store.outbox_list(OutboxKind::Webhook, None, 9).await.expect("lists").is_empty());
    assert!(store.outbox_list(OutboxKind::Recall, None, 0).await.expect("lists").is_empty());
    // Another worker uses the account.
    let user = event.event.user_id.clone().expect("a user");
    store.leave_account(&user, &one()).await.expect("writes");
    let later = NOW + SECOND;
    assert!(store.hold_account(&user, &worker("two"), later, later + SECOND * 30).await.expect("answers"));
    assert_eq!(recalls(store, later).await, []);
    store.leave_account(&user, &worker("two")).await.expect("writes");
    let again = recalls(store, later).await;
    assert_eq!((again[0].event.body.as_str(), again[0].attempt), ("{\"seen\":1}", 1));
    // By page.
    hand_over_of(store, "b", 2, later).await;
    cancel(store, "b", later).await;
    let all = list().await;
    let second = store.outbox_list(OutboxKind::Recall, Some(&all[0].event_id), 9).await.expect("lists");
    assert_eq!((all.len(), second.as_slice()), (2, &all[1..]));
    let rest = store.outbox_list(OutboxKind::Recall, Some(&all[1].event_id), 9).await.expect("lists");
    assert!(rest.is_empty());
}
