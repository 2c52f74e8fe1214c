//! `telestore-worker check`: would a worker with these settings do its work, and what is in its way?

mod local;
mod remote;
mod report;

use std::path::Path;

use self::report::Report;
use crate::cli::{CheckArgs, Settings};
use crate::config::{self, Access, Config, ConfigError};

/// Looks at everything that a worker needs, says what it found, and fails where something will not work.
pub(crate) async fn check(file: Option<&Path>, settings: Settings, args: CheckArgs) -> Result<(), String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut report = Report::default();
    for warning in config::warnings(&settings, config::environment()) {
        report.warning("settings", warning);
    }
    match config::load(file, settings) {
        Err(error) => report.failed("configuration", error),
        Ok(config) => {
            configuration(&config, &mut report);
            local::check(&config, &mut report).await;
            remote::check(&config, &args, &mut report).await;
        }
    }
    report.print(args.json);
    report.verdict()
}

/// Reports settings that cannot be read, and gives the last word.
pub(crate) fn unreadable(error: &ConfigError, args: &CheckArgs) -> String {
    let mut report = Report::default();
    report.failed("configuration", error);
    report.print(args.json);
    report.verdict().err().unwrap_or_default()
}

fn configuration(config: &Config, report: &mut Report) {
    let whom = match &config.access {
        Access::Backend { .. } => "serves the users of the TeleStore backend".to_owned(),
        Access::StandAlone { tokens, .. } => format!("stand-alone, {} tokens", tokens.len()),
    };
    report.ok("configuration", format!("{whom}; listens on {}:{}", config.host, config.port));
    if config.engine.max_chunk_bytes > config.engine.max_file_bytes {
        let text = "TELESTORE_MAX_CHUNK_BYTES is above TELESTORE_MAX_FILE_BYTES, which it cannot reach";
        report.warning("configuration", text);
    }
}
