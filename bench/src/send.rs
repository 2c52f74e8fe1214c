//! Sending parts: the worker and its uploader against stock grammers and against the bare cipher.

use std::time::Duration;

use crate::child::{Child, Role};
use crate::file::File;
use crate::proc::Cost;
use crate::sender::{Job, Kind};
use crate::stage::{NOT_EAGER, Stage};
use crate::table::Table;
use crate::{Bench, GIB, MIB, Result, flow, mb_per_s};

pub(crate) const COLUMNS: &[(&str, &str, usize)] = &[
    ("speed", "MB/s", 0),
    ("per_cpu", "MB per CPU second", 0),
    ("cpu", "CPU s/GiB", 2),
    ("to_stock", "MB per CPU second, to stock", 1),
    ("to_crypto", "to the cipher", 2),
    ("rss", "peak RSS MiB", 1),
];

pub(crate) fn run(bench: &Bench) -> Result<Vec<Table>> {
    let mut near = Table::new("send", "0 ms round trip", COLUMNS);
    let mut far = Table::new("send_50ms", "50 ms round trip", COLUMNS);
    let stage = Stage::new(&bench.root)?;
    let stock_bytes = bench.pick(64, 12) * MIB;
    for round in 0..bench.rounds {
        bench.say(round, "sending at 0 ms");
        stage.set_round_trip(0)?;
        let crypto_bytes = bench.pick(512, 64) * MIB;
        let crypto = child(&stage, Kind::Crypto, crypto_bytes)?;
        let grammers = child(&stage, Kind::GrammersCrypto, crypto_bytes)?;
        let stock = child(&stage, Kind::Stock, stock_bytes)?;
        let limits = Limits { crypto: crypto.per_cpu, stock: stock.per_cpu };
        let bytes = bench.pick(1000, 60) * MIB;
        limits.record(&mut near, "the bare cipher", &crypto);
        limits.record(&mut near, "the cipher of grammers", &grammers);
        limits.record(&mut near, "stock `upload_stream`", &stock);
        limits.record(&mut near, "uploader alone", &child(&stage, Kind::Uploader { window: None }, bytes)?);
        limits.record(&mut near, "worker, after `/complete-upload`", &worker(&stage, bytes)?);
        bench.say(round, "sending at 50 ms");
        stage.set_round_trip(50)?;
        let stock = child(&stage, Kind::Stock, stock_bytes)?;
        let limits = Limits { stock: stock.per_cpu, ..limits };
        let bytes = bench.pick(400, 60) * MIB;
        limits.record(&mut far, "stock `upload_stream`", &stock);
        for window in [8, 16] {
            let name = format!("uploader alone, {window} parts in flight");
            limits.record(&mut far, &name, &child(&stage, Kind::Uploader { window: Some(window) }, bytes)?);
        }
        limits.record(&mut far, "worker, after `/complete-upload`", &worker(&stage, bytes)?);
    }
    Ok(vec![near, far])
}

/// How fast somebody was, in MB.
pub(crate) struct Speed {
    pub(crate) per_second: f64,
    pub(crate) per_cpu: f64,
    pub(crate) peak: f64,
}

impl Speed {
    pub(crate) fn new(bytes: usize, seconds: f64, cpu: f64, peak: f64) -> Self {
        let per = |seconds| mb_per_s(bytes as f64, seconds);
        Self { per_second: per(seconds), per_cpu: per(cpu), peak }
    }

    pub(crate) fn of(bytes: usize, Cost { seconds, cpu, peak }: Cost) -> Self {
        Self::new(bytes, seconds, cpu, peak)
    }
}

/// What the others are compared with, in MB per CPU second.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) crypto: f64,
    pub(crate) stock: f64,
}

impl Limits {
    pub(crate) fn record(self, table: &mut Table, row: &str, speed: &Speed) {
        table.record(
            row,
            &[
                ("speed", speed.per_second),
                ("per_cpu", speed.per_cpu),
                ("cpu", GIB / 1e6 / speed.per_cpu),
                ("to_stock", speed.per_cpu / self.stock),
                ("to_crypto", speed.per_cpu / self.crypto),
                ("rss", speed.peak),
            ],
        );
    }
}

fn child(stage: &Stage, kind: Kind, bytes: usize) -> Result<Speed> {
    let job = Job { kind, user: stage.user.clone(), mtproto: stage.mtproto, bytes };
    Ok(Speed::of(bytes, Child::does(Role::Sender, &job)?))
}

/// The real worker with everything around the parts: leases, checkpoints, chunks read and checked. Only what it does
/// after `/complete-upload` counts.
fn worker(stage: &Stage, bytes: usize) -> Result<Speed> {
    let mut worker = stage.worker(NOT_EAGER, bytes)?;
    let file = File::new(&stage.user.auth_token, bytes);
    flow::send_chunks(&worker, &file, 4)?;
    worker.start_counting()?;
    let mut http = worker.http()?;
    let seconds = flow::complete(&mut http, &file)? + flow::wait(&mut http, &file, Duration::from_millis(5))?;
    Ok(Speed::new(bytes, seconds, worker.usage()?.cpu, worker.peak()?))
}
