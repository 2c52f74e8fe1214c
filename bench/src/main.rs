//! The benchmark: the real worker against yardsticks measured in the same run. `docs/PERFORMANCE.md` explains it.

mod age;
mod cgroup;
mod child;
mod complete;
mod file;
mod first;
mod flow;
mod goals;
mod growth;
mod http;
mod index;
mod load;
mod machine;
mod many;
mod pipeline;
mod plot;
mod poll;
mod pools;
mod proc;
mod pyrofork;
mod read;
mod reader;
mod readers;
mod receive;
mod report;
mod scratch;
mod send;
mod sender;
mod servers;
mod shelf;
mod small;
mod stage;
mod table;
mod tus;
mod yardstick;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use child::Role;
use clap::{Parser, ValueEnum};
use machine::Busy;
use report::{Report, Section};
use table::Table;
use tempfile::TempDir;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Error> = std::result::Result<T, E>;

const MIB: usize = 1024 * 1024;
const GIB: f64 = (1024 * MIB) as f64;

/// Measures the worker on this machine and prints Markdown.
#[derive(Debug, Parser)]
#[command(name = "telestore-bench")]
struct Args {
    /// Small amounts, one round: shows that everything works, not how fast
    #[arg(long)]
    quick: bool,

    /// Only these sections
    #[arg(long, value_name = "SECTION")]
    only: Vec<Part>,

    /// Rounds; each figure is the median of all
    #[arg(long, default_value_t = 3, value_name = "N")]
    runs: usize,

    /// Write results and plot there, and the tables into its PERFORMANCE.md
    #[arg(long, value_name = "DIR")]
    docs: Option<PathBuf>,

    /// Where data is kept meanwhile; it should be on a disk [default: beside the program]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// The sections, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Receive,
    Tus,
    Complete,
    Send,
    Read,
    Pipeline,
    Poll,
    Growth,
    Small,
    Many,
    Pools,
    Index,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Tus => "tus",
            Self::Complete => "complete",
            Self::Send => "send",
            Self::Read => "read",
            Self::Pipeline => "pipeline",
            Self::Poll => "poll",
            Self::Growth => "growth",
            Self::Small => "small",
            Self::Many => "many",
            Self::Pools => "pools",
            Self::Index => "index",
        }
    }

    fn run(self, bench: &Bench) -> Result<Vec<Table>> {
        match self {
            Self::Receive => receive::run(bench),
            Self::Tus => tus::run(bench),
            Self::Complete => complete::run(bench),
            Self::Send => send::run(bench),
            Self::Read => read::run(bench),
            Self::Pipeline => pipeline::run(bench),
            Self::Poll => poll::run(bench),
            Self::Growth => growth::run(bench),
            Self::Small => small::run(bench),
            Self::Many => many::run(bench),
            Self::Pools => pools::run(bench),
            Self::Index => index::run(bench),
        }
    }
}

/// What all sections share.
pub(crate) struct Bench {
    rounds: usize,
    quick: bool,
    /// Data goes below.
    root: PathBuf,
}

impl Bench {
    /// The full amount, or the small one of a quick run.
    fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Growth and the small machine take long and are compared with nothing: two rounds do.
    fn rounds_of(&self, part: Part) -> usize {
        if matches!(part, Part::Growth | Part::Small) { self.rounds.div_ceil(2) } else { self.rounds }
    }

    fn say(&self, round: usize, what: &str) {
        eprintln!("round {} of {}: {what}", round + 1, self.rounds);
    }
}

/// Runs both, the first one first in every other round: the speed of a machine drifts.
fn in_turn<A, B>(
    round: usize,
    first: impl FnOnce() -> Result<A>,
    second: impl FnOnce() -> Result<B>,
) -> Result<(A, B)> {
    if round.is_multiple_of(2) {
        let first = first()?;
        return Ok((first, second()?));
    }
    let second = second()?;
    Ok((first()?, second))
}

/// In units of a million bytes.
fn mb_per_s(bytes: f64, seconds: f64) -> f64 {
    bytes / 1e6 / seconds
}

fn main() -> ExitCode {
    let done = match Role::of_this_process() {
        Some(Role::Worker) => return telestore_worker::main(),
        Some(Role::Yardstick) => yardstick::serve(),
        Some(Role::Sandbox) => stage::serve_sandbox(),
        Some(Role::Sender) => sender::send(),
        Some(Role::Reader) => reader::read(),
        Some(Role::Cipher) => age::serve(),
        None => measure(&Args::parse()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("telestore-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) -> Result<()> {
    let beside = || Ok::<_, Error>(std::env::current_exe()?.parent().ok_or("no directory")?.to_owned());
    let dir = TempDir::with_prefix_in("bench-", args.dir.clone().map_or_else(beside, Ok)?)?;
    let rounds = if args.quick { 1 } else { args.runs.max(1) };
    let bench = Bench { rounds, quick: args.quick, root: dir.path().to_owned() };
    let mut report = args.docs.as_deref().map(Report::load).transpose()?.unwrap_or_default();
    let begin = Instant::now();
    for part in Part::value_variants() {
        if args.only.is_empty() || args.only.contains(part) {
            let section = section(&bench, *part)?;
            println!("## {}\n\n{}", part.name(), section.markdown());
            report.sections.insert(part.name().to_owned(), section);
        }
    }
    println!("## Goals\n\n{}", report.goals());
    eprintln!("{:.0} s", begin.elapsed().as_secs_f64());
    match &args.docs {
        Some(docs) if !args.quick => report.save(docs),
        _ => Ok(()),
    }
}

fn section(bench: &Bench, part: Part) -> Result<Section> {
    let (begin, before) = (Instant::now(), Busy::now()?);
    let tables = part.run(bench)?;
    let others = Busy::now()?.others_since(before);
    Ok(Section {
        machine: machine::describe(&bench.root)?,
        revision: machine::revision(),
        date: machine::today(),
        rounds: bench.rounds_of(part),
        seconds: begin.elapsed().as_secs_f64(),
        others,
        tables,
    })
}
