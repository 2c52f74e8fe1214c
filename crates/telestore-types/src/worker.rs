use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The name of one worker among those that share a store: 1-64 of `A-Z a-z 0-9 . _ -`.
///
/// No two processes that run at the same time may have the same one. A process that starts under the name of an earlier
/// one says with that, that the earlier one is dead: what it had in hand is taken up at once. If that cannot be known,
/// take a [random](Self::from_random) one; what a dead worker had is then taken up when its leases have run out.
///
/// ```
/// use telestore_types::WorkerId;
///
/// assert_eq!(WorkerId::new("worker-1.example")?.as_str(), "worker-1.example");
/// assert!(WorkerId::new("two words").is_err());
/// # Ok::<(), telestore_types::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkerId(String);

impl WorkerId {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`Error::WorkerId`] for a character or a length that is not allowed.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
        if fits { Ok(Self(text)) } else { Err(Error::WorkerId) }
    }

    /// The name made of 16 random bytes.
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(hex::encode(random))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for WorkerId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

impl From<WorkerId> for String {
    fn from(id: WorkerId) -> Self {
        id.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        for good in ["a", "worker-1.example_2", &"x".repeat(64)] {
            assert!(WorkerId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a/b", "ä", "a\n", &"x".repeat(65)] {
            assert_eq!(WorkerId::new(bad), Err(Error::WorkerId), "{bad:?}");
        }
        let random = WorkerId::from_random([0xa5; 16]);
        assert_eq!(WorkerId::new(random.as_str()), Ok(random));
    }
}
