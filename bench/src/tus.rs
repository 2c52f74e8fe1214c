//! Receiving by tus: a file in one PATCH for each connection, against the yardstick in the same round; and, if `bench/run`
//! found npm, tus's own server for Node.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::file::CHUNK;
use crate::http::Http;
use crate::load::{self, Measured};
use crate::proc::{Usage, peak_rss};
use crate::scratch::{Scratch, touch_memory};
use crate::stage::{NOT_EAGER, Stage};
use crate::table::Table;
use crate::{Bench, MIB, Result, in_turn, yardstick};

/// Where the server for Node is, with what it needs beside it.
const SERVER: &str = "TELESTORE_BENCH_TUS_SERVER";

const COLUMNS: &[(&str, &str, usize)] = &[
    ("yardstick", "yardstick MB/s", 0),
    ("worker", "worker MB/s", 0),
    ("ratio", "ratio", 2),
    ("yardstick_cpu", "yardstick CPU s/GiB", 2),
    ("cpu", "worker CPU s/GiB", 2),
    ("rss", "peak RSS MiB", 1),
    ("written", "written per byte", 2),
    ("node", "`@tus/server` MB/s", 0),
    ("node_cpu", "its CPU s/GiB", 2),
    ("node_rss", "its peak RSS MiB", 1),
];

const SMALL: &[(&str, &str, usize)] = &[
    ("rate", "PATCHes/s", 0),
    ("p50", "p50 ms", 1),
    ("p99", "p99 ms", 1),
    ("written", "written per byte", 2),
];

pub(crate) fn run(bench: &Bench) -> Result<Vec<Table>> {
    let (mut tus, mut small) =
        (Table::new("tus", "connections", COLUMNS), Table::new("tus_small", "what", SMALL));
    let stage = Stage::new(&bench.root)?;
    for round in 0..bench.rounds {
        for connections in [1, 4, 16] {
            bench.say(round, &format!("receiving by tus at {connections} connections"));
            compare(bench, &stage, round, connections, &mut tus)?;
        }
    }
    // Afterwards: they remove many files, and ext4 is slow to make new ones for minutes then.
    for round in 0..bench.rounds {
        bench.say(round, "receiving by small PATCHes");
        patches(bench, &stage, &mut small)?;
    }
    Ok(vec![tus, small])
}

fn compare(bench: &Bench, stage: &Stage, round: usize, connections: usize, table: &mut Table) -> Result<()> {
    let each = bench.pick(200, 16) / connections;
    let (mut raw, mut ours) = (Measured::default(), Measured::default());
    for pass in 0..2 {
        let (a, b) = in_turn(
            round + pass,
            || yardstick::measure(&bench.root, connections, each),
            || worker(stage, connections, each),
        )?;
        raw.add(a);
        ours.add(b);
    }
    let mut figures = vec![
        ("yardstick", raw.speed()),
        ("worker", ours.speed()),
        ("ratio", ours.speed() / raw.speed()),
        ("yardstick_cpu", raw.cpu_per_gib()),
        ("cpu", ours.cpu_per_gib()),
        ("rss", ours.peak),
        ("written", ours.usage.written / ours.bytes),
    ];
    if let Ok(server) = std::env::var(SERVER) {
        match node(&bench.root, Path::new(&server), connections, each) {
            Ok(node) => figures.extend([
                ("node", node.speed()),
                ("node_cpu", node.cpu_per_gib()),
                ("node_rss", node.peak),
            ]),
            Err(error) => eprintln!("tus's own server is not measured: {error}"),
        }
    }
    table.record(&connections.to_string(), &figures);
    Ok(())
}

/// `connections` clients send a file of `each` times 5 MiB, each in one PATCH, at once.
fn worker(stage: &Stage, connections: usize, each: usize) -> Result<Measured> {
    let mut worker = stage.worker(NOT_EAGER, connections * each * CHUNK)?;
    let token = &stage.user.auth_token;
    let clients = clients(worker.address, token, connections, each)?;
    worker.start_counting()?;
    let sent = load::together(clients)?;
    let bytes = (connections * each * CHUNK) as f64;
    Ok(Measured { sent, bytes, usage: worker.usage()?, peak: worker.peak()? })
}

