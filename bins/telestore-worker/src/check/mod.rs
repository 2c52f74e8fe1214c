//! `telestore-worker check`: would a worker with these settings do its work, and what is in its way?

mod local;
mod mtproto;
mod remote;
mod report;
mod shared;
mod tried;

use self::report::Report;
use crate::cli::{self, CheckArgs};
use crate::config::{self, Access, Config};
use crate::settings::{self, ConfigError, Settings, Written};

/// Looks at everything that a worker needs, says what it found, and fails if something will not work.
pub(crate) async fn check(written: &Written, args: CheckArgs) -> Result<(), String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut report = Report::default();
    let settings = Settings::read(written).inspect(|settings| {
        let warnings = config::warnings(settings, cli::other_variables(), settings::environment());
        warnings.into_iter().for_each(|warning| report.warning("settings", warning));
    });
    match settings.and_then(config::load) {
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
    let server = &config.settings.server;
    report.ok("configuration", format!("{whom}; listens on {}:{}", server.host, server.port));
    if config.engine.max_chunk_bytes > config.engine.max_file_bytes {
        let text = "TELESTORE_MAX_CHUNK_BYTES is above TELESTORE_MAX_FILE_BYTES, which it cannot reach";
        report.warning("configuration", text);
    }
}
