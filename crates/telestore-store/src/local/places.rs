use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::{gone, move_into, sync_dir};
use crate::{BlobName, Error, Result, private};

/// What a name of a trial begins with. No name of the store's own does, so a trial that was killed is told from chunks.
const TRIAL: &str = ".trial-";

/// What a trial writes.
const BYTES: &[u8] = b"written to find out whether a file can be kept here";

/// Where the store's two directories are.
///
/// A chunk moves from one to the other by `rename(2)`, which works within one mounted file system only (`EXDEV`
/// otherwise). `chunks` may be a mount or a link to another disk, and so may `spool`; then the spool lies within `chunks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) spool: PathBuf,
    pub(super) chunks: PathBuf,
}

impl Places {
    /// Where they are as a rule. Touches nothing.
    pub(super) fn beside(root: &Path) -> Self {
        Self { spool: root.join("spool"), chunks: root.join("chunks") }
    }

    /// Makes the directories where they are missing, and finds the place from which chunks can be moved.
    pub(super) fn open(root: &Path) -> Result<Self> {
        let beside = Self::beside(root);
        beside.make()?;
        if !beside.are_apart()? {
            return Ok(beside);
        }
        let within = beside.within();
        within.make()?;
        tracing::info!(
            spool = %within.spool.display(),
            "spool and chunks are on different file systems: what arrives is spooled beside the chunks"
        );
        Ok(within)
    }

    /// The same for what is there; makes none. In the place of what is to be made yet stands the directory that it will be
    /// made in, which is on the same file system.
    pub(super) fn find(root: &Path) -> Result<Self> {
        // A link that leads nowhere is there: it is what a start would meet.
        let there = |place: PathBuf| if place.symlink_metadata().is_ok() { place } else { root.to_owned() };
        let beside = Self::beside(root);
        let found = Self { spool: there(beside.spool), chunks: there(beside.chunks) };
        if !found.are_apart()? {
            return Ok(found);
        }
        let within = found.within();
        let is_made = found.chunks != root && within.spool.is_dir();
        Ok(if is_made { within } else { Self { spool: found.chunks.clone(), ..found } })
    }

    fn within(&self) -> Self {
        Self { spool: self.chunks.join("spool"), chunks: self.chunks.clone() }
    }

    fn make(&self) -> Result<()> {
        for (place, step) in [(&self.chunks, "making chunks"), (&self.spool, "making spool")] {
            private::directory(place).map_err(|error| unfit(step, error))?;
        }
        Ok(())
    }

    /// Whether files cannot be moved from one to the other. Only a move tells: two mounts of one device are apart, too.
    fn are_apart(&self) -> Result<bool> {
        let name = trial_name();
        let (from, to) = (self.spool.join(&name), self.chunks.join(&name));
        let made = private::file().write(true).create_new(true).open(&from);
        let moved = made.and_then(|_| fs::rename(&from, &to));
        let _ = (fs::remove_file(&from), fs::remove_file(&to));
        match moved {
            Ok(()) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => Ok(true),
            // A full disk takes no trial. Work that is there goes on, and makes room.
            Err(error) if is_full(&error) => Ok(device(&self.spool) != device(&self.chunks)),
            Err(error) => Err(unfit("moving a file from spool into chunks", error)),
        }
    }

    /// Does with a file of nobody what an upload does with a chunk: it is written, flushed, moved, read and deleted.
    pub(super) fn try_out(&self) -> Result<()> {
        let (spooled, place) = (self.spool.join(trial_name()), self.chunks.join(trial_name()));
        let tried = try_file(&spooled, &place);
        let _ = (gone(fs::remove_file(&spooled)), gone(fs::remove_dir_all(&place)));
        tried
    }

    /// Where the bytes of a blob are.
    pub(super) fn path(&self, blob: &BlobName) -> PathBuf {
        match blob.as_str().split_once('/') {
            Some(("spool", name)) => self.spool.join(name),
            Some((_, name)) => self.chunks.join(name),
            None => self.chunks.join(blob.as_str()),
        }
    }

