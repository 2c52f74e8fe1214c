//! What is to be fetched, as the rows keep it: sealed, since addresses have secrets in them.

use serde::{Deserialize, Serialize};
use telestore_types::{Secret, StorageKey, Upload};

use crate::shared::seal::{SealError, Sealer};

/// Where the bytes of an upload are fetched from, and how that went so far.
#[derive(Serialize, Deserialize)]
pub(crate) struct Source {
    address: String,
    /// Whether the client has named the file.
    pub(crate) named: bool,
    /// Of which version of the file the bytes are that are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// How often in a row it did not work, without a byte more.
    #[serde(default)]
    pub(crate) failures: u32,
}

impl Source {
    pub(crate) fn new(address: Secret, named: bool) -> Self {
        Self { address: address.expose().to_owned(), named, version: None, failures: 0 }
    }

    pub(crate) fn address(&self) -> Secret {
        Secret::new(self.address.clone())
    }

    pub(crate) fn seal(&self, sealer: &Sealer, key: &StorageKey) -> Result<Vec<u8>, SealError> {
        // Of texts and numbers: it does not fail.
        sealer.seal(key, &Secret::new(serde_json::to_string(self).unwrap_or_default()))
    }

    /// What the row of an upload says; `None` if it cannot be opened.
    pub(crate) fn open(sealer: &Sealer, upload: &Upload) -> Option<Self> {
        let opened = sealer.open(&upload.key, upload.source.as_deref()?).ok()?;
        serde_json::from_str(opened.expose()).ok()
    }
}
