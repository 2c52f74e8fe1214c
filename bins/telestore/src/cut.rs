//! Why one file does not come to its end.

use std::io;

use telestore_client::{Error, ErrorKind};

use crate::show::End;

pub(crate) enum Cut {
    Failed(ErrorKind, String),
    Stopped,
}

impl From<Error> for Cut {
    fn from(error: Error) -> Self {
        Self::Failed(error.kind(), error.to_string())
    }
}

impl From<io::Error> for Cut {
    /// Of the state: what is wrong with a file of somebody's is said in other words.
    fn from(error: io::Error) -> Self {
        Self::Failed(ErrorKind::State, format!("what is known of it cannot be kept or read: {error}"))
    }
}

impl From<Cut> for End {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Failed(kind, text) => Self::Failed { kind, text },
            Cut::Stopped => Self::Stopped,
        }
    }
}
