use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::mime;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use crate::tap::{Other, Tap};

type SharedTap = Rc<RefCell<Tap>>;

/// The parts of a form, parsed by actix-multipart; the bytes of one of them may [flow past it](Self::file).
pub(crate) struct Parts {
    multipart: Multipart,
    tap: SharedTap,
}

impl Parts {
    pub(crate) fn new(
        headers: &HeaderMap,
        body: impl Stream<Item = Result<Bytes, PayloadError>> + 'static,
    ) -> Self {
        // Without a boundary actix-multipart reads nothing, and has the words for why.
        let tap = Tap::new(body, &boundary(headers).unwrap_or_default());
        let tap = Rc::new(RefCell::new(tap));
        Self { multipart: Multipart::new(headers, Other(Rc::clone(&tap))), tap }
    }

    /// The headers of the next part. The part before it must have been read to its end.
    pub(crate) async fn next(&mut self) -> Option<Result<Field, MultipartError>> {
        poll_fn(|cx| drive(&self.tap, cx, |cx| self.multipart.poll_next_unpin(cx))).await
    }

    /// The bytes of the part that came last, to be copied into a buffer and searched at each line.
    pub(crate) fn text(&self, field: Field) -> Part {
        Part { field, tap: Rc::clone(&self.tap), tapped: false }
    }

    /// The bytes of the part that came last, as they were read.
    pub(crate) fn file(&self, field: Field) -> Part {
        // A part that declares its length ends there for actix-multipart, which must see its bytes for that. It does
        // not search them, and parts behind the file need no tap.
        let tapped = !field.headers().contains_key(CONTENT_LENGTH);
        let mut tap = self.tap.borrow_mut();
        if tapped {
            tap.open()
        } else {
            tap.let_through()
        }
        drop(tap);
        Part { field, tap: Rc::clone(&self.tap), tapped }
    }
}

/// The bytes of a part.
pub(crate) struct Part {
    field: Field,
    tap: SharedTap,
    tapped: bool,
}

impl Part {
    /// The next bytes, `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, MultipartError>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, MultipartError>>> {
        if self.tapped {
            if let Some(piece) = ready!(self.tap.borrow_mut().poll_file(cx)) {
                return Poll::Ready(Some(piece.map_err(MultipartError::from)));
            }
            self.tapped = false;
        }
        drive(&self.tap, cx, |cx| self.field.poll_next_unpin(cx))
    }
}

/// Polls the parser, with one passage after the other for as long as it asks for more.
fn drive<T>(
    tap: &SharedTap,
    cx: &mut Context<'_>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    loop {
        let polled = poll(cx);
        if polled.is_ready() || !tap.borrow_mut().next_passage() {
            return polled;
        }
    }
}

/// The boundary, found as actix-multipart finds it.
fn boundary(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?.parse::<mime::Mime>().ok()?;
    kind.get_param(mime::BOUNDARY).map(|boundary| boundary.as_str().to_owned())
}
