//! Reading blobs: a reader that goes on where it was finds its connection open, and the next piece on its way.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::bucket::{Body, Bucket};
use super::cloud::Act;
use super::layout::{Layout, Piece};
use super::trouble::Trouble;
use crate::{Error, Result};

/// How long a body may stand still.
const STANDSTILL: Duration = Duration::from_secs(15);

/// How many times in a row a body may break without giving a byte.
const MOST_BREAKS: u32 = 5;

/// The pause behind the first break; it doubles with each.
const PAUSE: Duration = Duration::from_millis(100);

/// Of this many reads it is remembered where they ended.
const MOST_PARKED: usize = 32;

/// How long a connection waits for its reader to go on.
const LONGEST_PARKED: Duration = Duration::from_secs(20);

/// A first read of so many bytes from the beginning of a blob is taken for the first of many.
const BEGINS: usize = 64 * 1024;

/// Reads of all blobs, and where they stopped.
#[derive(Debug)]
pub(super) struct Reading {
    bucket: Arc<Bucket>,
    parked: Mutex<Vec<(Instant, Flow)>>,
    is_watched: AtomicBool,
}

impl Reading {
    pub(super) fn new(bucket: Arc<Bucket>) -> Arc<Self> {
        Arc::new(Self { bucket, parked: Mutex::default(), is_watched: AtomicBool::new(false) })
    }

    /// Reads a range that is wholly in the blob, and not empty.
    pub(super) async fn read(self: &Arc<Self>, layout: Layout, offset: u64, length: usize) -> Result<Bytes> {
        let mut flow = match self.take(&layout, offset) {
            Some(parked) => Flow { goes_on: true, ..parked },
            None => Flow::new(layout, offset, offset == 0 && length >= BEGINS),
        };
        let bytes = flow.read(&self.bucket, length).await?;
        if flow.offset < flow.layout.length() {
            self.park(flow);
        }
        Ok(bytes)
    }

    fn parked(&self) -> MutexGuard<'_, Vec<(Instant, Flow)>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, layout: &Layout, offset: u64) -> Option<Flow> {
        let mut parked = self.parked();
        let at = parked.iter().position(|(_, flow)| flow.offset == offset && flow.layout == *layout)?;
        Some(parked.remove(at).1)
    }

    fn park(self: &Arc<Self>, flow: Flow) {
        let mut parked = self.parked();
        if parked.len() >= MOST_PARKED {
            parked.remove(0);
        }
        parked.push((Instant::now(), flow));
        drop(parked);
        if !self.is_watched.swap(true, Ordering::AcqRel) {
            let reading = Arc::downgrade(self);
            tokio::spawn(async move {
                loop {
                    sleep(LONGEST_PARKED / 2).await;
                    let Some(reading) = reading.upgrade() else { return };
                    let mut parked = reading.parked();
                    parked.retain(|(since, _)| since.elapsed() < LONGEST_PARKED);
                    if parked.is_empty() {
                        // Under the lock: who parks next looks at it behind.
                        reading.is_watched.store(false, Ordering::Release);
                        return;
                    }
                }
            });
        }
    }
}

/// A body that is read, and what is left of it.
struct Open {
    body: Body,
    left: u64,
}

/// One reader's way through a blob.
struct Flow {
    layout: Layout,
    offset: u64,
    /// Whether more will be read than was asked for so far.
    goes_on: bool,
    open: Option<Open>,
    /// What came already, from `offset` on.
    rest: Bytes,
    /// The next piece, asked for while this one is read.
    next: Option<(Range<u64>, JoinSet<Result<Body>>)>,
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flow").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl Flow {
    fn new(layout: Layout, offset: u64, goes_on: bool) -> Self {
        Self { layout, offset, goes_on, open: None, rest: Bytes::new(), next: None }
    }

    async fn read(&mut self, bucket: &Arc<Bucket>, length: usize) -> Result<Bytes> {
        let end = self.offset + length as u64;
        let mut gathered = BytesMut::new();
        loop {
            if self.rest.is_empty() {
                self.rest = self.more(bucket, end).await?;
            }
            let taken = self.rest.split_to(self.rest.len().min(length - gathered.len()));
            self.offset += taken.len() as u64;
            if gathered.is_empty() && taken.len() == length {
                return Ok(taken);
            }
            gathered.reserve(length - gathered.len());
            gathered.extend_from_slice(&taken);
            if gathered.len() == length {
                return Ok(gathered.freeze());
            }
        }
    }

    /// The bytes that come next, at least one. A body that breaks is opened again where it broke.
    async fn more(&mut self, bucket: &Arc<Bucket>, end: u64) -> Result<Bytes> {
        let mut breaks = 0;
        loop {
            let mut open = match self.open.take() {
                Some(open) => open,
                None => self.open(bucket, end).await?,
            };
            let trouble = match timeout(STANDSTILL, open.body.next()).await {
                Ok(Some(Ok(bytes))) if bytes.len() as u64 > open.left => Trouble::other_length(),
                Ok(Some(Ok(bytes))) => {
                    open.left -= bytes.len() as u64;
                    if open.left > 0 {
                        self.open = Some(open);
                    }
                    if bytes.has_remaining() {
                        return Ok(bytes);
                    }
                    continue;
                }
                Ok(Some(Err(error))) => Trouble::of(&error),
                Ok(None) => Trouble::other_length(),
                Err(_) => Trouble::late(STANDSTILL),
            };
            breaks += 1;
            if breaks >= MOST_BREAKS {
                return Err(bucket.error(Act::Read, trouble));
            }
            tracing::debug!(%trouble, "the body of an object broke, going on where it did");
            sleep(PAUSE * (1 << breaks)).await;
        }
    }

    /// Opens the piece that holds the next byte: to its end for a reader that goes on.
    async fn open(&mut self, bucket: &Arc<Bucket>, end: u64) -> Result<Open> {
        let piece = self.layout.piece_at(self.offset).ok_or(Error::Missing)?;
        let piece_end = piece.start + piece.length;
        let upto = if self.goes_on { piece_end } else { piece_end.min(end) };
        let range = self.offset - piece.start..upto - piece.start;
        let asked = self.next.take().filter(|(of, _)| *of == (self.offset..upto));
        let body = match asked {
            Some((_, mut asked)) => match asked.join_next().await {
                Some(Ok(opened)) => opened?,
                _ => bucket.open(&piece.key, range.clone()).await?,
            },
            None => bucket.open(&piece.key, range.clone()).await?,
        };
        if self.goes_on {
            self.next = self.layout.piece_at(piece_end).map(|next| ask(bucket, next));
        }
        Ok(Open { body, left: range.end - range.start })
    }
}

/// Asks for a piece in the background; dropped, the question is taken back.
fn ask(bucket: &Arc<Bucket>, piece: Piece) -> (Range<u64>, JoinSet<Result<Body>>) {
    let bucket = Arc::clone(bucket);
    let mut asked = JoinSet::new();
    let range = piece.start..piece.start + piece.length;
    asked.spawn(async move { bucket.open(&piece.key, 0..piece.length).await });
    (range, asked)
}
