//! What completed uploads become.

use std::time::Duration;

use telestore_types::{
    ChunkVerdict, Encoded, FileDigest, FileId, FileName, IndexedFile, NewUpload, Reading, StorageKey,
    StoredAs, StoredMessage, Timestamp, Upload, UploadId, UploadState, UserId,
};

use super::sessions::{
    LIMITS, NOW, SECOND, chunk, get, lease, one, queue, queued_by, record, result, upload,
};
use crate::{Created, Expiry, FileListing, NewEvent, OutboxKind, Recorded, SessionStore, Subject};

/// What the machine's clock shows, which no store's clock is held to.
const WALL: Timestamp = Timestamp::from_millis(1_763_790_000_000);

/// An upload of `user` that is completed.
async fn sent(store: &dyn SessionStore, user: &str, name: &str, key: u8) -> IndexedFile {
    sent_as(store, user, name, "video.mp4", key).await
}

/// The same, of a file with this name.
async fn sent_as(store: &dyn SessionStore, user: &str, name: &str, file: &str, key: u8) -> IndexedFile {
    let upload = Upload { file_name: FileName::new(file).expect("good name"), ..upload(name, key, 1, 10) };
    queue(user, store, upload, Duration::ZERO).await;
    let held = lease(store, NOW).await.expect("due");
    let now = Reading { at: NOW + SECOND, wall: WALL };
    assert!(store.finish(&held, &result(), None, now).await.expect("finishes"));
    let upload = get(store, name).await;
    IndexedFile::of(&upload, WALL).expect("it is completed")
}

async fn listed(store: &dyn SessionStore, of: &str, listing: &FileListing) -> Vec<String> {
    let files = store.files(&user(of), listing).await.expect("lists");
    files.into_iter().map(|file| file.upload_id.to_string()).collect()
}

fn user(name: &str) -> UserId {
    UserId::new(name)
}

pub(super) async fn a_completed_upload_is_a_file_of_its_user(store: &dyn SessionStore) {
    queued_by("u", store, "waits", 9, SECOND * 9).await;
    let sent = sent(store, "u", "a", 1).await;
    let kept = store.file(&user("u"), &sent.id).await.expect("reads").expect("is there");
    assert_eq!(IndexedFile { place: 0, ..kept.clone() }, sent);
    assert_eq!((kept.size, kept.stored.messages().len()), (10, 2));
    assert_eq!(kept.created_at, WALL, "people's time");
    assert_eq!(get(store, "a").await.updated_at, NOW + SECOND, "the store's time");
    assert_eq!(store.files(&user("u"), &FileListing::first(9)).await.expect("lists"), [kept]);
    assert_eq!(store.file(&user("other"), &sent.id).await.expect("reads"), None, "it is another's");
    assert_eq!(listed(store, "other", &FileListing::first(9)).await, [""; 0]);
    // The upload goes in time, and the file stays.
    let expiry = Expiry::new([UploadState::Completed], NOW + SECOND * 99, 9);
    assert_eq!(store.expire(&expiry).await.expect("expires").len(), 1);
    assert_eq!(listed(store, "u", &FileListing::first(9)).await, ["a"]);
}

pub(super) async fn files_come_in_pages_the_newest_first(store: &dyn SessionStore) {
    for (key, name) in (1..).zip(["a", "b", "c", "d", "e"]) {
        sent(store, "u", name, key).await;
        sent(store, "v", &format!("of-v-{name}"), key + 100).await;
    }
    let first = FileListing::first(2);
    let page = store.files(&user("u"), &first).await.expect("lists");
    assert_eq!(page.iter().map(|file| file.upload_id.as_str()).collect::<Vec<_>>(), ["e", "d"]);
    // What comes meanwhile moves no page.
    sent(store, "u", "f", 6).await;
    let last = page.last().expect("two").place;
    assert_eq!(listed(store, "u", &first.clone().before(last)).await, ["c", "b"]);
    assert_eq!(listed(store, "u", &FileListing::first(9)).await, ["f", "e", "d", "c", "b", "a"]);
    assert_eq!(listed(store, "u", &first.before(0)).await, [""; 0]);
}

pub(super) async fn files_are_found_by_a_part_of_their_names(store: &dyn SessionStore) {
    sent(store, "u", "a", 1).await;
    let all = FileListing::first(9);
    for (search, found) in [
        ("", 1),
        ("video", 1),
        ("DEO.MP", 1),
        ("mp4", 1),
        ("%", 0),
        ("_", 0),
        ("v.deo", 0),
        ("'", 0),
        ("\0", 0),
    ] {
        assert_eq!(listed(store, "u", &all.clone().named(search)).await.len(), found, "{search:?}");
    }
}

pub(super) async fn names_are_found_in_any_spelling(store: &dyn SessionStore) {
    sent_as(store, "u", "composed", "Über \u{c9}t\u{e9}.PDF", 1).await;
    sent_as(store, "u", "apart", "u\u{308}ber e\u{301}te\u{301}.pdf", 2).await;
    sent_as(store, "u", "greek", "ΟΔΟΣ Α.txt", 3).await;
    let all = FileListing::first(9);
    for (search, found) in [
        ("ÜBER", ["apart", "composed"].as_slice()),
        ("u\u{308}ber e\u{301}T", &["apart", "composed"]),
        ("\u{e9}t\u{c9}.pdf", &["apart", "composed"]),
        ("οδος", &["greek"]),
        ("Οδοσ α", &["greek"]),
        ("ubér", &[]),
    ] {
        assert_eq!(listed(store, "u", &all.clone().named(search)).await, found, "{search}");
    }
}

