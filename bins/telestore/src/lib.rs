//! The command line of TeleStore. Everything is done by [`main`]; docs/CLI.md tells what it can be told to do.

mod cli;
mod config;
mod cut;
mod ends;
mod exit;
mod files;
mod get;
mod index;
mod interrupt;
mod known;
mod named;
mod places;
mod send;
mod show;
mod state;
mod tasks;
mod token;
mod worker;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use telestore_types::Shown;

use self::cli::{Cli, Command};
use self::exit::Exit;

/// Reads the command line, does what it says, and gives what the process ends with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let ran = match &cli.command {
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "telestore", &mut text);
            printed(&text)
        }
        Command::Man => {
            let mut text = Vec::new();
            man(&mut text)
                .map_err(|error| exit::Failure::new(Exit::Failed, error.to_string()))
                .and_then(|()| printed(&text))
        }
        _ => asynchronous(&cli),
    };
    match ran {
        Ok(exit) => exit.into(),
        Err(failure) => {
            say(&format!("telestore: {failure}"));
            failure.exit.into()
        }
    }
}

fn asynchronous(cli: &Cli) -> Result<Exit, exit::Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| exit::Failure::new(Exit::Failed, error.to_string()))?;
    let ended = runtime.block_on(async {
        match &cli.command {
            Command::Send(args) => send::send(&cli.worker, args).await,
            Command::List(args) if args.uploads || args.sent => known::list(args),
            Command::List(args) => index::list(&cli.worker, args).await,
            Command::Get(args) => get::get(&cli.worker, args).await,
            Command::Link(args) => index::link(&cli.worker, args).await,
            Command::Rm(args) => index::rm(&cli.worker, args).await,
            Command::Status(args) => known::status(&cli.worker, args).await,
            Command::Cancel(args) => known::cancel(&cli.worker, args).await,
            Command::Completions { .. } | Command::Man => Ok(Exit::Done),
        }
    });
    // A read of standard input that nobody waits for any more would hold the process.
    runtime.shutdown_background();
    ended
}

/// The manual: the program, and then each of its commands.
fn man(text: &mut Vec<u8>) -> io::Result<()> {
    let mut command = Cli::command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(text)?;
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let page = clap_mangen::Man::new(sub.clone());
        page.render_name_section(text)?;
        page.render_synopsis_section(text)?;
        page.render_description_section(text)?;
        page.render_options_section(text)?;
    }
    Ok(())
}

fn printed(text: &[u8]) -> Result<Exit, exit::Failure> {
    // If standard output is closed, nobody is left to be told.
    let _ = io::stdout().write_all(text);
    Ok(Exit::Done)
}

/// A line of standard output, for people or for programs. `false` if nobody is left to be told.
fn print(json: bool, value: &serde_json::Value, words: &str) -> bool {
    let mut out = io::stdout().lock();
    let done = if json { writeln!(out, "{value}") } else { writeln!(out, "{}", Shown(words)) };
    done.and_then(|()| out.flush()).is_ok()
}

/// A line for people, on standard error.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{}", Shown(line));
}
