//! Copies rows, page by page.

use serde_json::Value;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, SqliteConnection};
use telestore_types::StorageKey;

use super::tables::{CHUNKS, Kind, Table};
use super::{Import, failed, unavailable};
use crate::row::{self, Columns};
use crate::{BlobName, PostgresSessionStore, Result};

/// How many rows are read and written at a time.
const PAGE: usize = 500;

pub(super) struct Copier<'a> {
    pub(super) import: &'a Import<'a>,
    /// By how many milliseconds the new database's clock is ahead.
    pub(super) ahead: i64,
}

impl Copier<'_> {
    /// Copies the rows of a table, and says how many.
    pub(super) async fn table(
        &self,
        table: &Table,
        from: &mut SqliteConnection,
        to: &mut PgConnection,
    ) -> Result<u64> {
        let page = format!("{} ORDER BY {} LIMIT {PAGE} OFFSET ?", select(table), table.order);
        let mut copied = 0;
        loop {
            let page = sqlx::query(AssertSqlSafe(page.clone())).bind(row::signed(copied));
            let rows = page.fetch_all(&mut *from).await.map_err(failed)?;
            self.write(table, &rows, to).await?;
            copied += rows.len() as u64;
            if rows.len() < PAGE {
                return Ok(copied);
            }
        }
    }

    /// The same for the chunks of each upload: there are many, and what is behind others would be counted off each time.
    pub(super) async fn chunks(&self, from: &mut SqliteConnection, to: &mut PgConnection) -> Result<u64> {
        let keys = sqlx::query(
            "SELECT key FROM uploads WHERE received_chunks > 0 OR options LIKE '%\"thumbnail\"%' ORDER BY key",
        );
        let keys = keys.fetch_all(&mut *from).await.map_err(failed)?;
        let chunks = format!("{} WHERE key = ? ORDER BY {}", select(&CHUNKS), CHUNKS.order);
        let mut copied = 0;
        for key in keys {
            let chunks = sqlx::query(AssertSqlSafe(chunks.clone())).bind(row::text(&key, "key")?);
            let rows = chunks.fetch_all(&mut *from).await.map_err(failed)?;
            for page in rows.chunks(PAGE) {
                self.write(&CHUNKS, page, to).await?;
            }
            copied += rows.len() as u64;
        }
        Ok(copied)
    }

    /// Writes a page of rows by one statement, which takes each column as a list.
    async fn write(&self, table: &Table, rows: &[SqliteRow], to: &mut PgConnection) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let lists = table.columns.iter().zip(1..).map(|((_, kind), at)| {
            let of = match kind {
                Kind::Int | Kind::Time => "BIGINT",
                Kind::Flag => "BOOLEAN",
                Kind::Text | Kind::Blob => "TEXT",
                Kind::Bytes | Kind::Token => "BYTEA",
            };
            format!("${at}::{of}[]")
        });
        let lists = lists.collect::<Vec<_>>().join(", ");
        let names = names(table);
        let insert =
            format!("INSERT INTO {} ({names}) SELECT * FROM UNNEST({lists}) {}", table.name, table.had);
        let mut insert = sqlx::query(AssertSqlSafe(insert)).persistent(false);
        for (column, kind) in table.columns {
            insert = self.bind(insert, rows, column, *kind)?;
        }
        insert.execute(to).await.map_err(unavailable)?;
        Ok(())
    }

    /// Binds a column of these rows.
    fn bind<'q>(
        &self,
        insert: Query<'q, Postgres, PgArguments>,
        rows: &[SqliteRow],
        column: &'static str,
        kind: Kind,
    ) -> Result<Query<'q, Postgres, PgArguments>> {
        Ok(match kind {
            Kind::Int => insert.bind(all(rows, |row| row.int(column))?),
            Kind::Time => insert.bind(all(rows, |row| self.time(row, column))?),
            Kind::Flag => insert.bind(all(rows, |row| row.flag(column))?),
            Kind::Text => insert.bind(all(rows, |row| text(row, column))?),
            Kind::Blob => insert.bind(all(rows, |row| self.blob(row, column))?),
            Kind::Bytes => insert.bind(all(rows, |row| row.bytes(column))?),
            Kind::Token => insert.bind(all(rows, |row| self.token(row, column))?),
        })
    }

    fn time(&self, row: &SqliteRow, column: &'static str) -> Result<Option<i64>> {
        Ok(row.int(column)?.map(|at| at.saturating_add(self.ahead)))
    }

    fn blob(&self, row: &SqliteRow, column: &'static str) -> Result<String> {
        let old = BlobName::new(row::text(row, column)?);
        Ok(self.import.blobs.get(&old).unwrap_or(&old).as_str().to_owned())
    }

    fn token(&self, row: &SqliteRow, column: &'static str) -> Result<Option<Vec<u8>>> {
        let Some(sealed) = row.bytes(column)? else { return Ok(None) };
        let key = key_of(row)?;
        Ok(Some(match key {
            Some(key) => (self.import.reseal)(&key, sealed),
            None => sealed,
        }))
    }
}

/// The key of the upload that a row belongs to: an event has it in its body, if it has a token.
fn key_of(row: &SqliteRow) -> Result<Option<StorageKey>> {
    if let Ok(Some(key)) = row.text("key") {
        return Ok(StorageKey::parse(&key).ok());
    }
    let body: Option<Value> = serde_json::from_str(&row::text(row, "body")?).ok();
    let key = body.as_ref().and_then(|body| body["key"].as_str());
    Ok(key.and_then(|key| StorageKey::parse(key).ok()))
}

fn all<T>(rows: &[SqliteRow], column: impl Fn(&SqliteRow) -> Result<T>) -> Result<Vec<T>> {
    rows.iter().map(column).collect()
}

fn text(row: &SqliteRow, column: &'static str) -> Result<Option<String>> {
    Ok(row.text(column)?.map(|text| PostgresSessionStore::written(&text).into_owned()))
}

fn names(table: &Table) -> String {
    table.columns.iter().map(|(column, _)| *column).collect::<Vec<_>>().join(", ")
}

fn select(table: &Table) -> String {
    format!("SELECT {} FROM {}", names(table), table.name)
}
