use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::LocalBoxStream;

use crate::blank_line::BlankLine;
use crate::delimiter::{Delimiter, Found};

/// The most bytes of a form beside its file: part headers, text fields, and whatever stands before the first boundary.
pub(crate) const MOST_BESIDE: usize = 1024 * 1024;

/// A body on its way to actix-multipart, with a tap for the bytes of the file.
///
/// actix-multipart copies a body into a buffer of its own and looks at every CR in it. For the file's bytes that costs
/// more than all the rest, so they are taken out here, without a copy, while it parses everything else.
///
/// For this it must have read a part's headers and nothing behind them when it hands the part out. So it is given the
/// body in *passages*, each up to the next blank line, where headers end. The next passage is for it only once it
/// [asked](Self::next_passage) for more than it has: then it has understood the last one, and has no part to hand out.
pub(crate) struct Tap {
    body: LocalBoxStream<'static, Result<Bytes, PayloadError>>,
    /// What was read and not yet handed on.
    rest: Bytes,
    /// A delimiter that was found in the file's bytes, for actix-multipart to find too.
    found: Option<Bytes>,
    delimiter: Delimiter,
    blank_line: BlankLine,
    flow: Flow,
    beside: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// A passage flows to actix-multipart.
    Passage,
    /// It has had a passage.
    Shut {
        /// It needs more.
        asked: bool,
    },
    /// The file's bytes flow past it.
    File,
    /// Everything flows to it.
    Everything,
}

impl Tap {
    pub(crate) fn new(
        body: impl Stream<Item = Result<Bytes, PayloadError>> + 'static,
        boundary: &str,
    ) -> Self {
        Self {
            body: Box::pin(body),
            rest: Bytes::new(),
            found: None,
            delimiter: Delimiter::new(boundary),
            blank_line: BlankLine::default(),
            flow: Flow::Passage,
            beside: 0,
        }
    }

    /// Lets the next passage through, where it was asked for. Says whether it did.
    pub(crate) fn next_passage(&mut self) -> bool {
        let asked = self.flow == Flow::Shut { asked: true };
        if asked {
            self.flow = Flow::Passage;
        }
        asked
    }

    /// Opens the tap: the part that was just handed out is the file.
    pub(crate) fn open(&mut self) {
        self.flow = Flow::File;
    }

    /// Lets everything through from here on: what is left has no use for the tap.
    pub(crate) fn let_through(&mut self) {
        self.flow = Flow::Everything;
    }

    /// The next bytes of the file; `None` at its end, from where everything else flows on to actix-multipart.
    pub(crate) fn poll_file(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        loop {
            match self.delimiter.next(&mut self.rest) {
                Found::Piece(piece) => return Poll::Ready(Some(Ok(piece))),
                Found::End => {
                    self.found = Some(self.delimiter.text());
                    self.blank_line = BlankLine::default();
                    self.flow = Flow::Passage;
                    return Poll::Ready(None);
                }
                Found::More => match ready!(self.body.as_mut().poll_next(cx)) {
                    Some(Ok(read)) => self.rest = read,
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(Some(Err(PayloadError::Incomplete(None)))),
                },
            }
        }
    }

    /// The next bytes for actix-multipart.
    pub(crate) fn poll_other(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        match &mut self.flow {
            Flow::Passage | Flow::Everything => {}
            Flow::Shut { asked } => {
                // Whoever drives the parser sees this, and polls it again with the next passage.
                *asked = true;
                return Poll::Pending;
            }
            Flow::File => return Poll::Pending,
        }
        if let Some(found) = self.found.take() {
            return Poll::Ready(Some(Ok(found)));
        }
        if self.rest.is_empty() {
            match ready!(self.body.as_mut().poll_next(cx)) {
                Some(Ok(read)) => self.rest = read,
                end => return Poll::Ready(end),
            }
        }
        Poll::Ready(Some(self.passage()))
    }

    fn passage(&mut self) -> Result<Bytes, PayloadError> {
        if self.flow == Flow::Everything {
            return Ok(std::mem::take(&mut self.rest));
        }
        let piece = match self.blank_line.find(&self.rest) {
            Some(end) => {
                self.flow = Flow::Shut { asked: false };
                self.rest.split_to(end)
            }
            None => std::mem::take(&mut self.rest),
        };
        self.beside += piece.len();
        if self.beside > MOST_BESIDE { Err(PayloadError::Overflow) } else { Ok(piece) }
    }
}

/// The side of the tap that actix-multipart reads.
pub(crate) struct Other(pub(crate) std::rc::Rc<std::cell::RefCell<Tap>>);

impl Stream for Other {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.borrow_mut().poll_other(cx)
    }
}
