use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::frame::{FRAME_SIZE, LEVELS, library_version};

/// The version of how this crate puts a file together. Whatever changes the bytes that it makes changes this.
const FORMAT: u32 = 1;

/// What a compressed file depends on beside its plain bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Parameters {
    format: u32,
    library: u32,
    level: i32,
    frame_size: u64,
}

impl Parameters {
    /// Those of this program, and the nearest level to `level`.
    pub(crate) fn of(level: i32) -> Self {
        let level = level.clamp(*LEVELS.start(), *LEVELS.end());
        Self { format: FORMAT, library: library_version(), level, frame_size: FRAME_SIZE as u64 }
    }

    pub(crate) fn level(self) -> i32 {
        self.level
    }
}

/// What tells one compressed file from another, in about a hundred bytes of text: how it was made, its length and its SHA-256.
///
/// Who sends a compressed file keeps it before the first byte goes out. After a restart the bytes go on if the file is scanned again
/// with [the same level](Self::level) and [its frames match](crate::Frames::matches); else it must begin anew.
///
/// ```
/// use telestore_zstd::Mark;
///
/// let text = format!("1:10507:3:1048576:4711:{}", "ab".repeat(32));
/// let mark: Mark = text.parse()?;
/// assert_eq!((mark.level(), mark.len(), mark.sha256()), (3, 4711, [0xab; 32]));
/// assert_eq!(mark.to_string(), text);
/// # Ok::<(), telestore_zstd::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mark {
    parameters: Parameters,
    length: u64,
    sha256: [u8; 32],
}

impl Mark {
    pub(crate) fn new(parameters: Parameters, length: u64, sha256: [u8; 32]) -> Self {
        Self { parameters, length, sha256 }
    }

    /// Whether this program makes files as the one of the mark was made. If not, no scan will match it: the library is another
    /// version, or frames have another size.
    pub fn is_current(&self) -> bool {
        self.parameters == Parameters::of(self.level())
    }

    /// The level that the file was compressed with.
    pub fn level(&self) -> i32 {
        self.parameters.level
    }

    /// The length of the compressed file in bytes.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether it is empty, which no compressed file is.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The SHA-256 of the compressed file.
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parameters { format, library, level, frame_size } = self.parameters;
        write!(f, "{format}:{library}:{level}:{frame_size}:{}:{}", self.length, hex::encode(self.sha256))
    }
}

impl FromStr for Mark {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        read(text).ok_or(Error::Mark)
    }
}

fn read(text: &str) -> Option<Mark> {
    let mut words = text.split(':');
    let mut word = || words.next();
    let parameters = Parameters {
        format: word()?.parse().ok()?,
        library: word()?.parse().ok()?,
        level: word()?.parse().ok()?,
        frame_size: word()?.parse().ok()?,
    };
    let mut mark = Mark { parameters, length: word()?.parse().ok()?, sha256: [0; 32] };
    hex::decode_to_slice(word()?, &mut mark.sha256).ok()?;
    words.next().is_none().then_some(mark)
}

impl TryFrom<String> for Mark {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Mark> for String {
    fn from(mark: Mark) -> Self {
        mark.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_kept_as_text() {
        let mark = Mark::new(Parameters::of(7), 123, [9; 32]);
        assert!(mark.is_current());
        let json = serde_json::to_string(&mark).unwrap();
        assert_eq!(json, format!("\"1:10507:7:1048576:123:{}\"", "09".repeat(32)));
        assert_eq!(serde_json::from_str::<Mark>(&json).unwrap(), mark);
    }

    #[test]
    fn a_mark_of_another_version_or_another_size_of_frames_is_not_current() {
        let sha256 = "00".repeat(32);
        for text in
            ["2:10507:3:1048576:1", "1:10506:3:1048576:1", "1:10507:3:2097152:1", "1:10507:20:1048576:1"]
        {
            assert!(!format!("{text}:{sha256}").parse::<Mark>().unwrap().is_current(), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_marks() {
        let sha256 = "00".repeat(32);
        for text in
            ["", "1:2:3:4:5", "1:2:3:4:5:00", &format!("1:2:3:4:x:{sha256}"), &format!("1:2:3:4:5:{sha256}:")]
        {
            assert_eq!(text.parse::<Mark>(), Err(Error::Mark), "{text:?}");
            assert!(serde_json::from_value::<Mark>(text.into()).is_err());
        }
    }
}
