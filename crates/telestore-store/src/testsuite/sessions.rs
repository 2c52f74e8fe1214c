use std::future::Future;
use std::time::Duration;

use telestore_types::{
    ChunkIndex, ChunkVerdict, Completion, CompletionError, FileName, NewUpload, Recovery, ResumeState,
    StorageKey, StoredAs, StoredFile, Timestamp, Upload, UploadId, UploadKind, UploadState, UserId,
};

use super::{moved, quotas, strangers, sums};
use crate::{
    BlobName, Cancelled, ChunkRecord, Claim, Completed, Counts, Created, Expiry, Lease, Limits, Listing,
    NewEvent, Owner, Recorded, SessionStore,
};

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_763_790_000_000);
pub(super) const SECOND: Duration = Duration::from_secs(1);
const MAX_BYTES: u64 = 1_000;
pub(super) const LIMITS: Limits = Limits { max_bytes: MAX_BYTES, ..Limits::NONE };

pub(super) fn id(name: &str) -> UploadId {
    UploadId::new(name).expect("test ids are good")
}

pub(super) fn upload(name: &str, key: u8, total_chunks: u32, file_size: u64) -> Upload {
    Upload::new(NewUpload {
        id: id(name),
        key: StorageKey::from_random([key; 16]),
        file_name: FileName::new("video.mp4").expect("good name"),
        file_size,
        total_chunks,
        mime_type: Some("video/mp4".to_owned()),
        kind: UploadKind::Chunked,
        now: NOW,
    })
}

pub(super) fn owner(user: &str, token: &[u8]) -> Owner {
    Owner { user_id: UserId::new(user), sealed_token: token.to_vec() }
}

pub(super) fn chunk(index: u32, length: u64, crc32c: u32, blob: &str) -> ChunkRecord {
    let index = ChunkIndex::new(index, 100).expect("good index");
    ChunkRecord { index, length, crc32c, blob: BlobName::new(blob) }
}

pub(super) async fn record(store: &dyn SessionStore, upload: &Upload, chunk: &ChunkRecord) -> Recorded {
    record_within(store, upload, chunk, &LIMITS).await
}

pub(super) async fn record_within(
    store: &dyn SessionStore,
    upload: &Upload,
    chunk: &ChunkRecord,
    limits: &Limits,
) -> Recorded {
    store.record_chunk(&upload.id, &upload.key, chunk, None, limits, NOW).await.expect("records")
}

/// An upload of one chunk of 10 bytes that was completed at `NOW` + `after`.
pub(super) async fn queued(store: &dyn SessionStore, name: &str, key: u8, after: Duration) -> Upload {
    queued_by("u", store, name, key, after).await
}

pub(super) async fn queued_by(
    user: &str,
    store: &dyn SessionStore,
    name: &str,
    key: u8,
    after: Duration,
) -> Upload {
    let upload = upload(name, key, 1, 10);
    assert_eq!(store.create(&upload, false, &LIMITS).await.expect("creates"), Created::New);
    assert_eq!(
        store.claim(&upload.id, &upload.key, &owner(user, b"t"), &LIMITS).await.expect("claims"),
        Claim::Owned
    );
    record(store, &upload, &chunk(0, 10, 1, "blob")).await;
    match store.complete(&upload.id, &upload.key, NOW + after).await.expect("completes") {
        Completed::Accepted(Completion::Queued, upload) => *upload,
        other => panic!("not queued: {other:?}"),
    }
}

pub(super) async fn lease(store: &dyn SessionStore, now: Timestamp) -> Option<Lease> {
    store.lease(now, now + SECOND * 30, &[]).await.expect("leases")
}

pub(super) async fn get(store: &dyn SessionStore, name: &str) -> Upload {
    store.get(&id(name)).await.expect("reads").expect("is there")
}

pub(super) fn result() -> StoredFile {
    StoredFile { message_id: 12, stored_as: StoredAs::BotApi { file_id: "file_abc".to_owned() } }
}

