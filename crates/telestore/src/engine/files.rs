use telestore_store::FileListing;
use telestore_types::{FileId, IndexedFile};

use crate::engine::Telestore;
use crate::files::FilePage;
use crate::shared::caller::Caller;
use crate::shared::error::Result;

/// Files: what completed uploads have become.
impl Telestore {
    /// Files of the caller, the newest first, [`FilePage::MOST`] at most.
    ///
    /// # Errors
    /// [`Error::Unauthorized`](crate::Error::Unauthorized) without a token, whatever the mode; those of
    /// [`authenticate`](Self::authenticate); [`Error::Storage`](crate::Error::Storage).
    pub async fn files(&self, listing: &FileListing, caller: &Caller) -> Result<FilePage> {
        self.0.files.list(listing, caller).await
    }

    /// One file of the caller.
    ///
    /// # Errors
    /// [`Error::NoFile`](crate::Error::NoFile), also for a file of somebody else; those of [`files`](Self::files).
    pub async fn file(&self, id: &FileId, caller: &Caller) -> Result<IndexedFile> {
        self.0.files.find(id, caller).await
    }
}
