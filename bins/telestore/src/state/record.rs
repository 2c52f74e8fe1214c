use std::fmt;
use std::fs::Metadata;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use telestore_client::UploadUrl;

/// Which file it is, at which worker: a digest of the worker's address, and of the file's absolute path, size and time of change.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Fingerprint(String);

impl Fingerprint {
    pub(crate) fn new(server: &str, path: &Path, about: &Metadata) -> Self {
        let changed =
            about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let mut digest = Sha256::new();
        digest.update(server);
        digest.update([0]);
        digest.update(path.as_os_str().as_encoded_bytes());
        digest.update(format!("\0{}\0{}", about.len(), changed.as_nanos()));
        Self(hex::encode(&digest.finalize()[..16]))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An upload that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The worker's address.
    pub(crate) server: String,
    /// The file as people read it: what is no UTF-8 of its path is not kept.
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) url: UploadUrl,
    /// When it was begun, in seconds of the Unix epoch.
    pub(crate) begun: u64,
    /// A mark of the options of its message: it is not begun twice with different ones.
    pub(crate) options: String,
    /// A mark of whose it is.
    pub(crate) by: String,
    /// Whether the last bytes may have gone out: the file may be in the channel.
    pub(crate) ending: bool,
}

/// Seconds of the Unix epoch.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