/// Runs every check of the session store contract, each on a store of its own.
pub async fn session_store<S, F, R>(open: F)
where
    S: SessionStore,
    F: Fn() -> R,
    R: Future<Output = S>,
{
    creates_once(&open().await).await;
    claims_for_the_first_user(&open().await).await;
    records_chunks(&open().await).await;
    refuses_chunks_too_late(&open().await).await;
    completes_once(&open().await).await;
    leases_in_order(&open().await).await;
    users_take_turns(&open().await).await;
    takes_over_expired_leases(&open().await).await;
    keeps_early_state_for_the_bytes_it_was_made_of(&open().await).await;
    keeps_how_far_it_is(&open().await).await;
    finishes_with_the_webhook(&open().await).await;
    cancels(&open().await).await;
    delivers_the_outbox(&open().await).await;
    expires(&open().await).await;
    counts(&open().await).await;
    lists(&open().await).await;
    concurrent_chunks_all_count(&open().await).await;
    quotas::uploads_that_are_not_over_are_counted(&open().await).await;
    quotas::an_address_is_counted_with_and_without_owners(&open().await).await;
    quotas::stored_bytes_are_given_back(&open().await).await;
    quotas::bytes_of_a_day_are_counted_until_midnight(&open().await).await;
    quotas::what_comes_at_once_is_not_more_than_allowed(&open().await).await;
    strangers::an_end_without_a_word_is_put_in_order(&open().await).await;
    strangers::what_was_handed_over_is_never_leased_again(&open().await).await;
    strangers::what_ends_the_process_again_and_again_is_given_up(&open().await).await;
    strangers::early_sending_counts_too(&open().await).await;
    strangers::direct_uploads_are_kept_or_abandoned(&open().await).await;
    strangers::another_life_is_never_touched(&open().await).await;
    strangers::users_are_left_out(&open().await).await;
    strangers::events_wait_until_they_are_done(&open().await).await;
    strangers::what_nobody_owns_is_few_and_short_lived(&open().await).await;
    strangers::a_due_time_that_cannot_be_is_due(&open().await).await;
    strangers::the_clock_is_kept(&open().await).await;
    moved::a_moved_chat_is_found_by_its_user_only(&open().await).await;
    sums::an_empty_chunk_comes_last_in_any_order(&open().await).await;
    sums::chunks_that_cannot_be_the_file_are_not_recorded(&open().await).await;
}

async fn creates_once(store: &dyn SessionStore) {
    let first = upload("a", 1, 2, 20);
    assert_eq!(store.get(&first.id).await.expect("reads"), None);
    assert_eq!(store.create(&first, false, &LIMITS).await.expect("creates"), Created::New);
    assert_eq!(get(store, "a").await, first, "what was created reads back whole");
    let second = upload("a", 2, 9, 90);
    let found = store.create(&second, true, &LIMITS).await.expect("creates");
    assert_eq!(found, Created::Exists(Box::new(first.clone())), "a living upload makes no room");

    store.cancel(&first.id, &first.key, NOW).await.expect("cancels");
    assert!(matches!(store.create(&second, false, &LIMITS).await.expect("creates"), Created::Exists(_)));
    assert_eq!(store.create(&second, true, &LIMITS).await.expect("creates"), Created::New);
    assert_eq!(get(store, "a").await, second);
    let late = store.record_chunk(&first.id, &first.key, &chunk(0, 1, 1, "late"), None, &LIMITS, NOW).await;
    assert_eq!(late.expect("records"), Recorded::NotFound, "a late chunk of the first life stays out");
}

async fn claims_for_the_first_user(store: &dyn SessionStore) {
    let upload = upload("a", 1, 1, 10);
    assert_eq!(
        store.claim(&upload.id, &upload.key, &owner("u", b"1"), &LIMITS).await.expect("claims"),
        Claim::NotFound
    );
    store.create(&upload, false, &LIMITS).await.expect("creates");
    assert_eq!(
        store.claim(&upload.id, &upload.key, &owner("u", b"1"), &LIMITS).await.expect("claims"),
        Claim::Owned
    );
    assert_eq!(
        store.claim(&upload.id, &upload.key, &owner("v", b"2"), &LIMITS).await.expect("claims"),
        Claim::Foreign
    );
    assert_eq!(get(store, "a").await.sealed_token.as_deref(), Some(&b"1"[..]));
    assert_eq!(
        store.claim(&upload.id, &upload.key, &owner("u", b"3"), &LIMITS).await.expect("claims"),
        Claim::Owned
    );
    assert_eq!(get(store, "a").await.sealed_token.as_deref(), Some(&b"3"[..]), "the newest token is kept");
    assert_eq!(get(store, "a").await.user_id, Some(UserId::new("u")));
}

