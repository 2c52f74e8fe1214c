//! Files that are deleted once they are in the channel.

use std::fs::{self, Metadata};
use std::path::Path;

/// Deletes a file, if it is still the one that was sent.
///
/// # Errors
/// Why it is kept.
pub(super) fn remove(path: &Path, sent: &Metadata) -> Result<(), String> {
    let now = fs::symlink_metadata(path).map_err(|error| error.to_string())?;
    if now.is_symlink() {
        return Err("it is a symbolic link: delete it, or what it leads to, by hand".to_owned());
    }
    if !is_same(&now, sent) {
        return Err("it has changed since it was sent".to_owned());
    }
    fs::remove_file(path).map_err(|error| error.to_string())
}

fn is_same(now: &Metadata, sent: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        if (now.dev(), now.ino()) != (sent.dev(), sent.ino()) {
            return false;
        }
    }
    (now.len(), now.modified().ok()) == (sent.len(), sent.modified().ok())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sent_is_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "bytes").unwrap();
        let sent = fs::metadata(&path).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(remove(&link, &sent).unwrap_err().contains("link"));
        fs::write(&path, "other bytes").unwrap();
        assert!(remove(&path, &sent).unwrap_err().contains("changed") && path.exists());
        remove(&path, &fs::metadata(&path).unwrap()).unwrap();
        assert!(!path.exists());
        fs::write(&path, "bytes").unwrap();
        assert!(remove(&path, &sent).is_err(), "another one in its place");
    }
}
