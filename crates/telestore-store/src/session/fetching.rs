//! What a worker writes down of an upload that it fetches.

use telestore_types::{FileName, Outcome, Timestamp};

/// What has become of a fetch. What is to be fetched is sealed by the caller, and only read by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchNote {
    /// Bytes come. What is said of the file counts before its first byte.
    GoesOn {
        /// What is to be fetched from here on.
        source: Vec<u8>,
        /// What the file is called.
        file_name: Option<FileName>,
        /// Its type of content.
        mime_type: Option<String>,
    },
    /// It is put off, for any worker.
    Later {
        /// What is to be fetched then.
        source: Vec<u8>,
        /// Until when.
        at: Timestamp,
    },
    /// It is given up; what came of it goes.
    Failed {
        /// Why, for the person who waits.
        error: String,
        /// The same for programs.
        outcome: Outcome,
    },
}

#[cfg(feature = "postgres")]
impl FetchNote {
    /// The same by another clock.
    pub(crate) fn moved(self, by: impl FnOnce(Timestamp) -> Timestamp) -> Self {
        match self {
            Self::Later { source, at } => Self::Later { source, at: by(at) },
            note => note,
        }
    }
}
