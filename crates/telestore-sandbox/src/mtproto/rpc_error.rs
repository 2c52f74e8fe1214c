//! The errors of RPC calls.

/// An error as Telegram answers it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RpcError {
    pub(crate) code: i32,
    pub(crate) name: String,
}

impl RpcError {
    pub(crate) fn new(code: i32, name: impl Into<String>) -> Self {
        Self { code, name: name.into() }
    }

    pub(crate) fn bad_request(name: impl Into<String>) -> Self {
        Self::new(400, name)
    }

    /// A request that could not be read, or a disk that could not be written.
    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        tracing::warn!(%error, "sandbox could not execute a call");
        Self::new(500, "INTERNAL_SERVER_ERROR")
    }
}
