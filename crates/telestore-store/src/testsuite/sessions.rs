use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use telestore_types::{
    ChatId, ChunkIndex, ChunkVerdict, Completion, CompletionError, FileName, NewUpload, ResumeState,
    SenderId, StorageKey, StoredAs, StoredFile, StoredMessage, Timestamp, Upload, UploadId, UploadState,
    UserId, WorkerId,
};

use super::in_turn::InTurn;
use super::{
    append, bot_keys, encoded, fetching, files, handed_over, leases, moved, outbox, pieces, quotas,
    strangers, streamed, sums, views, workers,
};
use crate::{
    BlobName, Cancelled, ChunkRecord, Claim, Completed, Created, Lease, Limits, NewChunk, Owner, Recorded,
    SessionStore,
};

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_763_790_000_000);
pub(super) const SECOND: Duration = Duration::from_secs(1);
const MAX_BYTES: u64 = 1_000;
pub(super) const LIMITS: Limits = Limits { max_bytes: MAX_BYTES, ..Limits::NONE };

pub(super) fn id(name: &str) -> UploadId {
    UploadId::new(name).expect("test ids are good")
}

pub(super) fn upload(name: &str, key: u8, total_chunks: u32, file_size: u64) -> Upload {
    let file_name = FileName::new("video.mp4").expect("good name");
    let new = NewUpload::new(id(name), StorageKey::from_random([key; 16]), file_name, NOW);
    Upload::new(new.in_chunks(file_size, total_chunks).with_mime_type(Some("video/mp4".to_owned())))
}

pub(super) fn worker(name: &str) -> WorkerId {
    WorkerId::new(name).expect("good name")
}

/// The worker of all checks that have one.
pub(super) fn one() -> WorkerId {
    worker("one")
}

pub(super) fn new_chunk(upload: &Upload, chunk: &ChunkRecord) -> NewChunk {
    NewChunk::new(upload.id.clone(), upload.key.clone(), chunk.clone(), NOW).within(LIMITS)
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
    store.record_chunk(new_chunk(upload, chunk).within(*limits)).await.expect("records")
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
    queue(user, store, upload(name, key, 1, 10), after).await
}

/// Has an upload of one chunk of 10 bytes wait for a runner.
pub(super) async fn queue(user: &str, store: &dyn SessionStore, upload: Upload, after: Duration) -> Upload {
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
    store.lease(&one(), now, now + SECOND * 30, &[]).await.expect("leases")
}

pub(super) async fn get(store: &dyn SessionStore, name: &str) -> Upload {
    store.get(&id(name)).await.expect("reads").expect("is there")
}

pub(super) fn result() -> StoredFile {
    let stored_as = StoredAs::BotApi { file_id: "file_abc".to_owned() };
    let first = StoredMessage::new(12, stored_as, 6).in_chat(ChatId::new("-1001").expect("a chat"));
    StoredFile::new(first).and(StoredMessage::new(13, StoredAs::Mtproto { document_id: -5 }, 4))
}

/// Makes checks, each on what a function opens for it.
macro_rules! make {
    ($open:expr; $($check:path,)+) => {
        // Each on the heap: all of them in one future would be too much for the stack of a thread.
        $(Box::pin(async { $check(&$open().await).await }).await;)+
    };
}

