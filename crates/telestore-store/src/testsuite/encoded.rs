//! What Telegram gets instead of a file's own bytes.

use std::time::Duration;

use telestore_types::{Encoded, Encoding, Outcome, ResumeState, UploadState};

use super::pieces::{both_are_withdrawn, sent_in_part, withdrawn};
use super::sessions::{NOW, SECOND, chunk, get, lease, queued, record, result};
use crate::{Cancelled, FileListing, Recorded, SessionStore};

fn encoding() -> Encoding {
    Encoding::new(505).compressed("zstd 1").encrypted(*b"\0sealed\xff").with_hidden_name()
}

pub(super) async fn it_stays_over_attempts_and_its_keys_go_with_the_end(store: &dyn SessionStore) {
    queued(store, "a", 1, Duration::ZERO).await;
    let held = lease(store, NOW).await.expect("due");
    assert!(store.encode(&held, &encoding()).await.expect("writes"));
    assert_eq!(get(store, "a").await.encoding, Some(encoding()));
    let state = ResumeState::new("MTProto", *b"part 7");
    assert!(store.checkpoint(&held, 40, Some(state.clone())).await.expect("writes"));
    assert!(store.retry_later(&held, NOW + SECOND, true, NOW).await.expect("writes"));
    let held = lease(store, NOW + SECOND).await.expect("due");
    assert_eq!(held.upload.encoding, Some(encoding()), "the next attempt makes the same bytes");
    assert_eq!((held.upload.sent_size(), held.upload.resume.clone()), (505, Some(state)));
    assert!(store.finish(&held, &result(), None, NOW.into()).await.expect("finishes"));
    let sent = get(store, "a").await;
    assert_eq!(sent.encoding, Some(encoding().with_keys(None)), "nobody needs the keys any more");
    let both = Encoded { encrypted: true, compressed: true };
    assert_eq!(sent.event(NOW).expect("an event").encoded, both);
    let owner = sent.user_id.clone().expect("has an owner");
    let files = store.files(&owner, &FileListing::first(9)).await.expect("lists");
    assert_eq!((files.len(), files[0].encoded, files[0].size), (1, both, sent.size()));
}

pub(super) async fn other_bytes_are_never_encrypted_with_its_keys(store: &dyn SessionStore) {
    // Also those that look the same: a CRC-32C tells no two files apart for sure.
    for (number, crc32c) in [(1, 1), (2, 7)] {
        let name = format!("of-{number}");
        queued(store, &name, number, Duration::ZERO).await;
        let held = lease(store, NOW).await.expect("due");
        assert!(store.encode(&held, &encoding()).await.expect("writes"));
        let state = ResumeState::new("MTProto", *b"part 7");
        assert!(store.checkpoint(&held, 40, Some(state)).await.expect("writes"));
        assert!(store.fail(&held, "no", Outcome::Refused, NOW).await.expect("fails"));
        let upload = get(store, &name).await;
        assert_eq!(upload.encoding, Some(encoding()), "it may go on");
        let recorded = record(store, &upload, &chunk(0, 10, crc32c, "others")).await;
        assert!(matches!(recorded, Recorded::Stored { .. }), "{recorded:?}");
        let now = get(store, &name).await;
        assert_eq!((now.encoding, now.resume), (None, None), "other bytes, or perhaps others");
    }
}

pub(super) async fn what_was_made_of_other_bytes_is_taken_back(store: &dyn SessionStore) {
    let held = sent_in_part(store, "a", 1).await;
    assert!(store.encode(&held, &encoding()).await.expect("writes"));
    let found = get(store, "a").await;
    assert_eq!((found.resume.clone(), found.stored.clone()), (None, None), "nothing goes on from that");
    both_are_withdrawn(store, &found).await;
}

pub(super) async fn it_is_written_by_the_holder_of_the_lease_only(store: &dyn SessionStore) {
    queued(store, "a", 1, Duration::ZERO).await;
    let held = lease(store, NOW).await.expect("due");
    assert!(store.encode(&held, &encoding()).await.expect("writes"));
    let key = held.upload.key.clone();
    let cancelled = store.cancel(&held.upload.id, &key, NOW).await.expect("cancels");
    assert!(matches!(cancelled, Cancelled::Now { .. }), "{cancelled:?}");
    assert!(!store.encode(&held, &Encoding::new(1)).await.expect("answers"));
    let upload = get(store, "a").await;
    assert_eq!((upload.state, upload.encoding), (UploadState::Cancelled, None), "its keys are gone");
    assert_eq!(withdrawn(store).await, []);
}
