//! `/complete-upload`: no bytes move, whatever the size.

use crate::file::File;
use crate::stage::Stage;
use crate::table::Table;
use crate::{Bench, MIB, Result, flow};

pub(crate) fn run(bench: &Bench) -> Result<Vec<Table>> {
    let mut table = Table::new("complete", "MiB", &[("chunks", "chunks", 0), ("ms", "ms", 1)]);
    let stage = Stage::new(&bench.root)?;
    for round in 0..bench.rounds {
        for mib in bench.pick([50, 500, 2000], [5, 20, 60]) {
            bench.say(round, &format!("completing {mib} MiB"));
            let worker = stage.worker(&[], mib * MIB)?;
            let file = File::new(&stage.user.auth_token, mib * MIB);
            flow::send_chunks(&worker, &file, 4)?;
            let complete = flow::complete(&mut worker.http()?, &file)?;
            table.record(&mib.to_string(), &[("chunks", file.total() as f64), ("ms", complete * 1e3)]);
        }
    }
    Ok(vec![table])
}