/// Runs every check of the session store contract, each on a store of its own.
///
/// `open` gives two handles on one empty store, as two workers have them: two connections, or two clones. Each check is
/// made through both in turn.
pub async fn session_store<A, B, F, R>(open: F)
where
    A: SessionStore,
    B: SessionStore,
    F: Fn() -> R,
    R: Future<Output = (A, B)>,
{
    let both = async || {
        let (one, two) = open().await;
        InTurn::new(Arc::new(one), Arc::new(two))
    };
    make!(both;
        creates_once,
        a_result_makes_no_room,
        claims_for_the_first_user,
        records_chunks,
        refuses_chunks_too_late,
        completes_once,
        append::bytes_follow_each_other,
        append::of_many_at_one_offset_one_wins,
        append::a_length_may_be_said_later,
        append::the_first_value_of_an_option_counts,
        append::a_thumbnail_is_kept_beside_the_chunks,
        append::what_is_appended_is_limited_and_counted,
        streamed::the_last_byte_completes_what_is_streamed,
        streamed::the_last_pieces_become_one,
        streamed::parts_become_a_file,
        streamed::a_file_of_parts_that_was_cancelled_makes_room,
        streamed::files_may_be_put_together_at_once,
        leases::leases_in_order,
        leases::users_take_turns,
        leases::takes_over_expired_leases,
        keeps_early_state_for_the_bytes_it_was_made_of,
        leases::keeps_how_far_it_is,
        outbox::finishes_with_the_webhook,
        cancels,
        outbox::delivers_the_outbox,
        views::expires,
        views::counts,
        views::lists,
        concurrent_chunks_all_count,
        quotas::uploads_that_are_not_over_are_counted,
        quotas::an_address_is_counted_with_and_without_owners,
        quotas::stored_bytes_are_given_back,
        quotas::bytes_of_a_day_are_counted_until_midnight,
        quotas::what_comes_at_once_is_not_more_than_allowed,
        strangers::an_end_without_a_word_is_put_in_order,
        strangers::what_was_handed_over_is_never_leased_again,
        handed_over::it_is_looked_for_whatever_ends_the_attempt,
        handed_over::a_runner_that_is_gone_leaves_it_to_the_next,
        handed_over::it_is_never_said_not_to_be_there,
        handed_over::a_cancel_has_it_recalled,
        handed_over::nothing_is_recalled_of_what_was_not_begun,
        handed_over::a_recall_keeps_what_was_seen,
        strangers::what_ends_the_process_again_and_again_is_given_up,
        strangers::early_sending_counts_too,
        strangers::direct_uploads_are_kept_or_abandoned,
        strangers::another_life_is_never_touched,
        strangers::users_are_left_out,
        outbox::events_wait_until_they_are_done,
        strangers::what_nobody_owns_is_few_and_short_lived,
        strangers::a_due_time_that_cannot_be_is_due,
        strangers::the_clock_is_kept,
        moved::a_moved_chat_is_found_by_its_user_only,
        bot_keys::the_latest_key_of_each_bot_is_kept,
        files::a_completed_upload_is_a_file_of_its_user,
        files::files_come_in_pages_the_newest_first,
        files::files_are_found_by_a_part_of_their_names,
        files::names_are_found_in_any_spelling,
        files::files_are_found_by_what_is_in_them,
        files::an_upload_of_a_file_that_is_there_needs_no_bytes,
        files::a_file_is_deleted_once_with_its_event,
        sums::an_empty_chunk_comes_last_in_any_order,
        sums::chunks_that_cannot_be_the_file_are_not_recorded,
        views::pages,
        views::many_are_found_at_once,
        views::bytes_of_use_are_named,
        outbox::a_claim_keeps_others_away,
        workers::no_two_hold_one_upload,
        workers::an_account_is_used_by_one,
        workers::an_account_moves,
        workers::no_two_work_on_one_event,
        workers::a_release_leaves_what_others_have,
        workers::those_who_are_gone_are_put_in_order,
        workers::what_ends_one_worker_after_the_other_is_given_up,
        workers::workers_are_known_with_what_they_hold,
        pieces::what_is_there_is_kept_with_the_state,
        pieces::what_was_handed_over_is_a_message_now,
        pieces::all_of_it_is_the_result,
        pieces::another_result_takes_back_what_was_there,
        pieces::a_cancel_takes_back_what_is_there,
        pieces::what_goes_with_its_row_is_taken_back,
        pieces::what_begins_anew_takes_back_what_is_there,
        pieces::other_bytes_take_back_what_is_there,
        encoded::it_stays_over_attempts_and_its_keys_go_with_the_end,
        encoded::other_bytes_are_never_encrypted_with_its_keys,
        encoded::what_was_made_of_other_bytes_is_taken_back,
        encoded::it_is_written_by_the_holder_of_the_lease_only,
        fetching::one_worker_fetches_at_a_time,
        fetching::a_fetch_is_written_down_by_its_worker_only,
        fetching::what_a_dead_worker_fetched_is_let_go,
        fetching::a_cancelled_or_complete_one_is_not_fetched,
    );
}

