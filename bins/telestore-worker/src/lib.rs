//! The TeleStore upload worker: parse, log, wire, run, shut down.
//!
//! The program is a library with one entry, [`main`], so that the black-box tests start exactly what users start.

mod addresses;
mod check;
mod cli;
mod config;
mod disks;
mod health;
mod limits;
mod log;
mod metrics;
mod open_files;
mod origins;
#[cfg(feature = "otlp")]
mod otlp;
mod private;
mod sandbox;
mod send;
mod serve;
mod stand_alone;
mod tls;
mod uploads;
mod wire;

use std::process::ExitCode;

use telestore::types::Shown;

use cli::{Cli, Command};

/// Runs the program with the arguments and the environment of this process.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::read().and_then(start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => fail(&message),
    }
}

fn start(mut cli: Cli) -> Result<(), String> {
    cli.settings = match config::merge(cli.config.take().as_deref(), cli.settings) {
        Ok(settings) => settings,
        Err(error) => return Err(unreadable(cli.command, &error)),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("could not start: {error}"))?;
    open_files::allow_all();
    let logging = log::init(&cli.settings, runtime.handle())?;
    let ended = runtime.block_on(run(cli));
    logging.finish();
    ended
}

/// What to say of settings that cannot be read; `check` reports them as it does everything.
fn unreadable(command: Option<Command>, error: &config::ConfigError) -> String {
    match command {
        Some(Command::Check(args)) => check::unreadable(error, &args),
        _ => error.to_string(),
    }
}

async fn run(cli: Cli) -> Result<(), String> {
    match cli.command {
        None => {
            for warning in config::warnings(&cli.settings, config::environment()) {
                tracing::warn!("{warning}");
            }
            let config =
                config::load(cli.config.as_deref(), cli.settings).map_err(|error| error.to_string())?;
            serve::serve(config).await.map_err(|error| error.to_string())
        }
        Some(Command::Check(args)) => check::check(cli.config.as_deref(), cli.settings, args).await,
        Some(Command::Health) => health::health(cli.config.as_deref(), cli.settings).await,
        Some(Command::Uploads(args)) => uploads::uploads(cli.config.as_deref(), cli.settings, args).await,
        Some(Command::Send(args)) => send::send(args).await,
        Some(Command::Sandbox(args)) => sandbox::run(args).await,
    }
}

#[expect(clippy::print_stderr, reason = "the last word of a program that could not do what it was told")]
fn fail(message: &str) -> ExitCode {
    // It may hold what a client, a backend or Telegram said.
    eprintln!("telestore-worker: {}", Shown(message));
    ExitCode::FAILURE
}
