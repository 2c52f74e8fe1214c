//! Whether the database can be where the settings put it.

use std::path::{Path, PathBuf};

use telestore::store::FileSystem;

/// What speaks against a directory for the database.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Objection {
    /// It would lose data there.
    Refused(String),
    /// It may.
    Doubt(String),
}

/// The directory itself, or what of its path is there.
pub(crate) fn nearest(dir: &Path) -> Option<PathBuf> {
    let dir = std::path::absolute(dir).ok()?;
    dir.ancestors().find(|place| place.exists()).filter(|place| place.is_dir()).map(Path::to_owned)
}

/// Looks at the file system that the data directory is on, or will be.
pub(crate) fn objection(dir: &Path) -> Option<Objection> {
    judge(dir, FileSystem::of(&nearest(dir)?).ok()?)
}

fn judge(dir: &Path, found: FileSystem) -> Option<Objection> {
    let dir = dir.display();
    match found {
        FileSystem::Local => None,
        FileSystem::Network(name) => Some(Objection::Refused(format!(
            "{dir} is on a network file system ({name}), where the database (SQLite) may lose uploads: set \
             TELESTORE_DATA_DIR to a directory on a disk of this machine. Only `chunks` in it may be on {name}, as a mount \
             or a link (docs/OPERATIONS.md, \"Disks\")"
        ))),
        FileSystem::Doubtful(name) => Some(Objection::Doubt(format!(
            "{dir} is on {name}, which may not keep locks and shared memory as the database (SQLite) needs them: better set \
             TELESTORE_DATA_DIR to a directory on a disk of this machine; `chunks` in it may stay on {name}, as a mount or a \
             link"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_refused_and_others_doubted() {
        let dir = Path::new("/data");
        assert_eq!(judge(dir, FileSystem::Local), None);
        let Some(Objection::Refused(text)) = judge(dir, FileSystem::of_type(0x6969)) else { panic!() };
        assert!(
            text.contains("/data is on a network file system (NFS)") && text.contains("TELESTORE_DATA_DIR")
        );
        let Some(Objection::Doubt(text)) = judge(dir, FileSystem::of_type(0x6573_5546)) else { panic!() };
        assert!(text.contains("/data is on FUSE"));
    }

    #[test]
    fn a_directory_that_is_to_be_made_is_judged_by_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(nearest(&dir.path().join("a/b")).unwrap(), std::path::absolute(dir.path()).unwrap());
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert_eq!(nearest(&dir.path().join("file")), None);
    }
}
