use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::{Error, Result};

/// The characters of a whole line of a stanza's body.
const COLUMNS: usize = 64;

/// A recipient's part of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stanza {
    /// What it is, and what else stands in its first line.
    pub(crate) arguments: Vec<String>,
    /// What is below it.
    pub(crate) body: Vec<u8>,
}

/// Lines of a header. `None` is one whose end has not come.
pub(crate) struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What lies behind the lines that were taken.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| *byte == b'\n')?;
        let (line, rest) = (&self.rest[..end], &self.rest[end + 1..]);
        self.rest = rest;
        Some(line)
    }
}

impl Stanza {
    /// Reads what follows the first line, which is `line` without its arrow. `None` if more bytes are needed.
    pub(crate) fn read(line: &[u8], lines: &mut Lines<'_>) -> Result<Option<Self>> {
        let mut arguments = Vec::new();
        for argument in line.split(|byte| *byte == b' ') {
            if argument.is_empty() || !argument.iter().all(u8::is_ascii_graphic) {
                return Err(Error::Malformed(
                    "a stanza has an empty argument, or a character that none may have",
                ));
            }
            arguments.push(argument.iter().copied().map(char::from).collect());
        }
        let mut body = Vec::new();
        while let Some(line) = lines.next() {
            if line.len() > COLUMNS {
                return Err(Error::Malformed("a line of a stanza is longer than 64 characters"));
            }
            body.extend_from_slice(&unarmoured(line)?);
            if line.len() < COLUMNS {
                return Ok(Some(Self { arguments, body }));
            }
        }
        Ok(None)
    }

    /// Writes it.
    pub(crate) fn write(&self, header: &mut Vec<u8>) {
        header.extend_from_slice(b"->");
        for argument in &self.arguments {
            header.push(b' ');
            header.extend_from_slice(argument.as_bytes());
        }
        header.push(b'\n');
        let body = armoured(&self.body);
        for line in body.as_bytes().chunks(COLUMNS) {
            header.extend_from_slice(line);
            header.push(b'\n');
        }
        // A body ends with a short line, if need be with an empty one.
        if body.len().is_multiple_of(COLUMNS) {
            header.push(b'\n');
        }
    }
}

/// Base64 as age writes it: without padding.
pub(crate) fn armoured(bytes: &[u8]) -> String {
    STANDARD_NO_PAD.encode(bytes)
}

/// The bytes of such a text, of which there is one only.
pub(crate) fn unarmoured(text: &[u8]) -> Result<Vec<u8>> {
    STANDARD_NO_PAD
        .decode(text)
        .map_err(|_| Error::Malformed("a text is no canonical Base64 without padding"))
}
