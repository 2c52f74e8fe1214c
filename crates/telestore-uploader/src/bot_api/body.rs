use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use telestore_types::ByteSource;

use super::state::{BodyState, Phase};

/// The multipart body around a file that is read while it is sent.
#[derive(Debug)]
pub(super) struct Multipart {
    boundary: String,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Multipart {
    /// `fields` go before the file, so that a server can refuse the chat before it has taken the bytes.
    pub(super) fn new(
        fields: &[(&str, String)],
        thumbnail: Option<&[u8]>,
        part: &str,
        file_name: &str,
        mime_type: &str,
    ) -> Self {
        let boundary = boundary();
        let mut head = of_fields(&boundary, fields);
        if let Some(thumbnail) = thumbnail {
            let of_part = "name=\"thumbnail\"; filename=\"thumbnail.jpg\"\r\nContent-Type: image/jpeg";
            head.extend(
                format!("--{boundary}\r\nContent-Disposition: form-data; {of_part}\r\n\r\n").into_bytes(),
            );
            head.extend_from_slice(thumbnail);
            head.extend_from_slice(b"\r\n");
        }
        let of_file = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{part}\"; filename=\"{}\"\r\n\
             Content-Type: {}\r\n\r\n",
            quoted(file_name),
            one_line(mime_type),
        );
        head.extend(of_file.into_bytes());
        let tail = format!("\r\n--{boundary}--\r\n").into_bytes();
        Self { boundary, head, tail }
    }

    /// The same without a file.
    pub(super) fn of_fields(fields: &[(&str, String)]) -> Self {
        let boundary = boundary();
        Self {
            head: of_fields(&boundary, fields),
            tail: format!("--{boundary}--\r\n").into_bytes(),
            boundary,
        }
    }

    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    pub(super) fn content_length(&self, file: u64) -> u64 {
        file + (self.head.len() + self.tail.len()) as u64
    }

    /// The body. A piece counts as acknowledged when the connection asks for the one behind it. The end of the body,
    /// without which no server has a whole request, comes only after the commit.
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
        let end = stream::once(async move { state.commit().await.map(|()| tail) });
        stream::once(async move { Ok(head) }).chain(file).chain(end)
    }
}

fn boundary() -> String {
    format!("telestore-{:032x}", rand::random::<u128>())
}

fn of_fields(boundary: &str, fields: &[(&str, String)]) -> Vec<u8> {
    let field = |(name, value): &(&str, String)| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    fields.iter().map(field).collect::<String>().into_bytes()
}

async fn next_piece(
    source: Arc<dyn ByteSource>,
    offset: u64,
    piece: usize,
    state: Arc<BodyState>,
) -> Option<(std::io::Result<Bytes>, u64)> {
    if state.phase() == Phase::Closed {
        return Some((Err(std::io::Error::other("the request was given up")), offset));
    }
    state.beat();
    // What the connection holds last may still be in its buffers: leave it out until it asks for more.
    state.acknowledge(offset.saturating_sub(piece as u64));
    let length = source.len().saturating_sub(offset).min(piece as u64);
    if length == 0 {
        return None;
    }
    // `length` is at most `piece`, which is a usize.
    let read = source.read_at(offset, length as usize).await;
    Some((read.map_err(|error| state.fail(error.into())), offset + length))
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
    use std::sync::Mutex;
    use std::time::Duration;

    use async_trait::async_trait;
    use futures_util::TryStreamExt;
    use telestore_types::{BytesSource, ResumeState, Stage};

    use super::super::state::Told;
    use super::*;
    use crate::{Error, ErrorKind, NoProgress, ProgressSink, Result};

    fn form() -> Multipart {
        let fields = [("chat_id", "-1001".to_owned()), ("caption", "Uploaded: ä.txt".to_owned())];
        Multipart::new(&fields, Some(b"\xff\xd8"), "document", "ä\"b\\.txt", "text/plain")
    }

    fn body(form: Multipart, state: &Arc<BodyState>) -> impl Stream<Item = std::io::Result<Bytes>> + use<> {
        form.stream(Arc::new(BytesSource::new(&b"0123456789"[..])), 4, state.clone())
    }

    #[tokio::test]
    async fn the_announced_length_is_the_length_sent() {
        let announced = form().content_length(10);
        let state = BodyState::new(Told::new(Arc::new(NoProgress)), None);
        let body: Vec<Bytes> = body(form(), &state).try_collect().await.unwrap();
        let body = body.concat();
        assert_eq!(body.len() as u64, announced);
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains("filename=\"ä\\\"b\\\\.txt\""), "{text}");
        assert!(text.contains("\r\n\r\n0123456789\r\n--"), "{text}");
        assert!(!state.close(), "too late");
    }

    /// Answers each commit with what is sent to it.
    #[derive(Debug)]
    struct Slow(Mutex<Option<tokio::sync::oneshot::Receiver<Result<()>>>>);

    #[async_trait]
    impl ProgressSink for Slow {
        fn stage(&self, _: Stage) {}
        fn acknowledged(&self, _: u64) {}
        fn flood_wait(&self, _: Duration) {}
        async fn checkpoint(&self, _: ResumeState) -> Result<()> {
            Ok(())
        }
        async fn commit(&self, resume: Option<ResumeState>) -> Result<()> {
            assert_eq!(resume, None, "nobody could repeat it");
            let answer = self.0.lock().unwrap().take();
            answer.expect("one commit").await.unwrap()
        }
    }

    #[tokio::test]
    async fn the_end_of_the_body_waits_for_the_commit() {
        let (answer, commit) = tokio::sync::oneshot::channel();
        let state = BodyState::new(Told::new(Arc::new(Slow(Mutex::new(Some(commit))))), None);
        let announced = form().content_length(10);
        let mut body = std::pin::pin!(body(form(), &state));
        let mut taken = 0;
        while state.phase() != Phase::Committing {
            tokio::select! {
                biased;
                piece = body.next() => taken += piece.unwrap().unwrap().len() as u64,
                () = std::future::ready(()) => {}
            }
        }
        assert!(taken < announced, "{taken}");
        answer.send(Ok(())).unwrap();
        taken += body.next().await.unwrap().unwrap().len() as u64;
        assert_eq!((taken, state.phase()), (announced, Phase::Consumed));
    }

    #[tokio::test]
    async fn a_commit_that_fails_or_comes_too_late_ends_the_body() {
        for answered in [Err(Error::cancelled()), Ok(())] {
            let (answer, commit) = tokio::sync::oneshot::channel();
            let state = BodyState::new(Told::new(Arc::new(Slow(Mutex::new(Some(commit))))), None);
            let failed = answered.is_err();
            let mut body = std::pin::pin!(body(form(), &state));
            let mut pieces = Vec::new();
            while state.phase() != Phase::Committing {
                tokio::select! {
                    biased;
                    piece = body.next() => pieces.push(piece.unwrap().unwrap()),
                    () = std::future::ready(()) => {}
                }
            }
            if !failed {
                assert!(state.close(), "in time");
            }
            answer.send(answered).unwrap();
            assert!(body.next().await.unwrap().is_err());
            assert!(!pieces.concat().ends_with(b"--\r\n"));
            assert_eq!(
                state.take_failure().map(|error| error.kind()),
                failed.then_some(ErrorKind::Cancelled)
            );
            assert!(state.close());
        }
    }
}
