mod charset;
mod encoded_word;
mod file_name;
mod parameters;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::mime::{self, Mime};

use crate::shared::fault::{Fault, Place};

pub(crate) use charset::{decode, reading};
pub(crate) use parameters::{Pairs, Parameters, Unclosed};

/// What stands before the bytes of a part.
#[derive(Debug)]
pub(crate) struct PartHead {
    pub(crate) name: String,
    /// What it calls its file.
    pub(crate) file_name: Option<String>,
    pub(crate) content_type: Option<Mime>,
    /// Its headers with digests.
    pub(crate) digests: HeaderMap,
}

impl PartHead {
    /// Reads the head of the part with this number, up to and with its blank line.
    ///
    /// More is taken than HTTP's own headers may be: names in any charset, headers that go on in a line that begins with
    /// a blank ([RFC 5322, 2.2.3](https://www.rfc-editor.org/rfc/rfc5322#section-2.2.3), as Python's email writes them),
    /// and any headers beside those that count, which [RFC 7578, 4.8](https://www.rfc-editor.org/rfc/rfc7578#section-4.8)
    /// wants ignored, also `Content-Length`.
    pub(crate) fn parse(bytes: &[u8], part: usize) -> Result<Self, Fault> {
        let headers = Headers::parse(bytes, part)?;
        let disposition = headers.get("content-disposition").ok_or(Fault::NoDisposition(part))?;
        let disposition = Parameters::parse(disposition, Pairs::Quotes)
            .map_err(|Unclosed(name)| Fault::PartQuotes { part, name })?;
        if disposition.kind != "form-data" {
            return Err(Fault::Disposition { part, is: disposition.kind });
        }
        let name = reading(disposition.get("name").ok_or(Fault::NoName(part))?);
        headers.check_encodings(&name)?;
        let content_type =
            headers.get("content-type").and_then(|kind| std::str::from_utf8(kind).ok()?.parse().ok());
        let digests = headers.digests(part)?;
        Ok(Self { file_name: file_name::of(&disposition), name, content_type, digests })
    }

    /// The text of a field with these bytes: in the charset that its `Content-Type` names (RFC 7578, 4.5), else UTF-8.
    pub(crate) fn text(&self, bytes: Vec<u8>) -> Result<String, Vec<u8>> {
        let charset = self.content_type.as_ref().and_then(|kind| kind.get_param(mime::CHARSET));
        let declared = charset.and_then(|charset| decode(charset.as_str(), &bytes));
        declared.map_or_else(|| String::from_utf8(bytes).map_err(|error| error.into_bytes()), Ok)
    }
}

/// The headers of a part, with their names in lower case.
struct Headers {
    list: Vec<(String, Vec<u8>)>,
    /// In which line each begins.
    lines: Vec<usize>,
}

impl Headers {
    fn parse(bytes: &[u8], part: usize) -> Result<Self, Fault> {
        let mut headers = Self { list: Vec::new(), lines: Vec::new() };
        let mut blank = None;
        for (line, text) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let (line, text) = (line + 1, text.strip_suffix(b"\r").unwrap_or(text));
            match blank {
                _ if text.is_empty() => _ = blank.get_or_insert(line),
                // Bytes of the part, for clients that end lines with LF.
                Some(line) => return Err(Fault::BlankLine { part, line }),
                None => headers.push(text, line).ok_or(Fault::Line { part, line })?,
            }
        }
        Ok(headers)
    }

    fn push(&mut self, text: &[u8], line: usize) -> Option<()> {
        if text.contains(&b'\r') {
            return None;
        }
        if b" \t".contains(&text[0]) {
            let (_, value) = self.list.last_mut()?;
            value.push(b' ');
            value.extend_from_slice(text.trim_ascii());
            return Some(());
        }
        let colon = memchr::memchr(b':', text)?;
        let name = HeaderName::from_bytes(text[..colon].trim_ascii_end()).ok()?;
        self.list.push((name.as_str().to_owned(), text[colon + 1..].trim_ascii().to_vec()));
        self.lines.push(line);
        Some(())
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        self.list.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_slice())
    }

    /// What was encoded would be stored as other bytes than were meant. [RFC 7578, 4.7][1] has made the one header
    /// obsolete in forms, and the other has no meaning there.
    ///
    /// [1]: https://www.rfc-editor.org/rfc/rfc7578#section-4.7
    fn check_encodings(&self, name: &str) -> Result<(), Fault> {
        for (header, harmless) in [
            ("Content-Transfer-Encoding", ["7bit", "8bit", "binary"].as_slice()),
            ("Content-Encoding", &["identity"]),
        ] {
            let Some(is) = self.get(&header.to_ascii_lowercase()) else { continue };
            let is = reading(is);
            if !is.is_empty() && !harmless.contains(&is.to_ascii_lowercase().as_str()) {
                return Err(Fault::Encoded { part: Place::Part(name.to_owned()), header, is });
            }
        }
        Ok(())
    }

    fn digests(&self, part: usize) -> Result<HeaderMap, Fault> {
        let mut digests = HeaderMap::new();
        for ((name, value), line) in self.list.iter().zip(&self.lines) {
            if name == "content-digest" {
                let value = HeaderValue::from_bytes(value).map_err(|_| Fault::Line { part, line: *line })?;
                digests.append(HeaderName::from_static("content-digest"), value);
            }
        }
        Ok(digests)
    }
}

#[cfg(test)]
mod tests;
