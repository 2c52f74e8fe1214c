//! The bytes of a file on their way to a client.

use std::convert::Infallible;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody, SizedStream};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use telestore::FileContent;

/// What ends a connection in the middle of a body.
#[derive(Debug, thiserror::Error)]
#[error("the file could not be read to its end")]
pub(super) struct BrokenOff;

/// Reads a range as the client takes it. What breaks it off is told here, once: the client sees no more of it than the end of its
/// connection.
pub(super) fn read(
    content: &FileContent,
    range: Range<u64>,
    request_id: String,
) -> SizedStream<impl Stream<Item = Result<Bytes, BrokenOff>> + use<>> {
    let length = range.end - range.start;
    let file = content.file().map(|file| file.id.to_string());
    let mut sent = 0;
    let bytes = content.read(range).map(move |piece| match piece {
        Ok(piece) => {
            sent += piece.len() as u64;
            Ok(piece)
        }
        Err(error) => {
            tracing::warn!(%request_id, file, sent, length, %error, "a download broke off");
            Err(BrokenOff)
        }
    });
    SizedStream::new(length, bytes)
}

/// The body of an answer to a `HEAD`: of all of it, only the length is told. A body with bytes in it would be read to its end.
pub(super) struct Length(pub(super) u64);

impl MessageBody for Length {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}
