//! A chunk on its way in: it is cut into pieces, which go to the store while others arrive.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use telestore_types::ContentDigest;
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::bucket::Bucket;
use super::budget::{Budget, Member};
use super::gathered::BLOCK;
use super::layout::Layout;
use super::waiting;
use crate::{Check, Digest, Result, Spool, SpooledChunk};

/// After how long somebody who waits for memory looks who stands still.
const PRESS: Duration = Duration::from_millis(100);

/// Gathers bytes in blocks of the budget, and sends pieces.
pub(super) struct ObjectSpool {
    bucket: Arc<Bucket>,
    member: Member,
    length: u64,
    digest: Digest,
    checks: Vec<Check>,
    /// Whether its pieces are somebody else's to take away.
    is_finished: bool,
}

impl ObjectSpool {
    pub(super) fn new(bucket: Arc<Bucket>, budget: &Arc<Budget>) -> Self {
        let member = budget.join(&bucket);
        Self { bucket, member, length: 0, digest: Digest::default(), checks: Vec::new(), is_finished: false }
    }

    /// Sends what makes a piece, and says what has gone wrong.
    fn look(&mut self) -> Result<()> {
        let share = self.member.share();
        self.member.gathered.look(share)
    }

    /// Gets a block for the bytes that come next.
    async fn make_room(&mut self) -> Result<()> {
        self.look()?;
        let (mut block, gathered) = (pin!(self.member.block()), Arc::clone(&self.member.gathered));
        let place = loop {
            tokio::select! {
                biased;
                place = &mut block => break place,
                () = gathered.landed() => self.look()?,
                // Others have come, and what waits here may be what they wait for.
                () = self.member.changed() => self.look()?,
                () = sleep(PRESS) => self.member.press(),
            }
        };
        gathered.add(place);
        Ok(())
    }

    /// Digests bytes a block at a time: the thread serves others.
    async fn digest(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(BLOCK) {
            self.digest.update(piece);
            self.checks.iter_mut().for_each(|check| check.update(piece));
            if !self.checks.is_empty() && piece.len() == BLOCK {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[async_trait]
impl Spool for ObjectSpool {
    fn expect(&mut self, digest: ContentDigest) {
        self.checks.push(Check::new(digest));
    }

    async fn write(&mut self, mut bytes: Bytes) -> Result<()> {
        self.length += bytes.len() as u64;
        self.digest(&bytes).await;
        loop {
            self.member.gathered.fill(&mut bytes);
            if bytes.is_empty() {
                return Ok(());
            }
            self.make_room().await?;
        }
    }

    async fn finish(mut self: Box<Self>) -> Result<SpooledChunk> {
        std::mem::take(&mut self.checks).into_iter().try_for_each(Check::finish)?;
        let layout = self.member.gathered.end().await?;
        self.is_finished = true;
        waiting::add(layout.id());
        let spooled = SpooledChunk::new(layout.name(), self.length, self.digest.value());
        Ok(spooled.guarded(Guard { bucket: Arc::clone(&self.bucket), layout }))
    }
}

impl Drop for ObjectSpool {
    fn drop(&mut self) {
        if self.is_finished || self.member.gathered.keys().is_empty() {
            return;
        }
        let gathered = Arc::clone(&self.member.gathered);
        // A request that was given up may still arrive behind the deletion, so each is waited for.
        take_away(&self.bucket, async move {
            gathered.settle().await;
            gathered.keys()
        });
    }
}

/// Takes a finished blob away when it is dropped, unless it was put.
struct Guard {
    bucket: Arc<Bucket>,
    layout: Layout,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if waiting::take(self.layout.id()).is_some() {
            take_away(&self.bucket, std::future::ready(self.layout.keys().collect()));
        }
    }
}

/// Deletes objects in the background; what is left if that fails is an orphan.
fn take_away(bucket: &Arc<Bucket>, keys: impl Future<Output = Vec<String>> + Send + 'static) {
    let Ok(runtime) = Handle::try_current() else { return };
    let bucket = Arc::clone(bucket);
    runtime.spawn(async move {
        if let Err(error) = bucket.delete(&keys.await).await {
            tracing::debug!(%error, "could not take away what a client left; it will be found as an orphan");
        }
    });
}
