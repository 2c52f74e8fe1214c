use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row, Sqlite, SqliteConnection};
use telestore_types::{
    AddressKey, ChunkIndex, FileName, MAX_CHUNKS, Outcome, ResumeState, SenderId, StorageKey, StoredFile,
    Timestamp, Upload, UploadId, UploadKind, UploadState, UserId, WorkerId,
};

use super::database;
use crate::{BlobName, ChunkRecord, Error, NewEvent, OutboxEvent, OutboxKind, Result};

/// Says which column holds what it must not.
fn bad(column: &'static str) -> Error {
    Error::BadRow { column }
}

pub(super) fn number<T: TryFrom<i64>>(row: &SqliteRow, column: &'static str) -> Result<T> {
    T::try_from(row.try_get(column).map_err(database)?).map_err(|_| bad(column))
}

fn flag(row: &SqliteRow, column: &'static str) -> Result<bool> {
    row.try_get(column).map_err(database)
}

fn text(row: &SqliteRow, column: &'static str) -> Result<String> {
    row.try_get(column).map_err(database)
}

fn optional_text(row: &SqliteRow, column: &'static str) -> Result<Option<String>> {
    row.try_get(column).map_err(database)
}

fn optional_bytes(row: &SqliteRow, column: &'static str) -> Result<Option<Vec<u8>>> {
    row.try_get(column).map_err(database)
}

fn optional_time(row: &SqliteRow, column: &'static str) -> Result<Option<Timestamp>> {
    Ok(row.try_get::<Option<i64>, _>(column).map_err(database)?.map(Timestamp::from_millis))
}

fn time(row: &SqliteRow, column: &'static str) -> Result<Timestamp> {
    Ok(Timestamp::from_millis(row.try_get(column).map_err(database)?))
}

/// SQLite has signed integers only; every number here is far below the limit.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What stands for a length that nobody has said yet: the column holds numbers from the beginning on.
const UNKNOWN_SIZE: i64 = -1;

/// What stands for a number of chunks that is not known yet.
const UNKNOWN_TOTAL: u32 = 0;

fn size(row: &SqliteRow) -> Result<Option<u64>> {
    match row.try_get("file_size").map_err(database)? {
        UNKNOWN_SIZE => Ok(None),
        size => u64::try_from(size).map(Some).map_err(|_| bad("file_size")),
    }
}

/// What a column of JSON holds, or the default.
fn json<T: DeserializeOwned + Default>(row: &SqliteRow, column: &'static str) -> Result<T> {
    let text = optional_text(row, column)?;
    text.map_or(Ok(T::default()), |text| serde_json::from_str(&text).map_err(|_| bad(column)))
}

/// The same, to be written: nothing for the default.
fn to_json<T: Serialize + Default + PartialEq>(value: &T, column: &'static str) -> Result<Option<String>> {
    let told = (*value != T::default()).then_some(value);
    told.map(serde_json::to_string).transpose().map_err(|_| bad(column))
}

