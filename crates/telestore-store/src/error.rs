use telestore_types::Verdict;

/// What a store met.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What a store could not do.
///
/// The kinds are those that a caller acts on; what kind of store it was stands in the text and in the source.
///
/// ```
/// use telestore_store::Error;
/// use telestore_types::Verdict;
///
/// let error = Error::unavailable("object store", std::io::Error::from(std::io::ErrorKind::TimedOut));
/// assert_eq!(error.to_string(), "object store: timed out");
/// assert_eq!(error.verdict(), Verdict::Temporary);
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no room for more. Told apart, since a client can do something about it: wait.
    #[error("no space left for more")]
    NoSpace(#[source] Cause),
    /// The store cannot be reached, or does not do now what is asked of it: what stands on another machine.
    #[error("{what}: {source}")]
    #[non_exhaustive]
    Unavailable {
        /// What it is: `session database`, `object store`.
        what: &'static str,
        /// Why.
        source: Cause,
    },
    /// What this machine keeps failed: its disk, or a file on it. Told apart, since it is the worker's own fault.
    #[error("{what}: {source}")]
    #[non_exhaustive]
    Failed {
        /// What failed: `data directory`, `session database`.
        what: &'static str,
        /// Why.
        source: Cause,
    },
    /// The store does not do what is needed of it, and will not by itself.
    #[error("{what}: {step} fails: {source}")]
    #[non_exhaustive]
    Unfit {
        /// What is unfit: `data directory`.
        what: &'static str,
        /// What fails, in words that hold no path and no address: `moving a file from spool into chunks`.
        step: &'static str,
        /// Why.
        source: Cause,
    },
    /// The bytes of a chunk are not where they were put.
    #[error("chunk bytes are missing")]
    Missing,
    /// The bytes do not have the digest that they were said to have.
    #[error("bytes do not have the {algorithm} digest that was sent with them")]
    DigestMismatch {
        /// Which digest.
        algorithm: &'static str,
    },
    /// A stored row makes no sense.
    #[error("session database holds a bad value in {column}")]
    BadRow {
        /// Where.
        column: &'static str,
    },
}

impl Error {
    /// There is no room for more.
    pub fn no_space(source: impl Into<Cause>) -> Self {
        Self::NoSpace(source.into())
    }

    /// `what` cannot be reached; later it may be well again. The source must hold no secret.
    pub fn unavailable(what: &'static str, source: impl Into<Cause>) -> Self {
        Self::Unavailable { what, source: source.into() }
    }

    /// `what` failed on this machine. The source must hold no secret.
    pub fn failed(what: &'static str, source: impl Into<Cause>) -> Self {
        Self::Failed { what, source: source.into() }
    }

    /// `what` does not do `step`, and will not by itself.
    pub fn unfit(what: &'static str, step: &'static str, source: impl Into<Cause>) -> Self {
        Self::Unfit { what, step, source: source.into() }
    }

    /// What may be done about it. A store that does not know whether something was done must find that out before it
    /// answers: each call is done wholly or not at all.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::NoSpace(_) | Self::Unavailable { .. } | Self::Failed { .. } => Verdict::Temporary,
            Self::Unfit { .. } | Self::Missing | Self::DigestMismatch { .. } | Self::BadRow { .. } => {
                Verdict::Permanent
            }
        }
    }
}

/// The result of a store call.
pub type Result<T, E = Error> = std::result::Result<T, E>;
