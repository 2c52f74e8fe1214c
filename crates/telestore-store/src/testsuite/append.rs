//! Bytes that follow each other, and a length that is said later.

use telestore_types::{
    AppendError, ChunkIndex, Completion, CompletionError, FileName, NewUpload, OptionError, StorageKey,
    ThumbnailMark, TopicId, Upload, UploadOption, UploadOptions,
};

use super::sessions::{LIMITS, NOW, all, get, id, owner};
use crate::rules::NewExtent;
use crate::{
    Appended, BlobName, Cancelled, ChunkRecord, Completed, Declared, Exceeded, Limits, OptionsSet, Quota,
    Resource, SessionStore, Subject, Usage,
};

async fn begun(store: &dyn SessionStore, name: &str, key: u8, size: Option<u64>) -> Upload {
    let file_name = FileName::new("a.bin").expect("a name");
    let new = NewUpload::new(id(name), StorageKey::from_random([key; 16]), file_name, NOW);
    let options = UploadOptions::default().with_caption("a holiday");
    let metadata = [("album".to_owned(), "2026".to_owned())].into();
    let upload = Upload::new(new.appended(size).with_options(options).with_metadata(metadata));
    store.create(&upload, false, &LIMITS).await.expect("creates");
    store.claim(&upload.id, &upload.key, &owner("u", b"t"), &LIMITS).await.expect("claims");
    get(store, name).await
}

fn extent(upload: &Upload, at: u64, length: u64, blob: &str) -> NewExtent {
    let extent = NewExtent::new(upload.id.clone(), upload.key.clone(), at, BlobName::new(blob), NOW);
    extent.of(length, 7).within(LIMITS)
}

async fn append(store: &dyn SessionStore, upload: &Upload, at: u64, length: u64, blob: &str) -> Appended {
    store.append(&extent(upload, at, length, blob)).await.expect("answers")
}

fn elsewhere(appended: &Appended) -> Option<u64> {
    match appended {
        Appended::Refused(AppendError::Offset { expected }, upload) if upload.received_bytes == *expected => {
            Some(*expected)
        }
        _ => None,
    }
}

pub(super) async fn bytes_follow_each_other(store: &dyn SessionStore) {
    let upload = begun(store, "a", 1, Some(10)).await;
    assert_eq!((upload.file_size, upload.total_chunks), (Some(10), None));
    assert_eq!(upload.options.caption.as_deref(), Some("a holiday"), "what was asked for is kept");
    assert_eq!(upload.metadata["album"], "2026");
    assert_eq!(elsewhere(&append(store, &upload, 4, 4, "gap").await), Some(0));
    assert!(matches!(append(store, &upload, 0, 4, "one").await, Appended::Stored(..)));
    assert_eq!(elsewhere(&append(store, &upload, 0, 4, "again").await), Some(4));
    let long = append(store, &upload, 4, 7, "long").await;
    assert!(
        matches!(long, Appended::Refused(AppendError::TooLong { declared: 10, received: 11 }, _)),
        "{long:?}"
    );
    let early = store.complete(&upload.id, &upload.key, NOW).await.expect("answers");
    let missing = CompletionError::SizeMismatch { declared: 10, received: 4 };
    assert_eq!(early, Completed::Refused(missing));
    match append(store, &upload, 4, 6, "two").await {
        Appended::Stored(upload, chunk) => {
            assert_eq!((upload.received_bytes, upload.received_chunks, chunk.index.get()), (10, 2, 1));
        }
        other => panic!("not stored: {other:?}"),
    }
    let chunks = store.chunks(&upload.key).await.expect("reads");
    let kept: Vec<_> = chunks.iter().map(|chunk| (chunk.blob.as_str(), chunk.length)).collect();
    assert_eq!(kept, [("one", 4), ("two", 6)], "in the order of the bytes");
    match store.complete(&upload.id, &upload.key, NOW).await.expect("completes") {
        Completed::Accepted(Completion::Queued, upload) => assert_eq!(upload.total_chunks, Some(2)),
        other => panic!("not accepted: {other:?}"),
    }
    let late = append(store, &upload, 10, 1, "late").await;
    assert!(matches!(late, Appended::Refused(AppendError::Complete, _)), "{late:?}");
    let absent = NewExtent { key: StorageKey::from_random([9; 16]), ..extent(&upload, 10, 1, "other life") };
    assert_eq!(store.append(&absent).await.expect("answers"), Appended::NotFound);
}

pub(super) async fn of_many_at_one_offset_one_wins(store: &dyn SessionStore) {
    let upload = begun(store, "a", 1, None).await;
    let names: Vec<String> = (0..8).map(|number| format!("blob-{number}")).collect();
    let answers = all(names.iter().map(|name| append(store, &upload, 0, 5, name))).await;
    let stored = answers.iter().filter(|answer| matches!(answer, Appended::Stored(..))).count();
    assert_eq!(stored, 1, "{answers:?}");
    assert_eq!(answers.iter().filter_map(elsewhere).collect::<Vec<_>>(), [5; 7]);
    let now = get(store, "a").await;
    assert_eq!((now.received_bytes, now.received_chunks), (5, 1), "each byte counts once");
    assert_eq!(store.chunks(&upload.key).await.expect("reads").len(), 1);
}

