//! From the database of one worker to that of many.

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, Row, SqliteConnection};

use crate::row::Columns;
use crate::{Error, PostgresSessionStore, Result, SqliteSessionStore};

/// How many rows are read and written at a time.
const PAGE: usize = 500;

/// What was copied from one database to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Imported {
    /// Uploads, those that are over included.
    pub uploads: u64,
    /// Records of their chunks.
    pub chunks: u64,
    /// Webhooks and withdrawals that wait.
    pub events: u64,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Int,
    Flag,
    Text,
    Bytes,
}
use Kind::{Bytes, Flag, Int, Text};

/// A table that both have, in the order in which its rows are copied.
struct Table {
    name: &'static str,
    order: &'static str,
    columns: &'static [(&'static str, Kind)],
}

const UPLOADS: Table = Table {
    name: "uploads",
    order: "id",
    columns: &[
        ("id", Text),
        ("key", Text),
        ("file_name", Text),
        ("file_size", Int),
        ("total_chunks", Int),
        ("mime_type", Text),
        ("options", Text),
        ("metadata", Text),
        ("user_id", Text),
        ("address", Text),
        ("sealed_token", Bytes),
        ("kind", Text),
        ("state", Text),
        ("received_chunks", Int),
        ("received_bytes", Int),
        ("progress", Int),
        ("attempt", Int),
        ("queued_at", Int),
        ("next_attempt_at", Int),
        ("error", Text),
        ("outcome", Text),
        ("stored", Text),
        ("resume", Bytes),
        ("resume_of", Text),
        ("resume_sender", Text),
        ("maybe_sent", Flag),
        ("early", Flag),
        ("worker", Text),
        ("crashes", Int),
        ("lease_token", Text),
        ("lease_until", Int),
        ("created_at", Int),
        ("updated_at", Int),
    ],
};

const CHUNKS: Table = Table {
    name: "chunks",
    order: "key, idx",
    columns: &[("key", Text), ("idx", Int), ("length", Int), ("crc32c", Int), ("blob", Text)],
};

const OUTBOX: Table = Table {
    name: "outbox",
    order: "rowid",
    columns: &[
        ("event_id", Text),
        ("upload_id", Text),
        ("kind", Text),
        ("user_id", Text),
        ("sealed_token", Bytes),
        ("body", Text),
        ("attempt", Int),
        ("due_at", Int),
        ("created_at", Int),
        ("claim", Text),
        ("claimed_by", Text),
        ("claimed_until", Int),
    ],
};

/// Not the workers, and whose accounts they hold: whoever imports has ended them.
const OTHERS: [Table; 4] = [
    Table { name: "turns", order: "user_id", columns: &[("user_id", Text), ("turn", Int)] },
    Table {
        name: "traffic",
        order: "subject, day",
        columns: &[("subject", Text), ("day", Int), ("bytes", Int)],
    },
    Table {
        name: "moved_chats",
        order: "user_id",
        columns: &[("user_id", Text), ("chat", Text), ("moved_to", Text)],
    },
    Table { name: "clock", order: "id", columns: &[("id", Int), ("at", Int), ("wall", Int)] },
];

impl PostgresSessionStore {
    /// Copies everything that `from` holds, uploads under way included, in one transaction: wholly or not at all. No worker
    /// may use `from` meanwhile, or ever again. The bytes of chunks are not in a session store, and keep their names.
    ///
    /// # Errors
    /// [`Error::Unfit`] where this database is not empty. [`Error::Unavailable`] and [`Error::Failed`] where one of the two
    /// fails; then nothing was copied, unless the answer to the last word was lost: then this database is not empty any more.
    pub async fn import(&self, from: &SqliteSessionStore) -> Result<Imported> {
        let mut from = from.reader().await?;
        let mut to = self.alone().await?;
        // One state of the file, whoever writes it.
        let mut read = from.begin().await.map_err(failed)?;
        let mut write = to.begin().await.map_err(unavailable)?;
        refuse_unless_empty(&mut write).await?;
        let imported = copy_all(&mut read, &mut write).await?;
        write.commit().await.map_err(unavailable)?;
        Ok(imported)
    }
}

fn failed(error: sqlx::Error) -> Error {
    Error::failed("session database", error)
}

fn unavailable(error: sqlx::Error) -> Error {
    Error::unavailable("session database", error)
}

