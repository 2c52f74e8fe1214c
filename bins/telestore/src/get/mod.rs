//! `telestore get`.

mod names;
mod one;
mod part;
mod place;
mod run;
mod several;
mod which;

use std::sync::Arc;
use std::time::Instant;

use self::place::Places;
use self::run::Run;
pub(crate) use self::which::find;
use crate::cli::{GetArgs, WorkerArgs};
use crate::config::Config;
use crate::ends::Ends;
use crate::exit::{Exit, Failure};
use crate::interrupt::{self, stopped};
use crate::show::{self, Way};
use crate::{state, worker};

/// How many files come at a time.
const PARALLEL: u16 = 4;

/// Fetches what the arguments name.
pub(crate) async fn get(asked: &WorkerArgs, args: &GetArgs) -> Result<Exit, Failure> {
    let begun = Instant::now();
    let config = Config::read(asked.config.as_deref())?;
    let places = Places::new(args)?;
    if places.are_output() && args.show.json {
        return Err(Failure::usage("--json: standard output is where the file goes, by --output -"));
    }
    let worker = worker::worker(asked, &config, config.rate(args.limit_rate)?).await?;
    let parallel = match places.are_output() {
        // One behind the other.
        true => 1,
        false => args.parallel.or(config.parallel).unwrap_or(PARALLEL).max(1),
    };
    let parts = match places.are_output() {
        true => None,
        false => Some(state::opened_parts()?),
    };
    let show = show::choose(&args.show, Way::Gets);
    let run =
        Run { worker, parts, show, ends: Ends::new(Way::Gets), force: args.force, check: !args.no_check };
    let (run, mut stop) = (Arc::new(run), interrupt::listen());
    let found = tokio::select! {
        biased;
        signal = stopped(&mut stop) => return Ok(Exit::Stopped(signal)),
        found = find(&run.worker.client, &args.which) => found,
    };
    let count = found.files.len() + found.missing.len();
    let items = run.plan(found, places);
    several::fetch(&run, items, usize::from(parallel), &mut stop).await;
    let mut summary = run.ends.summary();
    (summary.files, summary.took) = (count, begun.elapsed());
    let exit = run.ends.exit(&summary, *stop.borrow());
    run.show.summary(&summary, exit);
    Ok(exit)
}
