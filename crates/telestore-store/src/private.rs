//! Files and directories that only their owner may read, whatever the umask: they hold users' files.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::Path;

/// Makes a directory that only its owner may use, whatever the umask. It is no error if it is there, and keeps its mode
/// then.
///
/// # Errors
/// If it cannot be made, as when there is nothing to put it into.
pub fn directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

/// How a file is opened that only its owner may use once it is made; one that is there keeps its mode.
pub fn file() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
