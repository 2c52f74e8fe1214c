use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use telestore_types::{FileName, Secret};

use crate::Result;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ask {
    /// Where the file lies. It may have secrets in it.
    pub address: Secret,
    /// From which byte on it is wanted.
    pub from: u64,
    /// Of which version of it; see [`Told::version`].
    pub version: Option<String>,
}

impl Ask {
    /// All of the file at this address.
    pub fn new(address: Secret) -> Self {
        Self { address, from: 0, version: None }
    }

    /// The same file from byte `from` on, if it still is of this version.
    #[must_use]
    pub fn going_on(self, from: u64, version: impl Into<String>) -> Self {
        Self { from, version: Some(version.into()), ..self }
    }
}

/// What is known of a file whose bytes begin to come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Told {
    /// The byte that comes first: what was asked for, or 0 if only all of the file is to be had.
    pub from: u64,
    /// The length of the whole file in bytes, if it is known.
    pub length: Option<u64>,
    /// How its server calls it.
    pub file_name: Option<FileName>,
    /// Its type of content.
    pub mime_type: Option<String>,
    /// A name for these very bytes, by which a later [`Ask`] can go on; `None` if there is none.
    pub version: Option<String>,
}

impl Told {
    /// Nothing but that all of the file comes.
    pub fn new() -> Self {
        Self::default()
    }
}

/// Fetches files from where users say that they are.
#[async_trait]
pub trait Fetcher: fmt::Debug + Send + Sync + 'static {
    /// Looks at an address, without asking anybody, and gives the name that a file has by it, if by any.
    ///
    /// # Errors
    /// [`ErrorKind::Address`](crate::ErrorKind::Address) if nothing can, or may, be fetched from it.
    fn look_at(&self, address: &Secret) -> Result<Option<FileName>>;

    /// Begins to fetch.
    ///
    /// # Errors
    /// Why it cannot; [`Error::verdict`](crate::Error::verdict) says whether it may later.
    async fn fetch(&self, ask: Ask) -> Result<Box<dyn Fetched>>;
}

/// A file on its way here. Dropped, it ends.
#[async_trait]
pub trait Fetched: Send {
    /// What is known of it.
    fn told(&self) -> &Told;

    /// The next bytes, some hundred kilobytes at most; `None` behind the last.
    ///
    /// # Errors
    /// Why no more come. Those that came are right.
    async fn next(&mut self) -> Result<Option<Bytes>>;
}

impl fmt::Debug for dyn Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told().fmt(f)
    }
}
