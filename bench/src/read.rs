//! Reading files back: the worker and its reader against stock grammers, pyrofork and the bare cipher; when the first byte of a
//! range comes; memory with many readers; and what encryption costs.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::child::{Child, Role};
use crate::file::File;
use crate::http::{Head, Http};
use crate::pyrofork::Pyrofork;
use crate::reader::{Done, Job, Kind, Place};
use crate::send::{COLUMNS, Limits, Speed};
use crate::stage::{NOT_EAGER, Stage, Worker};
use crate::table::Table;
use crate::{Bench, MIB, Result, age, first, flow, readers};

const READER: &str = "reader alone";
const WORKER: &str = "worker, `GET /files/{id}/content`";
const STOCK: &str = "stock `iter_download`";
const PYROFORK: &str = "pyrofork `stream_media`";

pub(crate) fn run(bench: &Bench) -> Result<Vec<Table>> {
    let mut near = Table::new("read", "0 ms round trip", COLUMNS);
    let mut far = Table::new("read_50ms", "50 ms round trip", COLUMNS);
    let mut first = Table::new("first", "the first byte of a range", first::COLUMNS);
    let mut memory = Table::new("readers", "32 readers, of which 16 are slow", readers::COLUMNS);
    let mut encryption = Table::new("age", "age, in memory", age::COLUMNS);
    let stage = Stage::keeping(&bench.root)?;
    let pyrofork = Pyrofork::installed();
    let mut shelf = Shelf::new(&stage, bench.pick(1000, 64) * MIB)?;
    shelf.put(bench.pick(7, 1), bench.pick(128, 64) * MIB)?;
    for round in 0..bench.rounds {
        bench.say(round, "reading at 0 ms");
        let crypto = child(&stage, &shelf.files[0], Kind::Crypto, bench.pick(512, 64) * MIB)?;
        let limits = Limits { crypto: speed(&crypto, bench.pick(512, 64) * MIB).per_cpu, stock: f64::NAN };
        stage.set_round_trip(0)?;
        let limits = compare(
            &mut shelf,
            pyrofork.as_ref(),
            limits,
            &mut near,
            (bench.pick(256, 16), bench.pick(1000, 64)),
        )?;
        limits.record(&mut near, "the bare cipher", &speed(&crypto, bench.pick(512, 64) * MIB));
        first::measure(bench, &mut shelf, 0, &mut first)?;
        bench.say(round, "reading at 50 ms");
        stage.set_round_trip(50)?;
        compare(&mut shelf, pyrofork.as_ref(), limits, &mut far, (bench.pick(64, 16), bench.pick(400, 64)))?;
        first::measure(bench, &mut shelf, 50, &mut first)?;
        bench.say(round, "many readers at 50 ms");
        readers::measure(bench, &mut shelf, &mut memory)?;
        bench.say(round, "encrypting and decrypting");
        age::measure(bench, &mut encryption)?;
    }
    Ok(vec![near, far, first, memory, encryption])
}

/// A file that is in the channel.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    id: String,
    message_id: i32,
    pub(crate) size: usize,
}

/// A worker with files that can be read.
pub(crate) struct Shelf<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) worker: Worker,
    pub(crate) files: Vec<Stored>,
}

impl<'a> Shelf<'a> {
    /// One with a file of so many bytes.
    fn new(stage: &'a Stage, size: usize) -> Result<Self> {
        stage.set_round_trip(0)?;
        let worker = stage.worker(NOT_EAGER, size)?;
        let mut shelf = Self { stage, worker, files: Vec::new() };
        shelf.put(1, size)?;
        Ok(shelf)
    }

