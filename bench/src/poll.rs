//! Progress polling while the worker is busy.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::file::File;
use crate::http::Http;
use crate::load::percentile;
use crate::stage::{Stage, Worker};
use crate::table::Table;
use crate::{Bench, MIB, Result, flow, load};

/// A hundred times as often as a browser does.
const PAUSE: Duration = Duration::from_millis(10);

pub(crate) fn run(bench: &Bench) -> Result<Vec<Table>> {
    let mut table = Table::new(
        "poll",
        "while",
        &[
            ("polls", "polls", 0),
            ("p50", "p50 ms", 2),
            ("p99", "p99 ms", 2),
            ("max", "max ms", 1),
            ("speed", "MB/s", 0),
            ("cpu", "CPU s/GiB", 2),
            ("rss", "peak RSS MiB", 1),
            ("written", "written per byte", 2),
        ],
    );
    let stage = Stage::new(&bench.root)?;
    let users = stage.add_users(8)?;
    for round in 0..bench.rounds {
        bench.say(round, "polling while 16 clients send");
        let each = bench.pick(200, 10) * MIB;
        let files: Vec<_> = (0..16).map(|_| File::new(&stage.user.auth_token, each)).collect();
        measure(&mut table, &stage, "16 clients send chunks", &files, 16 * each, |worker| {
            send(worker, &files)
        })?;
        bench.say(round, "polling during 8 whole uploads");
        let each = bench.pick(500, 60) * MIB;
        let files: Vec<_> = users.iter().map(|user| File::new(&user.auth_token, each)).collect();
        let name = "8 whole uploads";
        measure(&mut table, &stage, name, &files, 8 * each, |worker| {
            flow::crowd(worker, &files).map(|(_, seconds)| seconds)
        })?;
    }
    Ok(vec![table])
}

/// Polls as long as `work`, which gives its seconds, goes on.
fn measure(
    table: &mut Table,
    stage: &Stage,
    row: &str,
    files: &[File],
    bytes: usize,
    work: impl FnOnce(&Worker) -> Result<f64>,
) -> Result<()> {
    let worker = stage.worker(&[], bytes)?;
    let (over, http) = (AtomicBool::new(false), worker.http()?);
    let (seconds, polls) = thread::scope(|scope| {
        let polling = scope.spawn(|| poll(http, &files[0], &over));
        let seconds = work(&worker);
        over.store(true, Ordering::Relaxed);
        (seconds, polling.join())
    });
    let mut polls = polls.map_err(|_| "the poller panicked")??;
    polls.sort_by(f64::total_cmp);
    let cost = worker.cost(bytes)?;
    table.record(
        row,
        &[
            ("polls", polls.len() as f64),
            ("p50", percentile(&polls, 0.5) * 1e3),
            ("p99", percentile(&polls, 0.99) * 1e3),
            ("max", percentile(&polls, 1.0) * 1e3),
            ("speed", crate::mb_per_s(bytes as f64, seconds?)),
            ("cpu", cost.cpu),
            ("rss", cost.peak),
            ("written", cost.written),
        ],
    );
    Ok(())
}

/// Asks again and again. Until the first chunk is there the answer is 404, which counts like any other.
fn poll(mut http: Http, file: &File, over: &AtomicBool) -> Result<Vec<f64>> {
    let path = format!("/upload-progress/{}", file.id);
    let mut latencies = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let begin = Instant::now();
        http.get(&path)?;
        latencies.push(begin.elapsed().as_secs_f64());
        thread::sleep(PAUSE);
    }
    Ok(latencies)
}

/// The chunks of all files, each over a connection of its own, and nothing after them.
fn send(worker: &Worker, files: &[File]) -> Result<f64> {
    let mut clients = Vec::new();
    for file in files {
        let mut http = worker.http()?;
        clients.push(move |latencies: &mut Vec<f64>| {
            latencies.extend(file.send_all(&mut http)?);
            Ok(())
        });
    }
    Ok(load::together(clients)?.seconds)
}
