//! The index: files that completed uploads have become.

pub(crate) mod content;
mod delete;
pub(crate) mod link;

use std::sync::Arc;

use telestore_store::FileListing;
use telestore_types::{FileId, IndexedFile, TelegramCredentials};

use crate::shared::access::{Access, missing_token};
use crate::shared::backends::Backends;
use crate::shared::base::Base;
use crate::shared::caller::Caller;
use crate::shared::error::{Error, Result};

/// The most files of a page.
pub(crate) const PAGE_MAX: u32 = 1000;

/// Which files of the caller to list.
///
/// ```
/// # use telestore::FileQuery;
/// let query = FileQuery::first(20).named("holiday");
/// assert_eq!((query.limit, query.search.as_deref()), (20, Some("holiday")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileQuery {
    /// How many to give at most; a page has 1000 at most.
    pub limit: u32,
    /// Only those whose name has this text in it; small and capital letters are the same.
    pub search: Option<String>,
    /// Only those behind this [place](IndexedFile::place): [`FilePage::next`] of the page before.
    pub before: Option<u64>,
}

impl FileQuery {
    /// The newest so many.
    pub fn first(limit: u32) -> Self {
        Self { limit, search: None, before: None }
    }

    /// The same, of those whose name has this text in it.
    #[must_use]
    pub fn named(mut self, search: impl Into<String>) -> Self {
        self.search = Some(search.into());
        self
    }

    /// The same, behind this place.
    #[must_use]
    pub fn before(mut self, place: u64) -> Self {
        self.before = Some(place);
        self
    }
}

/// Some files of a user, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilePage {
    /// The files.
    pub files: Vec<IndexedFile>,
    /// Behind which place the next page begins; `None` if this is the last one.
    pub next: Option<u64>,
}

/// Finds files.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) base: Arc<Base>,
    pub(crate) access: Arc<Access>,
    pub(crate) backends: Arc<Backends>,
}

impl Files {
    pub(crate) async fn list(&self, query: &FileQuery, caller: &Caller) -> Result<FilePage> {
        let user = self.user(caller).await?;
        let limit = query.limit.clamp(1, PAGE_MAX);
        // One more than asked for tells whether there is a next page.
        let mut listing = FileListing::first(user.user_id.clone(), limit + 1).before(query.before);
        if let Some(search) = &query.search {
            listing = listing.named(search);
        }
        let mut files = self.base.sessions.files(&listing).await?;
        let more = files.len() > limit as usize;
        files.truncate(limit as usize);
        let next = files.last().filter(|_| more).map(|last| last.place);
        Ok(FilePage { files, next })
    }

    pub(crate) async fn find(&self, id: &FileId, caller: &Caller) -> Result<IndexedFile> {
        let user = self.user(caller).await?;
        self.base.sessions.file(&user.user_id, id).await?.ok_or(Error::NoFile)
    }

    /// Files are somebody's, whatever the mode: nobody learns of them by an id alone.
    async fn user<'a>(&self, caller: &'a Caller) -> Result<&'a Arc<TelegramCredentials>> {
        self.access.user_of(caller).await?.map(|(user, _)| user).ok_or_else(missing_token)
    }
}
