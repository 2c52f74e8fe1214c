use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row, Sqlite, SqliteConnection};
use telestore_types::{Upload, UploadId};

use super::database;
use crate::Result;
pub(super) use crate::row::{
    Columns, Values, bind_file, bind_update, blob, chunk, due, event, file, folded, hand_out, held, known,
    number, signed, upload, worker,
};

impl Columns for SqliteRow {
    fn int(&self, column: &'static str) -> Result<Option<i64>> {
        self.try_get(column).map_err(database)
    }

    fn flag(&self, column: &'static str) -> Result<bool> {
        self.try_get(column).map_err(database)
    }

    fn text(&self, column: &'static str) -> Result<Option<String>> {
        self.try_get(column).map_err(database)
    }

    fn bytes(&self, column: &'static str) -> Result<Option<Vec<u8>>> {
        self.try_get(column).map_err(database)
    }
}

impl<'q> Values<'q> for Query<'q, Sqlite, SqliteArguments> {
    fn int(self, value: impl Into<Option<i64>>) -> Self {
        self.bind(value.into())
    }

    fn flag(self, value: bool) -> Self {
        self.bind(value)
    }

    fn text(self, value: impl Into<Option<&'q str>>) -> Self {
        self.bind(value.into())
    }

    fn made(self, value: Option<String>) -> Self {
        self.bind(value)
    }

    fn bytes(self, value: Option<&'q [u8]>) -> Self {
        self.bind(value)
    }
}

pub(super) async fn load(on: &mut SqliteConnection, id: &UploadId) -> Result<Option<Upload>> {
    let row = sqlx::query("SELECT * FROM uploads WHERE id = ?").bind(id.as_str()).fetch_optional(on).await;
    row.map_err(database)?.as_ref().map(upload).transpose()
}

pub(super) async fn insert(on: &mut SqliteConnection, upload: &Upload) -> Result<()> {
    let insert = sqlx::query(
        "INSERT INTO uploads (id, key, file_name, file_size, total_chunks, kind, state, address, fingerprint, created_at, \
         updated_at, received_chunks, received_bytes, progress, attempt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0)",
    );
    crate::row::bind_new(insert, upload).execute(&mut *on).await.map_err(database)?;
    save(on, upload).await
}

/// The statement that writes everything that a transition may change; a macro, so that others can be made of it.
macro_rules! update_sql {
    () => {
        "UPDATE uploads SET file_size = ?, total_chunks = ?, options = ?, metadata = ?, mime_type = ?, user_id = ?, sealed_token = ?, state = ?, received_chunks = ?, \
         received_bytes = ?, progress = ?, attempt = ?, queued_at = ?, next_attempt_at = ?, error = ?, stored = ?, \
         resume = ?, resume_of = ?, resume_sender = ?, outcome = ?, kind = ?, maybe_sent = ?, early = ?, worker = ?, \
         crashes = ?, updated_at = ?, file_name = ?, source = ?, encoding = ?, \
         encoding_keys = ?, duplicate_of = ? WHERE id = ? AND key = ?"
    };
}
pub(super) use update_sql;

pub(super) async fn save(on: &mut SqliteConnection, upload: &Upload) -> Result<()> {
    bind_update(sqlx::query(update_sql!()), upload)?.execute(on).await.map_err(database)?;
    Ok(())
}
