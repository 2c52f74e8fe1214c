use bytes::{Buf, Bytes};
use memchr::memmem::Finder;

/// Finds where a part's bytes end, without copying them.
///
/// The bytes end at CR, LF, two hyphens and the boundary. Only the first of these is a CR, so what a run of bytes ends
/// with can be the beginning of one delimiter at most, and a number says how much of it was seen.
#[derive(Debug)]
pub(crate) struct Delimiter {
    text: Bytes,
    finder: Finder<'static>,
    /// How many bytes of it the bytes so far end with. They are held back.
    seen: usize,
}

/// What the next bytes hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Bytes of the part.
    Piece(Bytes),
    /// The delimiter, which is taken away: the part has ended.
    End,
    /// Nothing that can be told without more bytes.
    More,
}

impl Delimiter {
    pub(crate) fn new(boundary: &str) -> Self {
        let text = Bytes::from(format!("\r\n--{boundary}"));
        Self { finder: Finder::new(&text).into_owned(), text, seen: 0 }
    }

    /// The delimiter itself.
    pub(crate) fn text(&self) -> Bytes {
        self.text.clone()
    }

    /// The same as the beginning of a line: two hyphens and the boundary.
    pub(crate) fn line(&self) -> Bytes {
        self.text.slice(2..)
    }

    /// The same for a person.
    pub(crate) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.text[2..]).into_owned()
    }

    /// Takes the next piece from the front of `rest`, which is what was read and not yet handed on.
    pub(crate) fn next(&mut self, rest: &mut Bytes) -> Found {
        if rest.is_empty() {
            return Found::More;
        }
        if self.seen > 0 {
            return self.go_on(rest);
        }
        match self.finder.find(rest) {
            Some(0) => {
                rest.advance(self.text.len());
                Found::End
            }
            Some(at) => Found::Piece(rest.split_to(at)),
            None => self.hold_back(rest),
        }
    }

    /// Looks whether what was held back goes on as a delimiter.
    fn go_on(&mut self, rest: &mut Bytes) -> Found {
        let missing = &self.text[self.seen..];
        let length = missing.len().min(rest.len());
        if rest[..length] != missing[..length] {
            return Found::Piece(self.text.slice(..std::mem::take(&mut self.seen)));
        }
        rest.advance(length);
        self.seen += length;
        if self.seen < self.text.len() {
            return Found::More;
        }
        self.seen = 0;
        Found::End
    }

    /// Hands on everything but what may be the beginning of a delimiter.
    fn hold_back(&mut self, rest: &mut Bytes) -> Found {
        let from = rest.len().saturating_sub(self.text.len() - 1);
        let last = memchr::memrchr(b'\r', &rest[from..]).map(|at| from + at);
        let mut piece = std::mem::take(rest);
        if let Some(last) = last.filter(|last| self.text.starts_with(&piece[*last..])) {
            self.seen = piece.len() - last;
            piece.truncate(last);
        }
        if piece.is_empty() { Found::More } else { Found::Piece(piece) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes before the delimiter and after it, for bytes that arrive like this.
    fn split(reads: &[&[u8]]) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut delimiter = Delimiter::new("B");
        let (mut before, mut after) = (Vec::new(), None::<Vec<u8>>);
        for read in reads {
            let mut rest = Bytes::copy_from_slice(read);
            while after.is_none() {
                match delimiter.next(&mut rest) {
                    Found::Piece(piece) => before.extend_from_slice(&piece),
                    Found::End => after = Some(Vec::new()),
                    Found::More => break,
                }
            }
            if let Some(after) = &mut after {
                after.extend_from_slice(&rest);
            }
        }
        (before, after)
    }

    #[test]
    fn the_delimiter_is_found_wherever_the_reads_cut_it() {
        for bytes in
            [&b"abc\r\n--Bxyz"[..], b"\r\n--B", b"\r\r\n--B--", b"\r\n-\r\n--\r\n--B\r\n--B", b"\r\n\r\n--B"]
        {
            let at = memchr::memmem::find(bytes, b"\r\n--B").unwrap();
            let expected = (bytes[..at].to_vec(), Some(bytes[at + 5..].to_vec()));
            for first in 0..=bytes.len() {
                for second in first..=bytes.len() {
                    let reads = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                    assert_eq!(split(&reads), expected, "{reads:?}");
                }
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(split(&single), expected);
        }
    }

    #[test]
    fn what_only_begins_like_a_delimiter_is_bytes() {
        for bytes in [&b"\r\n--A\r\n--"[..], b"\r\n-B\r--B\n--B--", b"\r\r\r", b"--B\r\n"] {
            let (before, after) = split(&[bytes]);
            assert_eq!(after, None);
            assert!(bytes.starts_with(&before) && bytes.len() - before.len() < 5, "{bytes:?}: {before:?}");
        }
    }

    #[test]
    fn pieces_are_not_copied() {
        let mut delimiter = Delimiter::new("B");
        let read = Bytes::from_static(b"some bytes\r\n--B and more");
        let mut rest = read.clone();
        let Found::Piece(piece) = delimiter.next(&mut rest) else { panic!("there are bytes") };
        assert_eq!((&piece[..], piece.as_ptr()), (&b"some bytes"[..], read.as_ptr()));
        assert_eq!(delimiter.next(&mut rest), Found::End);
        assert_eq!(&rest[..], b" and more");
    }
}
