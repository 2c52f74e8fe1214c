use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Logs to standard error, `info` and above unless `RUST_LOG` says otherwise.
pub(crate) fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
}
