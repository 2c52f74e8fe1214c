use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use crate::forms::boundary;
use crate::forms::head::PartHead;
use crate::forms::tap::{Other, Tap};
use crate::shared::fault::Fault;

type SharedTap = Rc<RefCell<Tap>>;

/// The parts of a form, taken apart by actix-multipart; the bytes of one of them may [flow past it](Self::file).
pub(crate) struct Parts {
    multipart: Multipart,
    tap: SharedTap,
}

impl Parts {
    /// The parts of a body whose request has these headers.
    pub(crate) fn new(
        headers: &HeaderMap,
        body: impl Stream<Item = Result<Bytes, PayloadError>> + 'static,
    ) -> Result<Self, Fault> {
        let boundary = boundary::of_request(headers)?;
        let tap = Rc::new(RefCell::new(Tap::new(body, &boundary)));
        // As actix-multipart reads it, whatever the client wrote around it.
        let kind = HeaderValue::from_str(&format!("multipart/form-data; boundary=\"{boundary}\""));
        let mut plain = HeaderMap::new();
        plain.insert(CONTENT_TYPE, kind.map_err(|_| Fault::Boundary(boundary))?);
        Ok(Self { multipart: Multipart::new(&plain, Other(Rc::clone(&tap))), tap })
    }

    /// The next part: its head, and what [`text`](Self::text) or [`file`](Self::file) make its bytes of. The part
    /// before it must have been read to its end.
    pub(crate) async fn next(&mut self) -> Option<Result<(PartHead, Field), MultipartError>> {
        self.tap.borrow_mut().let_through();
        let field = match self.multipart.next().await? {
            Ok(field) => field,
            Err(error) => return Some(Err(error)),
        };
        // Each part that it hands out has had its head from the tap.
        let head = self.tap.borrow_mut().take_head().ok_or(MultipartError::Incomplete);
        Some(head.map(|head| (head, field)))
    }

    /// The bytes of the part that came last, to be copied into a buffer and searched at each line.
    pub(crate) fn text(&self, field: Field) -> Part {
        self.tap.borrow_mut().let_through();
        Part { field, tap: Rc::clone(&self.tap), tapped: false }
    }

    /// The bytes of the part that came last, as they were read.
    pub(crate) fn file(&self, field: Field) -> Part {
        self.tap.borrow_mut().open();
        Part { field, tap: Rc::clone(&self.tap), tapped: true }
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
        self.field.poll_next_unpin(cx)
    }
}
