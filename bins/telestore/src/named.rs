//! Whether a name is still that of a file that was opened by it.

use std::fs::{File, Metadata};
use std::io;

/// Whether what is there under the name now, as far as that is known, is this file.
#[cfg(unix)]
pub(crate) fn is_there(file: &File, about: io::Result<Metadata>) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let held = file.metadata()?;
    match about {
        Ok(named) => Ok((held.dev(), held.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it fails elsewhere")]
pub(crate) fn is_there(_: &File, _: io::Result<Metadata>) -> io::Result<bool> {
    Ok(true)
}
