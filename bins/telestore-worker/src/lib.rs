//! The TeleStore upload worker: parse, log, wire, run, shut down.
//!
//! The program is a library with one entry, [`main`], so that the black-box tests start exactly what users start.

mod check;
mod cli;
mod config;
mod data_files;
mod disks;
mod health;
mod log;
mod login;
mod metrics;
mod migrate;
mod moved;
mod open_files;
#[cfg(feature = "otlp")]
mod otlp;
mod private;
mod sandbox;
mod send;
mod serve;
mod settings;
mod shown;
mod stores;
mod tls;
mod uploads;
mod wire;
mod worker_id;
mod worker_info;
mod workers;

use std::process::ExitCode;

use clap::ArgMatches;
use telestore::types::Shown;

use cli::{Cli, Command};
use settings::{ConfigError, DataSettings, LogSettings, ServerSettings, Settings, UserSettings, Written};

/// Runs the program with the arguments and the environment of this process.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::read().and_then(|(cli, matches)| start(cli, &matches)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => fail(&message),
    }
}

fn start(cli: Cli, matches: &ArgMatches) -> Result<(), String> {
    let written = Written::gather(matches, |name| std::env::var_os(name), cli.config.as_deref());
    let read = written.and_then(|written| Ok((written.read::<LogSettings>()?, written)));
    let ((log_settings, origins), written) = match read {
        Ok(read) => read,
        Err(error) => return Err(unreadable(cli.command, &error)),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("could not start: {error}"))?;
    open_files::allow_all();
    let logging = log::init(&log_settings, &origins, runtime.handle())?;
    let ended = runtime.block_on(run(cli.command, written));
    logging.finish();
    ended
}

/// What to say of settings that cannot be read; `check` reports them as it does everything.
fn unreadable(command: Option<Command>, error: &ConfigError) -> String {
    match command {
        Some(Command::Check(args)) => check::unreadable(error, &args),
        _ => error.to_string(),
    }
}

/// Does what the command says. Each reads the settings that it needs: others may be wrong.
async fn run(command: Option<Command>, written: Written) -> Result<(), String> {
    let text = |error: ConfigError| error.to_string();
    match command {
        None => serve(Settings::read(&written).map_err(text)?).await,
        Some(Command::Check(args)) => check::check(&written, args).await,
        Some(Command::Login(args)) => login::login(&written, args).await,
        Some(Command::Health) => health::health(written.read::<ServerSettings>().map_err(text)?.0).await,
        Some(Command::Uploads(args)) => {
            uploads::uploads(written.read::<DataSettings>().map_err(text)?.0, args).await
        }
        Some(Command::Workers(args)) => {
            workers::workers(written.read::<DataSettings>().map_err(text)?.0, args).await
        }
        Some(Command::Migrate(args)) => {
            let data = written.read::<DataSettings>().map_err(text)?.0;
            let secret = written.read::<UserSettings>().map_err(text)?.0.secret_key;
            migrate::migrate(data, secret, args).await
        }
        Some(Command::Send(args)) => send::send(args).await,
        Some(Command::Sandbox(args)) => sandbox::run(args).await,
    }
}

async fn serve(settings: Settings) -> Result<(), String> {
    for warning in config::warnings(&settings, cli::other_variables(), settings::environment()) {
        tracing::warn!("{warning}");
    }
    let config = config::load(settings).map_err(|error| error.to_string())?;
    serve::serve(config).await.map_err(|error| error.to_string())
}

#[expect(clippy::print_stderr, reason = "the last word of a program that could not do what it was told")]
fn fail(message: &str) -> ExitCode {
    // It may hold what a client, a backend or Telegram said.
    eprintln!("telestore-worker: {}", Shown(message));
    ExitCode::FAILURE
}
