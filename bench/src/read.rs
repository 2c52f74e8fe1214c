//! Reading files back: the worker and its reader against stock grammers, pyrofork and the bare cipher; when the first byte of a
//! range comes; memory with many readers; and what encryption costs.

use std::time::Instant;

use crate::child::{Child, Role};
use crate::pyrofork::Pyrofork;
use crate::reader::{Done, Job, Kind, Place};
use crate::send::{COLUMNS, Limits, Speed};
use crate::shelf::{Shelf, Stored};
use crate::stage::Stage;
use crate::table::Table;
use crate::{Bench, MIB, Result, age, first, readers};

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
        let limits =
            Limits { crypto: Speed::of(bench.pick(512, 64) * MIB, crypto.cost).per_cpu, stock: f64::NAN };
        stage.set_round_trip(0)?;
        let limits = compare(
            &mut shelf,
            pyrofork.as_ref(),
            limits,
            &mut near,
            (bench.pick(256, 16), bench.pick(1000, 64)),
        )?;
        limits.record(&mut near, "the bare cipher", &Speed::of(bench.pick(512, 64) * MIB, crypto.cost));
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
    let limits = Limits { stock: Speed::of(few, stock.cost).per_cpu, ..limits };
    limits.record(table, STOCK, &Speed::of(few, stock.cost));
    if let Some(done) = pyrofork.and_then(|pyrofork| pyrofork.read(shelf.stage, place, few)) {
        limits.record(table, PYROFORK, &Speed::of(few, done.cost));
    }
    limits.record(
        table,
        READER,
        &Speed::of(many, child(shelf.stage, &shelf.files[0], Kind::Reader, many)?.cost),
    );
    limits.record(table, WORKER, &worker(shelf, many)?);
    Ok(limits)
}

fn child(stage: &Stage, file: &Stored, kind: Kind, bytes: usize) -> Result<Done> {
    let (user, mtproto, message_id) = (stage.user.clone(), stage.mtproto, file.message_id);
    Child::does(Role::Reader, &Job { kind, user, mtproto, message_id, bytes })
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
