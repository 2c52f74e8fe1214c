use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The worker's own lines from `info` on; of its libraries only what is wrong.
const DEFAULT: &str = "warn,telestore=info,telestore_backend=info,telestore_http=info,telestore_sandbox=info,\
                       telestore_store=info,telestore_uploader=info,telestore_worker=info";

/// Logs to standard error; `RUST_LOG` says how much.
pub(crate) fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
}
