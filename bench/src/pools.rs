//! Pools of bots: what a second one brings where the line is long, and where one has to wait.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use telestore_sandbox::SandboxUser;

use crate::file::File;
use crate::stage::{Stage, Worker};
use crate::table::Table;
use crate::{Bench, MIB, Result, flow, mb_per_s};

/// Every file goes by MTProto, after all of it has come.
const SETTINGS: &[(&str, &str)] = &[
    ("TELESTORE_PREFER_MTPROTO", "on"),
    ("TELESTORE_EAGER", "off"),
    ("TELESTORE_MAX_CONCURRENT_UPLOADS", "8"),
];

/// A small file by MTProto is one of more than 10 MiB: the sandbox of the benchmark keeps no bytes, whose digest smaller ones name.
const SMALL: usize = 11 * MIB;
const FILE: usize = 32 * MIB;
const FILES: usize = 8;

/// How long Telegram has a bot wait: long enough that another one takes over.
const FLOOD: u32 = 31;

const COLUMNS: &[(&str, &str, usize)] = &[
    ("speed", "MB/s", 0),
    ("ratio", "times one bot", 2),
    ("cpu", "CPU s/GiB", 2),
    ("rss", "peak RSS MiB", 1),
    ("flood", "seconds for a file whose bot has to wait 31 s", 1),
];

pub(crate) fn run(bench: &Bench) -> Result<Vec<Table>> {
    let mut table = Table::new("pools", "bots at 50 ms round trip", COLUMNS);
    let stage = Stage::new(&bench.root)?;
    for round in 0..bench.rounds {
        stage.set_round_trip(50)?;
        let mut one = None;
        for bots in 1..=3 {
            // Anew each time: a worker that begins with nothing signs its bots in, which Telegram allows a few times only.
            let user = &pool(&stage, bots)?;
            bench.say(round, &format!("files of one user by {bots} of their bots"));
            let mut worker = stage.worker_for_bots(SETTINGS, FILE * FILES)?;
            let speed = files(&mut worker, user, bench.pick(FILES, 2))?;
            let alone = *one.get_or_insert(speed.0);
            let mut figures = vec![
                ("speed", speed.0),
                ("ratio", speed.0 / alone),
                ("cpu", speed.1),
                ("rss", worker.peak()?),
            ];
            // One bot alone waits all of it.
            if bots > 1 || !bench.quick {
                figures.push(("flood", flooded(&stage, &worker, user)?));
            }
            table.record(&bots.to_string(), &figures);
        }
    }
    Ok(vec![table])
}

/// A user with so many bots, who has no session.
fn pool(stage: &Stage, bots: usize) -> Result<SandboxUser> {
    let first = stage.add_user(&json!({ "name": "owner", "session": false, "api": true }))?;
    let others = (1..bots).map(|_| {
        stage.add_user(&json!({ "name": "bot", "session": false, "api": false, "channel": first.channel_id }))
    });
    let tokens = others.map(|other| Ok(other?.bot_token)).collect::<Result<Vec<_>>>()?;
    let all = json!({
        "name": "pool", "session": false, "api": true, "channel": first.channel_id, "bot_tokens": tokens,
    });
    stage.add_user(&all)
}

/// Has so many files sent side by side. Gives MB/s, and the worker's CPU seconds for each GiB.
fn files(worker: &mut Worker, user: &SandboxUser, count: usize) -> Result<(f64, f64)> {
    // The sign-ins are made once in the life of a bot.
    let warm: Vec<File> = (0..3).map(|_| File::new(&user.auth_token, SMALL)).collect();
    send(worker, &warm)?;
    let files: Vec<File> = (0..count).map(|_| File::new(&user.auth_token, FILE)).collect();
    for file in &files {
        flow::send_chunks(worker, file, 4)?;
    }
    worker.start_counting()?;
    let begin = Instant::now();
    finish(worker, &files)?;
    let (bytes, seconds) = (count * FILE, begin.elapsed().as_secs_f64());
    Ok((mb_per_s(bytes as f64, seconds), worker.cost(bytes)?.cpu))
}

fn send(worker: &Worker, files: &[File]) -> Result<()> {
    for file in files {
        flow::send_chunks(worker, file, 1)?;
    }
    finish(worker, files)
}

fn finish(worker: &Worker, files: &[File]) -> Result<()> {
    thread::scope(|scope| {
        let ends: Vec<_> = files.iter().map(|file| scope.spawn(|| end(worker, file))).collect();
        ends.into_iter().try_for_each(|end| end.join().map_err(|_| "a client died")?)
    })
}

fn end(worker: &Worker, file: &File) -> Result<()> {
    let mut http = worker.http()?;
    flow::complete(&mut http, file)?;
    flow::wait(&mut http, file, Duration::from_millis(20)).map(drop)
}

/// How long a file takes whose first bot has to wait.
fn flooded(stage: &Stage, worker: &Worker, user: &SandboxUser) -> Result<f64> {
    stage
        .inject(&json!({ "at": "upload.saveBigFilePart", "action": { "flood_wait": FLOOD }, "times": 1 }))?;
    let file = File::new(&user.auth_token, SMALL);
    flow::send_chunks(worker, &file, 1)?;
    let begin = Instant::now();
    end(worker, &file)?;
    Ok(begin.elapsed().as_secs_f64())
}