async fn creates_once(store: &dyn SessionStore) {
    let first = Upload { fingerprint: Some("0a".to_owned()), ..upload("a", 1, 2, 20) };
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
    let late = store.record_chunk(new_chunk(&first, &chunk(0, 1, 1, "late"))).await;
    assert_eq!(late.expect("records"), Recorded::NotFound, "a late chunk of the first life stays out");
}

async fn a_result_makes_no_room(store: &dyn SessionStore) {
    let first = Upload { user_id: Some(UserId::new("u")), ..upload("a", 1, 1, 10) };
    store.create(&first, false, &LIMITS).await.expect("creates");
    record(store, &first, &chunk(0, 10, 1, "a")).await;
    store.complete(&first.id, &first.key, NOW).await.expect("completes");
    let lease = lease(store, NOW).await.expect("due");
    assert!(store.finish(&lease, &result(), None, NOW.into()).await.expect("finishes"));
    let second = upload("a", 2, 1, 10);
    assert!(matches!(store.create(&second, true, &LIMITS).await.expect("creates"), Created::Exists(_)));
    assert_eq!(get(store, "a").await.state, UploadState::Completed);
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
    let blobs = ["zero", "two", "other"].map(BlobName::new);
    let mut named = store.named(&blobs).await.expect("reads");
    named.sort();
    assert_eq!(named, ["other", "zero"].map(BlobName::new), "what was replaced is not named");
    for mime_type in ["audio/ogg", "text/plain"] {
        let zero = chunk(0, 10, 0, "zero");
        let typed = store.record_chunk(new_chunk(&upload, &zero).with_mime_type(Some(mime_type.to_owned())));
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
    let blob = [BlobName::new("blob")];
    assert_eq!(store.named(&blob).await.expect("reads"), blob);
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

async fn keeps_early_state_for_the_bytes_it_was_made_of(store: &dyn SessionStore) {
    let upload = upload("a", 1, 2, 20);
    let (one, two) = (
        ResumeState::new("one", *b"state"),
        ResumeState::new("two", *b"state").by(Some(SenderId::new("bot:7"))),
    );
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

async fn cancels(store: &dyn SessionStore) {
    let absent = StorageKey::from_random([1; 16]);
    assert_eq!(store.cancel(&id("a"), &absent, NOW).await.expect("cancels"), Cancelled::NotFound);
    let upload = queued(store, "a", 1, Duration::ZERO).await;
    let held = lease(store, NOW).await.expect("due");
    match store.cancel(&upload.id, &upload.key, NOW).await.expect("cancels") {
        Cancelled::Now { blobs, .. } => assert_eq!(blobs, [BlobName::new("blob")], "its bytes may go"),
        other => panic!("not cancelled: {other:?}"),
    }
    assert!(!store.finish(&held, &result(), None, NOW.into()).await.expect("answers"), "the lease is lost");
    assert!(matches!(store.cancel(&upload.id, &upload.key, NOW).await.expect("cancels"), Cancelled::Over(_)));
    let gone = get(store, "a").await;
    assert_eq!((gone.state, gone.error.as_deref()), (UploadState::Cancelled, Some("Upload cancelled")));
    assert_eq!(gone.sealed_token, None);
    assert!(store.chunks(&upload.key).await.expect("reads").is_empty());
    assert_eq!(lease(store, NOW + SECOND * 99).await, None);
    let late = record(store, &upload, &chunk(0, 10, 1, "late")).await;
    assert!(matches!(late, Recorded::Refused { verdict: ChunkVerdict::Cancelled, .. }));
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
