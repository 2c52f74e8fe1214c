use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::record::Fingerprint;

/// After so many lines they are put on the disk.
const MANY: usize = 64;

/// A file that is in the channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) server: String,
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) upload_id: String,
    pub(crate) message_id: i64,
    /// When, in seconds of the Unix epoch.
    pub(crate) at: u64,
    /// A mark of whose it is.
    pub(crate) by: String,
}

/// All that was sent, in a file to which lines are appended, also by several processes at once.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    /// How much of the file was read.
    read: u64,
    lines: HashMap<Fingerprint, Line>,
    /// Lines that may not be on the disk yet.
    fresh: Vec<Fingerprint>,
}

impl Journal {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = super::private_file(&path, OpenOptions::new().append(true))?;
        let mut journal = Self { file, read: 0, lines: HashMap::new(), fresh: Vec::new() };
        journal.refresh()?;
        Ok(journal)
    }

    /// Reads what was appended since, by whomever.
    pub(super) fn refresh(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() <= self.read {
            return Ok(());
        }
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(self.read))?;
        self.file.read_to_end(&mut bytes)?;
        // What is behind the last line end is still being written, or was cut off by a crash.
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
        for line in bytes[..end].split(|byte| *byte == b'\n') {
            // A line that a crash cut off says nothing: its record is still there.
            if let Ok(line) = serde_json::from_slice::<Line>(line) {
                self.lines.insert(line.fingerprint.clone(), line);
            }
        }
        self.read += end as u64 + 1;
        Ok(())
    }

    pub(super) fn get(&self, print: &Fingerprint) -> Option<&Line> {
        self.lines.get(print)
    }

    /// All of them, the oldest first.
    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines: Vec<Line> = self.lines.values().cloned().collect();
        lines.sort_by(|one, other| (one.at, &one.path).cmp(&(other.at, &other.path)));
        lines
    }

    /// Appends a line, and says whether there are many that may not be on the disk yet.
    pub(super) fn add(&mut self, line: Line) -> io::Result<bool> {
        // A line end before it, too: what a crash cut off stays a line of its own.
        let text = format!("\n{}\n", serde_json::to_string(&line)?);
        self.file.write_all(text.as_bytes())?;
        self.fresh.push(line.fingerprint.clone());
        self.lines.insert(line.fingerprint.clone(), line);
        Ok(self.fresh.len() >= MANY)
    }

    /// Puts all lines on the disk, and gives those that were not there before.
    pub(super) fn settle(&mut self) -> io::Result<Vec<Fingerprint>> {
        if !self.fresh.is_empty() {
            self.file.sync_all()?;
        }
        Ok(std::mem::take(&mut self.fresh))
    }
}
