use telestore_types::Verdict;

/// What the backend answered, or why it did not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The token is not, or no longer, valid.
    #[error("token is not valid: sign in again")]
    InvalidToken,
    /// The user has not set up Telegram; the backend's own words.
    #[error("{0}")]
    NotConfigured(String),
    /// The backend cannot be reached or is not well; try again later.
    #[error("TeleStore backend is not available: {0}")]
    Unavailable(String),
    /// The backend answered with something that is not the documented JSON.
    #[error("TeleStore backend gave an answer that makes no sense: {0}")]
    BadAnswer(String),
}

impl Error {
    /// What a caller may do about it: what the backend said stands until somebody changes it; what it did not say may
    /// come later.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::InvalidToken | Self::NotConfigured(_) => Verdict::Permanent,
            Self::Unavailable(_) | Self::BadAnswer(_) => Verdict::Temporary,
        }
    }
}

/// The result of a call to the backend.
pub type Result<T, E = Error> = std::result::Result<T, E>;
