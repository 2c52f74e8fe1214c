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
