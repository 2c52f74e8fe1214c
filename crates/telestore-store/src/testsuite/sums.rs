//! Chunks that can be those of the file, and those that cannot.

use telestore_types::{Completion, CompletionError};

use super::sessions::{LIMITS, NOW, chunk, get, owner, record, upload};
use crate::{Completed, Recorded, SessionStore};

/// An empty last chunk, before the others and behind them.
pub(super) async fn an_empty_chunk_comes_last_in_any_order(store: &dyn SessionStore) {
    for (name, key, order) in [("a", 1, [0, 1]), ("b", 2, [1, 0])] {
        let upload = upload(name, key, 2, 5);
        store.create(&upload, false, &LIMITS).await.expect("creates");
        store.claim(&upload.id, &upload.key, &owner("u", b"t"), &LIMITS).await.expect("claims");
        for index in order {
            let length = if index == 0 { 5 } else { 0 };
            let recorded = record(store, &upload, &chunk(index, length, index, name)).await;
            assert!(matches!(recorded, Recorded::Stored { .. }), "{recorded:?}");
        }
        let chunks = store.chunks(&upload.key).await.expect("reads");
        assert_eq!(chunks.iter().map(|chunk| chunk.length).collect::<Vec<_>>(), [5, 0]);
        match store.complete(&upload.id, &upload.key, NOW).await.expect("completes") {
            Completed::Accepted(Completion::Queued, upload) => assert_eq!(upload.received_bytes, 5),
            other => panic!("not accepted: {other:?}"),
        }
        let again = record(store, &upload, &chunk(1, 0, 1, "again")).await;
        assert!(matches!(again, Recorded::Refused { .. }), "{again:?}");
    }
}

pub(super) async fn chunks_that_cannot_be_the_file_are_not_recorded(store: &dyn SessionStore) {
    let upload = upload("a", 1, 3, 10);
    store.create(&upload, false, &LIMITS).await.expect("creates");
    let unfit = |received| Recorded::Unfit(CompletionError::SizeMismatch { declared: 10, received });
    assert_eq!(record(store, &upload, &chunk(0, 11, 1, "long")).await, unfit(11));
    assert_eq!(get(store, "a").await.received_chunks, 0);
    record(store, &upload, &chunk(0, 6, 1, "zero")).await;
    assert_eq!(record(store, &upload, &chunk(1, 5, 1, "more")).await, unfit(11), "a new one makes it more");
    record(store, &upload, &chunk(1, 3, 1, "one")).await;
    assert_eq!(record(store, &upload, &chunk(2, 0, 0, "none")).await, unfit(9), "and leaves it less");
    assert_eq!(get(store, "a").await.received_bytes, 9, "what is refused changes nothing");
    record(store, &upload, &chunk(2, 1, 1, "two")).await;
    assert_eq!(get(store, "a").await.received_bytes, 10);
    // In the place of others, one after the other.
    for (index, length, sum) in [(1, 7, 14), (0, 2, 10)] {
        match record(store, &upload, &chunk(index, length, 2, "anew")).await {
            Recorded::Stored { upload, replaced: Some(_) } => assert_eq!(upload.received_bytes, sum),
            other => panic!("not stored: {other:?}"),
        }
    }
    assert_eq!(record(store, &upload, &chunk(2, 11, 1, "long")).await, unfit(20));
    assert_eq!(record(store, &upload, &chunk(2, 0, 1, "none")).await, unfit(9));
}
