//! The words of a message, and where in its chat it goes: what Telegram checks of them.

use grammers_tl_types::{enums, functions as f};

use super::rpc_error::RpcError;
use crate::channel::Channel;
use crate::entities::SandboxEntity;
use crate::topics::NoTopic;

/// What a message says, by whichever API it comes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wording {
    pub(crate) text: String,
    pub(crate) entities: Vec<SandboxEntity>,
    /// What it answers to.
    pub(crate) reply_to: Option<i32>,
    pub(crate) silent: bool,
}

impl Wording {
    pub(crate) fn of_media(call: &f::messages::SendMedia) -> Result<Self, RpcError> {
        let entities = call.entities.as_deref();
        Self::checked(&call.message, entities, call.reply_to.as_ref(), call.silent)
    }

    pub(crate) fn of_text(call: &f::messages::SendMessage) -> Result<Self, RpcError> {
        let entities = call.entities.as_deref();
        Self::checked(&call.message, entities, call.reply_to.as_ref(), call.silent)
    }

    fn checked(
        text: &str,
        entities: Option<&[enums::MessageEntity]>,
        reply_to: Option<&enums::InputReplyTo>,
        silent: bool,
    ) -> Result<Self, RpcError> {
        let entities: Vec<_> = entities.unwrap_or_default().iter().filter_map(SandboxEntity::of_tl).collect();
        if !entities.iter().all(|entity| entity.fits(text)) {
            return Err(RpcError::bad_request("ENTITY_BOUNDS_INVALID"));
        }
        let reply_to = match reply_to {
            Some(enums::InputReplyTo::Message(reply)) => Some(reply.reply_to_msg_id),
            _ => None,
        };
        Ok(Self { text: text.trim_end().to_owned(), entities, reply_to, silent })
    }

    /// The topic that it goes into. In a chat that is no forum it answers to a message instead, if that is there.
    pub(crate) fn topic(&self, channel: &Channel) -> Result<Option<i32>, RpcError> {
        let Some(id) = self.reply_to else { return Ok(None) };
        match channel.topics.check(id) {
            Ok(()) => Ok(Some(id)),
            Err(NoTopic::NoForum) if channel.messages.contains_key(&id) => Ok(None),
            Err(NoTopic::NoForum | NoTopic::Unknown) => Err(RpcError::bad_request("MSG_ID_INVALID")),
            Err(NoTopic::Closed) => Err(RpcError::bad_request("TOPIC_CLOSED")),
            Err(NoTopic::Deleted) => Err(RpcError::new(406, "TOPIC_DELETED")),
        }
    }
}
