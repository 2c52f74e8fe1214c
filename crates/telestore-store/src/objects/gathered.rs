//! What of a blob has arrived and not gone yet, and the pieces that are on their way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use object_store::PutPayload;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::bucket::Bucket;
use super::layout::Layout;
use super::trouble::WHAT;
use super::waiting::Moment;
use crate::{Error, Result};

/// The unit of memory, in bytes.
pub(super) const BLOCK: usize = 64 * 1024;

/// How often pieces may become longer again. Each time makes the blob's name longer.
const MOST_GROWN: usize = 8;

/// How many changes of length there may be before memory is no more taken from a spool that stands still.
const MOST_PRESSED: usize = 32;

/// After how long what was gathered goes, be it little: a client may be slow.
const OLDEST_PIECE: Duration = Duration::from_secs(10 * 60);

/// How long a blob may stay without a new piece. Far less than that after which its pieces count as orphans.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 60 * 60);

/// After how long without a byte a spool stands still.
const STANDSTILL: Duration = Duration::from_millis(200);

/// Memory for one block, filled or not.
#[derive(Debug)]
struct Block {
    bytes: BytesMut,
    place: OwnedSemaphorePermit,
}

/// A blob that arrives. Its spool fills it; others, who need memory, may send what it holds.
#[derive(Debug)]
pub(super) struct Gathered {
    bucket: Arc<Bucket>,
    /// How many blocks of all blobs are on their way.
    flying: Arc<AtomicUsize>,
    state: Mutex<State>,
    landed: Notify,
}

#[derive(Debug)]
struct State {
    layout: Layout,
    /// How many blocks the next piece is to have.
    size: usize,
    blocks: Vec<Block>,
    /// When bytes came last.
    written: Instant,
    /// When a piece went last, or the blob began.
    sent: Moment,
    in_flight: usize,
    failed: Option<Error>,
    /// Whether the last piece was begun.
    is_ended: bool,
}

impl State {
    fn bytes(&self) -> u64 {
        self.blocks.iter().map(|block| block.bytes.len() as u64).sum()
    }

    /// What has gone wrong so far.
    fn check(&mut self) -> Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if self.sent.elapsed() > LONGEST_PAUSE {
            return Err(Error::unavailable(WHAT, "the chunk stood still for hours"));
        }
        Ok(())
    }

    /// How many blocks the next piece is to have, if this is the share.
    fn target(&mut self, share: usize) -> usize {
        if share < self.size || self.layout.changes() < MOST_GROWN {
            self.size = share;
        }
        self.size
    }
}

impl Gathered {
    pub(super) fn new(bucket: Arc<Bucket>, flying: Arc<AtomicUsize>) -> Self {
        let state = State {
            layout: Layout::new(),
            size: usize::MAX,
            blocks: Vec::new(),
            written: Instant::now(),
            sent: Moment::now(),
            in_flight: 0,
            failed: None,
            is_ended: false,
        };
        Self { bucket, flying, state: Mutex::new(state), landed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes as many bytes as its last block has room for; the others need another block. They are copied, since what came
    /// may pin a buffer that is larger than itself.
    pub(super) fn fill(&self, bytes: &mut Bytes) {
        let mut state = self.state();
        state.written = Instant::now();
        if let Some(block) = state.blocks.last_mut() {
            let taken = bytes.len().min(BLOCK - block.bytes.len());
            block.bytes.extend_from_slice(&bytes[..taken]);
            bytes.advance(taken);
        }
    }

    /// Adds an empty block.
    pub(super) fn add(&self, place: OwnedSemaphorePermit) {
        self.state().blocks.push(Block { bytes: BytesMut::with_capacity(BLOCK), place });
    }

    /// Sends what was gathered if that is a piece, or has waited for long. Says what has gone wrong so far.
    pub(super) fn look(self: &Arc<Self>, share: usize) -> Result<()> {
        let mut state = self.state();
        state.check()?;
        let is_old = state.sent.elapsed() > OLDEST_PIECE && state.layout.changes() < MOST_PRESSED;
        if !state.blocks.is_empty() && (state.blocks.len() >= state.target(share) || is_old) {
            self.cut(&mut state)?;
        }
        Ok(())
    }

    /// Sends what a spool holds that stands still, and says how many blocks that frees.
    pub(super) fn press(self: &Arc<Self>) -> usize {
        let mut state = self.state();
        let (held, is_still) = (state.blocks.len(), state.written.elapsed() >= STANDSTILL);
        let may = !state.is_ended && state.layout.changes() < MOST_PRESSED;
        if is_still && may && state.bytes() > 0 && self.cut(&mut state).is_ok() { held } else { 0 }
    }

    /// How many blocks it holds.
    pub(super) fn held(&self) -> usize {
        self.state().blocks.len()
    }

    /// Sends the last piece, with whatever is left, and waits until all are there.
    pub(super) async fn end(self: &Arc<Self>) -> Result<Layout> {
        {
            let mut state = self.state();
            state.check()?;
            let last = state.bytes();
            let key = state.layout.end(last);
            state.is_ended = true;
            self.send(&mut state, key);
        }
        self.settle().await;
        let mut state = self.state();
        state.failed.take().map_or_else(|| Ok(state.layout.clone()), Err)
    }

    /// Waits until nothing is on its way.
    pub(super) async fn settle(&self) {
        while self.state().in_flight > 0 {
            self.landed.notified().await;
        }
    }

    /// Returns when a piece has come to its end; for one caller at a time.
    pub(super) async fn landed(&self) {
        self.landed.notified().await;
    }

    /// The keys of all pieces that went.
    pub(super) fn keys(&self) -> Vec<String> {
        let state = self.state();
        let pieces = usize::try_from(state.layout.pieces()).unwrap_or(usize::MAX);
        state.layout.keys().take(pieces.saturating_add(usize::from(state.is_ended))).collect()
    }

    fn cut(self: &Arc<Self>, state: &mut State) -> Result<()> {
        if !state.layout.has_room() {
            return Err(Error::unavailable(WHAT, "the chunk has more pieces than a name can tell"));
        }
        let length = state.bytes();
        let key = state.layout.push(length);
        self.send(state, key);
        Ok(())
    }

    fn send(self: &Arc<Self>, state: &mut State, key: String) {
        state.sent = Moment::now();
        state.in_flight += 1;
        let (bytes, places): (Vec<Bytes>, Vec<_>) =
            state.blocks.drain(..).map(|block| (block.bytes.freeze(), block.place)).unzip();
        self.flying.fetch_add(places.len(), Ordering::AcqRel);
        // A runtime that stops drops the task.
        let failed = Some(Error::unavailable(WHAT, "the worker stops"));
        let flight = Flight { of: Arc::clone(self), places, failed };
        tokio::spawn(async move {
            let sent = flight.of.bucket.put(&key, PutPayload::from_iter(bytes)).await;
            flight.landed(sent);
        });
    }
}

/// A piece on its way. However that ends, its memory is given back and its blob told.
struct Flight {
    of: Arc<Gathered>,
    places: Vec<OwnedSemaphorePermit>,
    failed: Option<Error>,
}

impl Flight {
    fn landed(mut self, sent: Result<()>) {
        self.failed = sent.err();
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.of.flying.fetch_sub(self.places.len(), Ordering::AcqRel);
        self.places.clear();
        let mut state = self.of.state();
        state.in_flight -= 1;
        if let Some(error) = self.failed.take() {
            state.failed.get_or_insert(error);
        }
        drop(state);
        self.of.landed.notify_one();
    }
}
