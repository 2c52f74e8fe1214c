//! What the index of files is asked for.

use telestore_types::{FileDigest, IndexedFile};

/// Which files of a user to list.
///
/// ```
/// # use telestore_store::FileListing;
/// let listing = FileListing::first(20).named("Holiday");
/// assert_eq!((listing.limit, listing.search.as_deref()), (20, Some("holiday")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileListing {
    /// Only those whose name has this in it, [folded](IndexedFile::folded) as the names are.
    pub search: Option<String>,
    /// Only those behind the file at this [place](IndexedFile::place), which was the last of an earlier page.
    pub before: Option<u64>,
    /// Only those with this digest and so many bytes.
    pub content: Option<(FileDigest, u64)>,
    /// How many to give at most.
    pub limit: u32,
}

impl FileListing {
    /// The newest so many.
    pub fn first(limit: u32) -> Self {
        Self { search: None, before: None, content: None, limit }
    }

    /// The same, of those whose name has this text in it; small and capital letters are the same.
    #[must_use]
    pub fn named(mut self, search: &str) -> Self {
        self.search = Some(IndexedFile::folded(search));
        self
    }

    /// The same, of those with this SHA-256 and so many bytes.
    #[must_use]
    pub fn with_content(mut self, sha256: FileDigest, bytes: u64) -> Self {
        self.content = Some((sha256, bytes));
        self
    }

    /// The same, of those behind this place.
    #[must_use]
    pub fn before(mut self, place: u64) -> Self {
        self.before = Some(place);
        self
    }
}
