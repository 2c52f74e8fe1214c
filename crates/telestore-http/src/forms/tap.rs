mod lines;

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::LocalBoxStream;

use crate::forms::blank_line::BlankLine;
use crate::forms::delimiter::{Delimiter, Found};
use crate::forms::head::PartHead;
use crate::shared::fault::{self, Fault};
use lines::{Line, Preamble};

/// The most bytes of a form beside its file: part headers, text fields, and whatever stands before the first boundary.
pub(crate) const MOST_BESIDE: usize = 1024 * 1024;

/// The most bytes of a part's head: more than the longest name in the longest of its spellings.
const MOST_HEAD: usize = 16 * 1024;

/// The head that actix-multipart gets: it only has to be one.
const SOME_HEAD: &[u8] = b"\r\nContent-Disposition: form-data; name=\"part\"\r\n\r\n";
const LAST_LINE: &[u8] = b"--\r\n";

type Read = Result<Bytes, PayloadError>;

/// A body on its way to actix-multipart, with a tap for the bytes of the file.
///
/// actix-multipart copies a body into a buffer of its own and looks at every CR in it. For the file's bytes that costs
/// more than all the rest, so they are taken out here, without a copy, while it reads everything else.
///
/// It also refuses boundaries and heads of parts that many clients write: those with blanks behind the boundary, names
/// in other charsets, headers in several lines. So lines with boundaries are found here, heads are read here
/// ([`take_head`](Self::take_head)), and it gets the plainest ones in their place.
///
/// When it hands a part out, it must have read its head and nothing behind it. So nothing more flows until somebody says
/// where the part's bytes go.
pub(crate) struct Tap {
    body: LocalBoxStream<'static, Read>,
    /// What was read and not yet handed on.
    rest: Bytes,
    /// What actix-multipart gets next, before anything else.
    ready: Option<Bytes>,
    delimiter: Delimiter,
    place: Place,
    /// The number of the part that is read, from 1.
    part: usize,
    /// The head of the part that is handed out next, and then the name of that part.
    head: Option<PartHead>,
    name: String,
    beside: usize,
    began: bool,
}

/// What stands before the first boundary.
#[derive(Debug)]
struct Before {
    preamble: Preamble,
    /// What was wrong with the first line that only began with a boundary: there may be no other.
    stray: Option<u8>,
}

#[derive(Debug)]
enum Place {
    Before(Before),
    /// Behind a boundary, in its line; with what may still come before the first if it is none.
    Line(Line, Option<Before>),
    Head(Vec<u8>, BlankLine),
    /// Behind the head of a part, and nobody has said yet where its bytes go.
    Shut,
    /// In the bytes of a part, which flow to actix-multipart.
    Text,
    /// In the bytes of the file, which flow past it.
    File,
    End,
}

impl Tap {
    pub(crate) fn new(body: impl Stream<Item = Read> + 'static, boundary: &str) -> Self {
        let delimiter = Delimiter::new(boundary);
        let before = Before { preamble: Preamble::new(delimiter.line()), stray: None };
        Self {
            body: Box::pin(body),
            rest: Bytes::new(),
            ready: None,
            delimiter,
            place: Place::Before(before),
            part: 1,
            head: None,
            name: String::new(),
            beside: 0,
            began: false,
        }
    }

    /// The head of the part that was just handed out.
    pub(crate) fn take_head(&mut self) -> Option<PartHead> {
        self.head.take()
    }

    /// Lets the bytes of the part that was just handed out flow to actix-multipart.
    pub(crate) fn let_through(&mut self) {
        // The parser may have gone ahead to the head of a part that it has not handed out yet.
        if matches!(self.place, Place::Shut) && self.head.is_none() {
            self.place = Place::Text;
        }
    }

    /// Opens the tap: the part that was just handed out is the file.
    pub(crate) fn open(&mut self) {
        self.place = Place::File;
    }

    /// The next bytes of the file; `None` at its end, from where everything else flows on to actix-multipart.
    pub(crate) fn poll_file(&mut self, cx: &mut Context<'_>) -> Poll<Option<Read>> {
        loop {
            match self.delimiter.next(&mut self.rest) {
                Found::Piece(piece) => return Poll::Ready(Some(Ok(piece))),
                Found::End => {
                    self.end_part();
                    return Poll::Ready(None);
                }
                Found::More => match ready!(self.poll_read(cx)) {
                    Ok(()) => {}
                    Err(error) => return Poll::Ready(Some(Err(error))),
                },
            }
        }
    }

    /// The next bytes for actix-multipart.
    pub(crate) fn poll_other(&mut self, cx: &mut Context<'_>) -> Poll<Option<Read>> {
        loop {
            if let Some(ready) = self.ready.take() {
                return Poll::Ready(Some(Ok(ready)));
            }
            match self.place {
                // The task that drives the parser polls it again, once something flows.
                Place::Shut | Place::File => return Poll::Pending,
                Place::End => return Poll::Ready(None),
                _ => {}
            }
            if let Err(error) = self.go_on() {
                return Poll::Ready(Some(Err(error.into())));
            }
            if self.rest.is_empty() && self.ready.is_none() && self.wants_more() {
                match ready!(self.poll_read(cx)) {
                    Ok(()) => {}
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            }
        }
    }

    fn wants_more(&self) -> bool {
        !matches!(self.place, Place::Shut | Place::File | Place::End)
    }

    /// Reads more of the body, of which nothing is left. When it ends, the form must have ended.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PayloadError>> {
        Poll::Ready(match ready!(self.body.as_mut().poll_next(cx)) {
            Some(Ok(read)) => {
                self.began |= !read.is_empty();
                self.rest = read;
                Ok(())
            }
            Some(Err(error)) => Err(error),
            None => self.end().map_err(PayloadError::from),
        })
    }

