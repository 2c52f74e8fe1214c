//! Reading a channel's messages.

use grammers_tl_types::{Serializable, enums, functions as f, types};

use super::chats::{look, resolve_channel, resolve_peer, users_only};
use super::dispatch::Context;
use super::rpc_error::RpcError;
use super::tl_types;
use crate::channel::Channel;
use crate::channel_id::ChannelId;
use crate::deleting::NotAllowed;

type Answer = Result<Vec<u8>, RpcError>;

/// Which messages, newest first.
struct Window {
    offset_id: i32,
    add_offset: i32,
    limit: i32,
    max_id: i32,
    min_id: i32,
}

impl Window {
    fn cut(&self, mut ids: Vec<i32>) -> Vec<i32> {
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.retain(|id| (self.max_id == 0 || *id < self.max_id) && *id > self.min_id);
        let newer = ids.iter().filter(|id| self.offset_id != 0 && **id >= self.offset_id).count();
        let from = (newer as i32 + self.add_offset).clamp(0, ids.len() as i32) as usize;
        let limit = if self.limit > 0 { self.limit.min(100) as usize } else { 0 };
        ids.into_iter().skip(from).take(limit).collect()
    }
}

pub(crate) fn get_history(context: &Context, call: &f::messages::GetHistory) -> Answer {
    users_only(context)?;
    let id = resolve_peer(context, &call.peer)?;
    let window = Window {
        offset_id: call.offset_id,
        add_offset: call.add_offset,
        limit: call.limit,
        max_id: call.max_id,
        min_id: call.min_id,
    };
    page(context, id, &window, |_| true)
}

pub(crate) fn search(context: &Context, call: &f::messages::Search) -> Answer {
    users_only(context)?;
    let id = resolve_peer(context, &call.peer)?;
    let window = Window {
        offset_id: call.offset_id,
        add_offset: call.add_offset,
        limit: call.limit,
        max_id: call.max_id,
        min_id: call.min_id,
    };
    let wanted = call.q.to_lowercase();
    page(context, id, &window, |text| text.to_lowercase().contains(&wanted))
}

/// A page of the messages whose caption or file name is `wanted`. The channel's creation counts as a message
/// without text.
fn page(context: &Context, id: ChannelId, window: &Window, wanted: impl Fn(&str) -> bool) -> Answer {
    let answer = look(context, id, |channel| {
        let texts = channel.messages.values().map(|stored| &stored.public);
        let mut ids: Vec<i32> = texts
            .filter(|message| wanted(&message.caption) || wanted(&message.file_name))
            .map(|message| message.message_id)
            .collect();
        if wanted("") {
            ids.push(1);
        }
        let count = ids.len();
        let messages = window.cut(ids).into_iter().map(|id| message(context, channel, id)).collect();
        channel_messages(context, channel, count, messages)
    })?;
    Ok(answer.to_bytes())
}

pub(crate) fn get_messages(context: &Context, call: &f::channels::GetMessages) -> Answer {
    let id = resolve_channel(context, &call.channel)?;
    let answer = look(context, id, |channel| {
        let wanted = call.id.iter().map(|wanted| match wanted {
            enums::InputMessage::Id(wanted) => message(context, channel, wanted.id),
            _ => message(context, channel, 0),
        });
        let messages: Vec<_> = wanted.collect();
        channel_messages(context, channel, messages.len(), messages)
    })?;
    Ok(answer.to_bytes())
}

