use std::{fmt, io};

use actix_multipart::MultipartError;
use actix_web::error::PayloadError;
use telestore::types::Shown;

/// What is wrong with a form, in words for the person who wrote its client: which part, which header or byte, and what
/// would be right. None of this passes by itself, so nothing here says to send the same again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The request has no `Content-Type`, or another one.
    NoForm(Option<String>),
    /// The quotes of this parameter of the `Content-Type` do not end.
    Quotes(String),
    NoBoundary,
    /// A boundary that no line can begin with.
    Boundary(String),
    Empty,
    /// No line of the body begins with the boundary.
    NoDelimiter(String),
    /// Behind a boundary stands something else than an end of the line.
    BehindDelimiter {
        part: usize,
        byte: u8,
    },
    /// The body ends within a part, or before its head is whole.
    Cut {
        part: Place,
        delimiter: String,
    },
    LongHead {
        part: usize,
        limit: usize,
    },
    /// A line of a part's head that is no header.
    Line {
        part: usize,
        line: usize,
    },
    /// The blank line behind a part's head ends with LF alone, and bytes follow.
    BlankLine {
        part: usize,
        line: usize,
    },
    NoDisposition(usize),
    Disposition {
        part: usize,
        is: String,
    },
    /// The quotes of a parameter of a part's disposition do not end.
    PartQuotes {
        part: usize,
        name: String,
    },
    NoName(usize),
    /// A part that is not sent as it is.
    Encoded {
        part: Place,
        header: &'static str,
        is: String,
    },
    /// More beside the file than there may be.
    MuchBeside(usize),
}

/// A place in a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The head of the part of this number.
    Head(usize),
    /// The bytes of the part of this name.
    Part(String),
}

impl Fault {
    /// Whether it is about an encoding that is not taken (415).
    pub(crate) fn is_unsupported(&self) -> bool {
        matches!(self, Self::Encoded { .. })
    }

    /// The one that a body ended with.
    pub(crate) fn of(error: &MultipartError) -> Option<&Self> {
        match error {
            MultipartError::Payload(PayloadError::Io(error)) => error.get_ref()?.downcast_ref(),
            _ => None,
        }
    }
}

impl std::error::Error for Fault {}

/// On its way through actix-multipart.
impl From<Fault> for PayloadError {
    fn from(fault: Fault) -> Self {
        Self::Io(io::Error::other(fault))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(number) => write!(f, "the headers of part {number}"),
            Self::Part(name) => write!(f, "part {}", printable(name)),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoForm(None) => write!(f, "Content-Type is missing: {RIGHT}"),
            Self::NoForm(Some(kind)) => write!(f, "Content-Type is {}: {RIGHT}", printable(kind)),
            Self::Quotes(name) => {
                write!(f, "Content-Type is malformed: the quotes of {} do not end", printable(name))
            }
            Self::NoBoundary => write!(f, "Content-Type has no boundary: {RIGHT}"),
            Self::Boundary(boundary) => write!(
                f,
                "Content-Type has the boundary {}, but one is made of letters, digits, blanks and '()+_,-./:=?",
                printable(boundary)
            ),
            Self::Empty => f.write_str("form has no parts: the body is empty"),
            Self::NoDelimiter(delimiter) => write!(
                f,
                "form has no parts: no line of the body begins with {}, two hyphens and the boundary of the Content-Type",
                printable(delimiter)
            ),
            Self::BehindDelimiter { part, byte: b'\n' } => write!(
                f,
                "form is malformed: the boundary before part {part} ends with LF alone; lines of a form end with CR LF"
            ),
            Self::BehindDelimiter { part, byte } => write!(
                f,
                "form is malformed: behind the boundary before part {part} stands '{}'; there may be blanks and CR LF, \
                 or two hyphens at the end of the form",
                byte.escape_ascii()
            ),
            Self::Cut { part, delimiter } => write!(
                f,
                "form is not complete: the body ends within {part}; its last line must be {}--",
                printable(delimiter)
            ),
            Self::LongHead { part, limit } => {
                write!(f, "form is malformed: the headers of part {part} are over {limit} bytes")
            }
            Self::Line { part, line } => write!(
                f,
                "form is malformed: line {line} of the headers of part {part} is no header, as in \
                 Content-Type: text/plain"
            ),
            Self::BlankLine { part, line } => write!(
                f,
                "form is malformed: line {line} of the headers of part {part} is blank and ends with LF alone; lines of \
                 a form end with CR LF"
            ),
            Self::NoDisposition(part) => {
                write!(f, "form is malformed: part {part} has no Content-Disposition, {EXAMPLE}")
            }
            Self::Disposition { part, is } => write!(
                f,
                "form is malformed: the Content-Disposition of part {part} is {}; it must be form-data, {EXAMPLE}",
                printable(is)
            ),
            Self::PartQuotes { part, name } => write!(
                f,
                "form is malformed: in the Content-Disposition of part {part} the quotes of {} do not end",
                printable(name)
            ),
            Self::NoName(part) => {
                write!(f, "form is malformed: the Content-Disposition of part {part} has no name, {EXAMPLE}")
            }
            Self::Encoded { part, header, is } => write!(
                f,
                "{part} has {header}: {}, which is not decoded here: send its bytes as they are",
                printable(is)
            ),
            Self::MuchBeside(limit) => write!(f, "form has over {limit} bytes beside its file"),
        }
    }
}

const RIGHT: &str = "this call takes a form, multipart/form-data; boundary=…";
const EXAMPLE: &str = "as in Content-Disposition: form-data; name=\"userId\"";

/// A client's words, fit for an answer.
pub(crate) fn printable(text: &str) -> String {
    const SHOWN: usize = 80;
    let mut shown = Shown(&text.chars().take(SHOWN).collect::<String>()).to_string();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
