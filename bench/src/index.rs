//! The index of files: how long a page of a list takes that has many, in either database.

use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use crate::file::File;
use crate::http::Http;
use crate::load::percentile;
use crate::servers::{Servers, Shared};
use crate::stage::{NOT_EAGER, Stage, Worker};
use crate::table::Table;
use crate::{Bench, Result, flow};

const COLUMNS: &[(&str, &str, usize)] = &[
    ("first", "newest 100, p50 ms", 1),
    ("first_p99", "p99 ms", 1),
    ("deep", "100 behind the middle, p50 ms", 1),
    ("found", "search for the oldest, p50 ms", 1),
    ("none", "search for none, p50 ms", 1),
];

pub(crate) fn run(bench: &Bench) -> Result<Vec<Table>> {
    let mut table = Table::new("index", "files of one user in", COLUMNS);
    let stage = Stage::new(&bench.root)?;
    let servers = Servers::running()?;
    if servers.is_none() {
        eprintln!("the index in PostgreSQL is not measured: bench/run starts a database for it");
    }
    let files = bench.pick(100_000, 1000);
    for round in 0..bench.rounds {
        bench.say(round, &format!("pages of a list of {files} files"));
        let worker = stage.worker(NOT_EAGER, 0)?;
        let known = one_file(&stage, &worker)?;
        fill_sqlite(&worker.database(), files)?;
        table.record("SQLite", &pages(bench, &stage, &worker, files, &known)?);
        if let Some(servers) = &servers {
            let shared = servers.share()?;
            let worker = stage.worker(&settings(&shared), 0)?;
            let known = one_file(&stage, &worker)?;
            servers.ask(
                shared.name(),
                &more_files("generate_series(1, {files}) AS n(i)", "lpad(to_hex(i), 32, '0')", files),
            )?;
            table.record("PostgreSQL", &pages(bench, &stage, &worker, files, &known)?);
        }
    }
    Ok(vec![table])
}

fn settings(shared: &Shared) -> Vec<(&str, &str)> {
    let of_all = shared.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    NOT_EAGER.iter().copied().chain(of_all).collect()
}

/// Sends the file that all others are copies of; gives its name in the index.
fn one_file(stage: &Stage, worker: &Worker) -> Result<String> {
    let file = File::new(&stage.user.auth_token, 10);
    flow::send_chunks(worker, &file, 1)?;
    let mut http = worker.http()?;
    flow::complete(&mut http, &file)?;
    flow::wait(&mut http, &file, std::time::Duration::from_millis(5))?;
    let listed = list(&mut http, &stage.user.auth_token, "")?;
    Ok(listed["files"][0]["id"].as_str().ok_or("the file is not listed")?.to_owned())
}

/// The statement that makes so many copies of the only file: `numbers` gives `i` from 1 on, and `id` makes a name of it.
fn more_files(numbers: &str, id: &str, files: usize) -> String {
    let numbers = numbers.replace("{files}", &files.to_string());
    format!(
        "INSERT INTO files (id, upload_id, user_id, file_name, folded, size, mime_type, sha256, stored, created_at) \
         SELECT {id}, 'benchmark-' || i, user_id, 'Holiday ' || i || '.mp4', 'holiday ' || i || '.mp4', size, mime_type, \
         sha256, stored, created_at FROM {numbers}, (SELECT * FROM files LIMIT 1) AS first"
    )
}

fn fill_sqlite(database: &Path, files: usize) -> Result<()> {
    let numbers =
        "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {files}) SELECT i FROM n)";
    let fill = more_files(numbers, "printf('%032x', i)", files);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
        let mut connection = options.connect().await?;
        sqlx::raw_sql(AssertSqlSafe(fill)).execute(&mut connection).await?;
        connection.close().await?;
        Ok(())
    })
}

fn list(http: &mut Http, token: &str, query: &str) -> Result<Value> {
    let head = format!(
        "GET /files?{query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nAccept-Encoding: identity\r\n\r\n"
    );
    http.exchange(&[head.as_bytes()])?.ok()
}

fn pages(
    bench: &Bench,
    stage: &Stage,
    worker: &Worker,
    files: usize,
    known: &str,
) -> Result<Vec<(&'static str, f64)>> {
    let (mut http, token) = (worker.http()?, stage.user.auth_token.as_str());
    let mut asked = |query: &str, expected: usize| -> Result<Vec<f64>> {
        let mut times = Vec::new();
        for _ in 0..bench.pick(200, 5) {
            let begin = Instant::now();
            let listed = list(&mut http, token, query)?;
            times.push(begin.elapsed().as_secs_f64() * 1e3);
            if listed["files"].as_array().map(Vec::len) != Some(expected) {
                return Err(format!("GET /files?{query} has other files than expected").into());
            }
        }
        times.sort_by(f64::total_cmp);
        Ok(times)
    };
    let first = asked("", 100)?;
    let deep = asked(&format!("cursor={}", files / 2), 100)?;
    // The oldest but for the one that was sent.
    let found = asked("q=HOLIDAY%201.MP4", 1)?;
    let none = asked(&format!("q={known}"), 0)?;
    Ok(vec![
        ("first", percentile(&first, 0.5)),
        ("first_p99", percentile(&first, 0.99)),
        ("deep", percentile(&deep, 0.5)),
        ("found", percentile(&found, 0.5)),
        ("none", percentile(&none, 0.5)),
    ])
}