pub(super) fn upload(row: &SqliteRow) -> Result<Upload> {
    let outcome = optional_text(row, "outcome")?;
    let resume = match optional_bytes(row, "resume")? {
        Some(bytes) => {
            let sender = optional_text(row, "resume_sender")?.map(SenderId::new);
            Some(ResumeState::new(text(row, "resume_of")?, bytes).by(sender))
        }
        None => None,
    };
    let stored = optional_text(row, "stored")?;
    let stored: Option<StoredFile> =
        stored.map(|json| serde_json::from_str(&json)).transpose().map_err(|_| bad("stored"))?;
    Ok(Upload {
        id: UploadId::new(text(row, "id")?).map_err(|_| bad("id"))?,
        key: key(row)?,
        file_name: FileName::of_file(&text(row, "file_name")?).map_err(|_| bad("file_name"))?,
        file_size: size(row)?,
        total_chunks: Some(number(row, "total_chunks")?).filter(|total| *total != UNKNOWN_TOTAL),
        mime_type: optional_text(row, "mime_type")?,
        options: json(row, "options")?,
        metadata: json(row, "metadata")?,
        user_id: optional_text(row, "user_id")?.map(UserId::new),
        address: optional_text(row, "address")?.map(AddressKey::new),
        sealed_token: optional_bytes(row, "sealed_token")?,
        kind: UploadKind::parse(&text(row, "kind")?).ok_or(bad("kind"))?,
        state: UploadState::parse(&text(row, "state")?).ok_or(bad("state"))?,
        received_chunks: number(row, "received_chunks")?,
        received_bytes: number(row, "received_bytes")?,
        progress: number(row, "progress")?,
        attempt: number(row, "attempt")?,
        queued_at: optional_time(row, "queued_at")?,
        next_attempt_at: optional_time(row, "next_attempt_at")?,
        error: optional_text(row, "error")?,
        stored: match (stored, size(row)?) {
            (Some(stored), Some(size)) => Some(stored.of_size(size)),
            (stored, _) => stored,
        },
        resume,
        outcome: outcome.map(|name| Outcome::parse(&name).ok_or(bad("outcome"))).transpose()?,
        maybe_sent: flag(row, "maybe_sent")?,
        early: flag(row, "early")?,
        worker: optional_text(row, "worker")?.map(WorkerId::new).transpose().map_err(|_| bad("worker"))?,
        crashes: number(row, "crashes")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

pub(super) fn key(row: &SqliteRow) -> Result<StorageKey> {
    StorageKey::parse(&text(row, "key")?).map_err(|_| bad("key"))
}

pub(super) fn worker(row: &SqliteRow, column: &'static str) -> Result<WorkerId> {
    WorkerId::new(text(row, column)?).map_err(|_| bad(column))
}

pub(super) fn blob(row: &SqliteRow) -> Result<BlobName> {
    Ok(BlobName::new(text(row, "blob")?))
}

pub(super) fn chunk(row: &SqliteRow) -> Result<ChunkRecord> {
    Ok(ChunkRecord {
        index: ChunkIndex::new(number(row, "idx")?, MAX_CHUNKS).map_err(|_| bad("idx"))?,
        length: number(row, "length")?,
        crc32c: number(row, "crc32c")?,
        blob: blob(row)?,
    })
}

/// A chunk that a query may have found beside an upload.
pub(super) fn held(row: &SqliteRow) -> Result<Option<ChunkRecord>> {
    if optional_text(row, "blob")?.is_some() { chunk(row).map(Some) } else { Ok(None) }
}

pub(super) fn event(row: &SqliteRow) -> Result<OutboxEvent> {
    let event = NewEvent {
        event_id: text(row, "event_id")?,
        kind: OutboxKind::parse(&text(row, "kind")?).ok_or(bad("kind"))?,
        user_id: optional_text(row, "user_id")?.map(UserId::new),
        sealed_token: optional_bytes(row, "sealed_token")?,
        body: text(row, "body")?,
    };
    let id = UploadId::new(text(row, "upload_id")?).map_err(|_| bad("upload_id"))?;
    let claim = optional_text(row, "claim")?.unwrap_or_default();
    Ok(OutboxEvent::new(event, id, claim, time(row, "created_at")?).after_attempts(number(row, "attempt")?))
}

pub(super) async fn load(on: &mut SqliteConnection, id: &UploadId) -> Result<Option<Upload>> {
    let row = sqlx::query("SELECT * FROM uploads WHERE id = ?").bind(id.as_str()).fetch_optional(on).await;
    row.map_err(database)?.as_ref().map(upload).transpose()
}

pub(super) async fn insert(on: &mut SqliteConnection, upload: &Upload) -> Result<()> {
    let insert = sqlx::query(
        "INSERT INTO uploads (id, key, file_name, file_size, total_chunks, kind, state, address, received_chunks, \
         received_bytes, progress, attempt, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, ?, ?)",
    );
    let insert = insert.bind(upload.id.as_str()).bind(upload.key.as_str()).bind(upload.file_name.as_str());
    let insert = insert.bind(upload.file_size.map_or(UNKNOWN_SIZE, signed));
    let insert = insert.bind(upload.total_chunks.unwrap_or(UNKNOWN_TOTAL)).bind(upload.kind.as_str());
    let insert = insert.bind(upload.state.as_str());
    let insert = insert.bind(upload.address.as_ref().map(AddressKey::as_str));
    let insert = insert.bind(upload.created_at.as_millis()).bind(upload.updated_at.as_millis());
    insert.execute(&mut *on).await.map_err(database)?;
    save(on, upload).await
}

/// The statement that writes everything that a transition may change; a macro, so that others can be made of it.
macro_rules! update_sql {
    () => {
        "UPDATE uploads SET file_size = ?, total_chunks = ?, options = ?, metadata = ?, mime_type = ?, user_id = ?, sealed_token = ?, state = ?, received_chunks = ?, \
         received_bytes = ?, progress = ?, attempt = ?, queued_at = ?, next_attempt_at = ?, error = ?, stored = ?, \
         resume = ?, resume_of = ?, resume_sender = ?, outcome = ?, kind = ?, maybe_sent = ?, early = ?, worker = ?, \
         crashes = ?, updated_at = ? WHERE id = ? AND key = ?"
    };
}
pub(super) use update_sql;

pub(super) async fn save(on: &mut SqliteConnection, upload: &Upload) -> Result<()> {
    bind_update(sqlx::query(update_sql!()), upload)?.execute(on).await.map_err(database)?;
    Ok(())
}

type Statement<'a> = Query<'a, Sqlite, SqliteArguments>;

/// Binds the values of [`update_sql`].
pub(super) fn bind_update<'a>(update: Statement<'a>, upload: &'a Upload) -> Result<Statement<'a>> {
    let stored = upload.stored.as_ref().map(serde_json::to_string).transpose().map_err(|_| bad("stored"))?;
    Ok(update
        .bind(upload.file_size.map_or(UNKNOWN_SIZE, signed))
        .bind(upload.total_chunks.unwrap_or(UNKNOWN_TOTAL))
        .bind(to_json(&upload.options, "options")?)
        .bind(to_json(&upload.metadata, "metadata")?)
        .bind(upload.mime_type.as_deref())
        .bind(upload.user_id.as_ref().map(UserId::as_str))
        .bind(upload.sealed_token.as_deref())
        .bind(upload.state.as_str())
        .bind(upload.received_chunks)
        .bind(signed(upload.received_bytes))
        .bind(upload.progress)
        .bind(upload.attempt)
        .bind(upload.queued_at.map(Timestamp::as_millis))
        .bind(upload.next_attempt_at.map(Timestamp::as_millis))
        .bind(upload.error.as_deref())
        .bind(stored)
        .bind(upload.resume.as_ref().map(|resume| resume.bytes.as_slice()))
        .bind(upload.resume.as_ref().map_or("", |resume| resume.backend.as_str()))
        .bind(upload.resume.as_ref().and_then(|resume| resume.sender.as_ref()).map(SenderId::as_str))
        .bind(upload.outcome.map(Outcome::as_str))
        .bind(upload.kind.as_str())
        .bind(upload.maybe_sent)
        .bind(upload.early)
        .bind(upload.worker.as_ref().map(WorkerId::as_str))
        .bind(upload.crashes)
        .bind(upload.updated_at.as_millis())
        .bind(upload.id.as_str())
        .bind(upload.key.as_str()))
}
