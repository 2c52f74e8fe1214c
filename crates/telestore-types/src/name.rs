use std::fmt;

use serde::Serialize;

use crate::{Error, Result};

/// A file name without any path: 1 to [`MAX_CHARS`](FileName::MAX_CHARS) characters.
///
/// It is text only: no file of the worker is called so. Where a person reads it, it goes through
/// [`Shown`](crate::Shown), since it may hold what a terminal obeys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct FileName(String);

impl FileName {
    /// The most characters: no file that comes from a disk has more. NTFS, exFAT, APFS and HFS+ take 255 units of
    /// UTF-16, the file systems of Linux 255 bytes. What Telegram takes is less, and its uploaders' affair.
    pub const MAX_CHARS: usize = 255;

    /// Takes the last part of a name that a program states, behind `/` and `\`, and checks it.
    ///
    /// ```
    /// use telestore_types::FileName;
    ///
    /// assert_eq!(FileName::new(r"C:\Users\me\x.txt")?.as_str(), "x.txt");
    /// assert!(FileName::new("a\u{7}b").is_err());
    /// # Ok::<(), telestore_types::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::EmptyFileName`], [`Error::LongFileName`] or [`Error::ControlInFileName`].
    pub fn new(text: &str) -> Result<Self> {
        if text.chars().any(char::is_control) {
            return Err(Error::ControlInFileName);
        }
        Self::of_file(text)
    }

    /// The same for what a file is called on somebody's disk, where a control character is no mistake of a program: it
    /// is kept. Only U+0000 is refused: no disk has it, and not every database takes it.
    ///
    /// ```
    /// use telestore_types::FileName;
    ///
    /// assert_eq!(FileName::of_file("two\nlines.txt")?.as_str(), "two\nlines.txt");
    /// # Ok::<(), telestore_types::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::EmptyFileName`], [`Error::LongFileName`] or [`Error::ControlInFileName`].
    pub fn of_file(text: &str) -> Result<Self> {
        if text.contains('\0') {
            return Err(Error::ControlInFileName);
        }
        let name = text.rsplit(['/', '\\']).next().unwrap_or_default().trim();
        match name {
            "" | "." | ".." => Err(Error::EmptyFileName),
            long if long.chars().nth(Self::MAX_CHARS).is_some() => Err(Error::LongFileName),
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
        assert_eq!(FileName::new(&"ä".repeat(256)), Err(Error::LongFileName));
        for char in ["a", "ä", "文", "\u{1f600}"] {
            assert!(FileName::new(&char.repeat(255)).is_ok());
        }
    }

    #[test]
    fn what_a_file_is_called_is_kept() {
        for name in ["a\r\nb", "invoice_\u{202e}fdp.exe", "a\u{7}b", "say \"hi\".txt"] {
            assert_eq!(FileName::of_file(name).unwrap().as_str(), name);
            assert_eq!(FileName::of_file(&format!("/x/{name}")).unwrap().as_str(), name);
        }
        assert_eq!(FileName::of_file("a/.."), Err(Error::EmptyFileName));
        assert_eq!(FileName::of_file("a\0b"), Err(Error::ControlInFileName));
        assert_eq!(FileName::of_file(&"\n".repeat(9)), Err(Error::EmptyFileName));
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
