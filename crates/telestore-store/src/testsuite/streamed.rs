//! Uploads that their last byte completes, pieces that become one, and files that are put together of parts.

use telestore_types::{
    ChunkIndex, FileName, NewUpload, Outcome, StorageKey, ThumbnailMark, Upload, UploadId, UploadKind,
    UploadState, UserId,
};

use super::sessions::{LIMITS, NOW, SECOND, all, get, id, lease, owner, result};
use crate::rules::{Concatenation, JoinedExtent, NewExtent};
use crate::{
    Appended, BlobName, Cancelled, ChunkRecord, Concatenated, Declared, Digest, Expiry, Limits, SessionStore,
};

fn new(name: &str, key: u8, size: Option<u64>, kind: UploadKind) -> Upload {
    let file_name = FileName::new("a.bin").expect("a name");
    let new = NewUpload::new(id(name), StorageKey::from_random([key; 16]), file_name, NOW);
    let owner = owner("u", b"t");
    Upload {
        user_id: Some(owner.user_id),
        sealed_token: Some(owner.sealed_token),
        ..Upload::new(new.appended(size).of_kind(kind))
    }
}

async fn begun(store: &dyn SessionStore, name: &str, key: u8, size: Option<u64>, kind: UploadKind) -> Upload {
    let upload = new(name, key, size, kind);
    store.create(&upload, false, &LIMITS).await.expect("creates");
    assert_eq!(get(store, name).await.kind, kind, "what it is, is kept");
    upload
}

async fn append(store: &dyn SessionStore, upload: &Upload, at: u64, bytes: &[u8], blob: &str) -> Upload {
    let extent = NewExtent::new(upload.id.clone(), upload.key.clone(), at, BlobName::new(blob), NOW);
    let extent = extent.of(bytes.len() as u64, Digest::of(bytes)).within(LIMITS);
    match store.append(&extent).await.expect("answers") {
        Appended::Stored(upload, _) => *upload,
        other => panic!("not stored: {other:?}"),
    }
}

pub(super) async fn the_last_byte_completes_what_is_streamed(store: &dyn SessionStore) {
    let upload = begun(store, "a", 1, Some(5), UploadKind::Streamed).await;
    assert_eq!(append(store, &upload, 0, b"he", "one").await.state, UploadState::Receiving);
    assert_eq!(append(store, &upload, 2, b"llo", "two").await.state, UploadState::Queued);
    let queued = get(store, "a").await;
    assert_eq!((queued.state, queued.total_chunks), (UploadState::Queued, Some(2)));
    assert_eq!(lease(store, NOW).await.expect("it is due").upload.id, upload.id);
    let deferred = begun(store, "b", 2, None, UploadKind::Streamed).await;
    append(store, &deferred, 0, b"hello", "three").await;
    let declared = store.declare_size(&deferred.id, &deferred.key, 5, NOW).await.expect("answers");
    assert!(matches!(declared, Declared::Known(upload) if upload.state == UploadState::Queued));
    assert_eq!(get(store, "b").await.state, UploadState::Queued);
    let empty = begun(store, "c", 3, None, UploadKind::Streamed).await;
    store.declare_size(&empty.id, &empty.key, 0, NOW).await.expect("answers");
    let failed = get(store, "c").await;
    assert_eq!((failed.state, failed.outcome), (UploadState::Failed, Some(Outcome::Refused)));
}

