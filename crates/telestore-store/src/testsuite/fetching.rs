//! Uploads that workers fetch.

use telestore_types::{FileName, NewUpload, Outcome, StorageKey, Upload, UploadState, UserId};

use super::sessions::{LIMITS, NOW, SECOND, get, id, worker};
use crate::rules::NewExtent;
use crate::{Appended, BlobName, Created, FetchNote, SessionStore};

fn to_fetch(name: &str, key: u8, user: &str) -> Upload {
    let file_name = FileName::new("video.mp4").expect("good name");
    let new = NewUpload::new(id(name), StorageKey::from_random([key; 16]), file_name, NOW);
    let upload = Upload::new(new.with_source(Some(vec![key, 0, 255])));
    Upload { user_id: Some(UserId::new(user)), created_at: NOW + SECOND * u32::from(key), ..upload }
}

async fn create(store: &dyn SessionStore, upload: &Upload) {
    assert_eq!(store.create(upload, false, &LIMITS).await.expect("creates"), Created::New);
}

async fn append(store: &dyn SessionStore, upload: &Upload, at: u64, blob: &str) {
    let new = NewExtent::new(upload.id.clone(), upload.key.clone(), at, BlobName::new(blob), NOW).of(5, 7);
    assert!(matches!(store.append(&new).await.expect("appends"), Appended::Stored(..)));
}

pub(super) async fn one_worker_fetches_at_a_time(store: &dyn SessionStore) {
    let (one, two) = (worker("one"), worker("two"));
    assert_eq!(store.begin_fetch(&one, NOW, &[]).await.expect("answers"), None);
    let (first, second) = (to_fetch("a", 1, "u"), to_fetch("b", 2, "v"));
    create(store, &second).await;
    create(store, &first).await;
    assert_eq!(get(store, "a").await, first, "it reads back whole");
    let found = store.begin_fetch(&one, NOW, &[]).await.expect("answers").expect("the oldest");
    assert_eq!((found.id, found.worker), (first.id.clone(), Some(one.clone())));
    let except = [UserId::new("v")];
    assert_eq!(store.begin_fetch(&two, NOW, &except).await.expect("answers"), None);
    let found = store.begin_fetch(&two, NOW, &[]).await.expect("answers").expect("the other");
    assert_eq!(found.id, second.id);
    assert_eq!(store.begin_fetch(&one, NOW, &[]).await.expect("answers"), None, "both are fetched");
}

pub(super) async fn a_fetch_is_written_down_by_its_worker_only(store: &dyn SessionStore) {
    let (one, two) = (worker("one"), worker("two"));
    let upload = to_fetch("a", 1, "u");
    create(store, &upload).await;
    store.begin_fetch(&one, NOW, &[]).await.expect("answers").expect("is there");
    let name = FileName::new("b.bin").expect("good name");
    let goes_on = FetchNote::GoesOn {
        source: vec![9],
        file_name: Some(name.clone()),
        mime_type: Some("text/plain".to_owned()),
    };
    let note = async |worker: &_, note: &FetchNote| {
        store.note_fetch(&upload.id, &upload.key, worker, note, NOW).await.expect("answers")
    };
    assert_eq!(note(&two, &goes_on).await, None);
    assert_eq!(get(store, "a").await.source, upload.source);
    assert_eq!(note(&one, &goes_on).await, Some(Vec::new()));
    let found = get(store, "a").await;
    assert_eq!((found.source, found.file_name), (Some(vec![9]), name));
    assert_eq!(found.mime_type.as_deref(), Some("text/plain"));
    append(store, &upload, 0, "first").await;

    let later = FetchNote::Later { source: vec![8], at: NOW + SECOND * 10 };
    assert_eq!(note(&one, &later).await, Some(Vec::new()));
    assert_eq!(note(&one, &later).await, None, "it has let it go");
    assert_eq!(store.begin_fetch(&two, NOW, &[]).await.expect("answers"), None, "not yet");
    let found = store.begin_fetch(&two, NOW + SECOND * 11, &[]).await.expect("answers").expect("is due");
    assert_eq!((found.source.as_deref(), found.received_bytes), (Some(&[8][..]), 5));

    let failed = FetchNote::Failed { error: "gone".to_owned(), outcome: Outcome::Refused };
    assert_eq!(note(&two, &failed).await, Some(vec![BlobName::new("first")]));
    let found = get(store, "a").await;
    assert_eq!((found.state, found.error.as_deref()), (UploadState::Failed, Some("gone")));
    assert_eq!((found.source, found.received_bytes), (None, 0));
    assert!(store.chunks(&upload.key).await.expect("reads").is_empty());
}

pub(super) async fn what_a_dead_worker_fetched_is_let_go(store: &dyn SessionStore) {
    let (one, two) = (worker("one"), worker("two"));
    for (name, key) in [("a", 1), ("b", 2)] {
        create(store, &to_fetch(name, key, "u")).await;
    }
    store.beat(&one, NOW + SECOND * 10).await.expect("beats");
    store.beat(&two, NOW + SECOND * 100).await.expect("beats");
    store.begin_fetch(&one, NOW, &[]).await.expect("answers").expect("the first");
    assert!(store.release_gone(&two, NOW, 10).await.expect("answers").is_empty(), "it lives");
    let released = store.release_gone(&two, NOW + SECOND * 20, 10).await.expect("answers");
    assert_eq!(released.len(), 1);
    let found = store.begin_fetch(&two, NOW + SECOND * 20, &[]).await.expect("answers").expect("the first");
    assert_eq!((found.id, found.worker), (id("a"), Some(two.clone())));
    // The same for one that starts under its old name, which must come to an end.
    let released = store.release(&two, NOW + SECOND * 30, 10).await.expect("answers");
    assert_eq!(released.len(), 1);
    assert!(store.release(&two, NOW + SECOND * 30, 10).await.expect("answers").is_empty());
}

pub(super) async fn a_cancelled_or_complete_one_is_not_fetched(store: &dyn SessionStore) {
    let one = worker("one");
    let (cancelled, complete) = (to_fetch("a", 1, "u"), to_fetch("b", 2, "u"));
    for upload in [&cancelled, &complete] {
        create(store, upload).await;
    }
    store.begin_fetch(&one, NOW, &[]).await.expect("answers").expect("the first");
    store.cancel(&cancelled.id, &cancelled.key, NOW).await.expect("cancels");
    let later = FetchNote::Later { source: vec![8], at: NOW };
    let noted = store.note_fetch(&cancelled.id, &cancelled.key, &one, &later, NOW).await;
    assert_eq!(noted.expect("answers"), None);
    store.begin_fetch(&one, NOW, &[]).await.expect("answers").expect("the second");
    append(store, &complete, 0, "all").await;
    store.declare_size(&complete.id, &complete.key, 5, NOW).await.expect("declares");
    store.complete(&complete.id, &complete.key, NOW).await.expect("completes");
    assert_eq!(get(store, "b").await.source, None);
    assert_eq!(store.begin_fetch(&one, NOW, &[]).await.expect("answers"), None);
}
