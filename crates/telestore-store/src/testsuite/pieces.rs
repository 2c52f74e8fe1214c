//! Files that go as several messages: what becomes of those that are there if the file does not become whole.

use std::time::Duration;

use telestore_types::{
    Outcome, ResumeState, StoredAs, StoredFile, StoredMessage, Upload, UploadState, UserId,
};

use super::sessions::{NOW, SECOND, chunk, get, lease, one, queued, record, result};
use crate::{Cancelled, Expiry, Lease, OutboxKind, SessionStore, Withdrawal};

fn message(id: i64, offset: u64) -> StoredMessage {
    StoredMessage::new(id, StoredAs::Mtproto { document_id: id }, 4).at(offset)
}

fn state(bytes: &[u8], made: &[StoredMessage]) -> ResumeState {
    ResumeState::new("MTProto", bytes).with_made(made.to_vec())
}

/// An upload that is sent, of which two messages exist: the second piece was faster.
pub(super) async fn sent_in_part(store: &dyn SessionStore, name: &str, key: u8) -> Lease {
    queued(store, name, key, Duration::ZERO).await;
    let held = lease(store, NOW).await.expect("due");
    for made in [&[][..], &[message(8, 4)], &[message(8, 4), message(7, 0)]] {
        assert!(store.checkpoint(&held, 50, Some(state(b"two", made))).await.expect("writes"));
    }
    held
}

/// The messages that are to be taken back, by upload.
pub(super) async fn withdrawn(store: &dyn SessionStore) -> Vec<(String, Withdrawal)> {
    let claimed = store.outbox_lease(&one(), OutboxKind::Withdrawal, NOW, NOW + SECOND, 9, &[]).await;
    let mut found = Vec::new();
    for event in claimed.expect("claims") {
        assert_eq!(event.event.user_id, Some(UserId::new("u")));
        assert_eq!(event.event.sealed_token.as_deref(), Some(&b"t"[..]), "it is done with the user's token");
        let withdrawal = Withdrawal::read(&event.event.body).expect("a body that can be read");
        found.push((event.upload_id.as_str().to_owned(), withdrawal));
        assert!(store.outbox_done(&event).await.expect("writes"));
    }
    found
}

pub(super) async fn both_are_withdrawn(store: &dyn SessionStore, upload: &Upload) {
    let both = StoredFile::of(vec![message(7, 0), message(8, 4)]).expect("there are some");
    let expected = Withdrawal::new("MTProto", upload.key.clone(), both);
    assert_eq!(withdrawn(store).await, [(upload.id.as_str().to_owned(), expected)]);
}

pub(super) async fn what_is_there_is_kept_with_the_state(store: &dyn SessionStore) {
    let held = sent_in_part(store, "a", 1).await;
    let found = get(store, "a").await;
    assert_eq!(found.result(), None, "it is not whole");
    assert_eq!(found.event(NOW).and_then(|event| event.stored), None, "and nobody is told so");
    let resume = found.resume.expect("is kept");
    assert_eq!((resume.bytes, resume.made), (b"two".to_vec(), vec![message(7, 0), message(8, 4)]));
    assert!(store.fail(&held, "no", Outcome::Refused, NOW).await.expect("fails"));
    assert_eq!(get(store, "a").await.resume.expect("is kept").made.len(), 2);
    assert_eq!(withdrawn(store).await, [], "it may go on");
}

pub(super) async fn what_was_handed_over_is_a_message_now(store: &dyn SessionStore) {
    queued(store, "a", 1, Duration::ZERO).await;
    let held = lease(store, NOW).await.expect("due");
    assert!(store.commit(&held, 40, None).await.expect("commits"));
    assert!(get(store, "a").await.maybe_sent);
    assert!(store.checkpoint(&held, 50, Some(state(b"one", &[message(7, 0)]))).await.expect("writes"));
    assert!(!get(store, "a").await.maybe_sent, "the next piece is not handed over yet");
    assert!(store.commit(&held, 50, None).await.expect("commits"));
    assert!(store.checkpoint(&held, 51, Some(state(b"more", &[message(7, 0)]))).await.expect("writes"));
    assert!(get(store, "a").await.maybe_sent, "no new message is known");
}

pub(super) async fn all_of_it_is_the_result(store: &dyn SessionStore) {
    let held = sent_in_part(store, "a", 1).await;
    let whole = StoredFile::new(message(7, 0)).and(message(8, 4)).and(message(9, 8));
    assert!(store.finish(&held, &whole, None, NOW.into()).await.expect("finishes"));
    assert_eq!(get(store, "a").await.result(), Some(&whole));
    assert_eq!(withdrawn(store).await, []);
}

pub(super) async fn another_result_takes_back_what_was_there(store: &dyn SessionStore) {
    let held = sent_in_part(store, "a", 1).await;
    assert!(store.finish(&held, &result(), None, NOW.into()).await.expect("finishes"));
    both_are_withdrawn(store, &held.upload).await;
}

pub(super) async fn a_cancel_takes_back_what_is_there(store: &dyn SessionStore) {
    let upload = sent_in_part(store, "a", 1).await.upload;
    let cancelled = store.cancel(&upload.id, &upload.key, NOW).await.expect("cancels");
    assert!(matches!(cancelled, Cancelled::Now { .. }));
    both_are_withdrawn(store, &upload).await;
    assert!(matches!(store.cancel(&upload.id, &upload.key, NOW).await, Ok(Cancelled::Over(_))));
    assert_eq!(withdrawn(store).await, [], "once");
}

pub(super) async fn what_goes_with_its_row_is_taken_back(store: &dyn SessionStore) {
    let held = sent_in_part(store, "a", 1).await;
    assert!(store.fail(&held, "no", Outcome::Refused, NOW).await.expect("fails"));
    let expiry = Expiry::new([UploadState::Failed], NOW + SECOND, 9);
    assert_eq!(store.expire(&expiry).await.expect("expires").len(), 1);
    let taken = async || {
        let (now, until) = (NOW + SECOND * 2, NOW + SECOND * 30);
        store.outbox_lease(&one(), OutboxKind::Withdrawal, now, until, 9, &[]).await.expect("claims")
    };
    assert_eq!(taken().await.len(), 1, "the row is gone, the messages are not");
}

pub(super) async fn what_begins_anew_takes_back_what_is_there(store: &dyn SessionStore) {
    let held = sent_in_part(store, "a", 1).await;
    let left = [message(7, 0)];
    assert!(store.checkpoint(&held, 50, Some(state(b"one", &left))).await.expect("writes"));
    let dropped = withdrawn(store).await;
    assert_eq!(dropped.len(), 1);
    assert_eq!(dropped[0].1.stored.messages(), [message(8, 4)], "a state names it no more");
}

pub(super) async fn other_bytes_take_back_what_is_there(store: &dyn SessionStore) {
    let held = sent_in_part(store, "a", 1).await;
    let upload = &held.upload;
    assert!(store.fail(&held, "no", Outcome::Refused, NOW).await.expect("fails"));
    record(store, upload, &chunk(0, 10, 2, "other")).await;
    let resume = get(store, "a").await.resume.expect("who made the messages is known");
    assert_eq!((resume.bytes.len(), resume.made.len()), (0, 2), "nothing goes on from it");
    assert_eq!(withdrawn(store).await, [], "not before it is sent again");
    store.complete(&upload.id, &upload.key, NOW).await.expect("completes");
    let again = lease(store, NOW).await.expect("due");
    assert_eq!((again.upload.resume, again.upload.stored), (None, None));
    both_are_withdrawn(store, upload).await;
}
