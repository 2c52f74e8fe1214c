use std::{fmt, io};

use actix_multipart::MultipartError;
use actix_web::error::PayloadError;
use telestore::types::Shown;

/// What is wrong with a form, in words for the person who wrote its client: which part, which header or byte, and what
/// would be right. None of this passes by itself, so nothing here says to send the same again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("Content-Type is missing: {RIGHT}")]
    NoContentType,
    /// The request has another `Content-Type`.
    #[error("Content-Type is {}: {RIGHT}", printable(.0))]
    NoForm(String),
    #[error("Content-Type is malformed: the quotes of {} do not end", printable(.0))]
    Quotes(String),
    #[error("Content-Type has no boundary: {RIGHT}")]
    NoBoundary,
    /// A boundary that no line can begin with.
    #[error(
        "Content-Type has the boundary {}, but one is made of letters, digits, blanks and '()+_,-./:=?",
        printable(.0)
    )]
    Boundary(String),
    #[error("form has no parts: the body is empty")]
    Empty,
    /// No line of the body is this one.
    #[error(
        "form has no parts: no line of the body begins with {}, two hyphens and the boundary of the Content-Type",
        printable(.0)
    )]
    NoDelimiter(String),
    /// The line of a boundary ends with LF alone.
    #[error(
        "form is malformed: the boundary before part {0} ends with LF alone; lines of a form end with CR LF"
    )]
    LineFeed(usize),
    /// Behind a boundary stands something else than an end of the line.
    #[error(
        "form is malformed: behind the boundary before part {part} stands '{}'; there may be blanks and CR LF, or two \
         hyphens at the end of the form",
        .byte.escape_ascii()
    )]
    BehindDelimiter { part: usize, byte: u8 },
    /// The body ends within a part, or before its head is whole.
    #[error(
        "form is not complete: the body ends within {part}; its last line must be {}--",
        printable(.delimiter)
    )]
    Cut { part: Place, delimiter: String },
    #[error("form is malformed: the headers of part {part} are over {limit} bytes")]
    LongHead { part: usize, limit: usize },
    /// A line of a part's head that is no header.
    #[error(
        "form is malformed: line {line} of the headers of part {part} is no header, as in Content-Type: text/plain"
    )]
    Line { part: usize, line: usize },
    /// The blank line behind a part's head ends with LF alone, and bytes follow.
    #[error(
        "form is malformed: line {line} of the headers of part {part} is blank and ends with LF alone; lines of a form \
         end with CR LF"
    )]
    BlankLine { part: usize, line: usize },
    #[error("form is malformed: part {0} has no Content-Disposition, {EXAMPLE}")]
    NoDisposition(usize),
    #[error(
        "form is malformed: the Content-Disposition of part {part} is {}; it must be form-data, {EXAMPLE}",
        printable(.is)
    )]
    Disposition { part: usize, is: String },
    #[error(
        "form is malformed: in the Content-Disposition of part {part} the quotes of {} do not end",
        printable(.name)
    )]
    PartQuotes { part: usize, name: String },
    #[error("form is malformed: the Content-Disposition of part {0} has no name, {EXAMPLE}")]
    NoName(usize),
    /// A part that is not sent as it is.
    #[error("{part} has {header}: {}, which is not decoded here: send its bytes as they are", printable(.is))]
    Encoded { part: Place, header: &'static str, is: String },
    /// More beside the file than there may be.
    #[error("form has over {0} bytes beside its file")]
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
    /// This byte stands behind the boundary before a part, in its line.
    pub(crate) fn behind_delimiter(part: usize, byte: u8) -> Self {
        if byte == b'\n' { Self::LineFeed(part) } else { Self::BehindDelimiter { part, byte } }
    }

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
