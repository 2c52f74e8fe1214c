//! What can go wrong before the sandbox runs.

/// Why the sandbox could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The directory could not be made.
    #[error("sandbox could not start: {0}")]
    Io(#[from] std::io::Error),
    /// An address could not be listened on.
    #[error("sandbox cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// A result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
