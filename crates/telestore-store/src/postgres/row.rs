use std::borrow::Cow;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, Row};
use telestore_types::{Upload, UploadId};

use super::{database, sql};
use crate::Result;
pub(super) use crate::row::{
    Columns, Values, bind_file, bind_new, bind_update, blob, chunk, due, event, file, folded, hand_out, held,
    known, number, optional_time, signed, text, time, upload, worker,
};

/// A statement with values.
pub(super) type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// PostgreSQL takes no U+0000 in a text, and some texts are what strangers say. It is written as U+0001 and a zero, and
/// U+0001 as itself twice.
pub(super) fn written(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', '\u{1}']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('\u{1}', "\u{1}\u{1}").replace('\0', "\u{1}0"))
}

/// A list of them, as a value of a statement.
pub(super) fn all_written<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    texts.map(|text| written(text).into_owned()).collect()
}

/// The reverse.
fn read(text: String) -> String {
    if !text.contains('\u{1}') {
        return text;
    }
    let (mut read, mut chars) = (String::with_capacity(text.len()), text.chars());
    while let Some(char) = chars.next() {
        match char {
            '\u{1}' => read.push(if chars.next() == Some('0') { '\0' } else { '\u{1}' }),
            char => read.push(char),
        }
    }
    read
}

impl Columns for PgRow {
    fn int(&self, column: &'static str) -> Result<Option<i64>> {
        self.try_get(column).map_err(database)
    }

    fn flag(&self, column: &'static str) -> Result<bool> {
        self.try_get(column).map_err(database)
    }

    fn text(&self, column: &'static str) -> Result<Option<String>> {
        Ok(self.try_get::<Option<String>, _>(column).map_err(database)?.map(read))
    }

    fn bytes(&self, column: &'static str) -> Result<Option<Vec<u8>>> {
        self.try_get(column).map_err(database)
    }
}

impl<'q> Values<'q> for Statement<'q> {
    fn int(self, value: impl Into<Option<i64>>) -> Self {
        self.bind(value.into())
    }

    fn flag(self, value: bool) -> Self {
        self.bind(value)
    }

    fn text(self, value: impl Into<Option<&'q str>>) -> Self {
        match value.into().map(written) {
            Some(Cow::Borrowed(text)) => self.bind(Some(text)),
            text => self.bind(text.map(Cow::into_owned)),
        }
    }

    fn made(self, value: Option<String>) -> Self {
        self.bind(value.map(|text| written(&text).into_owned()))
    }

    fn bytes(self, value: Option<&'q [u8]>) -> Self {
        self.bind(value)
    }
}

/// The upload with this id; within a transaction that may write it, locked.
pub(super) async fn load(on: &mut PgConnection, id: &UploadId, lock: bool) -> Result<Option<Upload>> {
    let load = if lock {
        "SELECT * FROM uploads WHERE id = $1 FOR UPDATE"
    } else {
        "SELECT * FROM uploads WHERE id = $1"
    };
    let row = sql(load).text(id.as_str()).fetch_optional(on).await.map_err(database)?;
    row.as_ref().map(upload).transpose()
}

pub(super) async fn load_all(on: &mut PgConnection, ids: &[UploadId]) -> Result<Vec<Upload>> {
    let load = sql("SELECT * FROM uploads WHERE id = ANY($1)");
    let load = load.bind(all_written(ids.iter().map(UploadId::as_str)));
    load.fetch_all(on).await.map_err(database)?.iter().map(upload).collect()
}

pub(super) async fn insert(on: &mut PgConnection, new: &Upload) -> Result<()> {
    let insert = sql(
        "INSERT INTO uploads (id, key, file_name, file_size, total_chunks, kind, state, address, fingerprint, created_at, \
         updated_at, received_chunks, received_bytes, progress, attempt) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0, 0, 0)",
    );
    bind_new(insert, new).execute(&mut *on).await.map_err(database)?;
    save(on, new).await
}

/// The statement that writes everything that a transition may change; a macro, so that others can be made of it.
macro_rules! update_sql {
    () => {
        "UPDATE uploads SET file_size = $1, total_chunks = $2, options = $3, metadata = $4, mime_type = $5, user_id = $6, \
         sealed_token = $7, state = $8, received_chunks = $9, received_bytes = $10, progress = $11, attempt = $12, \
         queued_at = $13, next_attempt_at = $14, error = $15, stored = $16, resume = $17, resume_of = $18, \
         resume_sender = $19, outcome = $20, kind = $21, maybe_sent = $22, early = $23, worker = $24, crashes = $25, \
         updated_at = $26, file_name = $27, source = $28, encoding = $29, encoding_keys = $30, \
         duplicate_of = $31 WHERE id = $32 AND key = $33"
    };
}
pub(super) use update_sql;

pub(super) async fn save(on: &mut PgConnection, upload: &Upload) -> Result<()> {
    bind_update(sql(update_sql!()), upload)?.execute(on).await.map_err(database)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_reads_back() {
        for text in ["", "a\0b", "\u{1}0", "\u{1}\u{1}", "\0\u{1}0\0", "a\u{1}"] {
            let kept = written(text);
            assert!(!kept.contains('\0'));
            assert_eq!(read(kept.into_owned()), text);
        }
    }
}
