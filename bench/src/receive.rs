//! Receiving: chunks into files, against the yardstick in the same round.

use std::sync::Arc;

use crate::file::{CHUNK, File};
use crate::http::Http;
use crate::load::{self, Sent};
use crate::stage::{Cost, NOT_EAGER, Stage};
use crate::table::Table;
use crate::{Bench, GIB, MIB, Result, in_turn, mb_per_s, yardstick};

pub(crate) fn run(bench: &Bench) -> Result<Vec<Table>> {
    let mut chunks = Table::new(
        "chunks",
        "connections",
        &[
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
        ],
    );
    let mut odd = Table::new(
        "odd",
        "what",
        &[
            ("ms", "ms", 1),
            ("rate", "chunks/s", 0),
            ("p50", "p50 ms", 1),
            ("p99", "p99 ms", 1),
            ("cpu", "CPU µs each", 0),
            ("rss", "peak RSS MiB", 1),
        ],
    );
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

/// One round at one number of connections.
fn compare(bench: &Bench, stage: &Stage, round: usize, connections: usize, table: &mut Table) -> Result<()> {
    let each = bench.pick(400, 16) / connections;
    let (raw, (sent, cost)) = in_turn(
        round,
        || yardstick::measure(&bench.root, connections, each),
        || worker(stage, connections, each, CHUNK),
    )?;
    let bytes = (connections * each * CHUNK) as f64;
    let (raw_speed, speed) = (mb_per_s(bytes, raw.sent.seconds), mb_per_s(bytes, sent.seconds));
    let raw_cpu = raw.usage.cpu / (bytes / GIB);
    table.record(
        &connections.to_string(),
        &[
            ("yardstick", raw_speed),
            ("worker", speed),
            ("ratio", speed / raw_speed),
            ("yardstick_cpu", raw_cpu),
            ("cpu", cost.cpu),
            ("cpu_ratio", cost.cpu / raw_cpu),
            ("p50", sent.percentile(0.5)),
            ("p99", sent.percentile(0.99)),
            ("rss", cost.peak),
            ("written", cost.written),
        ],
    );
    Ok(())
}

/// `connections` clients send a file of `each` chunks, at once.
fn worker(stage: &Stage, connections: usize, each: usize, chunk: usize) -> Result<(Sent, Cost)> {
    let mut worker = stage.worker(NOT_EAGER)?;
    warm_up(stage, &mut worker.http()?)?;
    let mut clients = Vec::new();
    for _ in 0..connections {
        let file = Arc::new(File::in_chunks(&stage.user.auth_token, each * chunk, chunk));
        let mut http = worker.http()?;
        clients.push(move |latencies: &mut Vec<f64>| {
            for index in 0..file.total() {
                latencies.push(file.send(&mut http, index)?);
            }
            Ok(())
        });
    }
    worker.start_counting()?;
    let sent = load::together(clients)?;
    let cost = worker.cost(connections * each * chunk)?;
    Ok((sent, cost))
}

/// The first chunk of a user asks the backend who that is; the others do not.
fn warm_up(stage: &Stage, http: &mut Http) -> Result<()> {
    File::new(&stage.user.auth_token, 1024).send(http, 0).map(drop)
}

/// A chunk that looks like a boundary all over. Gives its seconds.
fn boundaries(stage: &Stage) -> Result<f64> {
    let worker = stage.worker(NOT_EAGER)?;
    let mut http = worker.http()?;
    warm_up(stage, &mut http)?;
    File::new(&stage.user.auth_token, CHUNK).send_bytes(&mut http, 0, &b"\r\n--".repeat(CHUNK / 4))
}

/// Many small chunks from many clients: what each costs beside its bytes.
fn small(bench: &Bench, stage: &Stage, table: &mut Table) -> Result<()> {
    let (clients, each, chunk) = (16, bench.pick(1000, 20), MIB / 64);
    let (sent, cost) = worker(stage, clients, each, chunk)?;
    let count = (clients * each) as f64;
    let cpu = cost.cpu * (count * chunk as f64 / GIB);
    table.record(
        "16 KiB chunks, 16 connections",
        &[
            ("rate", count / sent.seconds),
            ("p50", sent.percentile(0.5)),
            ("p99", sent.percentile(0.99)),
            ("cpu", cpu / count * 1e6),
            ("rss", cost.peak),
        ],
    );
    Ok(())
}