    /// Takes away what an earlier process spooled, wherever it did, and the trials that it left. Directories are none of
    /// the store's: a disk that is mounted there has a `lost+found`.
    pub(super) fn clear_spool(&self, root: &Path) -> io::Result<()> {
        for spool in [root.join("spool"), self.spool.clone(), self.chunks.join("spool")] {
            for file in entries(&spool)? {
                let file = file?;
                if !file.file_type()?.is_dir() {
                    gone(fs::remove_file(file.path()))?;
                }
            }
        }
        for place in entries(&self.chunks)? {
            let place = place?;
            if place.file_name().to_str().is_some_and(|name| name.starts_with(TRIAL)) {
                gone(if place.path().is_dir() {
                    fs::remove_dir_all(place.path())
                } else {
                    fs::remove_file(place.path())
                })?;
            }
        }
        Ok(())
    }
}

/// What is in a directory; nothing where there is none.
fn entries(dir: &Path) -> io::Result<impl Iterator<Item = io::Result<fs::DirEntry>> + use<>> {
    match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None.into_iter().flatten()),
        Err(error) => Err(error),
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
    }
}

fn try_file(spooled: &Path, place: &Path) -> Result<()> {
    let stored = place.join("0");
    step("writing a file in spool", || {
        let mut file = private::file().write(true).create_new(true).open(spooled)?;
        file.write_all(BYTES)?;
        file.sync_data()
    })?;
    step("moving a file from spool into chunks", || {
        private::directory(place)?;
        move_into(spooled, &stored, place)
    })?;
    step("flushing chunks", || sync_dir(place))?;
    step("reading a file in chunks", || {
        let mut found = Vec::new();
        File::open(&stored)?.read_to_end(&mut found)?;
        if found == BYTES { Ok(()) } else { Err(io::Error::other("it holds other bytes than were written")) }
    })?;
    step("deleting a file in chunks", || fs::remove_dir_all(place))
}

fn step(what: &'static str, work: impl FnOnce() -> io::Result<()>) -> Result<()> {
    work().map_err(|error| unfit(what, error))
}

fn unfit(step: &'static str, source: io::Error) -> Error {
    if is_full(&source) { Error::NoSpace(source) } else { Error::Unfit { step, source } }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn trial_name() -> String {
    format!("{TRIAL}{:016x}", rand::random::<u64>())
}

/// The device that a directory is on, where the system numbers them.
#[cfg(unix)]
fn device(dir: &Path) -> Option<u64> {
    fs::metadata(dir).ok().map(|found| std::os::unix::fs::MetadataExt::dev(&found))
}

#[cfg(not(unix))]
fn device(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::open(dir.path()).unwrap();
        assert_eq!(places, Places::beside(dir.path()));
        places.try_out().unwrap();
        assert_eq!(Places::find(dir.path()).unwrap(), places);
        for place in [&places.spool, &places.chunks] {
            assert_eq!(fs::read_dir(place).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_trial_names_the_step_that_fails() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::open(dir.path()).unwrap();
        fs::remove_dir(&places.chunks).unwrap();
        let error = places.try_out().unwrap_err().to_string();
        assert!(error.contains("moving a file from spool into chunks"), "{error}");
        fs::remove_dir(&places.spool).unwrap();
        let error = places.try_out().unwrap_err().to_string();
        assert!(error.contains("writing a file in spool"), "{error}");
    }

    #[test]
    fn what_a_killed_trial_left_goes_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::open(dir.path()).unwrap();
        fs::create_dir(places.chunks.join(".trial-0")).unwrap();
        fs::write(places.chunks.join(".trial-0/0"), "").unwrap();
        fs::write(places.chunks.join(".trial-1"), "").unwrap();
        fs::write(places.spool.join(".trial-2"), "").unwrap();
        fs::create_dir(places.chunks.join("lost+found")).unwrap();
        fs::create_dir_all(places.chunks.join("spool/lost+found")).unwrap();
        fs::create_dir(places.spool.join("lost+found")).unwrap();
        fs::write(places.chunks.join("spool/left"), "").unwrap();
        places.clear_spool(dir.path()).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(&places.chunks).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["lost+found", "spool"]);
        for spool in [places.spool, places.chunks.join("spool")] {
            let left: Vec<_> =
                fs::read_dir(&spool).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(left, ["lost+found"]);
        }
    }

    #[test]
    fn what_is_to_be_made_is_tried_where_it_will_be() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        Places::find(root).unwrap().try_out().unwrap();
        assert_eq!(fs::read_dir(root).unwrap().count(), 0, "a trial leaves nothing");
        fs::write(root.join("chunks"), "in its place").unwrap();
        let error = Places::find(root).unwrap_err().to_string();
        assert!(error.contains("moving a file from spool into chunks"), "{error}");
    }
}
