use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What is kept of downloads: of which file of which worker the bytes at a place are the beginning.
pub(crate) struct Parts {
    dir: PathBuf,
}

/// A download that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The worker's address.
    pub(crate) server: String,
    /// The file's id.
    pub(crate) id: String,
    /// What the worker called this version of it; nothing if it cannot be gone on with.
    pub(crate) version: Option<String>,
    /// Where its bytes are, as people read it.
    pub(crate) path: String,
}

impl Parts {
    /// Makes the place if it is missing, for its owner alone.
    pub(crate) fn open(dir: &Path) -> io::Result<Arc<Self>> {
        let dir = dir.join("downloads");
        super::private_dir(&dir)?;
        Ok(Arc::new(Self { dir }))
    }

    /// The file for the bytes at this place, which is absolute.
    fn path(&self, of: &Path) -> PathBuf {
        let digest = Sha256::digest(of.as_os_str().as_encoded_bytes());
        self.dir.join(format!("{}.json", hex::encode(&digest[..16])))
    }

    pub(crate) fn get(&self, of: &Path) -> io::Result<Option<Part>> {
        super::read(&self.path(of))
    }

    /// Writes it down. It is on the disk when this returns: bytes without it belong to nobody.
    pub(crate) fn save(&self, of: &Path, part: &Part) -> io::Result<()> {
        super::write(&self.path(of), part)
    }

    pub(crate) fn forget(&self, of: &Path) -> io::Result<()> {
        super::remove(&self.path(of))
    }
}