pub(super) async fn a_length_may_be_said_later(store: &dyn SessionStore) {
    let upload = begun(store, "a", 1, None).await;
    append(store, &upload, 0, 5, "one").await;
    let unknown = store.complete(&upload.id, &upload.key, NOW).await.expect("answers");
    assert_eq!(unknown, Completed::Refused(CompletionError::SizeUnknown { received: 5 }));
    let declare = async |size| match store.declare_size(&upload.id, &upload.key, size, NOW).await {
        Ok(Declared::Known(upload)) => Ok(upload.file_size),
        Ok(Declared::Refused(error)) => Err(error),
        other => panic!("{other:?}"),
    };
    assert_eq!(declare(4).await, Err(AppendError::TooLong { declared: 4, received: 5 }));
    assert_eq!(get(store, "a").await.file_size, None);
    assert_eq!(declare(8).await, Ok(Some(8)));
    assert_eq!(declare(8).await, Ok(Some(8)), "saying so again changes nothing");
    assert_eq!(declare(9).await, Err(AppendError::Declared { declared: 8 }));
    let absent = StorageKey::from_random([9; 16]);
    let nobody = store.declare_size(&upload.id, &absent, 8, NOW).await.expect("answers");
    assert_eq!(nobody, Declared::NotFound);
    append(store, &upload, 5, 3, "two").await;
    match store.complete(&upload.id, &upload.key, NOW).await.expect("completes") {
        Completed::Accepted(Completion::Queued, upload) => assert_eq!(upload.file_size, Some(8)),
        other => panic!("not accepted: {other:?}"),
    }
}

pub(super) async fn what_is_appended_is_limited_and_counted(store: &dyn SessionStore) {
    let upload = begun(store, "a", 1, None).await;
    let within = |limits| extent(&upload, 0, 5, "one").within(limits);
    let large = store.append(&within(Limits { max_bytes: 4, ..LIMITS })).await.expect("answers");
    assert_eq!(large, Appended::TooLarge { received: 5 });
    let quota = |bytes| Limits { user: Quota { bytes_per_day: Some(bytes), ..Quota::default() }, ..LIMITS };
    let much = store.append(&within(quota(4))).await.expect("answers");
    assert!(matches!(much, Appended::TooMuch(Exceeded { resource: Resource::BytesPerDay, .. })), "{much:?}");
    assert_eq!(get(store, "a").await.received_bytes, 0, "what is refused changes nothing");
    assert!(matches!(store.append(&within(quota(5))).await.expect("answers"), Appended::Stored(..)));
    let user = telestore_types::UserId::new("u");
    let used = store.usage(Subject::User(&user), NOW).await.expect("reads");
    let Usage { stored_bytes, bytes_today, .. } = used;
    assert_eq!((stored_bytes, bytes_today), (5, 5));
}

pub(super) async fn the_first_value_of_an_option_counts(store: &dyn SessionStore) {
    let upload = begun(store, "a", 1, Some(4)).await;
    let silent = UploadOptions::default().silently(true);
    let set = async |named: &UploadOptions| {
        store.set_options(&upload.id, &upload.key, named, None, NOW).await.expect("answers")
    };
    for named in [&silent, &silent, &UploadOptions::default()] {
        match set(named).await {
            OptionsSet::Known { upload: known, thumbnail: false } => {
                assert_eq!(known.options, upload.options.clone().silently(true))
            }
            other => panic!("{other:?}"),
        }
    }
    let other = UploadOptions::default().with_caption("another");
    assert_eq!(set(&other).await, OptionsSet::Refused(OptionError::Other(UploadOption::Caption)));
    append(store, &upload, 0, 4, "one").await;
    store.complete(&upload.id, &upload.key, NOW).await.expect("completes");
    let late = UploadOptions::default().in_topic(TopicId::GENERAL);
    assert_eq!(set(&late).await, OptionsSet::Refused(OptionError::Late(UploadOption::Topic)));
    assert_eq!(get(store, "a").await.options, upload.options.clone().silently(true));
    let absent = StorageKey::from_random([9; 16]);
    let nobody = store.set_options(&upload.id, &absent, &silent, None, NOW).await.expect("answers");
    assert_eq!(nobody, OptionsSet::NotFound);
}

pub(super) async fn a_thumbnail_is_kept_beside_the_chunks(store: &dyn SessionStore) {
    let upload = begun(store, "a", 1, Some(4)).await;
    let named = |length| {
        let mut named = UploadOptions::default();
        named.thumbnail = Some(ThumbnailMark { length, crc32c: 7 });
        named
    };
    let set = async |length: u64, blob: &str| {
        let record = ChunkRecord::new(ChunkIndex::THUMBNAIL, length, 7, BlobName::new(blob));
        let (id, key) = (&upload.id, &upload.key);
        store.set_options(id, key, &named(length), Some(&record), NOW).await.expect("answers")
    };
    assert!(matches!(set(5, "first").await, OptionsSet::Known { thumbnail: true, .. }));
    assert!(matches!(set(5, "again").await, OptionsSet::Known { thumbnail: false, .. }));
    assert_eq!(set(6, "other").await, OptionsSet::Refused(OptionError::Other(UploadOption::Thumbnail)));
    append(store, &upload, 0, 4, "one").await;
    let held = get(store, "a").await;
    assert_eq!((held.received_bytes, held.received_chunks), (4, 1), "it is no part of the file");
    let records = store.chunks(&upload.key).await.expect("reads");
    let places: Vec<_> =
        records.iter().map(|record| (record.index.is_thumbnail(), record.blob.as_str())).collect();
    assert_eq!(places, [(false, "one"), (true, "first")]);
    let blobs = ["first", "again"].map(BlobName::new);
    assert_eq!(store.named(&blobs).await.expect("reads"), [BlobName::new("first")]);
    match store.cancel(&upload.id, &upload.key, NOW).await.expect("cancels") {
        Cancelled::Now { blobs, .. } => assert_eq!(blobs.len(), 2, "{blobs:?}"),
        other => panic!("{other:?}"),
    }
}
