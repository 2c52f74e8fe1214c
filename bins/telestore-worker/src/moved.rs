//! The file that keeps workers from a data directory whose uploads are in the database of many workers.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::{Value, json};

use crate::data_files::{MOVED, NEW_MOVED};

/// What became of the uploads of a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moved {
    /// The name of the import, which the other database knows, too.
    pub(crate) id: String,
    /// Which database that is.
    pub(crate) database: String,
    /// Whether they certainly are there. Before that they are here or there.
    pub(crate) done: bool,
}

/// Why no worker may take the uploads of a directory up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Gone {
    #[error(
        "its uploads are in the PostgreSQL database {0} now: set TELESTORE_DATABASE_URL, or give this worker another TELESTORE_DATA_DIR"
    )]
    There(String),
    #[error(
        "moving its uploads to the PostgreSQL database {0} has not ended: run telestore-worker migrate again, or with --undo"
    )]
    Between(String),
    #[error("{MOVED}: {0}")]
    Unreadable(#[from] io::Error),
}

impl Moved {
    /// A move to this database that is about to happen.
    pub(crate) fn to(database: &str) -> Self {
        let id = format!("{:032x}", rand::random::<u128>());
        Self { id, database: database.to_owned(), done: false }
    }

    /// What the file in `dir` says, if there is one.
    pub(crate) fn read(dir: &Path) -> io::Result<Option<Self>> {
        let text = match fs::read(dir.join(MOVED)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        let said: Value = serde_json::from_slice(&text)?;
        let text = |name: &str| said[name].as_str().map(str::to_owned);
        let moved = text("id").zip(text("database")).zip(text("state"));
        let ((id, database), state) = moved.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Some(Self { id, database, done: state == "moved" }))
    }

    /// Writes it down, flushed: wholly or not at all, however this process and its machine end.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        let state = if self.done { "moved" } else { "moving" };
        let text = json!({ "state": state, "database": self.database, "id": self.id });
        let new = dir.join(NEW_MOVED);
        let mut file =
            telestore::store::private::file().create(true).truncate(true).write(true).open(&new)?;
        writeln!(file, "{text:#}")?;
        file.sync_all()?;
        fs::rename(new, dir.join(MOVED))?;
        flush(dir)
    }

    /// Takes it away: the uploads are certainly here only.
    pub(crate) fn remove(dir: &Path) -> io::Result<()> {
        fs::remove_file(dir.join(MOVED))?;
        flush(dir)
    }

    /// Refuses a directory to a worker. One with a database of many (`shared`) needs none of its uploads, but would fill
    /// that database before they have come.
    pub(crate) fn refuse(dir: &Path, shared: bool) -> Result<(), Gone> {
        match Self::read(dir)? {
            Some(moved) if !moved.done => Err(Gone::Between(moved.database)),
            Some(moved) if !shared => Err(Gone::There(moved.database)),
            _ => Ok(()),
        }
    }
}

/// A name in a directory survives a power cut once the directory is flushed.
fn flush(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_worker_takes_up_what_was_moved() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        assert!(Moved::refuse(dir, false).is_ok());
        let mut moved = Moved::to("db:5432/telestore");
        moved.write(dir).unwrap();
        assert_eq!(Moved::read(dir).unwrap().as_ref(), Some(&moved));
        for shared in [false, true] {
            assert!(
                matches!(Moved::refuse(dir, shared), Err(Gone::Between(_))),
                "nobody knows where they are"
            );
        }
        moved.done = true;
        moved.write(dir).unwrap();
        assert!(
            matches!(Moved::refuse(dir, false), Err(Gone::There(database)) if database == moved.database)
        );
        assert!(Moved::refuse(dir, true).is_ok());
        Moved::remove(dir).unwrap();
        assert!(Moved::refuse(dir, false).is_ok());
        fs::write(dir.join(MOVED), "{}").unwrap();
        assert!(matches!(Moved::refuse(dir, true), Err(Gone::Unreadable(_))));
    }
}
