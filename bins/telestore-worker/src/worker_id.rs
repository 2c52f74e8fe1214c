//! The worker's name, which it keeps from run to run.

use std::io::{self, Write as _};
use std::path::Path;

use telestore::types::WorkerId;

/// The file of it in the data directory.
pub(crate) const WORKER_ID: &str = "worker-id";

/// The file that takes its place, until it is whole.
pub(crate) const NEW_WORKER_ID: &str = "worker-id.new";

/// The name that the last worker on this data directory had, or a new one.
///
/// Only who holds the directory's lock may ask. That proves that an earlier process of this name is dead, so that the
/// engine may end its leases at once instead of waiting until they have run out. Commands that work beside a worker hold
/// no lock, have names of their own and lease nothing.
pub(crate) fn kept_in(dir: &Path) -> io::Result<WorkerId> {
    let path = dir.join(WORKER_ID);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            if let Ok(worker) = WorkerId::new(text.trim()) {
                return Ok(worker);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // What it held is found when its leases have run out.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
        Err(error) => return Err(error),
    }
    let worker = WorkerId::from_random(rand::random());
    // Whole or not at all, however this process ends.
    let new = dir.join(NEW_WORKER_ID);
    let mut file = telestore::store::private::file().create(true).truncate(true).write(true).open(&new)?;
    writeln!(file, "{worker}")?;
    std::fs::rename(new, path)?;
    Ok(worker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_and_one_that_is_damaged_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let first = kept_in(dir.path()).unwrap();
        assert_eq!(kept_in(dir.path()).unwrap(), first);
        for damaged in [&b""[..], b"two words", b"\xff"] {
            std::fs::write(dir.path().join(WORKER_ID), damaged).unwrap();
            let other = kept_in(dir.path()).unwrap();
            assert_ne!(other, first);
            assert_eq!(kept_in(dir.path()).unwrap(), other);
        }
        assert_ne!(kept_in(tempfile::tempdir().unwrap().path()).unwrap(), first);
    }
}
