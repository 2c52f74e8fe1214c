use std::fmt;

use serde::Serialize;

use crate::{Error, Result};

/// A file name without any path: 1-255 bytes, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct FileName(String);

impl FileName {
    /// Takes the last part of `text` behind `/` and `\`, and checks it.
    ///
    /// # Errors
    /// [`Error::EmptyFileName`], [`Error::LongFileName`] or [`Error::ControlInFileName`].
    pub fn new(text: &str) -> Result<Self> {
        if text.chars().any(char::is_control) {
            return Err(Error::ControlInFileName);
        }
        let name = text.rsplit(['/', '\\']).next().unwrap_or_default().trim();
        match name {
            "" | "." | ".." => Err(Error::EmptyFileName),
            long if long.len() > 255 => Err(Error::LongFileName),
            name => Ok(Self(name.to_owned())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a declared content type says something about the file, and is safe to hand on.
///
/// `application/octet-stream` and an empty type are what browsers send for a `Blob`: they say nothing.
pub fn mime_type_of(declared: &str) -> Option<&str> {
    let declared = declared.trim();
    let (kind, rest) = declared.split_once('/')?;
    let token = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let subtype = rest.split(';').next().unwrap_or_default().trim();
    let plain = token(kind)
        && token(subtype)
        && declared.len() <= 255
        && declared.bytes().all(|b| (32..127).contains(&b));
    (plain && !declared.eq_ignore_ascii_case("application/octet-stream")).then_some(declared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_parts_are_cut_off() {
        for (text, name) in
            [("../../etc/passwd", "passwd"), ("C:\\temp\\a b.txt", "a b.txt"), ("фото.jpg", "фото.jpg")]
        {
            assert_eq!(FileName::new(text).unwrap().as_str(), name);
        }
    }

    #[test]
    fn bad_names_say_why() {
        assert_eq!(FileName::new(""), Err(Error::EmptyFileName));
        assert_eq!(FileName::new("a/.."), Err(Error::EmptyFileName));
        assert_eq!(FileName::new("a/ "), Err(Error::EmptyFileName));
        assert_eq!(FileName::new("a\r\nb"), Err(Error::ControlInFileName));
        assert_eq!(FileName::new(&"ä".repeat(128)), Err(Error::LongFileName));
        assert!(FileName::new(&"a".repeat(255)).is_ok());
    }

    #[test]
    fn only_a_telling_type_counts() {
        assert_eq!(mime_type_of("video/mp4"), Some("video/mp4"));
        assert_eq!(mime_type_of("text/plain; charset=utf-8"), Some("text/plain; charset=utf-8"));
        for says_nothing in ["", "application/octet-stream", "blob", "/", "a/", "text/pl\r\nain"] {
            assert_eq!(mime_type_of(says_nothing), None, "{says_nothing:?}");
        }
    }
}
