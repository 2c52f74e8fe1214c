//! First chunk to completed, with sending while chunks arrive and without.

use crate::file::File;
use crate::stage::{Cost, NOT_EAGER, Stage};
use crate::table::Table;
use crate::{Bench, MIB, Result, flow, in_turn};

pub(crate) fn run(bench: &Bench) -> Result<Vec<Table>> {
    let mut table = Table::new(
        "pipeline",
        "MiB",
        &[
            ("receive", "receiving alone s", 2),
            ("send", "sending alone s", 2),
            ("off", "one after the other s", 2),
            ("on", "pipelined s", 2),
            ("ratio", "pipelined / slower one", 2),
            ("after", "after `/complete-upload` s", 2),
            ("cpu", "CPU s/GiB", 2),
            ("rss", "peak RSS MiB", 1),
            ("written", "written per byte", 2),
        ],
    );
    let stage = Stage::new(&bench.root)?;
    for round in 0..bench.rounds {
        bench.say(round, "first chunk to completed");
        compare(bench, &stage, round, &mut table)?;
    }
    Ok(vec![table])
}

fn compare(bench: &Bench, stage: &Stage, round: usize, table: &mut Table) -> Result<()> {
    let bytes = bench.pick(1000, 60) * MIB;
    let ((off, _), (on, cost)) =
        in_turn(round, || upload(stage, NOT_EAGER, bytes), || upload(stage, &[], bytes))?;
    table.record(
        &(bytes / MIB).to_string(),
        &[
            ("receive", off.receive),
            ("send", off.after),
            ("off", off.total()),
            ("on", on.total()),
            ("ratio", on.total() / off.receive.max(off.after)),
            ("after", on.after),
            ("cpu", cost.cpu),
            ("rss", cost.peak),
            ("written", cost.written),
        ],
    );
    Ok(())
}

fn upload(stage: &Stage, settings: &[(&str, &str)], bytes: usize) -> Result<(flow::Flow, Cost)> {
    let worker = stage.worker(settings, bytes)?;
    let flow = flow::whole(&worker, &File::new(&stage.user.auth_token, bytes))?;
    Ok((flow, worker.cost(bytes)?))
}