pub(super) async fn the_last_pieces_become_one(store: &dyn SessionStore) {
    let upload = begun(store, "a", 1, Some(100), UploadKind::Streamed).await;
    for (at, bytes) in [&b"one"[..], b"two", b"six"].into_iter().enumerate() {
        append(store, &upload, 3 * at as u64, bytes, std::str::from_utf8(bytes).expect("text")).await;
    }
    let records = store.chunks(&upload.key).await.expect("reads");
    let join = |pieces: &[ChunkRecord], blob: &str| {
        JoinedExtent::new(upload.id.clone(), upload.key.clone(), pieces.to_vec(), BlobName::new(blob))
    };
    let other = ChunkRecord { blob: BlobName::new("other"), ..records[2].clone() };
    for wrong in [&records[..2], &[], &[records[1].clone(), other], &[records[0].clone(), records[2].clone()]]
    {
        assert!(!store.join(&join(wrong, "no")).await.expect("answers"), "{wrong:?}");
    }
    let mut absent = join(&records[1..], "no");
    absent.key = StorageKey::from_random([9; 16]);
    assert!(!store.join(&absent).await.expect("answers"));
    assert_eq!(store.chunks(&upload.key).await.expect("reads"), records, "what is refused changes nothing");
    let both =
        all([join(&records[1..], "x"), join(&records[1..], "y")].iter().map(|join| store.join(join))).await;
    assert_eq!(both.iter().filter(|joined| matches!(joined, Ok(true))).count(), 1, "{both:?}");
    let joined = store.chunks(&upload.key).await.expect("reads");
    let shown: Vec<_> = joined.iter().map(|piece| (piece.index.get(), piece.length, piece.crc32c)).collect();
    assert_eq!(shown, [(0, 3, Digest::of(b"one")), (1, 6, Digest::of(b"twosix"))]);
    let row = get(store, "a").await;
    assert_eq!((row.received_chunks, row.received_bytes), (2, 9));
    assert_eq!(store.named(&["two", "six"].map(BlobName::new)).await.expect("reads"), []);
    append(store, &upload, 9, b"ten", "ten").await;
    assert_eq!(store.chunks(&upload.key).await.expect("reads")[2].index.get(), 2, "the next one follows");
    store.cancel(&upload.id, &upload.key, NOW).await.expect("cancels");
    assert!(!store.join(&join(&joined, "late")).await.expect("answers"), "it does not receive any more");
}

pub(super) async fn parts_become_a_file(store: &dyn SessionStore) {
    let one = begun(store, "one", 1, Some(3), UploadKind::Partial).await;
    let two = begun(store, "two", 2, Some(6), UploadKind::Partial).await;
    append(store, &one, 0, b"one", "blob-1").await;
    append(store, &two, 0, b"two", "blob-2").await;
    assert_eq!(get(store, "one").await.state, UploadState::Receiving, "a part is not sent");
    let whole = |name: &str, key| new(name, key, None, UploadKind::Concatenated);
    let of = |upload: &Upload, parts: &[&str]| {
        let parts: Vec<UploadId> = parts.iter().map(|name| id(name)).collect();
        Concatenation::new(upload.clone(), parts).within(LIMITS)
    };
    let make = async |new: Concatenation| store.concatenate(&new).await.expect("answers");
    assert_eq!(make(of(&whole("a", 3), &["one", "two"])).await, Concatenated::Unfinished(id("two")));
    append(store, &two, 3, b"six", "blob-3").await;
    assert_eq!(make(of(&whole("a", 3), &["one", "nobody"])).await, Concatenated::NoPart(id("nobody")));
    let theirs = Upload { user_id: Some(UserId::new("other")), ..whole("a", 3) };
    assert_eq!(make(of(&theirs, &["one"])).await, Concatenated::NoPart(id("one")));
    let small = of(&whole("a", 3), &["one", "two"]).within(Limits { max_bytes: 8, ..LIMITS });
    assert_eq!(make(small).await, Concatenated::TooLarge { received: 9 });
    assert!(store.get(&id("a")).await.expect("reads").is_none(), "what is refused leaves nothing");
    let mark = ChunkRecord::new(ChunkIndex::THUMBNAIL, 4, 7, BlobName::new("picture"));
    let mut upload = whole("a", 3);
    upload.options.thumbnail = Some(ThumbnailMark { length: 4, crc32c: 7 });
    let new = of(&upload, &["two", "one", "two"]).with_thumbnail(Some(mark));
    match make(new.clone()).await {
        Concatenated::Made(made) => {
            assert_eq!(
                (made.state, made.file_size, made.total_chunks),
                (UploadState::Queued, Some(15), Some(5))
            );
        }
        other => panic!("not made: {other:?}"),
    }
    assert_eq!(make(new).await, Concatenated::Exists);
    let records = store.chunks(&upload.key).await.expect("reads");
    let blobs: Vec<_> = records.iter().map(|record| record.blob.as_str()).collect();
    assert_eq!(blobs, ["blob-2", "blob-3", "blob-1", "blob-2", "blob-3", "picture"]);
    bytes_live_as_long_as_a_record_names_them(store, &upload, &[one, two]).await;
}

