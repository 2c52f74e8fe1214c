use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a count of the files serves at least.
const COUNT_EVERY: Duration = Duration::from_millis(500);

/// Counting takes at most one part in so many of the time: a directory may hold millions of files.
const SHARE: u32 = 20;

/// The disk that a directory is on: all of it, or the part of it that the directory may fill. If `chunks` in it is on
/// another disk, the one with less free counts.
#[derive(Debug, Clone)]
pub struct DataDisk {
    dir: Arc<Path>,
    part: Option<Arc<Part>>,
}

impl DataDisk {
    /// All of the disk that `dir` is on.
    pub fn whole(dir: impl Into<PathBuf>) -> Self {
        let dir: PathBuf = dir.into();
        Self { dir: dir.into(), part: None }
    }

    /// So many bytes of it. Counts what is below `dir`.
    pub fn part(dir: impl Into<PathBuf>, bytes: u64) -> Self {
        let whole = Self::whole(dir);
        let part = Part::new(bytes, &whole.dir);
        Self { part: Some(Arc::new(part)), ..whole }
    }

    /// How many bytes still fit. If only a part of the disk is to be filled, the answer may be half a second old, or as
    /// old as twenty times what counting takes; what was added since then is in it.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let mut free = u64::MAX;
        for place in self.places() {
            free = free.min(fs4::available_space(place)?);
        }
        Ok(match &self.part {
            Some(part) => free.min(part.free(&self.dir)),
            None => free,
        })
    }

    /// The directory, and `chunks` in it, which may be a mount or a link: rows need room on the disk of the one, bytes on
    /// the disk of the other.
    fn places(&self) -> impl Iterator<Item = PathBuf> {
        let chunks = Some(self.dir.join("chunks")).filter(|chunks| chunks.is_dir());
        std::iter::once(self.dir.to_path_buf()).chain(chunks)
    }

    /// Takes note of bytes that were written below the directory.
    pub(crate) fn added(&self, bytes: u64) {
        if let Some(part) = &self.part {
            part.added.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

/// A part of a disk, and how much of it is used.
#[derive(Debug)]
struct Part {
    size: u64,
    last: Mutex<Counted>,
    /// Bytes that came since the last count began.
    added: AtomicU64,
    counting: AtomicBool,
}

/// What a count has found.
#[derive(Debug, Clone, Copy)]
struct Counted {
    bytes: u64,
    /// When it ended.
    at: Instant,
    took: Duration,
}

impl Counted {
    fn now(dir: &Path) -> Self {
        let begin = Instant::now();
        let bytes = bytes_below(dir);
        Self { bytes, at: Instant::now(), took: begin.elapsed() }
    }

    fn is_old(&self) -> bool {
        self.at.elapsed() >= COUNT_EVERY.max(self.took * SHARE)
    }
}

impl Part {
    fn new(size: u64, dir: &Path) -> Self {
        let last = Mutex::new(Counted::now(dir));
        Self { size, last, added: AtomicU64::new(0), counting: AtomicBool::new(false) }
    }

    fn free(self: &Arc<Self>, dir: &Arc<Path>) -> u64 {
        let last = self.last();
        if last.is_old() && !self.counting.swap(true, Ordering::AcqRel) {
            let (part, dir) = (Arc::clone(self), Arc::clone(dir));
            if last.took < COUNT_EVERY / SHARE {
                part.count(&dir);
            } else {
                // Nobody waits for a long count. A thread that cannot be made leaves the answer of before.
                let spawned = std::thread::Builder::new().spawn(move || part.count(&dir));
                if spawned.is_err() {
                    self.counting.store(false, Ordering::Release);
                }
            }
        }
        let used = self.last().bytes.saturating_add(self.added.load(Ordering::Relaxed));
        self.size.saturating_sub(used)
    }

    /// What is written meanwhile may count twice until the next count, never not at all.
    fn count(&self, dir: &Path) {
        let before = self.added.load(Ordering::Relaxed);
        let counted = Counted::now(dir);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = counted;
        self.added.fetch_sub(before, Ordering::Relaxed);
        self.counting.store(false, Ordering::Release);
    }

    fn last(&self) -> Counted {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lengths of all files below `dir`. What cannot be read, or goes meanwhile, counts as nothing. No link is followed but
/// that of `chunks`, which may lead to another disk.
fn bytes_below(dir: &Path) -> u64 {
    let (mut bytes, mut open) = (0_u64, vec![dir.to_owned()]);
    open.extend(Some(dir.join("chunks")).filter(|chunks| chunks.is_symlink()));
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(found) if found.is_dir() => open.push(entry.path()),
                Ok(found) if found.is_file() => bytes = bytes.saturating_add(found.len()),
                _ => {}
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_disk_is_as_full_as_the_files_below_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("below")).unwrap();
        fs::write(dir.path().join("below/file"), [0; 300]).unwrap();
        let disk = DataDisk::part(dir.path(), 1000);
        assert_eq!(disk.free_bytes().unwrap(), 700);
        // Counted an hour from now, so that no other count comes in between.
        let part = disk.part.as_ref().unwrap();
        part.last.lock().unwrap().at += Duration::from_secs(3600);
        disk.added(200);
        assert_eq!(disk.free_bytes().unwrap(), 500, "what comes counts at once");
        disk.added(2000);
        assert_eq!(disk.free_bytes().unwrap(), 0);
    }

    #[test]
    fn what_was_counted_does_not_count_again() {
        let dir = tempfile::tempdir().unwrap();
        let disk = DataDisk::part(dir.path(), 1000);
        fs::write(dir.path().join("file"), [0; 300]).unwrap();
        disk.added(300);
        let part = disk.part.as_ref().unwrap();
        part.count(dir.path());
        assert_eq!(disk.free_bytes().unwrap(), 700);
        fs::remove_file(dir.path().join("file")).unwrap();
        part.count(dir.path());
        assert_eq!(disk.free_bytes().unwrap(), 1000);
    }

    #[cfg(unix)]
    #[test]
    fn chunks_behind_a_link_count() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(other.path(), dir.path().join("chunks")).unwrap();
        fs::write(other.path().join("file"), [0; 300]).unwrap();
        assert_eq!(DataDisk::part(dir.path(), 1000).free_bytes().unwrap(), 700);
    }

    #[test]
    fn a_part_is_never_larger_than_what_is_free() {
        let dir = tempfile::tempdir().unwrap();
        assert!(DataDisk::part(dir.path(), u64::MAX).free_bytes().unwrap() < u64::MAX);
    }
}
