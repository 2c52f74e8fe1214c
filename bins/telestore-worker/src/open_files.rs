/// Files that are open beside those of connections: chunks, the database, Telegram, logs.
#[cfg(unix)]
const BESIDE: usize = 512;

/// Takes as many open files as the system gives: each listener is one, and the usual 1024 are for programs that count
/// them in bit fields.
pub(crate) fn allow_all() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let now = getrlimit(Resource::Nofile);
        if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, ..now }) {
            tracing::debug!(%error, "could not raise the limit of open files");
        }
    }
}

/// How many of so many connections there are files for, with two for each.
pub(crate) fn enough_for(connections: usize) -> usize {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit};
        let files = getrlimit(Resource::Nofile).current.map_or(usize::MAX, |files| files as usize);
        let possible = files.saturating_sub(BESIDE).max(files / 2) / 2;
        if possible < connections {
            tracing::info!(
                connections = possible,
                files,
                "open files are limited (ulimit -n, LimitNOFILE), and so are connections"
            );
        }
        connections.min(possible)
    }
    #[cfg(not(unix))]
    connections
}
