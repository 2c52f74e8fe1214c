//! The lines of a form that hold boundaries.

use bytes::{Buf, Bytes};

/// Finds the first boundary of a form, behind whatever stands before it.
#[derive(Debug)]
pub(super) struct Preamble {
    /// Two hyphens and the boundary.
    text: Bytes,
    /// How many bytes of it the line so far consists of; `None` for another line.
    seen: Option<usize>,
}

impl Preamble {
    pub(super) fn new(text: Bytes) -> Self {
        Self { text, seen: Some(0) }
    }

    /// The line that was found does not go on as it should: it is one like any other.
    pub(super) fn skip_line(&mut self) {
        self.seen = None;
    }

    /// Takes bytes from the front of `rest`; says whether the boundary ends there.
    pub(super) fn find(&mut self, rest: &mut Bytes) -> bool {
        while let Some(&byte) = rest.first() {
            match self.seen {
                Some(seen) if self.text[seen] == byte => {
                    rest.advance(1);
                    self.seen = Some(seen + 1).filter(|seen| *seen < self.text.len());
                    if self.seen.is_none() {
                        return true;
                    }
                }
                _ => {
                    let end = memchr::memchr(b'\n', rest);
                    rest.advance(end.map_or(rest.len(), |end| end + 1));
                    self.seen = end.map(|_| 0);
                }
            }
        }
        false
    }
}

/// What stands behind a boundary in its line: two hyphens at the end of the form, and blanks that a mail gateway may have
/// added ([RFC 2046, 5.1.1](https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1): transport padding).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Line {
    /// Nothing so far.
    #[default]
    Start,
    Hyphen,
    /// Blanks, and the CR.
    Padding,
    Cr,
    /// Two hyphens and blanks, and the CR. What follows is no part of the form, and nobody reads it.
    Hyphens,
    LastCr,
}

/// What a line turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A part's head follows.
    Part,
    /// The form has ended.
    End,
    /// Nothing that can be told without more bytes.
    More,
    /// This byte has no place there. It was not taken.
    Stray(u8),
}

impl Line {
    /// Takes bytes from the front of `rest`.
    pub(super) fn next(&mut self, rest: &mut Bytes) -> Found {
        while let Some(&byte) = rest.first() {
            *self = match (*self, byte) {
                (Self::Start | Self::Padding, b' ' | b'\t') => Self::Padding,
                (Self::Start | Self::Padding, b'\r') => Self::Cr,
                (Self::Start, b'-') => Self::Hyphen,
                (Self::Hyphen, b'-') => Self::Hyphens,
                (Self::Hyphens, b' ' | b'\t') => Self::Hyphens,
                (Self::Hyphens, b'\r') => Self::LastCr,
                (Self::Cr, b'\n') => {
                    rest.advance(1);
                    return Found::Part;
                }
                (Self::LastCr, b'\n') => return Found::End,
                (_, byte) => return Found::Stray(byte),
            };
            rest.advance(1);
        }
        Found::More
    }

    /// Whether a body may end here.
    pub(super) fn may_end(self) -> bool {
        matches!(self, Self::Hyphens | Self::LastCr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `text` cut at `cut`.
    fn line(text: &'static [u8], cut: usize) -> (Found, Line) {
        let (mut line, mut found) = (Line::default(), Found::More);
        for piece in [&text[..cut], &text[cut..]] {
            let mut rest = Bytes::from_static(piece);
            if found == Found::More {
                found = line.next(&mut rest);
            }
        }
        (found, line)
    }

    #[test]
    fn lines_are_read_wherever_the_reads_cut_them() {
        for (text, expected) in [
            (&b"\r\n"[..], Found::Part),
            (b" \t \r\n", Found::Part),
            (b"--\r\n", Found::End),
            (b"--  \r\n", Found::End),
            (b"--\n", Found::Stray(b'\n')),
            (b"--\r\r\n", Found::Stray(b'\r')),
            (b"--", Found::More),
            (b"\n", Found::Stray(b'\n')),
            (b" \n", Found::Stray(b'\n')),
            (b"x\r\n", Found::Stray(b'x')),
            (b"-\r\n", Found::Stray(b'\r')),
            (b"--x", Found::Stray(b'x')),
            (b"\rx", Found::Stray(b'x')),
        ] {
            for cut in 0..=text.len() {
                assert_eq!(line(text, cut).0, expected, "{text:?} at {cut}");
            }
        }
        assert!(line(b"--", 1).1.may_end() && line(b"-- \r", 2).1.may_end());
        assert!(!line(b"-", 0).1.may_end() && !line(b"", 0).1.may_end());
    }

    #[test]
    fn the_first_boundary_begins_a_line() {
        for (text, after) in [
            (&b"--B\r\n"[..], Some(3)),
            (b"\r\n--B", Some(5)),
            (b"text\n--B", Some(8)),
            (b"x--B\r\n-B\r\n--B.", Some(13)),
            (b"--\n--A\n--", None),
        ] {
            for cut in 0..=text.len() {
                let mut preamble = Preamble::new(Bytes::from_static(b"--B"));
                let mut found = None;
                for (piece, from) in [(&text[..cut], 0), (&text[cut..], cut)] {
                    let mut rest = Bytes::from_static(piece);
                    if found.is_none() && preamble.find(&mut rest) {
                        found = Some(from + piece.len() - rest.len());
                    }
                }
                assert_eq!(found, after, "{text:?} at {cut}");
            }
        }
    }
}
