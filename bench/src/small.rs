//! Sixteen uploads at once on half a CPU and 512 MiB of memory, as the smallest offers of hosting companies have it.

use crate::cgroup::Group;
use crate::growth;
use crate::stage::Stage;
use crate::table::Table;
use crate::{Bench, Part, Result};

const CPUS: f64 = 0.5;
const MEMORY: usize = 512;

pub(crate) fn run(bench: &Bench) -> Result<Vec<Table>> {
    let mut table = Table::new("small", "uploads of 55 MiB at once", growth::COLUMNS);
    let group = match Group::new(CPUS, MEMORY) {
        Ok(group) => group,
        Err(error) => {
            eprintln!("no small machine is measured: a control group cannot be made: {error}");
            return Ok(vec![table]);
        }
    };
    let stage = Stage::new(&bench.root)?;
    let count = bench.pick(16, 2);
    let users = stage.add_users(count)?;
    for round in 0..bench.rounds_of(Part::Small) {
        bench.say(round, "sixteen uploads on half a CPU and 512 MiB");
        growth::measure(&mut table, &stage, count, &users, growth::EACH, |pid| group.add(pid))?;
    }
    Ok(vec![table])
}
