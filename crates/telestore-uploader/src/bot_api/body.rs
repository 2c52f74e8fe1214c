use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use telestore_types::{ByteSource, SourceError};
use tokio::sync::watch;

use crate::ProgressSink;
use crate::metrics::BOT_API_BYTES;

/// What is known about a body that a connection is taking.
#[derive(Debug)]
pub(super) struct BodyState {
    progress: Arc<dyn ProgressSink>,
    /// Counts the pieces that were asked for, so that a watchdog sees that something moves.
    pulse: watch::Sender<u64>,
    consumed: AtomicBool,
    highest: AtomicU64,
    source_error: Mutex<Option<SourceError>>,
}

impl BodyState {
    pub(super) fn new(progress: Arc<dyn ProgressSink>) -> Arc<Self> {
        Arc::new(Self {
            progress,
            pulse: watch::Sender::new(0),
            consumed: AtomicBool::new(false),
            highest: AtomicU64::new(0),
            source_error: Mutex::new(None),
        })
    }

    pub(super) fn pulse(&self) -> watch::Receiver<u64> {
        self.pulse.subscribe()
    }

    /// Whether the connection took all of the body; before that, Telegram cannot have accepted the file.
    pub(super) fn is_consumed(&self) -> bool {
        self.consumed.load(Ordering::SeqCst)
    }

    /// Starts over for a repeated request. What was reported stays reported: progress never goes back.
    pub(super) fn rewind(&self) {
        self.consumed.store(false, Ordering::SeqCst);
    }

    pub(super) fn take_source_error(&self) -> Option<SourceError> {
        self.source_error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn acknowledge(&self, bytes: u64) {
        let before = self.highest.fetch_max(bytes, Ordering::SeqCst);
        if before < bytes {
            BOT_API_BYTES.increment(bytes - before);
            self.progress.acknowledged(bytes);
        }
    }

    fn beat(&self) {
        self.pulse.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn source_failed(&self, error: SourceError) -> std::io::Error {
        *self.source_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        std::io::Error::other("the source cannot be read")
    }
}

/// The multipart body around a file that is read while it is sent.
#[derive(Debug)]
pub(super) struct Multipart {
    boundary: String,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Multipart {
    /// `fields` go before the file, so that a server can refuse the chat before it has taken the bytes.
    pub(super) fn new(fields: &[(&str, &str)], file_name: &str, mime_type: &str) -> Self {
        let boundary = format!("telestore-{:032x}", rand::random::<u128>());
        let mut head = String::new();
        for (name, value) in fields {
            head += &format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
        }
        head += &format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"document\"; filename=\"{}\"\r\n\
             Content-Type: {}\r\n\r\n",
            quoted(file_name),
            one_line(mime_type),
        );
        let tail = format!("\r\n--{boundary}--\r\n").into_bytes();
        Self { boundary, head: head.into_bytes(), tail }
    }

    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    pub(super) fn content_length(&self, file: u64) -> u64 {
        file + (self.head.len() + self.tail.len()) as u64
    }

    /// The body. A piece counts as acknowledged when the connection asks for the one behind it.
    pub(super) fn stream(
        self,
        source: Arc<dyn ByteSource>,
        piece: usize,
        state: Arc<BodyState>,
    ) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
        let head = Bytes::from(self.head);
        let tail = Bytes::from(self.tail);
        let file = stream::unfold(0, {
            let state = state.clone();
            move |offset| next_piece(source.clone(), offset, piece, state.clone())
        });
        let end = stream::once(async move {
            state.consumed.store(true, Ordering::SeqCst);
            state.beat();
            Ok(tail)
        });
        stream::once(async move { Ok(head) }).chain(file).chain(end)
    }
}

async fn next_piece(
    source: Arc<dyn ByteSource>,
    offset: u64,
    piece: usize,
    state: Arc<BodyState>,
) -> Option<(std::io::Result<Bytes>, u64)> {
    state.beat();
    // What the connection holds last may still be in its buffers: leave it out until it asks for more.
    state.acknowledge(offset.saturating_sub(piece as u64));
    let length = source.len().saturating_sub(offset).min(piece as u64);
    if length == 0 {
        return None;
    }
    // `length` is at most `piece`, which is a usize.
    let read = source.read_at(offset, length as usize).await;
    Some((read.map_err(|error| state.source_failed(error)), offset + length))
}

/// The Bot API reads names as raw UTF-8 in quotes with backslash escapes, and ignores `filename*`.
fn quoted(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('"', "\\\"")
}

fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;
    use telestore_types::BytesSource;

    use super::*;
    use crate::NoProgress;

    #[tokio::test]
    async fn the_announced_length_is_the_length_sent() {
        let form = Multipart::new(
            &[("chat_id", "-1001"), ("caption", "Uploaded: ä.txt")],
            "ä\"b\\.txt",
            "text/plain",
        );
        let announced = form.content_length(10);
        let state = BodyState::new(Arc::new(NoProgress));
        let source = Arc::new(BytesSource::new(&b"0123456789"[..]));
        let body: Vec<Bytes> = form.stream(source, 4, state.clone()).try_collect().await.unwrap();
        let body = body.concat();
        assert_eq!(body.len() as u64, announced);
        let text = String::from_utf8(body).unwrap();
        assert!(text.contains("filename=\"ä\\\"b\\\\.txt\""), "{text}");
        assert!(text.contains("\r\n\r\n0123456789\r\n--"), "{text}");
        assert!(state.is_consumed());
    }
}