    fn end(&mut self) -> Result<(), Fault> {
        let part = match &self.place {
            Place::Line(line, _) if line.may_end() => return self.finish(),
            Place::Before(Before { stray: Some(byte), .. }) => {
                return Err(Fault::behind_delimiter(1, *byte));
            }
            Place::Before(_) if !self.began => return Err(Fault::Empty),
            Place::Before(_) => return Err(Fault::NoDelimiter(self.delimiter.shown())),
            Place::Text | Place::File | Place::Shut => fault::Place::Part(self.name.clone()),
            Place::Line(..) | Place::Head(..) | Place::End => fault::Place::Head(self.part),
        };
        Err(Fault::Cut { part, delimiter: self.delimiter.shown() })
    }

    /// Goes through what was read, up to something that is ready.
    fn go_on(&mut self) -> Result<(), Fault> {
        let before = self.rest.len();
        let went = self.take_rest();
        self.beside += before - self.rest.len();
        went.and(if self.beside > MOST_BESIDE { Err(Fault::MuchBeside(MOST_BESIDE)) } else { Ok(()) })
    }

    fn take_rest(&mut self) -> Result<(), Fault> {
        match &mut self.place {
            Place::Before(before) => {
                if before.preamble.find(&mut self.rest)
                    && let Place::Before(before) = std::mem::replace(&mut self.place, Place::End)
                {
                    self.place = Place::Line(Line::default(), Some(before));
                }
                Ok(())
            }
            Place::Line(line, before) => match line.next(&mut self.rest) {
                lines::Found::More => Ok(()),
                // RFC 2046 wants CR LF, and files put together in an editor or a shell end with LF. Nothing of the form
                // comes behind.
                lines::Found::Stray(b'\n') if before.is_none() && line.may_end() => self.finish(),
                lines::Found::Stray(byte) => {
                    let before = before.take();
                    self.skip_line(byte, before)
                }
                lines::Found::End => self.finish(),
                lines::Found::Part => {
                    self.ready = before.take().map(|_| self.delimiter.line());
                    self.place = Place::Head(Vec::new(), BlankLine::at_line_start());
                    Ok(())
                }
            },
            Place::Head(..) => self.take_head_bytes(),
            Place::Text => {
                match self.delimiter.next(&mut self.rest) {
                    Found::Piece(piece) => self.ready = Some(piece),
                    Found::End => self.end_part(),
                    Found::More => {}
                }
                Ok(())
            }
            Place::Shut | Place::File | Place::End => Ok(()),
        }
    }

    /// A line that begins with the boundary and does not go on as one should: before the first part it is one like any
    /// other, behind it nobody can tell what it is.
    fn skip_line(&mut self, byte: u8, before: Option<Before>) -> Result<(), Fault> {
        let mut before = before.ok_or(Fault::behind_delimiter(self.part, byte))?;
        before.preamble.skip_line();
        before.stray.get_or_insert(byte);
        self.place = Place::Before(before);
        Ok(())
    }

    /// The form has ended. What may follow is no part of it.
    fn finish(&mut self) -> Result<(), Fault> {
        let line = match &self.place {
            Place::Line(_, Some(Before { stray: Some(byte), .. })) => {
                return Err(Fault::behind_delimiter(1, *byte));
            }
            Place::Line(_, Some(_)) => self.delimiter.line(),
            _ => Bytes::new(),
        };
        self.ready = Some([&line[..], LAST_LINE].concat().into());
        self.place = Place::End;
        Ok(())
    }

    fn take_head_bytes(&mut self) -> Result<(), Fault> {
        let Place::Head(head, blank_line) = &mut self.place else { return Ok(()) };
        let end = blank_line.find(&self.rest);
        head.extend_from_slice(&self.rest.split_to(end.unwrap_or(self.rest.len())));
        if head.len() > MOST_HEAD {
            return Err(Fault::LongHead { part: self.part, limit: MOST_HEAD });
        }
        if end.is_some() {
            let head = PartHead::parse(head, self.part)?;
            self.name.clone_from(&head.name);
            self.head = Some(head);
            self.ready = Some(Bytes::from_static(SOME_HEAD));
            self.place = Place::Shut;
        }
        Ok(())
    }

    /// The delimiter behind a part was found, for actix-multipart to find too.
    fn end_part(&mut self) {
        self.part += 1;
        self.ready = Some(self.delimiter.text());
        self.place = Place::Line(Line::default(), None);
    }
}

/// The side of the tap that actix-multipart reads.
pub(crate) struct Other(pub(crate) std::rc::Rc<std::cell::RefCell<Tap>>);

impl Stream for Other {
    type Item = Read;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.borrow_mut().poll_other(cx)
    }
}
