use telestore_types::{FileId, IndexedFile};

use crate::engine::Telestore;
use crate::files::{FilePage, FileQuery};
use crate::shared::caller::Caller;
use crate::shared::error::Result;

/// Files: what completed uploads have become.
impl Telestore {
    /// Files of the caller, the newest first.
    ///
    /// # Errors
    /// [`Error::Unauthorized`](crate::Error::Unauthorized) without a token, whatever the mode; those of
    /// [`authenticate`](Self::authenticate); [`Error::Storage`](crate::Error::Storage).
    pub async fn files(&self, query: &FileQuery, caller: &Caller) -> Result<FilePage> {
        self.0.files.list(query, caller).await
    }

    /// One file of the caller.
    ///
    /// # Errors
    /// [`Error::NoFile`](crate::Error::NoFile), also for a file of somebody else; those of [`files`](Self::files).
    pub async fn file(&self, id: &FileId, caller: &Caller) -> Result<IndexedFile> {
        self.0.files.find(id, caller).await
    }

    /// Deletes a file of the caller. When this returns, it is gone from the index for good, and its messages are taken back by
    /// whichever worker has the account, as often as that takes.
    ///
    /// # Errors
    /// As [`file`](Self::file).
    pub async fn delete_file(&self, id: &FileId, caller: &Caller) -> Result<()> {
        self.0.files.delete(id, caller).await
    }
}