async fn bytes_live_as_long_as_a_record_names_them(
    store: &dyn SessionStore,
    whole: &Upload,
    parts: &[Upload],
) {
    for part in parts {
        let cancelled = store.cancel(&part.id, &part.key, NOW).await.expect("cancels");
        assert!(matches!(cancelled, Cancelled::Now { .. }), "{cancelled:?}");
    }
    let blobs = ["blob-1", "blob-2", "blob-3"].map(BlobName::new);
    assert_eq!(store.named(&blobs).await.expect("reads").len(), 3);
    assert_eq!(store.forget(&whole.id, &whole.key).await.expect("answers"), None, "it is not completed");
    let lease = lease(store, NOW).await.expect("it is due");
    assert!(store.finish(&lease, &result(), None, NOW.into()).await.expect("finishes"));
    assert_eq!(store.named(&blobs).await.expect("reads"), []);
    let forgotten = store.forget(&whole.id, &whole.key).await.expect("answers").expect("it was there");
    assert_eq!(forgotten.len(), 6, "{forgotten:?}");
    assert!(store.get(&whole.id).await.expect("reads").is_none());
    assert_eq!(store.forget(&whole.id, &whole.key).await.expect("answers"), None);
    let expiry = Expiry::new([UploadState::Cancelled], NOW + SECOND, 10);
    assert_eq!(store.expire(&expiry).await.expect("expires").len(), 2);
}

pub(super) async fn a_file_of_parts_that_was_cancelled_makes_room(store: &dyn SessionStore) {
    let part = begun(store, "one", 1, Some(3), UploadKind::Partial).await;
    append(store, &part, 0, b"one", "blob-1").await;
    let make = async |key| {
        let upload = new("a", key, None, UploadKind::Concatenated);
        let new = Concatenation::new(upload.clone(), vec![id("one")]).within(LIMITS);
        (upload, store.concatenate(&new).await.expect("answers"))
    };
    let (first, made) = make(2).await;
    assert!(matches!(made, Concatenated::Made(_)), "{made:?}");
    assert_eq!(make(3).await.1, Concatenated::Exists);
    let cancelled = store.cancel(&first.id, &first.key, NOW).await.expect("cancels");
    assert!(matches!(cancelled, Cancelled::Now { .. }), "{cancelled:?}");
    let (second, made) = make(4).await;
    assert!(matches!(made, Concatenated::Made(_)), "{made:?}");
    assert_eq!(get(store, "a").await.key, second.key);
    assert_eq!(store.chunks(&second.key).await.expect("reads").len(), 1);
    assert_eq!(store.chunks(&first.key).await.expect("reads"), []);
    // Its parts may go before the same is asked for again.
    store.cancel(&part.id, &part.key, NOW).await.expect("cancels");
    assert_eq!(make(5).await.1, Concatenated::Exists);
}

pub(super) async fn files_may_be_put_together_at_once(store: &dyn SessionStore) {
    for (name, key) in [("one", 1), ("two", 2), ("three", 3)] {
        let part = begun(store, name, key, Some(3), UploadKind::Partial).await;
        append(store, &part, 0, b"abc", name).await;
    }
    let orders =
        [["one", "two", "three"], ["three", "two", "one"], ["two", "three", "one"], ["one", "three", "two"]];
    let news: Vec<Concatenation> = (0_u8..8)
        .map(|number| {
            let parts = orders[usize::from(number) % orders.len()].map(id);
            let upload = new(&format!("whole-{number}"), 10 + number, None, UploadKind::Concatenated);
            Concatenation::new(upload, parts.to_vec()).within(LIMITS)
        })
        .collect();
    let made = all(news.iter().map(|new| store.concatenate(new))).await;
    assert!(made.iter().all(|made| matches!(made, Ok(Concatenated::Made(_)))), "{made:?}");
}