/// Keeps workers away from it until the end, too.
async fn refuse_unless_empty(to: &mut PgConnection) -> Result<()> {
    let lock = "SET LOCAL lock_timeout = '8s'; LOCK TABLE uploads, chunks, outbox IN EXCLUSIVE MODE";
    sqlx::raw_sql(lock).execute(&mut *to).await.map_err(unavailable)?;
    let any = "SELECT EXISTS (SELECT 1 FROM uploads) OR EXISTS (SELECT 1 FROM outbox) AS any";
    let any = sqlx::query(any).persistent(false).fetch_one(to).await;
    if any.and_then(|row| row.try_get("any")).map_err(unavailable)? {
        return Err(Error::unfit("session database", "importing into it", "it holds uploads already"));
    }
    Ok(())
}

async fn copy_all(from: &mut SqliteConnection, to: &mut PgConnection) -> Result<Imported> {
    let imported = Imported {
        uploads: copy(&UPLOADS, from, to).await?,
        chunks: copy_chunks(from, to).await?,
        events: copy(&OUTBOX, from, to).await?,
    };
    for table in &OTHERS {
        copy(table, from, to).await?;
    }
    let turn = "SELECT setval('turn', COALESCE((SELECT MAX(turn) FROM turns), 0) + 1)";
    sqlx::query(turn).persistent(false).execute(to).await.map_err(unavailable)?;
    Ok(imported)
}

/// Copies the rows of a table, page by page.
async fn copy(table: &Table, from: &mut SqliteConnection, to: &mut PgConnection) -> Result<u64> {
    let page = format!("{} ORDER BY {} LIMIT {PAGE} OFFSET ?", select(table), table.order);
    let mut copied = 0;
    loop {
        let page = sqlx::query(AssertSqlSafe(page.clone())).bind(crate::row::signed(copied));
        let rows = page.fetch_all(&mut *from).await.map_err(failed)?;
        write(table, &rows, to).await?;
        copied += rows.len() as u64;
        if rows.len() < PAGE {
            return Ok(copied);
        }
    }
}

/// The same for the chunks of each upload: there are many, and what is behind others would be counted off each time.
async fn copy_chunks(from: &mut SqliteConnection, to: &mut PgConnection) -> Result<u64> {
    let keys = sqlx::query("SELECT key FROM uploads WHERE received_chunks > 0 ORDER BY key");
    let keys = keys.fetch_all(&mut *from).await.map_err(failed)?;
    let chunks = format!("{} WHERE key = ? ORDER BY {}", select(&CHUNKS), CHUNKS.order);
    let mut copied = 0;
    for key in keys {
        let chunks = sqlx::query(AssertSqlSafe(chunks.clone())).bind(crate::row::text(&key, "key")?);
        let rows = chunks.fetch_all(&mut *from).await.map_err(failed)?;
        for page in rows.chunks(PAGE) {
            write(&CHUNKS, page, to).await?;
        }
        copied += rows.len() as u64;
    }
    Ok(copied)
}

fn names(table: &Table) -> String {
    table.columns.iter().map(|(column, _)| *column).collect::<Vec<_>>().join(", ")
}

fn select(table: &Table) -> String {
    format!("SELECT {} FROM {}", names(table), table.name)
}

/// Writes a page of rows by one statement, which takes each column as a list.
async fn write(table: &Table, rows: &[SqliteRow], to: &mut PgConnection) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let lists = table.columns.iter().zip(1..).map(|((_, kind), at)| {
        let of = match kind {
            Int => "BIGINT",
            Flag => "BOOLEAN",
            Text => "TEXT",
            Bytes => "BYTEA",
        };
        format!("${at}::{of}[]")
    });
    let lists = lists.collect::<Vec<_>>().join(", ");
    let names = names(table);
    let insert = format!("INSERT INTO {} ({names}) SELECT * FROM UNNEST({lists})", table.name);
    let mut insert = sqlx::query(AssertSqlSafe(insert)).persistent(false);
    for (column, kind) in table.columns {
        insert = bind(insert, rows, column, *kind)?;
    }
    insert.execute(to).await.map_err(unavailable)?;
    Ok(())
}

/// Binds a column of these rows.
fn bind<'q>(
    insert: Query<'q, Postgres, PgArguments>,
    rows: &[SqliteRow],
    column: &'static str,
    kind: Kind,
) -> Result<Query<'q, Postgres, PgArguments>> {
    Ok(match kind {
        Int => insert.bind(rows.iter().map(|row| row.int(column)).collect::<Result<Vec<_>>>()?),
        Flag => insert.bind(rows.iter().map(|row| row.flag(column)).collect::<Result<Vec<_>>>()?),
        Bytes => insert.bind(rows.iter().map(|row| row.bytes(column)).collect::<Result<Vec<_>>>()?),
        Text => {
            let text = |row: &SqliteRow| {
                Ok(row.text(column)?.map(|text| PostgresSessionStore::written(&text).into_owned()))
            };
            insert.bind(rows.iter().map(text).collect::<Result<Vec<_>>>()?)
        }
    })
}
