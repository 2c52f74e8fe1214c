//! The index: files that completed uploads have become.

pub(crate) mod content;
mod delete;
pub(crate) mod link;

use std::sync::Arc;

use telestore_store::FileListing;
use telestore_types::{FileId, IndexedFile, Secret, TelegramCredentials};

use crate::shared::access::{Access, missing_token};
use crate::shared::backends::Backends;
use crate::shared::base::Base;
use crate::shared::caller::Caller;
use crate::shared::error::{Error, Result};

/// Some files of a user, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilePage {
    /// The files.
    pub files: Vec<IndexedFile>,
    /// Behind which place the next page begins; `None` if this is the last one.
    pub next: Option<u64>,
}

impl FilePage {
    /// The most files of a page, whatever is asked for.
    pub const MOST: u32 = 1000;
}

/// Finds files.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) base: Arc<Base>,
    pub(crate) access: Arc<Access>,
    pub(crate) backends: Arc<Backends>,
}

impl Files {
    pub(crate) async fn list(&self, listing: &FileListing, caller: &Caller) -> Result<FilePage> {
        let (user, _) = self.user(caller).await?;
        let limit = listing.limit.clamp(1, FilePage::MOST);
        let mut one_more = listing.clone();
        one_more.limit = limit + 1;
        let mut files = self.base.sessions.files(&user.user_id, &one_more).await?;
        let more = files.len() > limit as usize;
        files.truncate(limit as usize);
        let next = files.last().filter(|_| more).map(|last| last.place);
        Ok(FilePage { files, next })
    }

    pub(crate) async fn find(&self, id: &FileId, caller: &Caller) -> Result<IndexedFile> {
        let (user, _) = self.user(caller).await?;
        self.base.sessions.file(&user.user_id, id).await?.ok_or(Error::NoFile)
    }

    /// Files are somebody's, whatever the mode: nobody learns of them by an id alone.
    async fn user<'a>(&self, caller: &'a Caller) -> Result<(&'a Arc<TelegramCredentials>, &'a Secret)> {
        self.access.user_of(caller).await?.ok_or_else(missing_token)
    }
}
