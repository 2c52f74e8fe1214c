//! The stream of a range: blocks in flight, in their order.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::AbortOnDropHandle;

use super::blocks;
use super::message::OpenMessage;
use crate::{ByteStream, Error, ErrorKind, MessageBytes, Result};

/// How many blocks one stream has in flight or waiting at most: enough for 100 MB/s at a round trip of 80 ms.
const WINDOW_MAX: usize = 32;

/// How many blocks a stream begins with: half a mebibyte, which a player that only looks wants.
const WINDOW_FIRST: usize = 2;

/// A block that was asked for.
struct Asked {
    read: AbortOnDropHandle<Result<Bytes>>,
    /// Its place, unless it is the one that each stream has.
    _place: Option<OwnedSemaphorePermit>,
}

/// A stream that is being read.
struct Flow {
    message: Arc<OpenMessage>,
    /// What was not asked for yet.
    rest: Range<u64>,
    asked: VecDeque<Asked>,
    window: usize,
}

impl MessageBytes for OpenMessage {
    fn len(&self) -> u64 {
        self.length
    }

    fn file_name(&self) -> Option<String> {
        self.document().file_name.clone()
    }

    fn mime_type(&self) -> Option<String> {
        Some(self.document().mime_type.clone())
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> ByteStream {
        let flow = Flow { message: self, rest: range, asked: VecDeque::new(), window: WINDOW_FIRST };
        stream::try_unfold(flow, async |mut flow| Ok(flow.next().await?.map(|bytes| (bytes, flow)))).boxed()
    }
}

impl Flow {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        self.ask();
        let Some(first) = self.asked.pop_front() else { return Ok(None) };
        self.adapt(first.read.is_finished());
        let read = first.read.await;
        // While the reader works on this one, the next ones come.
        self.ask();
        match read {
            Ok(bytes) => bytes.map(Some),
            // It panicked, or the runtime goes away.
            Err(_) => Err(Error::new(ErrorKind::Unavailable, "reading was stopped")),
        }
    }

    /// Asks for as many blocks as there is room for.
    fn ask(&mut self) {
        while self.asked.len() < self.window {
            let place = match self.asked.is_empty() {
                true => None,
                false => match self.message.budget.take() {
                    Some(place) => Some(place),
                    None => return,
                },
            };
            let Some(block) = blocks::next(&self.rest) else { return };
            self.rest.start = block.wanted.end;
            let message = Arc::clone(&self.message);
            let read = AbortOnDropHandle::new(tokio::spawn(async move { message.block(&block).await }));
            self.asked.push_back(Asked { read, _place: place });
        }
    }

    /// Reads further ahead for a reader who had to wait, and less far for one who is slower than Telegram: what waits for it
    /// is memory that others need.
    fn adapt(&mut self, was_ready: bool) {
        let all_ready = was_ready && self.asked.iter().all(|asked| asked.read.is_finished());
        self.window = match was_ready {
            false => (self.window * 2).min(WINDOW_MAX),
            true if all_ready => (self.window - 1).max(1),
            true => self.window,
        };
    }
}
