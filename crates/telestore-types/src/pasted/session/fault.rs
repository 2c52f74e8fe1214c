use super::Foreign;

/// What to do about a string that is not whole.
const AGAIN: &str = "copy it again, whole";

/// A text that is shorter than this is no session string that was cut off, but something else.
const SHORTEST: usize = 100;

/// Why a text is no session string that can be used. It never holds a part of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionFault {
    /// There is nothing.
    #[error("the session string is empty")]
    Empty,
    /// Something else, or a form that is not read.
    #[error("{} in the place of the session string: {}", .0.name(), .0.cure())]
    Foreign(Foreign),
    /// A character that stands in no session string.
    #[error("the session string is damaged: its character {at} is {what}, which stands in none; {AGAIN}")]
    Character {
        /// Where it is, from 1 on.
        at: usize,
        /// What it is.
        what: String,
    },
    /// Dots or stars for a part of it.
    #[error("the session string is shortened or masked, with dots or stars for a part of it; {AGAIN}")]
    Masked,
    /// The end is missing.
    #[error("the session string is cut off: {missing} characters are missing at its end; {AGAIN}")]
    CutOff {
        /// How many, at least.
        missing: usize,
    },
    /// No form has so many characters.
    #[error(
        "the session string has {extra} characters too many, or belongs to a program whose sessions are not read; {AGAIN}"
    )]
    TooLong {
        /// How many it has above the longest form that it may be.
        extra: usize,
    },
    /// Much shorter than any.
    #[error("this is no session string: it has {0} characters, where one has some 350")]
    Short(usize),
    /// As long as one, but nothing in it is right.
    #[error(
        "the session string is damaged: it has the length of one, but names no data centre's address; {AGAIN}"
    )]
    Garbled,
    /// A data centre that Telegram does not have.
    #[error("the session string is damaged: it names data centre {0}, and Telegram has 1 to 5; {AGAIN}")]
    DataCentre(u8),
    /// A GramJS string with a host name that is not Telegram's.
    #[error(
        "the session string names its server by a host name that is not Telegram's: make one that names an address"
    )]
    HostName,
}

impl SessionFault {
    /// The same if so many characters stand in front of what was looked at.
    pub(super) fn behind(self, characters: usize) -> Self {
        match self {
            Self::Character { at, what } => Self::Character { at: at + characters, what },
            fault => fault,
        }
    }
}

/// What is wrong with so many digits of base64, if so many as one of `lengths` would be right.
pub(super) fn of_length(digits: usize, lengths: &[usize]) -> SessionFault {
    if digits < SHORTEST {
        return SessionFault::Short(digits);
    }
    let (shortest, longest) = lengths
        .iter()
        .fold((usize::MAX, 0), |(shortest, longest), length| (shortest.min(*length), longest.max(*length)));
    match digits {
        // Of a form that has a longer one above it: nearer to too long.
        _ if digits > longest => SessionFault::TooLong { extra: digits - longest },
        _ if digits < shortest => SessionFault::CutOff { missing: shortest - digits },
        _ => {
            let below = lengths.iter().filter(|length| **length < digits).max().copied().unwrap_or(shortest);
            let above = lengths.iter().filter(|length| **length > digits).min().copied().unwrap_or(longest);
            match above - digits < digits - below {
                true => SessionFault::CutOff { missing: above - digits },
                false => SessionFault::TooLong { extra: digits - below },
            }
        }
    }
}