/// What is asked for without a channel is of basic groups. Here each group counts for itself: the first that has the number.
pub(crate) fn get_messages_of_groups(context: &Context, call: &f::messages::GetMessages) -> Answer {
    let channels = &context.shared.channels;
    let groups = channels.filter(|group| group.id.is_basic_group() && group.holds(&context.who()));
    let one = |wanted: &enums::InputMessage| {
        let id = match wanted {
            enums::InputMessage::Id(wanted) => wanted.id,
            _ => 0,
        };
        let there = |group: &ChannelId| {
            channels
                .look(*group, |group| group.messages.contains_key(&id).then(|| message(context, group, id)))
        };
        let empty = || types::MessageEmpty { id, peer_id: None }.into();
        groups.iter().find_map(|group| there(group).flatten()).unwrap_or_else(empty)
    };
    let found = types::messages::Messages {
        messages: call.id.iter().map(one).collect(),
        topics: Vec::new(),
        chats: Vec::new(),
        users: vec![tl_types::user(&context.account, context.bot)],
    };
    Ok(enums::messages::Messages::Messages(found).to_bytes())
}

pub(crate) fn delete_messages(context: &Context, call: &f::channels::DeleteMessages) -> Answer {
    let id = resolve_channel(context, &call.channel)?;
    let deleted = context.shared.channels.delete_by(&context.who(), id, &call.id).map_err(forbidden)?;
    let pts_count = deleted as i32;
    let pts = look(context, id, |channel| channel.pts)?;
    let affected = types::messages::AffectedMessages { pts, pts_count };
    Ok(enums::messages::AffectedMessages::Messages(affected).to_bytes())
}

/// What is deleted without a channel is of basic groups.
pub(crate) fn delete_of_groups(context: &Context, call: &f::messages::DeleteMessages) -> Answer {
    let channels = &context.shared.channels;
    let groups = channels.filter(|group| group.id.is_basic_group() && group.holds(&context.who()));
    let (mut deleted, mut refused) = (0, None);
    // On Telegram a number is one message of one group; here each group counts for itself, and may have such a number.
    for (id, number) in groups.into_iter().flat_map(|id| call.id.iter().map(move |number| (id, *number))) {
        match channels.delete_by(&context.who(), id, &[number]) {
            Ok(there) => deleted += there,
            Err(not_allowed) => refused = Some(not_allowed),
        }
    }
    if let Some(not_allowed) = refused.filter(|_| deleted == 0) {
        return Err(forbidden(not_allowed));
    }
    let affected = types::messages::AffectedMessages { pts: 1, pts_count: deleted as i32 };
    Ok(enums::messages::AffectedMessages::Messages(affected).to_bytes())
}

fn forbidden(_: NotAllowed) -> RpcError {
    RpcError::new(403, "MESSAGE_DELETE_FORBIDDEN")
}

fn message(context: &Context, channel: &Channel, id: i32) -> enums::Message {
    match channel.messages.get(&id) {
        Some(stored) => tl_types::message(channel, stored, &context.who()),
        None if id == 1 => tl_types::creation(channel),
        None => enums::Message::Empty(types::MessageEmpty { id, peer_id: Some(tl_types::peer(channel)) }),
    }
}

fn channel_messages(
    context: &Context,
    channel: &Channel,
    count: usize,
    messages: Vec<enums::Message>,
) -> enums::messages::Messages {
    enums::messages::Messages::ChannelMessages(types::messages::ChannelMessages {
        inexact: false,
        pts: channel.pts,
        count: count as i32,
        offset_id_offset: None,
        messages,
        topics: Vec::new(),
        chats: vec![tl_types::chat(channel, &context.who())],
        users: vec![tl_types::user(&context.account, context.bot)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_newest_first_and_exclude_their_bounds() {
        let all = Window { offset_id: 0, add_offset: 0, limit: 3, max_id: 0, min_id: 0 };
        assert_eq!(all.cut(vec![1, 2, 3, 4, 5]), [5, 4, 3]);
        assert_eq!(Window { offset_id: 3, ..all }.cut(vec![1, 2, 3, 4, 5]), [2, 1]);
        let all = Window { offset_id: 0, add_offset: 0, limit: 9, max_id: 5, min_id: 2 };
        assert_eq!(all.cut(vec![1, 2, 3, 4, 5]), [4, 3]);
    }
}
