//! `telestore send`.

mod message;
mod one;
mod remove;
mod run;
mod several;

use std::sync::Arc;
use std::time::Instant;

use telestore_client::ErrorKind;
use telestore_types::Shown;

use self::message::Message;
use self::run::Run;
use crate::cli::{SendArgs, WorkerArgs};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::files::{self, Found, Item};
use crate::show::{self, End, Entry, Way};
use crate::{interrupt, say, state, worker};

/// How many files go to the worker at a time.
const PARALLEL: u16 = 4;

/// Sends what the arguments name, and waits until it is in the channel.
pub(crate) async fn send(asked: &WorkerArgs, args: &SendArgs) -> Result<Exit, Failure> {
    let config = Config::read(asked.config.as_deref())?;
    let message = Message::new(args)?;
    // Walking blocks, and nothing else runs yet.
    let found = tokio::task::block_in_place(|| files::find(args))?;
    if args.dry_run {
        return Ok(dry_run(&found));
    }
    let rate = config.rate(args.limit_rate)?;
    let worker = worker::worker(asked, &config, rate).await?;
    let state = match args.no_resume {
        true => None,
        false => Some(state::opened()?),
    };
    let parallel = args.parallel.or(config.parallel).unwrap_or(PARALLEL).max(1);
    let run = Run::new(worker, message, state, args, show::choose(&args.show, Way::Sends), parallel);
    Ok(all(Arc::new(run), found).await)
}

async fn all(run: Arc<Run>, found: Found) -> Exit {
    let begun = Instant::now();
    let mut stop = interrupt::listen();
    let entries: Vec<(Entry, Item)> =
        found.items.into_iter().enumerate().map(|(index, item)| (entry(index, &item), item)).collect();
    let count = entries.len() + found.unreadable.len();
    run.show.plan(count, entries.iter().filter_map(|(entry, _)| entry.size).sum());
    for (path, why) in &found.left_out {
        run.show.note(&format!("{} is left out: {why}", Shown(&path.to_string_lossy())));
    }
    let unreadable = found.unreadable.into_iter().enumerate().map(|(index, (path, why))| {
        let name = Shown(&path.to_string_lossy()).to_string();
        (Entry { index: entries.len() + index, name, size: None }, why)
    });
    for (entry, text) in unreadable.collect::<Vec<_>>() {
        run.ended(&entry, End::Failed { kind: ErrorKind::Source, text });
    }
    several::send(&run, entries, &mut stop).await;
    let mut summary = run.ends.summary();
    (summary.files, summary.left_out, summary.took) = (count, found.left_out.len(), begun.elapsed());
    let exit = run.ends.exit(&summary, *stop.borrow());
    if let Some(error) = run.settle() {
        run.show.note(&format!("what was sent could not be written down: {error}"));
    }
    run.show.summary(&summary, exit);
    exit
}

fn entry(index: usize, item: &Item) -> Entry {
    match item {
        Item::File { shown, length, .. } => {
            Entry { index, name: Shown(&shown.to_string_lossy()).to_string(), size: Some(*length) }
        }
        Item::Input => Entry { index, name: "standard input".to_owned(), size: None },
    }
}

fn dry_run(found: &Found) -> Exit {
    for (index, item) in found.items.iter().enumerate() {
        let entry = entry(index, item);
        match entry.size {
            Some(0) => say(&format!("{}: it is empty, and would not be sent", entry.name)),
            Some(size) => say(&format!("{}: {size} bytes", entry.name)),
            None => say(&entry.name),
        }
    }
    for (path, why) in &found.left_out {
        say(&format!("{} is left out: {why}", path.display()));
    }
    for (path, why) in &found.unreadable {
        say(&format!("{}: {why}", path.display()));
    }
    if found.unreadable.is_empty() { Exit::Done } else { Exit::Some }
}
