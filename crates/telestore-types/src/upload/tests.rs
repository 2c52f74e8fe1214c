use super::*;
use crate::{Caption, ChatId, Clock, HandedOver, MAX_CRASHES, SendAs, StoredAs, StoredMessage, SystemClock};

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_000);

pub(super) fn upload() -> Upload {
    let (id, name) = (UploadId::new("a").unwrap(), FileName::new("a.bin").unwrap());
    let new = NewUpload::new(id, StorageKey::from_random([0; 16]), name, NOW);
    let mut upload = Upload::new(new.in_chunks(10, 2));
    upload.user_id = Some(UserId::new("u"));
    upload
}

fn complete() -> Upload {
    let mut upload = upload();
    upload.chunk_stored(None, (6, 1), NOW);
    upload.chunk_stored(None, (4, 2), NOW);
    upload
}

#[test]
fn completes_only_when_everything_is_there() {
    let mut missing = upload();
    missing.chunk_stored(None, (10, 1), NOW);
    assert_eq!(missing.complete(NOW), Err(CompletionError::MissingChunks { received: 1, total: 2 }));
    missing.chunk_stored(None, (1, 1), NOW);
    assert_eq!(missing.complete(NOW), Err(CompletionError::SizeMismatch { declared: 10, received: 11 }));
    assert_eq!(missing.state, UploadState::Receiving);

    let mut unowned = complete();
    unowned.user_id = None;
    assert_eq!(unowned.complete(NOW), Err(CompletionError::NoOwner));
}

#[test]
fn completing_again_changes_nothing_until_it_failed() {
    let mut upload = complete();
    assert_eq!(upload.complete(NOW), Ok(Completion::Queued));
    upload.start_attempt(NOW);
    assert_eq!(upload.complete(NOW), Ok(Completion::Already));
    upload.fail("no", Outcome::Refused, NOW);
    assert_eq!((upload.outcome, upload.maybe_sent), (Some(Outcome::Refused), false));
    assert_eq!(upload.complete(NOW), Ok(Completion::Queued));
    assert_eq!((upload.attempt, upload.progress, upload.error.clone(), upload.outcome), (0, 0, None, None));
    upload.start_attempt(NOW);
    let message = StoredMessage::new(1, StoredAs::Mtproto { document_id: 7 }, 10);
    upload.finish(StoredFile::new(message), NOW);
    assert_eq!(upload.complete(NOW), Ok(Completion::Already));
    assert!(!upload.cancel(NOW), "what was sent cannot be cancelled");
}

#[test]
fn a_replaced_chunk_counts_once_and_drops_the_resume_state() {
    let mut upload = complete();
    upload.resume = Some(ResumeState::new("b", vec![1]));
    upload.chunk_stored(Some((4, 2)), (4, 2), NOW);
    assert!(upload.resume.is_some(), "the same bytes leave it valid");
    upload.chunk_stored(Some((4, 2)), (3, 9), NOW);
    assert_eq!((upload.received_chunks, upload.received_bytes, upload.resume.clone()), (2, 9, None));
}

#[test]
fn chunks_of_a_running_upload_must_be_the_same() {
    let mut upload = complete();
    assert_eq!(upload.chunk_verdict(Some((4, 2)), (4, 3)), ChunkVerdict::Store);
    upload.complete(NOW).unwrap();
    assert_eq!(upload.chunk_verdict(Some((4, 2)), (4, 2)), ChunkVerdict::Duplicate);
    assert_eq!(upload.chunk_verdict(Some((4, 2)), (4, 3)), ChunkVerdict::Conflict);
    assert!(upload.cancel(NOW));
    assert_eq!(upload.chunk_verdict(None, (4, 3)), ChunkVerdict::Cancelled);
    assert_eq!(upload.complete(NOW), Err(CompletionError::Cancelled));
}

#[test]
fn progress_never_goes_back() {
    let mut upload = complete();
    upload.checkpoint(40, Some(ResumeState::new("b", vec![1])));
    upload.checkpoint(35, None);
    assert_eq!((upload.progress, upload.resume), (40, Some(ResumeState::new("b", vec![1]))));
}

#[test]
fn early_state_counts_only_for_the_bytes_it_was_made_of() {
    let mut upload = complete();
    let (first, second) = (ResumeState::new("b", vec![1]), ResumeState::new("b", vec![2]));
    assert!(upload.checkpoint_early(None, &first));
    assert!(!upload.checkpoint_early(None, &second), "somebody else was quicker");
    upload.chunk_stored(Some((4, 2)), (4, 9), NOW);
    assert!(!upload.checkpoint_early(Some(&first), &second), "other bytes took the place of some");
    assert_eq!(upload.resume, None);
    assert!(upload.checkpoint_early(None, &second));
    upload.complete(NOW).unwrap();
    assert!(!upload.checkpoint_early(Some(&second), &first), "a runner has it now");
    assert_eq!(upload.resume, Some(second));
}

#[test]
fn a_flood_wait_uses_up_no_attempt() {
    let mut upload = complete();
    upload.complete(NOW).unwrap();
    upload.start_attempt(NOW);
    upload.retry_later(NOW, false, NOW);
    assert_eq!(upload.attempt, 0);
    upload.start_attempt(NOW);
    upload.retry_later(NOW, true, NOW);
    assert_eq!(upload.attempt, 1);
}

#[test]
fn too_many_ends_of_the_process_fail_it_and_say_what_it_did() {
    let ended = |state: Option<ResumeState>| {
        let mut upload = complete();
        upload.complete(NOW).unwrap();
        upload.start_attempt(NOW);
        if let Some(state) = state {
            upload.commit(40, Some(state));
        }
        for _ in 1..MAX_CRASHES {
            assert_eq!(upload.recover(NOW), Recovery::GoesOn);
            upload.start_attempt(NOW);
        }
        assert_eq!(upload.recover(NOW), Recovery::Failed);
        upload
    };
    let sent = ended(None);
    assert_eq!((sent.outcome, sent.maybe_sent), (Some(Outcome::Crashed), false));
    assert!(sent.error.unwrap().contains("is not in the channel"));

    // Only the backend can read whether it has asked for the message.
    let begun = ended(Some(ResumeState::new("MTProto", *b"part 7")));
    assert_eq!((begun.outcome, begun.maybe_sent), (Some(Outcome::Ambiguous), true));
    assert_eq!(begun.resume.unwrap().bytes, b"part 7", "who completes it again goes on from here");
    assert!(begun.error.unwrap().contains("look there"));

    let chat = ChatId::new("-1001234567890").unwrap();
    let handed = HandedOver::new(chat, &Caption::from("a"), SendAs::Document, 10, SystemClock.reading());
    let looked_for = ended(Some((&handed).into()));
    assert_eq!((looked_for.outcome, looked_for.maybe_sent), (Some(Outcome::Ambiguous), true));
    assert_eq!(looked_for.handed_over(), Some(handed), "who completes it again goes on from here");
    let error = looked_for.error.unwrap();
    assert!(error.contains("looked for the message") && error.contains("look there"), "{error}");
}

#[test]
fn states_read_back() {
    for name in ["receiving", "queued", "sending", "completed", "failed", "cancelled"] {
        assert_eq!(UploadState::parse(name).map(UploadState::as_str), Some(name));
    }
    assert_eq!(UploadState::parse("merged"), None);
}
