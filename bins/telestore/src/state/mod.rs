//! What is kept of uploads and downloads, so that they go on after anything.
//!
//! - `uploads/<fingerprint>.json`: an upload that was begun, written by rename before a byte of it goes out. Whoever works on it holds a
//!   lock on `uploads/<fingerprint>.lock`.
//! - `uploads/<fingerprint>.key`: by what the worker knows an upload that is not written down yet.
//! - `sent.jsonl`: what is in the channel, a line for each. A record goes once its line is on the disk.
//! - `downloads/<fingerprint>.json`: of which file what was fetched is the beginning, written before a byte of it is.

mod journal;
mod key;
mod lock;
mod parts;
mod record;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde::de::DeserializeOwned;
use telestore_client::UploadUrl;

use self::journal::Journal;
pub(crate) use self::journal::Line;
use self::lock::Lock;
pub(crate) use self::parts::{Part, Parts};
pub(crate) use self::record::{Fingerprint, Record, now};
use crate::exit::{Exit, Failure};
use crate::places;

/// Where it is kept.
pub(crate) struct State {
    dir: PathBuf,
    journal: Mutex<Journal>,
}

/// The sole right to work on one file.
pub(crate) struct Held {
    state: Arc<State>,
    print: Fingerprint,
    lock: Lock,
}

impl State {
    /// Makes the places that are missing, for their owner alone.
    pub(crate) fn open(dir: &Path) -> io::Result<Arc<Self>> {
        let uploads = dir.join("uploads");
        private_dir(&uploads)?;
        let journal = Journal::open(dir.join("sent.jsonl"))?;
        Ok(Arc::new(Self { dir: uploads, journal: Mutex::new(journal) }))
    }

    fn journal(&self) -> std::sync::MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Takes the right to work on a file; `None` if another process has it.
    pub(crate) fn hold(self: &Arc<Self>, print: &Fingerprint) -> io::Result<Option<Held>> {
        let lock = Lock::take(self.dir.join(format!("{print}.lock")))?;
        Ok(lock.map(|lock| Held { state: Arc::clone(self), print: print.clone(), lock }))
    }

    fn path(&self, print: &Fingerprint) -> PathBuf {
        self.dir.join(format!("{print}.json"))
    }

    /// Writes down what was begun, for who [holds](Self::hold) the file. On the disk when it returns: what is not written down would
    /// be sent twice.
    pub(crate) fn save(&self, print: &Fingerprint, record: &Record) -> io::Result<()> {
        write(&self.path(print), record)
    }

    /// All uploads that were begun.
    pub(crate) fn records(&self) -> io::Result<Vec<Record>> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|kind| kind == "json") {
                records.extend(read::<Record>(&path)?);
            }
        }
        records.sort_by(|one, other| (one.begun, &one.path).cmp(&(other.begun, &other.path)));
        Ok(records)
    }

    /// Takes the record of an upload away.
    pub(crate) fn forget(&self, url: &UploadUrl) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let is_record = path.extension().is_some_and(|kind| kind == "json");
            if is_record && read(&path)?.is_some_and(|record: Record| record.url == *url) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// What is in the channel, as far as this machine sent it.
    pub(crate) fn sent(&self) -> io::Result<Vec<Line>> {
        let mut journal = self.journal();
        journal.refresh()?;
        Ok(journal.lines())
    }

    /// Puts what was sent on the disk, and takes the records away that it makes needless.
    pub(crate) fn settle(&self) -> io::Result<()> {
        let settled = self.journal().settle()?;
        for print in settled {
            remove(&self.path(&print))?;
        }
        Ok(())
    }
}

impl Held {
    /// The line of the file, if it is in the channel.
    pub(crate) fn sent(&self) -> io::Result<Option<Line>> {
        let mut journal = self.state.journal();
        journal.refresh()?;
        Ok(journal.get(&self.print).cloned())
    }

    /// What was begun.
    pub(crate) fn record(&self) -> io::Result<Option<Record>> {
        read(&self.state.path(&self.print))
    }

    /// Forgets what was begun.
    pub(crate) fn forget(&self) -> io::Result<()> {
        remove(&self.state.path(&self.print))
    }

    /// Writes down that the file is in the channel. The record stays until that is on the disk.
    pub(crate) fn done(self, line: Line) -> io::Result<()> {
        let many = self.state.journal().add(line)?;
        drop(self.lock);
        if many { self.state.settle() } else { Ok(()) }
    }
}

/// The state of this user.
pub(crate) fn opened() -> Result<Arc<State>, Failure> {
    kept(State::open)
}

/// What is kept of downloads of this user.
pub(crate) fn opened_parts() -> Result<Arc<Parts>, Failure> {
    kept(Parts::open)
}

fn kept<T>(open: impl FnOnce(&Path) -> io::Result<T>) -> Result<T, Failure> {
    let dir = places::state()?;
    open(&dir).map_err(|error| {
        Failure::new(Exit::Failed, format!("what is known of files, in {}: {error}", dir.display()))
    })
}

/// Writes a file by rename. It is on the disk when this returns.
fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = private_file(&new, fs::OpenOptions::new().truncate(true))?;
    file.write_all(serde_json::to_string(value)?.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        // What cannot be read is of a newer version, or damaged: nobody may guess what it says.
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            io::Error::other(format!(
                "{} cannot be read ({error}): delete it if its file is to be sent anew",
                path.display()
            ))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn private_dir(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;

    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn private_dir(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// A file for its owner alone, made if it is missing.
fn private_file(path: &Path, options: &mut fs::OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.create(true).read(true).write(true).open(path)
}

/// That a file has a name is on the disk only with its directory.
#[cfg(unix)]
fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it fails elsewhere")]
fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;
