//! The errors of RPC calls.

use grammers_tl_types::{self as tl, Serializable};

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

    /// As it stands in an answer.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let (error_code, error_message) = (self.code, self.name.clone());
        tl::enums::RpcError::from(tl::types::RpcError { error_code, error_message }).to_bytes()
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
