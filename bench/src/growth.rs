//! Growth: more uploads at once, and larger files.

use telestore_sandbox::SandboxUser;

use crate::file::File;
use crate::stage::Stage;
use crate::table::Table;
use crate::{Bench, MIB, Part, Result, flow, mb_per_s};

pub(crate) const COLUMNS: &[(&str, &str, usize)] = &[
    ("receive", "receiving MB/s", 0),
    ("speed", "whole MB/s", 0),
    ("cpu", "CPU s/GiB", 2),
    ("rss", "peak RSS MiB", 1),
    ("written", "written per byte", 2),
];

/// Just over what the Bot API takes.
pub(crate) const EACH: usize = 55;

pub(crate) fn run(bench: &Bench) -> Result<Vec<Table>> {
    let mut uploads = Table::new("uploads", "uploads of 55 MiB at once", COLUMNS);
    let mut sizes = Table::new("sizes", "MiB of one upload", COLUMNS);
    let stage = Stage::new(&bench.root)?;
    let counts = bench.pick([1, 4, 16, 64], [1, 2, 3, 4]);
    let users = stage.add_users(counts[3])?;
    for round in 0..bench.rounds_of(Part::Growth) {
        for count in counts {
            bench.say(round, &format!("{count} uploads at once"));
            measure(&mut uploads, &stage, count, &users[..count], EACH, |_| Ok(()))?;
        }
        for mib in bench.pick([10, 100, 500, 2000], [10, 20, 30, 60]) {
            bench.say(round, &format!("one upload of {mib} MiB"));
            measure(&mut sizes, &stage, mib, &users[..1], mib, |_| Ok(()))?;
        }
    }
    Ok(vec![uploads, sizes])
}

/// One whole upload by each user, all at once, by a worker whose process is first given to `confine`.
pub(crate) fn measure(
    table: &mut Table,
    stage: &Stage,
    row: usize,
    users: &[SandboxUser],
    mib: usize,
    confine: impl FnOnce(u32) -> Result<()>,
) -> Result<()> {
    let files: Vec<_> = users.iter().map(|user| File::new(&user.auth_token, mib * MIB)).collect();
    let bytes = users.len() * mib * MIB;
    let worker = stage.worker(&[], bytes)?;
    confine(worker.pid())?;
    let (received, completed) = flow::crowd(&worker, &files)?;
    let cost = worker.cost(bytes)?;
    table.record(
        &row.to_string(),
        &[
            ("receive", mb_per_s(bytes as f64, received)),
            ("speed", mb_per_s(bytes as f64, completed)),
            ("cpu", cost.cpu),
            ("rss", cost.peak),
            ("written", cost.written),
        ],
    );
    Ok(())
}
