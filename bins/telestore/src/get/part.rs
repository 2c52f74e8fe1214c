//! What has come of a file, until all of it is here.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::named;

/// The bytes of a file that is called otherwise once it is whole. Nobody else works on it.
pub(super) struct Part {
    file: File,
    path: PathBuf,
    target: PathBuf,
}

/// What the bytes of a file are called until all of them are here.
pub(super) fn beside(target: &Path) -> PathBuf {
    let mut name = OsString::from(target.as_os_str());
    name.push(".part");
    PathBuf::from(name)
}

impl Part {
    /// Opens the one beside its target, or makes it. `None` if another process has it.
    pub(super) fn take(target: &Path) -> io::Result<Option<Self>> {
        let path = beside(target);
        loop {
            let mut options = File::options();
            options.read(true).write(true);
            match fs::symlink_metadata(&path) {
                // It is a file under another name, too, as one is whose process was killed while it got its name: that one stays as it is.
                Ok(about) if about.is_file() && has_names(&about) > 1 => {
                    fs::remove_file(&path)?;
                    continue;
                }
                Ok(about) if about.is_file() => {}
                // Somebody may have put a link there, to have another file overwritten.
                Ok(_) => return Err(io::Error::other("it is a link, or no file")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    options.create_new(true);
                }
                Err(error) => return Err(error),
            }
            let file = match options.open(&path) {
                // Somebody else was quicker, either way.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) =>
                {
                    if !path.parent().is_some_and(Path::is_dir) {
                        return Err(error);
                    }
                    continue;
                }
                opened => opened?,
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                // Some file systems have no locks.
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Whoever had it may have finished it between the two steps, so that this is the whole file by now.
            if named::is_there(&file, fs::symlink_metadata(&path))? {
                return Ok(Some(Self { file, path, target: target.to_owned() }));
            }
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes are there.
    pub(super) fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// For who writes to it.
    pub(super) fn opened(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Takes it away if there is not one byte.
    pub(super) fn clear(&self) {
        if self.length().is_ok_and(|length| length == 0) {
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Takes it away.
    pub(super) fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }

    /// Gives it its name. One that was given meanwhile to another file is left to that one, unless it is to be replaced.
    pub(super) fn publish(&self, made: Option<SystemTime>, replaces: bool) -> io::Result<()> {
        if let Some(made) = made {
            // As other programs that fetch files do. A file system that keeps no times takes nothing away.
            let _ = self.file.set_modified(made);
        }
        if replaces {
            return fs::rename(&self.path, &self.target);
        }
        // A rename would replace whatever is there; a second name is refused if it is taken.
        match fs::hard_link(&self.path, &self.target) {
            Ok(()) => fs::remove_file(&self.path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // Some file systems have one name for each file.
            Err(_) if fs::symlink_metadata(&self.target).is_err() => fs::rename(&self.path, &self.target),
            Err(_) => Err(io::ErrorKind::AlreadyExists.into()),
        }
    }
}

#[cfg(unix)]
fn has_names(about: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(about)
}

#[cfg(not(unix))]
fn has_names(_: &fs::Metadata) -> u64 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_at_a_time_until_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.bin");
        let part = Part::take(&target).unwrap().unwrap();
        assert!(Part::take(&target).unwrap().is_none());
        fs::write(part.path(), "bytes").unwrap();
        assert_eq!((part.path(), part.length().unwrap()), (&*dir.path().join("a.bin.part"), 5));
        part.publish(Some(SystemTime::UNIX_EPOCH), false).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"bytes");
        assert_eq!(fs::metadata(&target).unwrap().modified().unwrap(), SystemTime::UNIX_EPOCH);
        // Another one meanwhile.
        let part = Part::take(&target).unwrap().unwrap();
        assert_eq!(part.publish(None, false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&target).unwrap(), b"bytes");
        part.publish(None, true).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"");
        assert!(Part::take(&dir.path().join("nowhere/a.bin")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_has_its_name_is_no_part_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a");
        fs::write(&target, "whole").unwrap();
        fs::hard_link(&target, beside(&target)).unwrap();
        let part = Part::take(&target).unwrap().unwrap();
        fs::write(part.path(), "other").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"whole");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (target, other) = (dir.path().join("a"), dir.path().join("other"));
        fs::write(&other, "precious").unwrap();
        std::os::unix::fs::symlink(&other, dir.path().join("a.part")).unwrap();
        assert!(Part::take(&target).is_err());
    }
}
