use std::time::Duration;

use telestore_store::FileListing;
use telestore_types::{FileId, IndexedFile};

use crate::engine::Telestore;
use crate::files::FilePage;
use crate::files::content::FileContent;
use crate::files::link::FileLink;
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

    /// The bytes of a file of the caller.
    ///
    /// # Errors
    /// [`Error::FileGone`](crate::Error::FileGone), [`Error::Unreadable`](crate::Error::Unreadable),
    /// [`Error::TelegramUnavailable`](crate::Error::TelegramUnavailable); those of [`file`](Self::file).
    pub async fn content(&self, id: &FileId, caller: &Caller) -> Result<FileContent> {
        self.0.files.content(id, caller).await
    }

    /// The bytes that the channel has of a file of the caller: those of [`content`](Self::content), unless it was encrypted or compressed.
    ///
    /// # Errors
    /// Those of [`content`](Self::content).
    pub async fn raw_content(&self, id: &FileId, caller: &Caller) -> Result<FileContent> {
        self.0.files.raw_content(id, caller).await
    }

    /// The bytes of any messages in the caller's channel, one behind the other, by their numbers. If their name says that they are
    /// encrypted or compressed, and this worker can read that, it does.
    ///
    /// # Errors
    /// Those of [`content`](Self::content), but for [`Error::NoFile`](crate::Error::NoFile).
    pub async fn messages_content(&self, message_ids: &[i64], caller: &Caller) -> Result<FileContent> {
        self.0.files.messages(message_ids, caller).await
    }

    /// Makes a link that opens a file of the caller to whoever has it: for a second at least, and 30 days at most.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for another time; those of [`file`](Self::file).
    pub async fn link(&self, id: &FileId, lasts: Duration, caller: &Caller) -> Result<FileLink> {
        self.0.files.link(id, lasts, caller).await
    }

    /// The bytes of a file that [`FileLink::sealed`] opens.
    ///
    /// # Errors
    /// [`Error::DeadLink`](crate::Error::DeadLink); those of [`content`](Self::content).
    pub async fn linked_content(&self, id: &FileId, sealed: &str) -> Result<FileContent> {
        self.0.files.linked(id, sealed).await
    }

    /// Deletes a file of the caller, and forgets the upload that it was. When this returns, it is gone from the index for good, and its
    /// messages are taken back by whichever worker has the account, as often as that takes for seven days; or, with
    /// `keep_messages`, they stay.
    ///
    /// # Errors
    /// [`Conflict::State`](crate::Conflict::State) if nobody can see whether a message still is the file; those of
    /// [`file`](Self::file).
    pub async fn delete_file(&self, id: &FileId, keep_messages: bool, caller: &Caller) -> Result<()> {
        self.0.files.delete(id, keep_messages, caller).await
    }
}
