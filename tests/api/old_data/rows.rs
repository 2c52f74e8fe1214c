//! The rows of an old data directory: what is past its time would be gone, so they become rows of a minute ago.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection};
use telestore_sandbox::{Sandbox, SandboxUser};

use super::archive::Manifest;

const PART: usize = 512 * 1024;

/// How long ago the worker of then was killed: longer than it waited for anything.
const AGO: Duration = Duration::from_secs(60);

/// Columns that hold a time, in milliseconds since the Unix epoch.
const TIMES: [(&str, &[&str]); 3] = [
    ("uploads", &["queued_at", "next_attempt_at", "lease_until", "created_at", "updated_at"]),
    ("outbox", &["due_at", "created_at"]),
    ("clock", &["at", "wall"]),
];

/// The parts of a file that Telegram confirmed.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) upload_id: String,
    pub(super) file_id: i64,
    pub(super) confirmed: Vec<i32>,
    /// Told with each part of a file over 10 MiB.
    total: Option<i32>,
}

impl Parts {
    /// Reads a resume state of the MTProto uploader, if parts of it are confirmed. Bit `n % 8` of byte `n / 8` is part `n`.
    fn of(upload_id: String, state: &Value) -> Option<Self> {
        let bits = hex::decode(state["confirmed"].as_str()?).ok()?;
        let length = state["length"].as_u64()? as usize;
        let total = i32::try_from(length.div_ceil(PART)).ok()?;
        let is_set = |part: &i32| bits[*part as usize / 8] & (1 << (part % 8)) != 0;
        let confirmed: Vec<_> = (0..total).filter(is_set).collect();
        let file_id = state["file_id"].as_i64()?;
        let total = (length > 20 * PART).then_some(total);
        (!confirmed.is_empty()).then_some(Self { upload_id, file_id, confirmed, total })
    }

    /// Has a sandbox know them.
    pub(super) fn put(&self, sandbox: &Sandbox, user: &SandboxUser, content: &[u8]) {
        for &part in &self.confirmed {
            let start = part as usize * PART;
            let bytes = content[start..content.len().min(start + PART)].to_vec();
            sandbox.put_part(user, self.file_id, part, self.total, bytes).expect("the part is taken");
        }
    }
}

/// Moves all times of the directory, so that it was left a minute ago; gives the parts that Telegram has of files that are not sent.
pub(super) async fn as_of_a_minute_ago(dir: &Path, manifest: &Manifest) -> Vec<Parts> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let by = (now - AGO).as_millis() as i64 - manifest.made_at;
    let databases = std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    let database = databases.into_iter().find(|path| path.extension().is_some_and(|kind| kind == "db"));
    let options = SqliteConnectOptions::new().filename(database.expect("a database"));
    let mut on = options.connect().await.expect("the database opens");
    for (table, columns) in TIMES {
        if !has_table(&mut on, table).await {
            continue;
        }
        let set: Vec<_> = columns.iter().map(|column| format!("{column} = {column} + {by}")).collect();
        execute(&mut on, format!("UPDATE {table} SET {}", set.join(", "))).await;
    }
    // Days since the Unix epoch.
    execute(&mut on, format!("UPDATE traffic SET day = day + {}", by / 86_400_000)).await;
    let parts = move_states(&mut on, by).await;
    on.close().await.expect("the database closes");
    parts
}

/// Moves the times in resume states.
async fn move_states(on: &mut SqliteConnection, by: i64) -> Vec<Parts> {
    let rows = sqlx::query("SELECT id, resume FROM uploads WHERE resume IS NOT NULL").fetch_all(&mut *on);
    let mut found = Vec::new();
    for row in rows.await.expect("rows") {
        let (id, state): (String, Vec<u8>) = (row.get("id"), row.get("resume"));
        // What was never sent of has a mark in place of a state.
        let Ok(mut state) = serde_json::from_slice::<Value>(&state) else { continue };
        if let Some(started) = state["started_at"].as_i64() {
            state["started_at"] = (started + by).into();
            let moved = serde_json::to_vec(&state).expect("JSON");
            let update = sqlx::query("UPDATE uploads SET resume = ? WHERE id = ?").bind(moved).bind(&id);
            update.execute(&mut *on).await.expect("the state is written");
        }
        found.extend(Parts::of(id, &state));
    }
    found
}

async fn has_table(on: &mut SqliteConnection, name: &str) -> bool {
    let found = sqlx::query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").bind(name);
    found.fetch_optional(on).await.expect("an answer").is_some()
}

async fn execute(on: &mut SqliteConnection, statement: String) {
    // The test's own words.
    sqlx::query(AssertSqlSafe(statement)).execute(on).await.expect("the rows are written");
}
