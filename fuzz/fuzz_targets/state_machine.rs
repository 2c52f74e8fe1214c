//! Everything that can happen to an upload, in any order that the stores allow: what must always hold holds.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use telestore_types::{
    ChunkIndex, ChunkVerdict, Completion, FileName, NewUpload, Outcome, ResumeState, StorageKey, StoredAs,
    StoredFile, StoredMessage, Timestamp, Upload, UploadId, UploadKind, UploadState, UserId,
};

const CHUNKS: u32 = 3;
const SIZE: u64 = 6;

/// The length and sum of each, by its place.
type Chunks = BTreeMap<u32, (u64, u32)>;

fuzz_target!(|input: &[u8]| {
    let _ = run(&mut Unstructured::new(input));
});

fn run(input: &mut Unstructured<'_>) -> Result<()> {
    let (id, name) = (UploadId::new("a").unwrap(), FileName::new("a.bin").unwrap());
    let new = NewUpload::new(id, StorageKey::from_random([0; 16]), name, at(0));
    let mut upload = Upload::new(match input.int_in_range(0..=6)? {
        0 => new.in_chunks(SIZE, CHUNKS),
        1 => direct(new),
        2 => new.appended(Some(SIZE)),
        3 => new.appended(None),
        4 => new.appended(Some(SIZE)).of_kind(UploadKind::Streamed),
        5 => new.appended(None).of_kind(UploadKind::Streamed),
        _ => new.appended(None).of_kind(UploadKind::Partial),
    });
    // The chunks that a store would have.
    let mut chunks = BTreeMap::new();
    let mut now = 0;
    while !input.is_empty() {
        now += i64::from(input.arbitrary::<u8>()?);
        let before = upload.clone();
        step(&mut upload, &mut chunks, at(now), input)?;
        check(&before, &upload, &chunks, at(now));
    }
    Ok(())
}

