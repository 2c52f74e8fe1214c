//! Messages that wait for their videos: <https://core.telegram.org/api/scheduled-messages>. Bots see none.

use grammers_tl_types::{Serializable, enums, functions as f, types};

use super::chats::{look, resolve_peer, users_only};
use super::dispatch::Context;
use super::rpc_error::RpcError;
use super::tl_types;
use crate::message::StoredMessage;

type Answer = Result<Vec<u8>, RpcError>;

/// The update that tells of one.
pub(super) fn new_message(message: enums::Message) -> enums::Update {
    types::UpdateNewScheduledMessage { message: pending(message) }.into()
}

fn pending(message: enums::Message) -> enums::Message {
    match message {
        enums::Message::Message(message) => {
            enums::Message::Message(types::Message { video_processing_pending: true, ..message })
        }
        other => other,
    }
}

pub(super) fn get(context: &Context, call: &f::messages::GetScheduledMessages) -> Answer {
    listed(context, &call.peer, |id| call.id.contains(&id))
}

pub(super) fn get_all(context: &Context, call: &f::messages::GetScheduledHistory) -> Answer {
    listed(context, &call.peer, |_| true)
}

fn listed(context: &Context, peer: &enums::InputPeer, wanted: impl Fn(i32) -> bool) -> Answer {
    users_only(context)?;
    let (id, who) = (resolve_peer(context, peer)?, context.who());
    let mut waiting = context.shared.videos.of(id, &who);
    waiting.retain(|one| wanted(one.public.message_id));
    let answer = look(context, id, |channel| {
        let shown = |one: &StoredMessage| pending(tl_types::message(channel, one, &who));
        enums::messages::Messages::Messages(types::messages::Messages {
            messages: waiting.iter().map(shown).collect(),
            topics: Vec::new(),
            chats: vec![tl_types::chat(channel, &who)],
            users: vec![tl_types::user(&context.account, context.bot)],
        })
    })?;
    Ok(answer.to_bytes())
}

pub(super) fn delete(context: &Context, call: &f::messages::DeleteScheduledMessages) -> Answer {
    users_only(context)?;
    let id = resolve_peer(context, &call.peer)?;
    context.shared.videos.delete(id, &context.who(), &call.id);
    let answer = look(context, id, |channel| {
        let deleted = types::UpdateDeleteScheduledMessages {
            peer: tl_types::peer(channel),
            messages: call.id.clone(),
            sent_messages: None,
        };
        enums::Updates::Updates(types::Updates {
            updates: vec![deleted.into()],
            users: Vec::new(),
            chats: Vec::new(),
            date: crate::channel::unix_time() as i32,
            seq: 0,
        })
    })?;
    Ok(answer.to_bytes())
}
