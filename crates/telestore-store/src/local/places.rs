use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use telestore_types::StorageKey;

use super::{WHAT, gone, living, move_into, sync_dir};
use crate::{Blob, BlobName, Error, Result, private};

/// What a name of a trial begins with. No name of the store's own does, so a trial that was killed is told from chunks.
const TRIAL: &str = ".trial-";

/// How long a trial takes at most: a disk may have to be woken, or be written full by others.
const LONGEST_TRIAL: Duration = Duration::from_secs(10 * 60);

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

    /// Makes the directories if they are missing, and finds the place from which chunks can be moved.
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

    /// Takes away what dead workers spooled, wherever they did, the trials that they left, and places without chunks.
    /// Other directories are none of the store's: a disk that is mounted there has a `lost+found`.
    pub(super) fn clear_spool(&self, root: &Path, by_age: bool) -> io::Result<()> {
        for spool in [root.join("spool"), self.spool.clone(), self.chunks.join("spool")] {
            for found in entries(&spool)? {
                let found = found?;
                if found.file_type()?.is_dir() {
                    living::clear(&found.path(), by_age)?;
                } else if !is_trial(&found) || is_old(&found) {
                    // What is no trial is of a worker of before, which spooled beside the directories, alone with its data.
                    gone(fs::remove_file(found.path()))?;
                }
            }
        }
        for place in entries(&self.chunks)? {
            let place = place?;
            if is_trial(&place) && is_old(&place) {
                gone(if place.path().is_dir() {
                    fs::remove_dir_all(place.path())
                } else {
                    fs::remove_file(place.path())
                })?;
            } else if key_of(&place).is_some() {
                // Only an empty one goes, and a put that meets this makes it again.
                let _ = fs::remove_dir(place.path());
            }
        }
        Ok(())
    }

    /// What time the file system has, which may be a server's.
    pub(super) fn now(&self) -> io::Result<SystemTime> {
        let trial = self.spool.join(trial_name());
        let now = private::file()
            .write(true)
            .create_new(true)
            .open(&trial)
            .and_then(|file| file.metadata()?.modified());
        gone(fs::remove_file(&trial))?;
        now
    }

    /// A page of what is in the places, in the order of the names, with ages at `now`.
    pub(super) fn list(
        &self,
        after: Option<&BlobName>,
        limit: usize,
        now: SystemTime,
    ) -> io::Result<Vec<Blob>> {
        let after = after.map_or("", BlobName::as_str);
        let keys = entries(&self.chunks)?.filter_map(|place| match place {
            Ok(place) => key_of(&place).map(Ok),
            Err(error) => Some(Err(error)),
        });
        let mut keys = keys.collect::<io::Result<Vec<_>>>()?;
        keys.sort();
        let mut found = Vec::new();
        for key in keys {
            let place = format!("chunks/{key}/");
            // Every name in a place begins with it; a place before the one of `after` holds nothing behind it.
            if place.as_str() < after && !after.starts_with(&place) {
                continue;
            }
            if found.len() >= limit {
                break;
            }
            let mut blobs = blobs_in(&self.chunks.join(key.as_str()), &place, now)?;
            blobs.retain(|blob| blob.name.as_str() > after);
            blobs.sort_by(|one, other| one.name.cmp(&other.name));
            found.extend(blobs);
        }
        found.truncate(limit);
        Ok(found)
    }
}

/// The key of an upload's place. Whatever is not ours by its name is somebody else's, and stays.
fn key_of(place: &fs::DirEntry) -> Option<StorageKey> {
    place.file_name().to_str().and_then(|name| StorageKey::parse(name).ok())
}

fn blobs_in(dir: &Path, place: &str, now: SystemTime) -> io::Result<Vec<Blob>> {
    let mut blobs = Vec::new();
    for file in entries(dir)? {
        let file = file?;
        let (Some(name), Ok(found)) = (file.file_name().to_str().map(str::to_owned), file.metadata()) else {
            // It was deleted in between, or has no name of the store's.
            continue;
        };
        blobs.push(Blob::new(BlobName::new(format!("{place}{name}")), age(&found, now), found.len()));
    }
    Ok(blobs)
}

/// How long ago a file was put. Its time of change is that of the rename, unless something was done with it since.
fn age(file: &fs::Metadata, now: SystemTime) -> Duration {
    let put_at = file.modified().unwrap_or(now);
    #[cfg(unix)]
    let put_at = {
        let changed = u64::try_from(std::os::unix::fs::MetadataExt::ctime(file)).unwrap_or(0);
        // Its second has not ended yet.
        put_at.max(SystemTime::UNIX_EPOCH + Duration::from_secs(changed.saturating_add(1)))
    };
    now.duration_since(put_at).unwrap_or_default()
}

fn is_trial(found: &fs::DirEntry) -> bool {
    found.file_name().to_str().is_some_and(|name| name.starts_with(TRIAL))
}

/// Whether a trial was left: one that runs takes no time.
fn is_old(found: &fs::DirEntry) -> bool {
    found.metadata().is_ok_and(|found| living::is_older(&found, LONGEST_TRIAL))
}

/// What is in a directory; nothing if there is none.
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
    if is_full(&source) { Error::no_space(source) } else { Error::unfit(WHAT, step, source) }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn trial_name() -> String {
    format!("{TRIAL}{:016x}", rand::random::<u64>())
}

/// The device that a directory is on, if the system numbers them.
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
        places.clear_spool(dir.path(), false).unwrap();
        for trial in
            [&places.chunks.join(".trial-0"), &places.chunks.join(".trial-1"), &places.spool.join(".trial-2")]
        {
            assert!(trial.exists(), "another worker may be at it");
            File::open(trial).unwrap().set_modified(SystemTime::now() - LONGEST_TRIAL).unwrap();
        }
        places.clear_spool(dir.path(), false).unwrap();
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