async fn records_chunks(store: &dyn SessionStore) {
    let upload = Upload { mime_type: None, ..upload("a", 1, 3, 30) };
    store.create(&upload, false, &LIMITS).await.expect("creates");
    for (index, blob) in [(2, "two"), (0, "zero")] {
        match record(store, &upload, &chunk(index, 10, index, blob)).await {
            Recorded::Stored { replaced: None, .. } => {}
            other => panic!("not stored: {other:?}"),
        }
    }
    match record(store, &upload, &chunk(2, 7, 9, "other")).await {
        Recorded::Stored { replaced, upload } => {
            assert_eq!(replaced, Some(BlobName::new("two")));
            assert_eq!((upload.received_chunks, upload.received_bytes), (2, 17));
        }
        other => panic!("not stored: {other:?}"),
    }
    let chunks = store.chunks(&upload.key).await.expect("reads");
    assert_eq!(chunks, [chunk(0, 10, 0, "zero"), chunk(2, 7, 9, "other")], "in order, the last one won");
    let blobs = store.live_blobs(&upload.key).await.expect("reads");
    assert_eq!(blobs, [BlobName::new("zero"), BlobName::new("other")]);
    for mime_type in ["audio/ogg", "text/plain"] {
        let zero = chunk(0, 10, 0, "zero");
        let typed = store.record_chunk(&upload.id, &upload.key, &zero, Some(mime_type), &LIMITS, NOW);
        typed.await.expect("records");
    }
    assert_eq!(
        get(store, "a").await.mime_type.as_deref(),
        Some("audio/ogg"),
        "the first type that says something"
    );
    let large = record(store, &upload, &chunk(1, MAX_BYTES, 1, "large")).await;
    assert_eq!(large, Recorded::TooLarge { received: MAX_BYTES + 17 });
    assert_eq!(get(store, "a").await.received_bytes, 17);
}

async fn refuses_chunks_too_late(store: &dyn SessionStore) {
    let upload = queued(store, "a", 1, Duration::ZERO).await;
    for (chunk, expected) in [
        (chunk(0, 10, 1, "again"), ChunkVerdict::Duplicate),
        (chunk(0, 10, 2, "other"), ChunkVerdict::Conflict),
    ] {
        match record(store, &upload, &chunk).await {
            Recorded::Refused { verdict, .. } => assert_eq!(verdict, expected),
            other => panic!("not refused: {other:?}"),
        }
    }
    assert_eq!(store.live_blobs(&upload.key).await.expect("reads"), [BlobName::new("blob")]);
}

async fn completes_once(store: &dyn SessionStore) {
    let upload = upload("a", 1, 2, 20);
    let absent = store.complete(&upload.id, &upload.key, NOW).await.expect("completes");
    assert_eq!(absent, Completed::NotFound);
    store.create(&upload, false, &LIMITS).await.expect("creates");
    record(store, &upload, &chunk(0, 10, 1, "a")).await;
    let missing = CompletionError::MissingChunks { received: 1, total: 2 };
    assert_eq!(
        store.complete(&upload.id, &upload.key, NOW).await.expect("completes"),
        Completed::Refused(missing)
    );
    record(store, &upload, &chunk(1, 10, 1, "b")).await;
    let nobody = store.complete(&upload.id, &upload.key, NOW).await.expect("completes");
    assert_eq!(nobody, Completed::Refused(CompletionError::NoOwner));
    store.claim(&upload.id, &upload.key, &owner("u", b"t"), &LIMITS).await.expect("claims");
    for expected in [Completion::Queued, Completion::Already] {
        match store.complete(&upload.id, &upload.key, NOW).await.expect("completes") {
            Completed::Accepted(completion, _) => assert_eq!(completion, expected),
            other => panic!("not accepted: {other:?}"),
        }
    }
}

