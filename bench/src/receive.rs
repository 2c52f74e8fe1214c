//! Receiving: chunks into files, against the yardstick in the same round.

use crate::file::{CHUNK, File};
use crate::http::Http;
use crate::load::{self, Measured};
use crate::stage::{NOT_EAGER, Stage};
use crate::table::Table;
use crate::{Bench, MIB, Result, in_turn, yardstick};

const CHUNKS: &[(&str, &str, usize)] = &[
    ("yardstick", "yardstick MB/s", 0),
    ("worker", "worker MB/s", 0),
    ("ratio", "ratio", 2),
    ("yardstick_cpu", "yardstick CPU s/GiB", 2),
    ("cpu", "worker CPU s/GiB", 2),
    ("cpu_ratio", "ratio", 2),
    ("p50", "p50 ms", 1),
    ("p99", "p99 ms", 1),
    ("rss", "peak RSS MiB", 1),
    ("written", "written per byte", 2),
];

const ODD: &[(&str, &str, usize)] = &[
    ("ms", "ms", 1),
    ("rate", "chunks/s", 0),
    ("p50", "p50 ms", 1),
    ("p99", "p99 ms", 1),
    ("cpu", "CPU µs each", 0),
    ("rss", "peak RSS MiB", 1),
];

pub(crate) fn run(bench: &Bench) -> Result<Vec<Table>> {
    let mut chunks = Table::new("chunks", "connections", CHUNKS);
    let mut odd = Table::new("odd", "what", ODD);
    let stage = Stage::new(&bench.root)?;
    for round in 0..bench.rounds {
        for connections in [1, 4, 16] {
            bench.say(round, &format!("receiving at {connections} connections"));
            compare(bench, &stage, round, connections, &mut chunks)?;
        }
        bench.say(round, "receiving odd chunks");
        let boundaries = boundaries(&stage)?;
        odd.record("5 MiB of `\\r\\n--`", &[("ms", boundaries * 1e3)]);
        small(bench, &stage, &mut odd)?;
    }
    Ok(vec![chunks, odd])
}

/// One round at one number of connections: both twice, the second time the other way round.
fn compare(bench: &Bench, stage: &Stage, round: usize, connections: usize, table: &mut Table) -> Result<()> {
    let each = bench.pick(200, 16) / connections;
    let (mut raw, mut ours) = (Measured::default(), Measured::default());
    for pass in 0..2 {
        let (a, b) = in_turn(
            round + pass,
            || yardstick::measure(&bench.root, connections, each),
            || worker(stage, connections, each, CHUNK),
        )?;
        raw.add(a);
        ours.add(b);
    }
    let (raw_speed, speed, raw_cpu) = (raw.speed(), ours.speed(), raw.cpu_per_gib());
    table.record(
        &connections.to_string(),
        &[
            ("yardstick", raw_speed),
            ("worker", speed),
            ("ratio", speed / raw_speed),
            ("yardstick_cpu", raw_cpu),
            ("cpu", ours.cpu_per_gib()),
            ("cpu_ratio", ours.cpu_per_gib() / raw_cpu),
            ("p50", ours.sent.percentile(0.5)),
            ("p99", ours.sent.percentile(0.99)),
            ("rss", ours.peak),
            ("written", ours.usage.written / ours.bytes),
        ],
    );
    Ok(())
}

/// `connections` clients send a file of `each` chunks, at once.
fn worker(stage: &Stage, connections: usize, each: usize, chunk: usize) -> Result<Measured> {
    let mut worker = stage.worker(NOT_EAGER, connections * each * chunk)?;
    warm_up(stage, &mut worker.http()?)?;
    let mut clients = Vec::new();
    for _ in 0..connections {
        let file = File::in_chunks(&stage.user.auth_token, each * chunk, chunk);
        let mut http = worker.http()?;
        clients.push(move |latencies: &mut Vec<f64>| {
            latencies.extend(file.send_all(&mut http)?);
            Ok(())
        });
    }
    worker.start_counting()?;
    let sent = load::together(clients)?;
    let bytes = (connections * each * chunk) as f64;
    Ok(Measured { sent, bytes, usage: worker.usage()?, peak: worker.peak()? })
}

/// The first chunk of a user asks the backend who that is; the others do not.
fn warm_up(stage: &Stage, http: &mut Http) -> Result<()> {
    File::new(&stage.user.auth_token, 1024).send(http, 0).map(drop)
}

/// A chunk that looks like a boundary all over. Gives its seconds.
fn boundaries(stage: &Stage) -> Result<f64> {
    let worker = stage.worker(NOT_EAGER, CHUNK)?;
    let mut http = worker.http()?;
    warm_up(stage, &mut http)?;
    File::new(&stage.user.auth_token, CHUNK).send_bytes(&mut http, 0, &b"\r\n--".repeat(CHUNK / 4))
}

/// Many small chunks from many clients: what each costs beside its bytes.
fn small(bench: &Bench, stage: &Stage, table: &mut Table) -> Result<()> {
    let (clients, each, chunk) = (16, bench.pick(1000, 20), MIB / 64);
    let done = worker(stage, clients, each, chunk)?;
    let count = (clients * each) as f64;
    table.record(
        "16 KiB chunks, 16 connections",
        &[
            ("rate", count / done.sent.seconds),
            ("p50", done.sent.percentile(0.5)),
            ("p99", done.sent.percentile(0.99)),
            ("cpu", done.usage.cpu / count * 1e6),
            ("rss", done.peak),
        ],
    );
    Ok(())
}