fn clients<'a>(
    address: SocketAddr,
    token: &'a str,
    connections: usize,
    each: usize,
) -> Result<Vec<impl FnOnce(&mut Vec<f64>) -> Result<()> + Send + 'a>> {
    let client = |_| {
        let mut http = Http::connect(address)?;
        // A byte more, so that nothing is completed, and sent.
        let path = begin(&mut http, token, each * CHUNK + 1)?;
        Ok(move |latencies: &mut Vec<f64>| {
            let begin = Instant::now();
            let body = vec![&load::noise()[..CHUNK]; each];
            patch(&mut http, token, &path, 0, &body)?;
            latencies.push(begin.elapsed().as_secs_f64());
            Ok(())
        })
    };
    (0..connections).map(client).collect()
}

/// The path of a new upload.
fn begin(http: &mut Http, token: &str, length: usize) -> Result<String> {
    let head = format!(
        "POST /tus HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nTus-Resumable: 1.0.0\r\n\
         Upload-Length: {length}\r\nContent-Length: 0\r\n\r\n"
    );
    let answer = http.exchange(&[head.as_bytes()])?;
    let id = answer.location.as_deref().and_then(|location| location.rsplit('/').next());
    Ok(format!("/tus/{}", id.ok_or("no address of the upload")?))
}

fn patch(http: &mut Http, token: &str, path: &str, offset: usize, body: &[&[u8]]) -> Result<()> {
    let length: usize = body.iter().map(|piece| piece.len()).sum();
    let head = format!(
        "PATCH {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nTus-Resumable: 1.0.0\r\n\
         Content-Type: application/offset+octet-stream\r\nUpload-Offset: {offset}\r\nContent-Length: {length}\r\n\r\n"
    );
    let answer = http.exchange(&[&[head.as_bytes()], body].concat())?;
    if answer.status == 204 { Ok(()) } else { Err(format!("PATCH: {}", answer.status).into()) }
}

/// Many small PATCHes, one after the other: what each costs, and what it writes to keep the files few.
fn patches(bench: &Bench, stage: &Stage, table: &mut Table) -> Result<()> {
    let (count, size) = (bench.pick(4000, 100), MIB / 16);
    let mut worker = stage.worker(NOT_EAGER, count * size)?;
    let (mut http, token) = (worker.http()?, &stage.user.auth_token);
    let path = begin(&mut http, token, count * size + 1)?;
    worker.start_counting()?;
    let sent = load::together(vec![move |latencies: &mut Vec<f64>| {
        for at in 0..count {
            let begin = Instant::now();
            patch(&mut http, token, &path, at * size, &[&load::noise()[..size]])?;
            latencies.push(begin.elapsed().as_secs_f64());
        }
        Ok(())
    }])?;
    table.record(
        "64 KiB each, one after the other",
        &[
            ("rate", count as f64 / sent.seconds),
            ("p50", sent.percentile(0.5)),
            ("p99", sent.percentile(0.99)),
            ("written", worker.usage()?.written / (count * size) as f64),
        ],
    );
    Ok(())
}

/// A process that is killed when it is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The same by tus's own server.
fn node(root: &Path, server: &Path, connections: usize, each: usize) -> Result<Measured> {
    touch_memory(root, connections * each * CHUNK)?;
    let dir = Scratch::new(root)?;
    let mut command = Command::new("node");
    command.arg(server).arg(dir.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = Killed(command.spawn()?);
    let mut line = String::new();
    BufReader::new(process.0.stdout.take().ok_or("stdout is piped")?).read_line(&mut line)?;
    let clients = clients(line.trim().parse()?, "none", connections, each)?;
    let before = Usage::of(process.0.id())?;
    let sent = load::together(clients)?;
    let bytes = (connections * each * CHUNK) as f64;
    let usage = Usage::of(process.0.id())?.since(before);
    Ok(Measured { sent, bytes, usage, peak: peak_rss(process.0.id())? })
}
