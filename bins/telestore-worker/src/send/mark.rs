//! What tells whether a file is still the one that an upload was begun with.

use std::fs::Metadata;
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

/// What it is called in the metadata of an upload.
pub(super) const NAME: &str = "mark";

/// A digest of the name, the size and the time of the last change.
pub(super) fn of(name: &str, about: &Metadata) -> String {
    let changed = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let text = format!("{name}\0{}\0{}", about.len(), changed.as_nanos());
    hex::encode(&Sha256::digest(text)[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_that_of_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "bytes").unwrap();
        let about = std::fs::metadata(&path).unwrap();
        assert_eq!(of("a", &about), of("a", &about));
        assert_ne!(of("a", &about), of("b", &about));
        std::fs::write(&path, "more bytes").unwrap();
        assert_ne!(of("a", &about), of("a", &std::fs::metadata(&path).unwrap()));
    }
}
