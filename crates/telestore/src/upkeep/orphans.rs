//! Chunks that were put and never recorded, or whose upload is over: nobody will read them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use telestore_store::BlobName;
use telestore_types::Timestamp;
use tokio::sync::Mutex;

use crate::shared::base::Base;
use crate::shared::bytes::Bytes;
use crate::shared::error::Result;

/// How many blobs are looked at together.
const PAGE: usize = 1000;

/// How many pages one sweep looks at.
const PAGES: usize = 20;

/// How many blobs may be suspected; what is found beyond that is suspected on another walk.
const MOST_SUSPECTS: usize = 100_000;

/// Finds orphans, page by page.
#[derive(Debug)]
pub(crate) struct Orphans {
    base: Arc<Base>,
    bytes: Arc<Bytes>,
    walk: Mutex<Walk>,
}

/// One walk over all that the chunk store holds.
///
/// A blob is deleted if two walks in a row have found it without a record. Its age alone is not enough: it is told by
/// another clock, which may be set forward between a put and its record.
#[derive(Debug, Default)]
struct Walk {
    began: Option<Timestamp>,
    /// How far it is; `None` if it has ended.
    after: Option<BlobName>,
    /// What this walk has found so far, and what the one before has found.
    suspects: HashSet<BlobName>,
    suspected: HashSet<BlobName>,
}

impl Orphans {
    pub(crate) fn new(base: Arc<Base>, bytes: Arc<Bytes>) -> Self {
        Self { base, bytes, walk: Mutex::default() }
    }

    /// Deletes all of them, however young, and says how many. For an engine that is alone and has taken in nothing yet:
    /// the worker that put these bytes is dead.
    pub(crate) async fn take_all(&self) -> Result<usize> {
        let (mut after, mut taken) = (None, 0);
        loop {
            let (page, last) = self.page(after.as_ref(), Duration::ZERO).await?;
            taken += page.len();
            if !page.is_empty() {
                self.bytes.chunks.delete(&page).await?;
            }
            match last {
                Some(last) => after = Some(last),
                None => return Ok(taken),
            }
        }
    }

    /// Goes on with the walk, or begins another one when it is time.
    pub(crate) async fn sweep(&self) -> Result<()> {
        let mut walk = self.walk.lock().await;
        let (now, grace) = (self.base.now(), self.base.config.orphan_grace);
        if walk.after.is_none() {
            if walk.began.is_some_and(|began| now.since(began) < grace / 4) {
                return Ok(());
            }
            walk.begin(now);
        }
        for _ in 0..PAGES {
            let (page, last) = self.page(walk.after.as_ref(), grace).await?;
            let (orphans, suspects): (Vec<_>, Vec<_>) =
                page.into_iter().partition(|blob| walk.suspected.contains(blob));
            let room = MOST_SUSPECTS.saturating_sub(walk.suspects.len());
            walk.suspects.extend(suspects.into_iter().take(room));
            if !orphans.is_empty() {
                tracing::info!(orphans = orphans.len(), "deleting chunks that no upload needs");
                self.bytes.chunks.delete(&orphans).await?;
            }
            walk.after = last;
            if walk.after.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// The blobs of a page that are old enough and that no upload needs, and the last name if there may be more.
    async fn page(
        &self,
        after: Option<&BlobName>,
        grace: Duration,
    ) -> Result<(Vec<BlobName>, Option<BlobName>)> {
        let blobs = self.bytes.chunks.list(after, PAGE).await?;
        let last = (blobs.len() >= PAGE).then(|| blobs.last().map(|blob| blob.name.clone())).flatten();
        let mut old: Vec<_> =
            blobs.into_iter().filter(|blob| blob.age >= grace).map(|blob| blob.name).collect();
        if !old.is_empty() {
            // Asked behind the list: what was recorded by then is needed.
            let named: HashSet<_> = self.base.sessions.named(&old).await?.into_iter().collect();
            old.retain(|blob| !named.contains(blob));
        }
        Ok((old, last))
    }
}

impl Walk {
    fn begin(&mut self, now: Timestamp) {
        self.began = Some(now);
        self.suspected = std::mem::take(&mut self.suspects);
    }
}