fn digest(byte: u8) -> FileDigest {
    FileDigest::from([byte; 32])
}

pub(super) async fn files_are_found_by_what_is_in_them(store: &dyn SessionStore) {
    let sent = async |of: &str, name: &str, sha256: Option<FileDigest>, key: u8| {
        let mut upload = upload(name, key, 1, 10);
        upload.options.sha256 = sha256;
        queue(of, store, upload, Duration::ZERO).await;
        let held = lease(store, NOW).await.expect("due");
        assert!(store.finish(&held, &result(), None, NOW.into()).await.expect("finishes"));
    };
    sent("u", "a", Some(digest(1)), 1).await;
    sent("u", "b", Some(digest(2)), 2).await;
    sent("u", "c", Some(digest(1)), 3).await;
    sent("u", "d", None, 4).await;
    sent("v", "e", Some(digest(1)), 5).await;
    let with = |limit, byte, size| FileListing::first(limit).with_content(digest(byte), size);
    assert_eq!(listed(store, "u", &with(9, 1, 10)).await, ["c", "a"]);
    assert_eq!(listed(store, "u", &with(1, 1, 10)).await, ["c"], "the newest");
    let newest = store.files(&user("u"), &with(1, 1, 10)).await.expect("lists")[0].place;
    assert_eq!(listed(store, "u", &with(9, 1, 10).before(newest)).await, ["a"]);
    assert_eq!(listed(store, "u", &with(9, 1, 11)).await, [""; 0], "another length");
    assert_eq!(listed(store, "u", &with(9, 3, 10)).await, [""; 0]);
    assert_eq!(listed(store, "v", &with(9, 1, 10)).await, ["e"], "nobody sees another's");
    assert_eq!(listed(store, "u", &with(9, 1, 10).named("VIDEO")).await, ["c", "a"]);
    assert_eq!(listed(store, "u", &with(9, 1, 10).named("x")).await, [""; 0]);
}

pub(super) async fn an_upload_of_a_file_that_is_there_needs_no_bytes(store: &dyn SessionStore) {
    let (name, now) = (FileName::new("video.mp4").expect("good name"), NOW);
    let message = StoredMessage::new(7, StoredAs::Mtproto { document_id: 70 }, 6);
    let new =
        NewUpload::new(UploadId::new("a").expect("good id"), StorageKey::from_random([1; 16]), name, now);
    let encoded = Encoded { encrypted: false, compressed: true };
    let mut upload = Upload::new(new.in_chunks(10, 2));
    (upload.user_id, upload.sealed_token) = (Some(user("u")), Some(b"token".to_vec()));
    assert!(upload.duplicate(message, encoded, NOW), "it is whole");
    let created = store.create(&upload, false, &LIMITS).await.expect("creates");
    assert!(matches!(created, Created::New), "{created:?}");
    assert_eq!(get(store, "a").await, upload, "every store keeps what it is made of");
    let usage = store.usage(Subject::User(&user("u")), NOW).await.expect("counts");
    assert_eq!((usage.sessions, usage.stored_bytes), (1, 0), "it takes no space");
    let late = record(store, &upload, &chunk(0, 5, 1, "late")).await;
    let dropped = matches!(&late, Recorded::Refused { verdict: ChunkVerdict::Duplicate, .. });
    assert!(dropped, "{late:?}");
    let held = lease(store, NOW).await.expect("due");
    assert_eq!((held.upload.sent_size(), held.upload.is_duplicate()), (6, true));
    assert!(store.finish(&held, &result(), None, NOW.into()).await.expect("finishes"));
    let files = store.files(&user("u"), &FileListing::first(9)).await.expect("lists");
    assert_eq!((files[0].size, files[0].encoded), (10, encoded), "a file of its own");
}

pub(super) async fn a_file_is_deleted_once_with_its_event(store: &dyn SessionStore) {
    let file = sent(store, "u", "a", 1).await;
    let event = |id: &str| NewEvent::withdrawal(id, "{}").of_user(Some(user("u")), Some(b"token".to_vec()));
    let delete = async |of: &str, id: &FileId, event: &NewEvent| {
        store.delete_file(&user(of), id, std::slice::from_ref(event), NOW).await.expect("deletes")
    };
    assert_eq!(delete("other", &file.id, &event("e0")).await, None);
    let deleted = delete("u", &file.id, &event("e1")).await.expect("it is there");
    assert_eq!((deleted.id, deleted.stored), (file.id.clone(), file.stored));
    assert_eq!(delete("u", &file.id, &event("e2")).await, None, "once");
    assert_eq!(store.file(&user("u"), &file.id).await.expect("reads"), None);
    // Who sends it again is not told that it is there.
    assert_eq!(store.get(&file.upload_id).await.expect("reads"), None);
    let now: Timestamp = NOW + SECOND;
    let events = store.outbox_lease(&one(), OutboxKind::Withdrawal, now, now + SECOND * 30, 9, &[]).await;
    let events = events.expect("claims");
    assert_eq!(events.iter().map(|event| event.event.event_id.as_str()).collect::<Vec<_>>(), ["e1"]);
    assert_eq!(events[0].upload_id.as_str(), "a");
    // The same name sent again is another file.
    let again = sent(store, "u", "b", 2).await;
    assert!(again.id != file.id && store.file(&user("u"), &again.id).await.expect("reads").is_some());
}