async fn leases_in_order(store: &dyn SessionStore) {
    assert_eq!(store.next_due().await.expect("reads"), None);
    queued(store, "late", 1, SECOND * 2).await;
    queued(store, "early", 2, SECOND).await;
    assert_eq!(store.next_due().await.expect("reads"), Some(NOW + SECOND));
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

async fn users_take_turns(store: &dyn SessionStore) {
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

async fn keeps_early_state_for_the_bytes_it_was_made_of(store: &dyn SessionStore) {
    let upload = upload("a", 1, 2, 20);
    let (one, two) = (ResumeState(b"one".to_vec()), ResumeState(b"two".to_vec()));
    let write = |expected: Option<ResumeState>, resume: ResumeState| {
        let (id, key) = (upload.id.clone(), upload.key.clone());
        async move { store.checkpoint_early(&id, &key, expected.as_ref(), &resume).await.expect("writes") }
    };
    assert!(!write(None, one.clone()).await, "there is no such upload");
    store.create(&upload, false, &LIMITS).await.expect("creates");
    assert!(write(None, one.clone()).await);
    assert!(!write(None, two.clone()).await, "it holds another state by now");
    record(store, &upload, &chunk(0, 10, 1, "first")).await;
    record(store, &upload, &chunk(0, 10, 1, "again")).await;
    assert!(write(Some(one.clone()), two.clone()).await, "the same bytes again change nothing");
    record(store, &upload, &chunk(0, 10, 2, "other")).await;
    assert!(!write(Some(two.clone()), one.clone()).await, "other bytes took the place of the first");
    assert_eq!(get(store, "a").await.resume, None);
    assert!(write(None, one.clone()).await);

    assert_eq!(
        store.claim(&upload.id, &upload.key, &owner("u", b"t"), &LIMITS).await.expect("claims"),
        Claim::Owned
    );
    record(store, &upload, &chunk(1, 10, 3, "second")).await;
    store.complete(&upload.id, &upload.key, NOW).await.expect("completes");
    assert!(!write(Some(one.clone()), two).await, "completion was asked for");
    assert_eq!(lease(store, NOW).await.expect("due").upload.resume, Some(one));
}

async fn takes_over_expired_leases(store: &dyn SessionStore) {
    queued(store, "a", 1, Duration::ZERO).await;
    let dead = lease(store, NOW).await.expect("due");
    assert_eq!(store.next_due().await.expect("reads"), Some(NOW + SECOND * 30));
    assert!(store.extend(&dead, NOW + SECOND * 60).await.expect("extends"));
    assert_eq!(lease(store, NOW + SECOND * 30).await, None, "an extended lease holds");
    let heir = lease(store, NOW + SECOND * 60).await.expect("expired");
    assert_eq!(heir.upload.attempt, 2);
    assert!(!store.extend(&dead, NOW + SECOND * 90).await.expect("extends"));
    assert!(!store.checkpoint(&dead, 50, None).await.expect("answers"));
    assert!(!store.finish(&dead, &result(), None, NOW).await.expect("answers"));
    assert!(!store.fail(&dead, "no", false, NOW).await.expect("answers"));
    assert_eq!(get(store, "a").await.state, UploadState::Sending, "the dead one changed nothing");

    let released = store.release_all(NOW).await.expect("releases");
    assert!(matches!(&released[..], [(Recovery::GoesOn, upload)] if upload.id == id("a")), "{released:?}");
    assert!(!store.extend(&heir, NOW + SECOND * 90).await.expect("extends"));
    let after = lease(store, NOW).await.expect("due at once");
    assert_eq!(after.upload.attempt, 2, "a killed attempt is not counted");
}

async fn keeps_how_far_it_is(store: &dyn SessionStore) {
    queued(store, "a", 1, Duration::ZERO).await;
    let held = lease(store, NOW).await.expect("due");
    let resume = ResumeState(b"part 7".to_vec());
    assert!(store.checkpoint(&held, 60, Some(resume.clone())).await.expect("writes"));
    assert!(store.checkpoint(&held, 50, None).await.expect("writes"));
    assert!(store.fail(&held, "Could not resolve channel ID", false, NOW).await.expect("fails"));
    let failed = get(store, "a").await;
    assert_eq!((failed.state, failed.progress), (UploadState::Failed, 60));
    assert_eq!(failed.error.as_deref(), Some("Could not resolve channel ID"));
    assert_eq!(failed.resume, Some(resume), "a failure keeps the resume state");
    assert_eq!(store.live_blobs(&failed.key).await.expect("reads").len(), 1, "and the chunks");
    match store.complete(&failed.id, &failed.key, NOW).await.expect("completes") {
        Completed::Accepted(Completion::Queued, upload) => {
            assert_eq!((upload.progress, upload.error), (0, None))
        }
        other => panic!("not queued again: {other:?}"),
    }
}

async fn finishes_with_the_webhook(store: &dyn SessionStore) {
    let upload = queued(store, "a", 1, Duration::ZERO).await;
    assert_eq!(store.live_keys().await.expect("reads"), std::slice::from_ref(&upload.key));
    let held = lease(store, NOW).await.expect("due");
    let event = NewEvent::webhook("e1", UserId::new("u"), "{}");
    assert!(store.finish(&held, &result(), Some(&event), NOW).await.expect("finishes"));
    assert!(!store.finish(&held, &result(), Some(&event), NOW).await.expect("answers"), "once");
    let done = get(store, "a").await;
    assert_eq!((done.state, done.progress), (UploadState::Completed, 100));
    assert_eq!(done.stored, Some(result()));
    assert_eq!((done.sealed_token, done.resume), (None, None), "secrets go when they are of no more use");
    assert_eq!(store.outbox_due(crate::OutboxKind::Webhook, NOW, 9, &[]).await.expect("reads").len(), 1);
    assert!(store.live_keys().await.expect("reads").is_empty(), "the bytes are free to go");
    assert!(matches!(
        record(store, &upload, &chunk(0, 10, 1, "x")).await,
        Recorded::Refused { verdict: ChunkVerdict::Duplicate, .. }
    ));
}

async fn cancels(store: &dyn SessionStore) {
    let absent = StorageKey::from_random([1; 16]);
    assert_eq!(store.cancel(&id("a"), &absent, NOW).await.expect("cancels"), Cancelled::NotFound);
    let upload = queued(store, "a", 1, Duration::ZERO).await;
    let held = lease(store, NOW).await.expect("due");
    assert!(matches!(store.cancel(&upload.id, &upload.key, NOW).await.expect("cancels"), Cancelled::Now(_)));
    assert!(!store.finish(&held, &result(), None, NOW).await.expect("answers"), "the lease is lost");
    assert!(matches!(store.cancel(&upload.id, &upload.key, NOW).await.expect("cancels"), Cancelled::Over(_)));
    let gone = get(store, "a").await;
    assert_eq!((gone.state, gone.error.as_deref()), (UploadState::Cancelled, Some("Upload cancelled")));
    assert_eq!(gone.sealed_token, None);
    assert!(store.chunks(&upload.key).await.expect("reads").is_empty());
    assert_eq!(lease(store, NOW + SECOND * 99).await, None);
    let late = record(store, &upload, &chunk(0, 10, 1, "late")).await;
    assert!(matches!(late, Recorded::Refused { verdict: ChunkVerdict::Cancelled, .. }));
}

async fn delivers_the_outbox(store: &dyn SessionStore) {
    for (key, name) in [(1, "a"), (2, "b")] {
        queued(store, name, key, Duration::ZERO).await;
        let held = lease(store, NOW).await.expect("due");
        let event =
            NewEvent::webhook(format!("event-{name}"), UserId::new("u"), format!("{{\"of\":\"{name}\"}}"));
        assert!(store.finish(&held, &result(), Some(&event), NOW).await.expect("finishes"));
    }
    let due = store.outbox_due(crate::OutboxKind::Webhook, NOW, 9, &[]).await.expect("reads");
    assert_eq!(due.iter().map(|due| due.event.event_id.as_str()).collect::<Vec<_>>(), ["event-a", "event-b"]);
    assert_eq!(
        (due[0].upload_id.as_str(), due[0].event.body.as_str(), due[0].attempt),
        ("a", "{\"of\":\"a\"}", 0)
    );
    assert_eq!(store.outbox_due(crate::OutboxKind::Webhook, NOW, 1, &[]).await.expect("reads").len(), 1);

    store.outbox_retry("event-a", NOW + SECOND).await.expect("writes");
    store.outbox_done("event-b").await.expect("writes");
    assert!(store.outbox_due(crate::OutboxKind::Webhook, NOW, 9, &[]).await.expect("reads").is_empty());
    assert_eq!(store.outbox_next_due().await.expect("reads"), Some(NOW + SECOND));
    let again = store.outbox_due(crate::OutboxKind::Webhook, NOW + SECOND, 9, &[]).await.expect("reads");
    assert_eq!((again[0].event.event_id.as_str(), again[0].attempt), ("event-a", 1));
    store.outbox_done("event-a").await.expect("writes");
    assert_eq!(store.outbox_next_due().await.expect("reads"), None);
}

async fn counts(store: &dyn SessionStore) {
    assert_eq!(store.counts().await.expect("counts"), Counts::default());
    queued(store, "later", 1, SECOND).await;
    queued(store, "first", 2, Duration::ZERO).await;
    store.create(&upload("receiving", 3, 2, 20), false, &LIMITS).await.expect("creates");
    let half = upload("cancelled", 4, 2, 20);
    store.create(&half, false, &LIMITS).await.expect("creates");
    record(store, &half, &chunk(0, 10, 1, "half")).await;
    let counted = store.counts().await.expect("counts");
    assert_eq!((counted.uploads[&UploadState::Queued], counted.uploads[&UploadState::Receiving]), (2, 2));
    assert_eq!((counted.stored_bytes, counted.oldest_queued, counted.outbox), (30, Some(NOW), 0));

    store.cancel(&half.id, &half.key, NOW).await.expect("cancels");
    let held = lease(store, NOW).await.expect("due");
    let event = NewEvent::webhook("event", UserId::new("u"), "{}");
    assert!(store.finish(&held, &result(), Some(&event), NOW).await.expect("finishes"));
    store.probe().await.expect("takes writes");
    let expected = Counts {
        uploads: [
            (UploadState::Receiving, 1),
            (UploadState::Queued, 1),
            (UploadState::Completed, 1),
            (UploadState::Cancelled, 1),
        ]
        .into(),
        stored_bytes: 10,
        oldest_queued: Some(NOW + SECOND),
        outbox: 1,
    };
    assert_eq!(store.counts().await.expect("counts"), expected, "what is over holds no bytes");
}

async fn expires(store: &dyn SessionStore) {
    let old = upload("old", 1, 1, 10);
    store.create(&old, false, &LIMITS).await.expect("creates");
    queued(store, "waiting", 2, Duration::ZERO).await;
    let states = [UploadState::Receiving, UploadState::Failed];
    let expiry = Expiry { states: &states, unowned: false, before: NOW, limit: 9 };
    assert!(store.expire(&expiry).await.expect("expires").is_empty(), "not older than the limit");
    let gone = store.expire(&Expiry { before: NOW + SECOND, ..expiry }).await.expect("expires");
    assert_eq!(gone.iter().map(|upload| upload.id.as_str()).collect::<Vec<_>>(), ["old"]);
    assert_eq!(store.get(&old.id).await.expect("reads"), None);
    assert!(store.get(&id("waiting")).await.expect("reads").is_some());
}

async fn lists(store: &dyn SessionStore) {
    store.create(&upload("new", 1, 1, 10), false, &LIMITS).await.expect("creates");
    for (key, name, after) in [(2, "first", 1), (3, "second", 2)] {
        queued(store, name, key, SECOND * after).await;
    }
    queued_by("other", store, "third", 4, SECOND * 3).await;
    let list = async |listing: Listing| {
        let found = store.list(&listing).await.expect("reads");
        found.iter().map(|upload| upload.id.as_str().to_owned()).collect::<Vec<_>>()
    };
    let all_of_them = Listing { limit: 9, ..Listing::default() };
    assert_eq!(list(all_of_them.clone()).await, ["third", "second", "first", "new"], "the latest first");
    assert_eq!(list(Listing { skip: 1, limit: 2, ..Listing::default() }).await, ["second", "first"]);
    assert_eq!(list(Listing { state: Some(UploadState::Receiving), ..all_of_them.clone() }).await, ["new"]);
    let user = Some(UserId::new("u"));
    assert_eq!(list(Listing { user: user.clone(), ..all_of_them.clone() }).await, ["second", "first"]);
    let none = Listing { state: Some(UploadState::Failed), user, ..all_of_them };
    assert!(list(none).await.is_empty());
}

async fn concurrent_chunks_all_count(store: &dyn SessionStore) {
    let upload = upload("a", 1, 40, 40);
    store.create(&upload, false, &LIMITS).await.expect("creates");
    let chunks: Vec<ChunkRecord> =
        (0..40).map(|index| chunk(index, 1, index, &format!("blob-{index}"))).collect();
    all(chunks.iter().map(|chunk| record(store, &upload, chunk))).await;
    let upload = get(store, "a").await;
    assert_eq!((upload.received_chunks, upload.received_bytes), (40, 40));
    assert_eq!(store.chunks(&upload.key).await.expect("reads"), chunks);
}

/// Drives all futures at once, and gives what they gave.
pub(super) async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in futures.iter_mut().filter(|(_, output)| output.is_none()) {
            if let std::task::Poll::Ready(ready) = future.as_mut().poll(context) {
                *output = Some(ready);
            }
        }
        let done = futures.iter().all(|(_, output)| output.is_some());
        if done { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    futures.into_iter().filter_map(|(_, output)| output).collect()
}
