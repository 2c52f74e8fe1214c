//! Room on the disk for one measurement.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use tempfile::TempDir;

use crate::{Result, load};

/// A directory whose files are emptied when it is dropped.
///
/// They are removed at the end of the run only: for some seconds after many files were removed ext4 makes new ones
/// slowly, since it steps around their inodes one by one, and the next measurement would pay for the one before it.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    /// A new directory below `root`, which removes it in the end.
    pub(crate) fn new(root: &Path) -> Result<Self> {
        let mut dir = TempDir::new_in(root)?;
        dir.disable_cleanup(true);
        Ok(Self(dir))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be emptied takes room until the end of the run.
        let _ = empty(self.0.path());
    }
}

/// Fills so many bytes of the page cache and gives them back, so that the measurement that follows finds memory that was
/// in use just before.
///
/// A virtual machine gives free memory back to its host, and the next touch of it costs ten times as much as writing to
/// it does otherwise. The first one to use it would pay for that.
pub(crate) fn touch_memory(root: &Path, bytes: usize) -> Result<()> {
    let scratch = Scratch::new(root)?;
    let mut file = File::create(scratch.path().join("memory"))?;
    for _ in 0..bytes.div_ceil(load::noise().len()) {
        file.write_all(load::noise())?;
    }
    Ok(())
}

fn empty(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            empty(&entry.path())?;
        } else {
            File::options().write(true).open(entry.path())?.set_len(0)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_bytes_back_and_keeps_the_files() {
        let root = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(root.path()).unwrap();
        let file = scratch.path().join("below/file");
        fs::create_dir(file.parent().unwrap()).unwrap();
        fs::write(&file, "bytes").unwrap();
        drop(scratch);
        assert_eq!(fs::metadata(&file).unwrap().len(), 0);
    }
}
