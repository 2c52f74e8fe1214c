//! The stream of a range: blocks in flight, in their order.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::AbortOnDropHandle;

use super::blocks;
use super::message::OpenMessage;
use super::window::{Times, Window};
use crate::{ByteStream, Error, ErrorKind, MessageBytes, Result};

/// A block that was asked for.
struct Asked {
    read: AbortOnDropHandle<(Result<Bytes>, Times)>,
    /// Its place, unless it is the one that each stream has.
    place: Option<OwnedSemaphorePermit>,
}

/// A stream that is being read.
struct Flow {
    message: Arc<OpenMessage>,
    /// What was not asked for yet.
    rest: Range<u64>,
    asked: VecDeque<Asked>,
    window: Window,
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
        let flow = Flow { message: self, rest: range, asked: VecDeque::new(), window: Window::default() };
        stream::try_unfold(flow, async |mut flow| Ok(flow.next().await?.map(|bytes| (bytes, flow)))).boxed()
    }
}

impl Flow {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        self.ask();
        let Some(first) = self.asked.pop_front() else { return Ok(None) };
        let was_ready = first.read.is_finished();
        // It panicked, or the runtime goes away.
        let stopped = |_| Error::new(ErrorKind::Unavailable, "reading was stopped");
        let (read, times) = first.read.await.map_err(stopped)?;
        if !was_ready {
            self.window.was_waited_for(times);
        } else if self.asked.iter().all(|asked| asked.read.is_finished()) {
            self.window.were_all_ready();
        }
        // While the reader works on this one, the next ones come.
        self.ask();
        read.map(Some)
    }

    /// How many blocks have a place that others could have.
    fn places(&self) -> usize {
        self.asked.iter().filter(|asked| asked.place.is_some()).count()
    }

    /// Asks for as many blocks as there is room for.
    fn ask(&mut self) {
        while self.asked.len() < self.window.blocks() {
            let place = match self.asked.is_empty() {
                true => None,
                false => match self.message.budget.take(self.places()) {
                    Some(place) => Some(place),
                    None => return,
                },
            };
            let Some(block) = blocks::next(&self.rest) else { return };
            self.rest.start = block.wanted.end;
            let message = Arc::clone(&self.message);
            let asked = Instant::now();
            let read = AbortOnDropHandle::new(tokio::spawn(async move {
                let read = message.block(&block).await;
                (read, Times { asked, came: Instant::now() })
            }));
            self.asked.push_back(Asked { read, place });
        }
    }
}
