//! How uploads, chunks and events stand in the rows of databases that speak SQL.

use serde::Serialize;
use serde::de::DeserializeOwned;
use telestore_types::{
    AddressKey, ChunkIndex, Encoded, Encoding, FileDigest, FileId, FileName, IndexedFile, Outcome,
    ResumeState, SenderId, StorageKey, StoredFile, StoredMessage, Timestamp, Upload, UploadId, UploadKind,
    UploadState, UserId, WorkerId, is_due,
};

use crate::{
    BlobName, ChunkRecord, Error, KnownWorker, NewEvent, OutboxEvent, OutboxKind, Result, WorkerInfo,
};

/// The columns of a row.
pub(crate) trait Columns {
    /// A whole number, or nothing.
    fn int(&self, column: &'static str) -> Result<Option<i64>>;

    /// A truth.
    fn flag(&self, column: &'static str) -> Result<bool>;

    /// A text, or nothing.
    fn text(&self, column: &'static str) -> Result<Option<String>>;

    /// Bytes, or nothing.
    fn bytes(&self, column: &'static str) -> Result<Option<Vec<u8>>>;
}

/// A statement that takes its values one after the other.
pub(crate) trait Values<'q>: Sized {
    /// The next one is a whole number, or nothing.
    #[must_use]
    fn int(self, value: impl Into<Option<i64>>) -> Self;

    /// The next one is a truth.
    #[must_use]
    fn flag(self, value: bool) -> Self;

    /// The next one is a text, or nothing.
    #[must_use]
    fn text(self, value: impl Into<Option<&'q str>>) -> Self;

    /// The next one is a text that was made for it, or nothing.
    #[must_use]
    fn made(self, value: Option<String>) -> Self;

    /// The next one is bytes, or nothing.
    #[must_use]
    fn bytes(self, value: Option<&'q [u8]>) -> Self;
}

/// Says which column holds what it must not.
fn bad(column: &'static str) -> Error {
    Error::BadRow { column }
}

pub(crate) fn number<T: TryFrom<i64>>(row: &impl Columns, column: &'static str) -> Result<T> {
    T::try_from(row.int(column)?.ok_or(bad(column))?).map_err(|_| bad(column))
}

pub(crate) fn text(row: &impl Columns, column: &'static str) -> Result<String> {
    row.text(column)?.ok_or(bad(column))
}

pub(crate) fn optional_time(row: &impl Columns, column: &'static str) -> Result<Option<Timestamp>> {
    Ok(row.int(column)?.map(Timestamp::from_millis))
}

pub(crate) fn time(row: &impl Columns, column: &'static str) -> Result<Timestamp> {
    optional_time(row, column)?.ok_or(bad(column))
}

/// Databases have signed integers only; every number here is far below the limit.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What stands for a length that nobody has said yet: the column holds numbers from the beginning on.
const UNKNOWN_SIZE: i64 = -1;

/// What stands for a number of chunks that is not known yet.
const UNKNOWN_TOTAL: u32 = 0;

fn size(row: &impl Columns) -> Result<Option<u64>> {
    match number(row, "file_size")? {
        UNKNOWN_SIZE => Ok(None),
        size => u64::try_from(size).map(Some).map_err(|_| bad("file_size")),
    }
}

/// What a column of JSON holds, or the default.
fn json<T: DeserializeOwned + Default>(row: &impl Columns, column: &'static str) -> Result<T> {
    let text = row.text(column)?;
    text.map_or(Ok(T::default()), |text| serde_json::from_str(&text).map_err(|_| bad(column)))
}

/// The same, to be written: nothing for the default.
fn to_json<T: Serialize + Default + PartialEq>(value: &T, column: &'static str) -> Result<Option<String>> {
    let told = (*value != T::default()).then_some(value);
    told.map(serde_json::to_string).transpose().map_err(|_| bad(column))
}

pub(crate) fn upload(row: &impl Columns) -> Result<Upload> {
    let outcome = row.text("outcome")?;
    let state = UploadState::parse(&text(row, "state")?).ok_or(bad("state"))?;
    let stored = row.text("stored")?;
    let stored: Option<StoredFile> =
        stored.map(|json| serde_json::from_str(&json)).transpose().map_err(|_| bad("stored"))?;
    let resume = match row.bytes("resume")? {
        Some(bytes) => {
            let sender = row.text("resume_sender")?.map(SenderId::new);
            let made = stored.as_ref().map(|stored| stored.messages().to_vec()).unwrap_or_default();
            Some(ResumeState::new(text(row, "resume_of")?, bytes).by(sender).with_made(made))
        }
        None => None,
    };
    let encoding = row.text("encoding")?.map(|json| serde_json::from_str(&json)).transpose();
    let encoding: Option<Encoding> = encoding.map_err(|_| bad("encoding"))?;
    let sealed = row.bytes("encoding_keys")?;
    Ok(Upload {
        id: UploadId::new(text(row, "id")?).map_err(|_| bad("id"))?,
        key: key(row)?,
        file_name: FileName::of_file(&text(row, "file_name")?).map_err(|_| bad("file_name"))?,
        file_size: size(row)?,
        total_chunks: Some(number(row, "total_chunks")?).filter(|total| *total != UNKNOWN_TOTAL),
        mime_type: row.text("mime_type")?,
        options: json(row, "options")?,
        metadata: json(row, "metadata")?,
        fingerprint: row.text("fingerprint")?,
        source: row.bytes("source")?,
        user_id: row.text("user_id")?.map(UserId::new),
        address: row.text("address")?.map(AddressKey::new),
        sealed_token: row.bytes("sealed_token")?,
        kind: UploadKind::parse(&text(row, "kind")?).ok_or(bad("kind"))?,
        state,
        received_chunks: number(row, "received_chunks")?,
        received_bytes: number(row, "received_bytes")?,
        progress: number(row, "progress")?,
        attempt: number(row, "attempt")?,
        queued_at: optional_time(row, "queued_at")?,
        next_attempt_at: optional_time(row, "next_attempt_at")?,
        error: row.text("error")?,
        stored: match (stored, size(row)?) {
            (Some(stored), Some(size)) => Some(stored.of_size(size)),
            (stored, _) => stored,
        },
        encoding: encoding.map(|encoding| encoding.with_keys(sealed)),
        duplicate_of: duplicate_of(row)?,
        resume,
        outcome: outcome.map(|name| Outcome::parse(&name).ok_or(bad("outcome"))).transpose()?,
        maybe_sent: row.flag("maybe_sent")?,
        early: row.flag("early")?,
        worker: row.text("worker")?.map(WorkerId::new).transpose().map_err(|_| bad("worker"))?,
        crashes: number(row, "crashes")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

fn duplicate_of(row: &impl Columns) -> Result<Option<StoredMessage>> {
    let text = row.text("duplicate_of")?;
    text.map(|json| serde_json::from_str(&json)).transpose().map_err(|_| bad("duplicate_of"))
}

pub(crate) fn file(row: &impl Columns) -> Result<IndexedFile> {
    let stored: StoredFile = serde_json::from_str(&text(row, "stored")?).map_err(|_| bad("stored"))?;
    let size = number(row, "size")?;
    let sha256 = row.text("sha256")?.map(|sha256| FileDigest::parse(&sha256));
    Ok(IndexedFile {
        id: FileId::parse(&text(row, "id")?).map_err(|_| bad("id"))?,
        place: number(row, "place")?,
        upload_id: UploadId::new(text(row, "upload_id")?).map_err(|_| bad("upload_id"))?,
        user_id: UserId::new(text(row, "user_id")?),
        file_name: FileName::of_file(&text(row, "file_name")?).map_err(|_| bad("file_name"))?,
        size,
        mime_type: row.text("mime_type")?,
        sha256: sha256.transpose().map_err(|_| bad("sha256"))?,
        created_at: time(row, "created_at")?,
        stored: stored.of_size(size),
        encoded: Encoded { encrypted: row.flag("encrypted")?, compressed: row.flag("compressed")? },
    })
}

/// Binds a file, in the order `id, upload_id, user_id, file_name, folded, size, mime_type, sha256, stored, created_at,
/// encrypted, compressed`.
pub(crate) fn bind_file<'q, V: Values<'q>>(to: V, file: &'q IndexedFile) -> Result<V> {
    let stored = serde_json::to_string(&file.stored).map_err(|_| bad("stored"))?;
    Ok(to
        .text(file.id.as_str())
        .text(file.upload_id.as_str())
        .text(file.user_id.as_str())
        .text(file.file_name.as_str())
        .made(Some(file.folded_name()))
        .int(signed(file.size))
        .text(file.mime_type.as_deref())
        .made(file.sha256.map(|sha256| sha256.to_string()))
        .made(Some(stored))
        .int(file.created_at.as_millis())
        .flag(file.encoded.encrypted)
        .flag(file.encoded.compressed))
}

/// How many names of files are folded by one statement or transaction: others wait no longer than for that.
pub(crate) const FOLDED_AT_ONCE: i64 = 500;

/// The place of a file that has no folded name yet, and the folded name.
pub(crate) fn folded(row: &impl Columns) -> Result<(i64, String)> {
    Ok((number(row, "place")?, IndexedFile::folded(&text(row, "file_name")?)))
}

pub(crate) fn key(row: &impl Columns) -> Result<StorageKey> {
    StorageKey::parse(&text(row, "key")?).map_err(|_| bad("key"))
}

pub(crate) fn worker(row: &impl Columns, column: &'static str) -> Result<WorkerId> {
    WorkerId::new(text(row, column)?).map_err(|_| bad(column))
}

pub(crate) fn blob(row: &impl Columns) -> Result<BlobName> {
    Ok(BlobName::new(text(row, "blob")?))
}

pub(crate) fn chunk(row: &impl Columns) -> Result<ChunkRecord> {
    Ok(ChunkRecord {
        index: ChunkIndex::of_record(number(row, "idx")?).map_err(|_| bad("idx"))?,
        length: number(row, "length")?,
        crc32c: number(row, "crc32c")?,
        blob: blob(row)?,
    })
}

/// A chunk that a query may have found beside an upload.
pub(crate) fn held(row: &impl Columns) -> Result<Option<ChunkRecord>> {
    if row.text("blob")?.is_some() { chunk(row).map(Some) } else { Ok(None) }
}

fn kind(row: &impl Columns) -> Result<OutboxKind> {
    OutboxKind::parse(&text(row, "kind")?).ok_or(bad("kind"))
}

/// A kind of event, and when the first one is due, if one is.
pub(crate) fn due(row: &impl Columns) -> Result<Option<(OutboxKind, Timestamp)>> {
    let kind = kind(row)?;
    Ok(optional_time(row, "due")?.map(|due| (kind, due)))
}

pub(crate) fn event(row: &impl Columns) -> Result<OutboxEvent> {
    let event = NewEvent {
        event_id: text(row, "event_id")?,
        kind: kind(row)?,
        user_id: row.text("user_id")?.map(UserId::new),
        sealed_token: row.bytes("sealed_token")?,
        body: text(row, "body")?,
    };
    let id = UploadId::new(text(row, "upload_id")?).map_err(|_| bad("upload_id"))?;
    let claim = row.text("claim")?.unwrap_or_default();
    Ok(OutboxEvent::new(event, id, claim, time(row, "created_at")?).after_attempts(number(row, "attempt")?))
}

/// Binds what the row of a new upload needs, in the order `id, key, file_name, file_size, total_chunks, kind, state,
/// address, fingerprint, created_at, updated_at`.
pub(crate) fn bind_new<'q, V: Values<'q>>(to: V, upload: &'q Upload) -> V {
    to.text(upload.id.as_str())
        .text(upload.key.as_str())
        .text(upload.file_name.as_str())
        .int(upload.file_size.map_or(UNKNOWN_SIZE, signed))
        .int(i64::from(upload.total_chunks.unwrap_or(UNKNOWN_TOTAL)))
        .text(upload.kind.as_str())
        .text(upload.state.as_str())
        .text(upload.address.as_ref().map(AddressKey::as_str))
        .text(upload.fingerprint.as_deref())
        .int(upload.created_at.as_millis())
        .int(upload.updated_at.as_millis())
}

/// Binds everything that a transition may change, in the order `file_size, total_chunks, options, metadata, mime_type,
/// user_id, sealed_token, state, received_chunks, received_bytes, progress, attempt, queued_at, next_attempt_at, error,
/// stored, resume, resume_of, resume_sender, outcome, kind, maybe_sent, early, worker, crashes, updated_at, file_name,
/// source, encoding, encoding_keys, duplicate_of`, and `id` and `key` to find the row.
pub(crate) fn bind_update<'q, V: Values<'q>>(to: V, upload: &'q Upload) -> Result<V> {
    let stored = upload.stored.as_ref().map(serde_json::to_string).transpose().map_err(|_| bad("stored"))?;
    let encoding = upload.encoding.as_ref();
    let kept = encoding.map(serde_json::to_string).transpose().map_err(|_| bad("encoding"))?;
    let duplicate = upload.duplicate_of.as_ref().map(serde_json::to_string).transpose();
    let duplicate = duplicate.map_err(|_| bad("duplicate_of"))?;
    let resume = upload.resume.as_ref();
    Ok(to
        .int(upload.file_size.map_or(UNKNOWN_SIZE, signed))
        .int(i64::from(upload.total_chunks.unwrap_or(UNKNOWN_TOTAL)))
        .made(to_json(&upload.options, "options")?)
        .made(to_json(&upload.metadata, "metadata")?)
        .text(upload.mime_type.as_deref())
        .text(upload.user_id.as_ref().map(UserId::as_str))
        .bytes(upload.sealed_token.as_deref())
        .text(upload.state.as_str())
        .int(i64::from(upload.received_chunks))
        .int(signed(upload.received_bytes))
        .int(i64::from(upload.progress))
        .int(i64::from(upload.attempt))
        .int(upload.queued_at.map(Timestamp::as_millis))
        .int(upload.next_attempt_at.map(Timestamp::as_millis))
        .text(upload.error.as_deref())
        .made(stored)
        .bytes(resume.map(|resume| resume.bytes.as_slice()))
        .text(resume.map_or("", |resume| resume.backend.as_str()))
        .text(resume.and_then(|resume| resume.sender.as_ref()).map(SenderId::as_str))
        .text(upload.outcome.map(Outcome::as_str))
        .text(upload.kind.as_str())
        .flag(upload.maybe_sent)
        .flag(upload.early)
        .text(upload.worker.as_ref().map(WorkerId::as_str))
        .int(i64::from(upload.crashes))
        .int(upload.updated_at.as_millis())
        .text(upload.file_name.as_str())
        .bytes(upload.source.as_deref())
        .made(kept)
        .bytes(encoding.and_then(|encoding| encoding.sealed.as_deref()))
        .made(duplicate)
        .text(upload.id.as_str())
        .text(upload.key.as_str()))
}

/// A worker, without the accounts that it holds.
pub(crate) fn known(row: &impl Columns, now: Timestamp) -> Result<KnownWorker> {
    let until = time(row, "until")?;
    let mut known = KnownWorker::new(worker(row, "id")?, until, !is_due(until, now));
    let (version, host) = (row.text("version")?, row.text("host")?);
    known.info = version.map(|version| WorkerInfo { version, host });
    known.since = optional_time(row, "since")?;
    Ok(known)
}

/// Gives the accounts to the workers that hold them.
pub(crate) fn hand_out(known: &mut [KnownWorker], held: &[impl Columns]) -> Result<()> {
    for row in held {
        let holder = worker(row, "worker")?;
        if let Some(holder) = known.iter_mut().find(|known| known.id == holder) {
            holder.accounts.push(UserId::new(text(row, "user_id")?));
        }
    }
    Ok(())
}
