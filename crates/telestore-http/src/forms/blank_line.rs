/// Finds where blank lines end (CR LF CR LF), even if reads cut them.
#[derive(Debug)]
pub(crate) struct BlankLine {
    /// How many bytes of one the bytes so far end with.
    seen: usize,
}

impl BlankLine {
    /// For bytes that begin a line: an end of it is a blank line.
    pub(crate) fn at_line_start() -> Self {
        Self { seen: 2 }
    }

    /// Where in `bytes`, which follow those of the last call, the first blank line ends. What follows that end is for
    /// the next call: one blank line's end may be the next one's beginning.
    pub(crate) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate() {
            self.seen = match (self.seen, byte) {
                (0 | 2, b'\r') | (1 | 3, b'\n') => self.seen + 1,
                (_, b'\r') => 1,
                _ => 0,
            };
            if self.seen == 4 {
                self.seen = 2;
                return Some(at + 1);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(reads: &[&[u8]]) -> Vec<usize> {
        let (mut line, mut found, mut offset) = (BlankLine { seen: 0 }, Vec::new(), 0);
        for read in reads {
            let mut rest = *read;
            while let Some(end) = line.find(rest) {
                offset += end;
                found.push(offset);
                rest = &rest[end..];
            }
            offset += rest.len();
        }
        found
    }

    #[test]
    fn a_line_that_only_ends_is_blank() {
        assert_eq!(BlankLine::at_line_start().find(b"\r\nx"), Some(2));
        assert_eq!(BlankLine::at_line_start().find(b"\n\r\nx"), None);
    }

    #[test]
    fn every_blank_line_is_found_wherever_the_reads_cut_it() {
        for bytes in
            [&b"a: b\r\n\r\nbody"[..], b"\r\n\r\n\r\n\r\n", b"\r\r\n\r\r\n\r\nx", b"\n\n\r\n\n", b"\r\n\r"]
        {
            let expected: Vec<usize> =
                (4..=bytes.len()).filter(|end| bytes[..*end].ends_with(b"\r\n\r\n")).collect();
            for cut in 0..=bytes.len() {
                assert_eq!(ends(&[&bytes[..cut], &bytes[cut..]]), expected, "{bytes:?} at {cut}");
            }
        }
    }
}
