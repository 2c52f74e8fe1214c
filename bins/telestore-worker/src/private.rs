//! What is in the data directory is for the worker's user only, whatever the umask: it holds users' files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use telestore::store::private::directory;

use crate::data_files::{COPIED, DATABASE, LOCK, MOVED, NEW_MOVED, SECRET_KEY};
use crate::worker_id::{NEW_WORKER_ID, WORKER_ID};

/// Makes the directory, and if needed those above it, which get the usual mode.
pub(crate) fn make_directory(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    match dir.parent() {
        Some(above) if !above.as_os_str().is_empty() => fs::create_dir_all(above)?,
        _ => {}
    }
    directory(dir)
}

/// Takes what others may do with the worker's files away from them: 0.1 made them with the umask's mode. What belongs to
/// another user is left alone, and so are links, and a directory that holds anything but the worker's files.
pub(crate) fn tighten(dir: &Path) {
    let (mut tightened, mut failed) = (0_u64, None);
    for open in loose(dir).into_iter().filter(|open| open.ours) {
        match open.close() {
            Ok(()) => tightened += 1,
            Err(error) => failed = failed.or(Some((open.path, error))),
        }
    }
    if tightened > 0 {
        tracing::info!(
            dir = %dir.display(),
            files = tightened,
            "other users of this machine could read the worker's files; now they cannot"
        );
    }
    if let Some((path, error)) = failed {
        tracing::warn!(path = %path.display(), %error, "could not keep other users from the worker's files");
    }
}

/// Something of the worker's that others may use.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) path: PathBuf,
    pub(crate) mode: u32,
    /// Whether it belongs to the user of this process.
    pub(crate) ours: bool,
}

/// The worker's files and directories that others than their owner may use, the outermost first. Below a directory that
/// only its owner may use nothing is looked for: nobody else gets there.
#[cfg(unix)]
pub(crate) fn loose(dir: &Path) -> Vec<Open> {
    let mut found = Vec::new();
    if only_own(dir) {
        found.extend(open(dir));
    }
    for name in OWN {
        let path = dir.join(name);
        let Some(top) = open(&path) else { continue };
        found.push(top);
        if name == "chunks" || name == "spool" {
            below(&path, &mut found);
        }
    }
    found
}

#[cfg(not(unix))]
pub(crate) fn loose(_: &Path) -> Vec<Open> {
    Vec::new()
}

/// What the worker makes in its data directory.
const OWN: [&str; 12] = [
    "chunks",
    "spool",
    DATABASE,
    "telestore.db-wal",
    "telestore.db-shm",
    SECRET_KEY,
    LOCK,
    WORKER_ID,
    NEW_WORKER_ID,
    MOVED,
    NEW_MOVED,
    COPIED,
];

/// Whether a directory holds the worker's files and nothing else.
#[cfg(unix)]
fn only_own(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|entries| {
        let mut names = entries.map_while(Result::ok).map(|entry| entry.file_name());
        names.all(|name| OWN.iter().any(|own| name == *own))
    })
}

#[cfg(unix)]
fn open(path: &Path) -> Option<Open> {
    use std::os::unix::fs::MetadataExt;

    const STICKY: u32 = 0o1000;
    let found = fs::symlink_metadata(path).ok()?;
    let ours = found.uid() == rustix::process::geteuid().as_raw();
    let mode = found.mode();
    // A directory like /tmp is everybody's.
    let shared = mode & STICKY != 0;
    let kind = found.is_dir() || found.is_file();
    let open = kind && !shared && mode & 0o077 != 0;
    open.then(|| Open { path: path.to_owned(), mode: mode & 0o777, ours })
}

/// Adds everything below `dir` that is open to others.
#[cfg(unix)]
fn below(dir: &Path, found: &mut Vec<Open>) {
    let mut waiting = vec![dir.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().map_while(Result::ok) {
            found.extend(open(&entry.path()));
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                waiting.push(entry.path());
            }
        }
    }
}

impl Open {
    #[cfg(unix)]
    fn close(&self) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;

        match fs::set_permissions(&self.path, PermissionsExt::from_mode(self.mode & 0o700)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    #[cfg(not(unix))]
    fn close(&self) -> io::Result<()> {
        Ok(())
    }
}
