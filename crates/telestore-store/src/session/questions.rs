//! What a session store is asked for.

use telestore_types::{Timestamp, Upload, UploadId, UploadState, UserId};

/// Which uploads to list.
///
/// ```
/// # use telestore_store::Listing;
/// # use telestore_types::UploadState;
/// let listing = Listing::first(20).in_state(UploadState::Failed);
/// assert_eq!(listing.limit, 20);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// Only those in this state.
    pub state: Option<UploadState>,
    /// Only those of this user.
    pub user: Option<UserId>,
    /// Only those whose file was [handed over](telestore_types::HandedOver), and whose message is looked for.
    pub handed_over: bool,
    /// Only those behind this one, which was the last of an earlier page.
    pub after: Option<Cursor>,
    /// How many of the first to leave out.
    pub skip: u32,
    /// How many to give at most.
    pub limit: u32,
}

/// The place of an upload in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cursor {
    /// When its state changed last or it got a chunk last.
    pub updated_at: Timestamp,
    /// Its id.
    pub id: UploadId,
}

impl Cursor {
    /// The place of this upload.
    pub fn of(upload: &Upload) -> Self {
        Self { updated_at: upload.updated_at, id: upload.id.clone() }
    }
}

impl Listing {
    /// The first so many of all uploads.
    pub fn first(limit: u32) -> Self {
        Self { limit, ..Self::default() }
    }

    /// The same, of those in this state.
    #[must_use]
    pub fn in_state(mut self, state: impl Into<Option<UploadState>>) -> Self {
        self.state = state.into();
        self
    }

    /// The same, of those of this user.
    #[must_use]
    pub fn of_user(mut self, user: impl Into<Option<UserId>>) -> Self {
        self.user = user.into();
        self
    }

    /// The same, of those whose message is looked for.
    #[must_use]
    pub fn handed_over(mut self) -> Self {
        self.handed_over = true;
        self
    }

    /// The same, behind this one.
    #[must_use]
    pub fn after(mut self, last: Cursor) -> Self {
        self.after = Some(last);
        self
    }

    /// The same, without the first so many.
    #[must_use]
    pub fn skipping(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }
}

/// Which uploads are past their time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expiry {
    /// Those in one of these states.
    pub states: Vec<UploadState>,
    /// Only those that nobody owns.
    pub unowned: bool,
    /// For which nothing happened since.
    pub before: Timestamp,
    /// How many at most; there may be more.
    pub limit: u32,
}

impl Expiry {
    /// Uploads in one of these states for which nothing happened since `before`, `limit` at most.
    pub fn new(states: impl Into<Vec<UploadState>>, before: Timestamp, limit: u32) -> Self {
        Self { states: states.into(), unowned: false, before, limit }
    }

    /// The same, of those that nobody owns.
    #[must_use]
    pub fn unowned(mut self) -> Self {
        self.unowned = true;
        self
    }
}