    /// Uploads more files, each of so many bytes.
    fn put(&mut self, count: usize, size: usize) -> Result<()> {
        let (token, mut http) = (&self.stage.user.auth_token, self.worker.http()?);
        for _ in 0..count {
            let file = File::new(token, size);
            flow::send_chunks(&self.worker, &file, 4)?;
            flow::complete(&mut http, &file)?;
            flow::wait(&mut http, &file, Duration::from_millis(20))?;
            let sent = http.get(&format!("/upload-progress/{}", file.id))?.ok()?;
            let message_id = sent["messageId"].as_i64().ok_or("no message")?.try_into()?;
            let head = format!(
                "GET /files?limit=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nAccept-Encoding: identity\r\n\r\n"
            );
            let listed = http.exchange(&[head.as_bytes()])?.ok()?;
            let id = listed["files"][0]["id"].as_str().ok_or("the file is not listed")?.to_owned();
            self.files.push(Stored { id, message_id, size });
        }
        Ok(())
    }

    /// Asks for a range of a file. Its body is still to be read.
    pub(crate) fn ask(&self, http: &mut Http, file: &Stored, range: Range<usize>) -> Result<()> {
        let head = format!(
            "GET /files/{}/content HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nRange: bytes={}-{}\r\n\r\n",
            file.id,
            self.stage.user.auth_token,
            range.start,
            range.end - 1
        );
        match http.ask(&[head.as_bytes()])? {
            Head { status: 206, length, .. } if length == range.len() => Ok(()),
            Head { status, length, .. } => Err(format!("a range: status {status}, {length} bytes").into()),
        }
    }

    /// Reads a range of a file into nothing.
    pub(crate) fn drain(&self, http: &mut Http, file: &Stored, range: Range<usize>) -> Result<()> {
        let (mut left, mut some) = (range.len(), vec![0; MIB]);
        self.ask(http, file, range)?;
        while left > 0 {
            let most = some.len().min(left);
            left -= http.some(&mut some[..most])?;
        }
        Ok(())
    }
}

/// All who read, at the round trip that is set. Slow ones read the first amount, and the others the second, in MiB.
fn compare(
    shelf: &mut Shelf<'_>,
    pyrofork: Option<&Pyrofork>,
    limits: Limits,
    table: &mut Table,
    (few, many): (usize, usize),
) -> Result<Limits> {
    let (few, many) = (few * MIB, many * MIB);
    let stock = child(shelf.stage, &shelf.files[0], Kind::Stock, few)?;
    let place: &Place = stock.place.as_ref().ok_or("stock grammers has not said where the file is")?;
    let limits = Limits { stock: speed(&stock, few).per_cpu, ..limits };
    limits.record(table, STOCK, &speed(&stock, few));
    if let Some(done) = pyrofork.and_then(|pyrofork| pyrofork.read(shelf.stage, place, few)) {
        limits.record(table, PYROFORK, &speed(&done, few));
    }
    limits.record(table, READER, &speed(&child(shelf.stage, &shelf.files[0], Kind::Reader, many)?, many));
    limits.record(table, WORKER, &worker(shelf, many)?);
    Ok(limits)
}

fn speed(done: &Done, bytes: usize) -> Speed {
    Speed::new(bytes, done.seconds, done.cpu, done.peak)
}

fn child(stage: &Stage, file: &Stored, kind: Kind, bytes: usize) -> Result<Done> {
    let (user, mtproto, message_id) = (stage.user.clone(), stage.mtproto, file.message_id);
    let job = serde_json::to_string(&Job { kind, user, mtproto, message_id, bytes })?;
    let mut child = Child::start(Role::Reader, |command| {
        command.arg(job);
    })?;
    Ok(serde_json::from_str(&child.line()?)?)
}

/// The real worker, by HTTP over one connection, which has read a byte of the file before.
fn worker(shelf: &mut Shelf<'_>, bytes: usize) -> Result<Speed> {
    shelf.worker.restart(shelf.stage)?;
    let (file, mut http) = (&shelf.files[0], shelf.worker.http()?);
    shelf.drain(&mut http, file, 0..1)?;
    shelf.worker.start_counting()?;
    let begin = Instant::now();
    shelf.drain(&mut http, &shelf.files[0], 0..bytes)?;
    let seconds = begin.elapsed().as_secs_f64();
    Ok(Speed::new(bytes, seconds, shelf.worker.usage()?.cpu, shelf.worker.peak()?))
}
