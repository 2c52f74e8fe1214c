use std::fs::{self, File, TryLockError};
use std::io;
use std::path::PathBuf;

use crate::named;

/// A lock that the system takes from a killed process. Its file goes with it.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    // Held open, which holds the lock.
    _file: File,
}

impl Lock {
    /// `None` if another one has it.
    pub(super) fn take(path: PathBuf) -> io::Result<Option<Self>> {
        loop {
            let file = super::private_file(&path, &mut fs::OpenOptions::new())?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Whoever had it may have taken its file away between the two steps.
            if named::is_there(&file, fs::metadata(&path))? {
                return Ok(Some(Self { path, _file: file }));
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Before the lock goes, so that nobody holds one on a file that has gone.
        let _ = fs::remove_file(&self.path);
    }
}
