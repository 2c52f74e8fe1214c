use crate::RpcError;

/// What a message is known by.
pub(crate) type MsgId = i64;

/// What is learned from a packet.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    /// The answer to a call.
    Answer(MsgId, Vec<u8>),
    /// Telegram refused to carry it out.
    Failed(MsgId, RpcError),
    /// There is an answer, but it cannot be read.
    Unreadable(MsgId, String),
    /// The message was not taken, because of its envelope, and not carried out.
    NotTaken(MsgId, i32),
}
