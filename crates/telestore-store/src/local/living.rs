//! Whose spool files are of use: each opened store has a directory of its own in the spool, and holds a lock on it for
//! as long as it lives. The system takes the lock from a killed process.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::gone;
use crate::private;

/// What the names of these directories begin with. A mounted disk has directories of its own, such as `lost+found`.
const PREFIX: &str = "w-";

/// How long spooled bytes are kept if the file system has no locks, so that nobody can tell whose they are.
const LONGEST_SPOOL: Duration = Duration::from_secs(24 * 60 * 60);

/// How often making the directory and clearing it away, which meet when two workers start at once, are tried against
/// each other.
const AGAINST_OTHERS: u32 = 16;

/// The spool of one opened store. Its directory is made with the first file, and goes with the last user.
#[derive(Debug)]
pub(super) struct Living {
    pub(super) name: String,
    dir: PathBuf,
    /// Whether a lock tells that it lives.
    locks: bool,
    lock: Mutex<Option<File>>,
}

impl Living {
    /// A new one, of which there is nothing yet.
    pub(super) fn new(spool: &Path) -> Self {
        let name = format!("{PREFIX}{:016x}", rand::random::<u64>());
        Self { dir: spool.join(&name), name, locks: true, lock: Mutex::default() }
    }

    /// A new one in a directory whose locks do not reach all who use it: it lives as long as its files are young.
    pub(super) fn without_lock(spool: &Path) -> Self {
        let mut living = Self::new(spool);
        living.locks = false;
        living
    }

    /// Makes a file in the directory. Should the directory be gone, it is made again.
    pub(super) fn create(&self, path: &Path) -> io::Result<File> {
        let create = || private::file().write(true).create_new(true).open(path);
        self.make(false)?;
        match create() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make(true)?;
                create()
            }
            created => created,
        }
    }

    fn make(&self, anew: bool) -> io::Result<()> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_none() || anew {
            *lock = Some(self.make_and_lock()?);
        }
        Ok(())
    }

    /// Between the making and the lock, another worker may take the directory for that of a dead one.
    fn make_and_lock(&self) -> io::Result<File> {
        for _ in 0..AGAINST_OTHERS {
            private::directory(&self.dir)?;
            let dir = match File::open(&self.dir) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            if !self.locks {
                return Ok(dir);
            }
            match dir.try_lock() {
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
                // A file system without locks: the others go by the age of the files.
                Ok(()) | Err(TryLockError::Error(_)) if is_still(&dir, &self.dir) => return Ok(dir),
                Ok(()) | Err(TryLockError::Error(_)) => {}
            }
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "the spool is cleared away again and again"))
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        // It holds nothing any more, unless a file could not be deleted; that is left to the next start.
        let _ = fs::remove_dir(&self.dir);
    }
}

/// Whether the path leads to the directory that is open, and not to one that was made in its place.
#[cfg(unix)]
fn is_still(open: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |found: fs::Metadata| (found.dev(), found.ino());
    open.metadata()
        .map(place)
        .ok()
        .is_some_and(|open| fs::metadata(path).map(place).is_ok_and(|at| at == open))
}

#[cfg(not(unix))]
fn is_still(_: &File, path: &Path) -> bool {
    path.is_dir()
}

/// Clears away what a dead worker has left in `dir`; does nothing if it is no worker's, or that of a living one. By the age
/// of its files if locks do not reach all who use the directory.
pub(super) fn clear(dir: &Path, by_age: bool) -> io::Result<()> {
    let name = dir.file_name().and_then(|name| name.to_str());
    if !name.is_some_and(|name| name.starts_with(PREFIX)) {
        return Ok(());
    }
    if by_age {
        return clear_old(dir);
    }
    let Ok(lock) = File::open(dir) else { return Ok(()) };
    match lock.try_lock() {
        // Held until the directory is gone, so that nobody makes a file in it meanwhile.
        Ok(()) => gone(fs::remove_dir_all(dir)),
        Err(TryLockError::WouldBlock) => Ok(()),
        Err(TryLockError::Error(_)) => clear_old(dir),
    }
}

fn clear_old(dir: &Path) -> io::Result<()> {
    for file in fs::read_dir(dir)? {
        let file = file?;
        if is_older(&file.metadata()?, LONGEST_SPOOL) {
            gone(fs::remove_file(file.path()))?;
        }
    }
    let _ = fs::remove_dir(dir);
    Ok(())
}

/// Whether nothing was written for so long.
pub(super) fn is_older(file: &fs::Metadata, than: Duration) -> bool {
    let age = file.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
    age.is_some_and(|age| age >= than)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_spool_stays_and_a_dead_one_goes() {
        let spool = tempfile::tempdir().unwrap();
        let (dead, living) = (Living::new(spool.path()), Living::new(spool.path()));
        for owner in [&dead, &living] {
            owner.create(&owner.dir.join("file")).unwrap();
            clear(&owner.dir, false).unwrap();
            assert!(owner.dir.join("file").is_file(), "its owner lives");
        }
        // The directory is not empty, so only the lock goes.
        let left = dead.dir.clone();
        drop(dead);
        assert!(left.join("file").is_file());
        clear(&left, false).unwrap();
        assert!(!left.exists());
        assert!(living.dir.join("file").is_file());
    }

    #[test]
    fn a_directory_that_was_cleared_away_is_made_again() {
        let spool = tempfile::tempdir().unwrap();
        let living = Living::new(spool.path());
        living.create(&living.dir.join("one")).unwrap();
        fs::remove_dir_all(&living.dir).unwrap();
        living.create(&living.dir.join("two")).unwrap();
        clear(&living.dir, false).unwrap();
        assert!(living.dir.join("two").is_file(), "and is locked again");
    }

    #[test]
    fn without_locks_only_what_is_old_goes() {
        let spool = tempfile::tempdir().unwrap();
        let living = Living::without_lock(spool.path());
        let young = living.create(&living.dir.join("young")).unwrap();
        let old = living.create(&living.dir.join("old")).unwrap();
        old.set_modified(SystemTime::now() - LONGEST_SPOOL).unwrap();
        clear(&living.dir, true).unwrap();
        assert!(living.dir.join("young").is_file() && !living.dir.join("old").exists());
        young.set_modified(SystemTime::now() - LONGEST_SPOOL).unwrap();
        clear(&living.dir, true).unwrap();
        assert!(!living.dir.exists());
        living.create(&living.dir.join("more")).unwrap();
    }

    #[test]
    fn nobodys_directories_stay() {
        let spool = tempfile::tempdir().unwrap();
        let strange = spool.path().join("lost+found");
        fs::create_dir(&strange).unwrap();
        clear(&strange, false).unwrap();
        assert!(strange.is_dir());
    }
}
