//! The TeleStore upload worker: parse, log, wire, run, shut down.
//!
//! The program is a library with one entry, [`main`], so that the black-box tests start exactly what users start.

mod addresses;
mod cli;
mod config;
mod demo;
mod files;
mod log;
mod metrics;
mod send;
mod serve;
mod tls;
mod wire;

use std::process::ExitCode;

use cli::{Cli, Command};

/// Runs the program with the arguments and the environment of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::read();
    log::init();
    files::allow_all();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("could not start: {error}")),
    };
    match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => fail(&message),
    }
}

async fn run(cli: Cli) -> Result<(), String> {
    match cli.command {
        None => {
            let config =
                config::load(cli.config.as_deref(), cli.settings).map_err(|error| error.to_string())?;
            serve::serve(config).await.map_err(|error| error.to_string())
        }
        Some(Command::Send(args)) => send::send(args).await,
        Some(Command::Sandbox(args)) => demo::run(args).await,
    }
}

#[expect(clippy::print_stderr, reason = "the last word of a program that could not do what it was told")]
fn fail(message: &str) -> ExitCode {
    eprintln!("telestore-worker: {message}");
    ExitCode::FAILURE
}
