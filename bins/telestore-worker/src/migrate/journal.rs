//! Which chunks were copied, so that a move that was interrupted goes on: the place that they are copied to, and then a line
//! for each chunk that is there, with its name here and its name there.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use telestore::store::BlobName;

use crate::data_files::COPIED;

/// The file, to which lines are added.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens it, and gives what was copied to `place` already. A chunk's name never gets other bytes, so that stays true
    /// if a worker runs in between.
    pub(super) fn open(dir: &Path, place: &str) -> io::Result<(Self, HashMap<BlobName, BlobName>)> {
        let path = dir.join(COPIED);
        let said = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            // What was copied is copied again then.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
            read => read?,
        };
        // The last line may be cut off.
        let whole = said.rfind('\n').map_or("", |end| &said[..=end]);
        let goes_on = whole.lines().next() == Some(place);
        let copied =
            if goes_on { whole.lines().skip(1).filter_map(parsed).collect() } else { HashMap::new() };
        let file = telestore::store::private::file().create(true).append(true).open(&path)?;
        let mut journal = Self { path, file };
        if goes_on {
            journal.file.set_len(whole.len() as u64)?;
        } else {
            journal.file.set_len(0)?;
            writeln!(journal.file, "{place}")?;
        }
        Ok((journal, copied))
    }

    /// Writes down that a chunk was copied.
    pub(super) fn add(&mut self, here: &BlobName, there: &BlobName) -> io::Result<()> {
        // By one call: a process that is killed leaves whole lines.
        self.file.write_all(format!("{here} {there}\n").as_bytes())
    }

    /// Takes the file away: what it says is in the database.
    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_file(self.path)
    }
}

fn parsed(line: &str) -> Option<(BlobName, BlobName)> {
    let (here, there) = line.split_once(' ')?;
    Some((BlobName::new(here), BlobName::new(there)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_counts_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two, there] = ["chunks/a/1", "chunks/a/2", "chunks/b/z9"].map(BlobName::new);
        let (mut journal, copied) = Journal::open(dir.path(), "s3://bucket/prefix").unwrap();
        assert!(copied.is_empty());
        journal.add(&one, &there).unwrap();
        journal.file.write_all(b"chunks/a/2 chu").unwrap();
        let (mut journal, copied) = Journal::open(dir.path(), "s3://bucket/prefix").unwrap();
        assert_eq!(copied, HashMap::from([(one.clone(), there.clone())]));
        journal.add(&two, &there).unwrap();
        let (_, copied) = Journal::open(dir.path(), "s3://bucket/prefix").unwrap();
        assert_eq!(copied.len(), 2);
        let (_, copied) = Journal::open(dir.path(), "s3://other").unwrap();
        assert!(copied.is_empty(), "another place has none of them");
        let (_, copied) = Journal::open(dir.path(), "s3://bucket/prefix").unwrap();
        assert!(copied.is_empty());
    }
}