/// In more chunks than it has, so that there is more to see.
fn direct(new: NewUpload) -> NewUpload {
    let mut new = new.in_chunks(SIZE, CHUNKS);
    new.kind = UploadKind::Direct;
    new
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn step(
    upload: &mut Upload,
    chunks: &mut Chunks,
    now: Timestamp,
    input: &mut Unstructured<'_>,
) -> Result<()> {
    let sending = upload.state == UploadState::Sending;
    match input.int_in_range(0..=14)? {
        0 => upload.user_id = Some(UserId::new("u")),
        1 | 2 if !upload.kind.is_appended_to() => {
            chunk(upload, chunks, now, input)?;
        }
        3 => {
            complete(upload, chunks, now);
        }
        // What needs a lease.
        4 if upload.state == UploadState::Queued => upload.start_attempt(now),
        5 if sending => {
            let resume = input.arbitrary::<Option<u8>>()?.map(|byte| ResumeState::new("b", vec![byte]));
            upload.checkpoint(input.arbitrary()?, resume);
        }
        6 if sending => {
            let message = StoredMessage::new(1, StoredAs::Mtproto { document_id: 7 }, SIZE);
            upload.finish(StoredFile::new(message), now);
        }
        7 if sending && input.arbitrary()? => {
            let ends = [Outcome::Refused, Outcome::GaveUp, Outcome::Ambiguous, Outcome::Damaged];
            upload.fail("no", *input.choose(&ends)?, now);
        }
        7 if sending => upload.retry_later(now, input.arbitrary()?, now),
        8 => early(upload, input)?,
        9 if input.ratio(1, 4)? => {
            let over = upload.state.is_over();
            assert_eq!(upload.cancel(now), !over);
        }
        10 if sending => upload.commit(
            input.arbitrary()?,
            input.arbitrary::<Option<u8>>()?.map(|byte| ResumeState::new("b", vec![byte])),
        ),
        11 => {
            let receiving = upload.state == UploadState::Receiving;
            assert!(!upload.begin_early() || receiving);
        }
        12 => upload.keep(),
        13 => {
            append(upload, chunks, now, input)?;
        }
        14 => {
            let (size, before) = (input.int_in_range(0..=SIZE)?, upload.clone());
            if upload.declare_size(size, now).is_err() {
                assert_eq!(*upload, before);
            }
        }
        _ => {}
    }
    Ok(())
}

fn chunk(
    upload: &mut Upload,
    chunks: &mut Chunks,
    now: Timestamp,
    input: &mut Unstructured<'_>,
) -> Result<()> {
    let index = input.int_in_range(0..=CHUNKS - 1)?;
    let new = (input.int_in_range(0..=7)?, input.int_in_range(0..=2)?);
    let place = ChunkIndex::new(index, CHUNKS).unwrap();
    if Upload::check_chunk_length(place, CHUNKS, new.0).is_err() {
        assert!(new.0 == 0 && index < CHUNKS - 1);
        return Ok(());
    }
    let old: Option<(u64, u32)> = chunks.get(&index).copied();
    match upload.chunk_verdict(old, new) {
        ChunkVerdict::Store => {
            let mut after = upload.clone();
            after.chunk_stored(old, new, now);
            match after.check_sum(old.map(|old| old.0), new.0) {
                Ok(()) => {
                    *upload = after;
                    chunks.insert(index, new);
                }
                Err(_) => assert_ne!(after.received_bytes, SIZE, "it would be the file"),
            }
        }
        ChunkVerdict::Duplicate => assert_eq!(old, Some(new)),
        ChunkVerdict::Conflict => assert_ne!(old, Some(new)),
        ChunkVerdict::Cancelled => assert_eq!(upload.state, UploadState::Cancelled),
    }
    Ok(())
}

fn complete(upload: &mut Upload, chunks: &Chunks, now: Timestamp) {
    let received = chunks.values().map(|chunk| chunk.0).sum::<u64>();
    let all = upload.kind.is_appended_to() || chunks.len() == CHUNKS as usize;
    let whole = all && Some(received) == upload.file_size && upload.kind != UploadKind::Partial;
    let before = upload.clone();
    match upload.complete(now) {
        Ok(Completion::Queued) => assert!(whole && upload.user_id.is_some(), "{before:?}"),
        Ok(Completion::Already) | Err(_) => assert_eq!(*upload, before),
    }
}

fn early(upload: &mut Upload, input: &mut Unstructured<'_>) -> Result<()> {
    let expected =
        if input.arbitrary()? { upload.resume.clone() } else { Some(ResumeState::new("b", vec![9])) };
    let before = upload.clone();
    if !upload.checkpoint_early(expected.as_ref(), &ResumeState::new("b", vec![input.arbitrary()?])) {
        assert_eq!(*upload, before);
    }
    Ok(())
}

fn append(
    upload: &mut Upload,
    chunks: &mut Chunks,
    now: Timestamp,
    input: &mut Unstructured<'_>,
) -> Result<()> {
    let (offset, length) = (input.int_in_range(0..=SIZE)?, input.int_in_range(0..=SIZE)?);
    let before = upload.clone();
    match upload.append(offset, length, now) {
        Ok(index) => {
            assert_eq!(offset, before.received_bytes);
            assert_eq!(chunks.insert(index.get(), (length, 0)), None, "a place is taken once");
            let whole = upload.user_id.is_some() && upload.file_size == Some(upload.received_bytes);
            let completed = upload.kind == UploadKind::Streamed && whole;
            assert_eq!(upload.state != UploadState::Receiving, completed, "the last byte completes it");
        }
        Err(_) => assert_eq!(*upload, before),
    }
    Ok(())
}

fn check(before: &Upload, upload: &Upload, chunks: &Chunks, now: Timestamp) {
    use UploadState::{Cancelled, Completed, Failed, Queued, Receiving, Sending};
    assert_eq!(upload.received_chunks as usize, chunks.len());
    assert_eq!(upload.received_bytes, chunks.values().map(|chunk| chunk.0).sum::<u64>());
    assert_eq!(UploadState::parse(upload.state.as_str()), Some(upload.state));
    // One without a byte is over as soon as that is known.
    let empty = upload.kind == UploadKind::Streamed && upload.file_size == Some(0);
    let allowed = before.state == upload.state
        || (empty && (before.state, upload.state) == (Receiving, Failed))
        || matches!(
            (before.state, upload.state),
            (Receiving | Failed, Queued)
                | (Queued, Sending)
                | (Sending, Queued | Failed | Completed)
                | (Receiving | Queued | Sending | Failed, Cancelled)
        );
    assert!(allowed, "{:?} became {:?}", before.state, upload.state);
    if matches!(upload.state, Queued | Sending | Completed) {
        assert_eq!(upload.file_size, Some(upload.received_bytes));
        assert!(upload.user_id.is_some());
    }
    assert_eq!(upload.stored.is_some(), upload.state == Completed);
    assert_eq!(upload.outcome.is_some(), matches!(upload.state, Completed | Failed | Cancelled));
    assert_eq!(upload.outcome == Some(Outcome::Ambiguous), upload.maybe_sent && upload.state == Failed);
    assert!(upload.progress <= 100);
    // Whether a message may exist is told of what was handed over, and of nothing that still waits.
    assert!(!upload.maybe_sent || matches!(upload.state, Sending | Failed | Cancelled));
    assert!(!upload.early || upload.state == Receiving);
    assert!(
        upload.kind == before.kind || (before.kind, upload.kind) == (UploadKind::Direct, UploadKind::Kept)
    );
    // Only a new run begins at the beginning.
    let new_run = before.state != Queued && upload.state == Queued && upload.attempt == 0;
    assert!(new_run || upload.progress >= before.progress, "{before:?} became {upload:?}");
    if upload.state.is_over() {
        assert!(upload.resume.is_none() && upload.sealed_token.is_none());
    }
    let event = upload.event(now);
    assert_eq!(event.is_none(), upload.state == Receiving);
    if let Some(event) = event {
        assert_eq!(event.file_id().is_some(), upload.state == Completed);
        assert_eq!(event.error.is_some(), matches!(upload.state, Failed | Cancelled));
    }
}
