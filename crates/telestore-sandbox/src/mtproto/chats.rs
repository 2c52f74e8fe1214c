//! Dialogs and channels: how an account finds a channel, and what it needs to name it.

use grammers_tl_types::{Serializable, enums, functions as f, types};

use super::dispatch::Context;
use super::rpc_error::RpcError;
use super::tl_types;
use crate::channel::Channel;
use crate::channel_id::ChannelId;
use crate::standing::Standing;

type Answer = Result<Vec<u8>, RpcError>;

/// The channel that was meant, if the caller may know it.
pub(crate) fn resolve(context: &Context, channel_id: i64, access_hash: i64) -> Result<ChannelId, RpcError> {
    let (id, standing) = find(context, channel_id, access_hash)?;
    match standing.is_some_and(Standing::is_in) {
        true => Ok(id),
        false => Err(RpcError::bad_request("CHANNEL_PRIVATE")),
    }
}

/// The same, even if the caller is not in it any more.
fn find(
    context: &Context,
    channel_id: i64,
    access_hash: i64,
) -> Result<(ChannelId, Option<Standing>), RpcError> {
    let invalid = || RpcError::bad_request("CHANNEL_INVALID");
    let (id, who) = (ChannelId::from(channel_id.max(1)), context.who());
    let check = |channel: &Channel| {
        let right = access_hash == channel.access_hash(&who) || context.bot && access_hash == 0;
        right.then(|| (id, channel.standing(&who)))
    };
    context.shared.channels.look(id, check).flatten().ok_or_else(invalid)
}

/// A basic group, which needs no access hash. One that became a supergroup takes nothing any more.
fn resolve_group(context: &Context, chat_id: i64) -> Result<ChannelId, RpcError> {
    let invalid = || RpcError::bad_request("PEER_ID_INVALID");
    let id = ChannelId::from(-chat_id.max(1));
    let check = |group: &Channel| match (group.migrated_to, group.standing(&context.who())) {
        (Some(_), _) | (None, None) => Err(invalid()),
        (None, Some(standing)) if standing.is_in() => Ok(id),
        (None, Some(_)) => Err(RpcError::new(403, "CHAT_WRITE_FORBIDDEN")),
    };
    context.shared.channels.look(id, check).ok_or_else(invalid)?
}

/// A peer that must be a channel or a group.
pub(crate) fn resolve_peer(context: &Context, peer: &enums::InputPeer) -> Result<ChannelId, RpcError> {
    match peer {
        enums::InputPeer::Channel(peer) => resolve(context, peer.channel_id, peer.access_hash),
        enums::InputPeer::Chat(peer) => resolve_group(context, peer.chat_id),
        _ => Err(RpcError::bad_request("PEER_ID_INVALID")),
    }
}

pub(crate) fn resolve_channel(
    context: &Context,
    channel: &enums::InputChannel,
) -> Result<ChannelId, RpcError> {
    match channel {
        enums::InputChannel::Channel(channel) => resolve(context, channel.channel_id, channel.access_hash),
        _ => Err(RpcError::bad_request("CHANNEL_INVALID")),
    }
}

/// A look at a channel that was resolved.
pub(crate) fn look<T>(
    context: &Context,
    id: ChannelId,
    look: impl FnOnce(&Channel) -> T,
) -> Result<T, RpcError> {
    context.shared.channels.look(id, look).ok_or_else(|| RpcError::bad_request("CHANNEL_INVALID"))
}

/// Bots have neither dialogs nor a history, and let nobody in.
pub(crate) fn users_only(context: &Context) -> Result<(), RpcError> {
    if context.bot { Err(RpcError::bad_request("BOT_METHOD_INVALID")) } else { Ok(()) }
}

#[derive(Default)]
struct Page {
    dialogs: Vec<enums::Dialog>,
    messages: Vec<enums::Message>,
    chats: Vec<enums::Chat>,
}

impl Page {
    fn of(context: &Context, ids: &[ChannelId]) -> Self {
        let mut page = Self::default();
        for id in ids {
            context.shared.channels.look(*id, |channel| {
                page.dialogs.push(tl_types::dialog(channel));
                page.messages.push(tl_types::newest(channel, &context.who()));
                page.chats.push(tl_types::chat(channel, &context.who()));
            });
        }
        page
    }
}

pub(crate) fn get_dialogs(context: &Context, call: &f::messages::GetDialogs) -> Answer {
    users_only(context)?;
    let mut all = context.shared.channels.filter(|channel| channel.holds(&context.who()));
    if call.folder_id.is_some_and(|folder| folder != 0) {
        all.clear();
    }
    let count = all.len();
    // Channels come in the order of their ids, which is as good as any and the same for every page.
    let last = match &call.offset_peer {
        enums::InputPeer::Channel(last) => Some(ChannelId::from(last.channel_id)),
        enums::InputPeer::Chat(last) => Some(ChannelId::from(-last.chat_id)),
        _ => None,
    };
    let behind = |last| all.iter().position(|id| *id == last).map_or(count, |position| position + 1);
    let rest = last.map_or(0, behind);
    let limit = if call.limit > 0 { call.limit as usize } else { 100 };
    let end = count.min(rest + limit);
    let Page { dialogs, messages, chats } = Page::of(context, &all[rest..end]);
    let users = vec![tl_types::user(&context.account, context.bot)];
    let answer = match rest == 0 && end == count {
        true => {
            enums::messages::Dialogs::Dialogs(types::messages::Dialogs { dialogs, messages, chats, users })
        }
        false => {
            let count = count as i32;
            let slice = types::messages::DialogsSlice { count, dialogs, messages, chats, users };
            enums::messages::Dialogs::Slice(slice)
        }
    };
    Ok(answer.to_bytes())
}

pub(crate) fn get_peer_dialogs(context: &Context, call: &f::messages::GetPeerDialogs) -> Answer {
    users_only(context)?;
    let resolve = |peer: &enums::InputDialogPeer| match peer {
        enums::InputDialogPeer::Peer(peer) => resolve_peer(context, &peer.peer),
        _ => Err(RpcError::bad_request("PEER_ID_INVALID")),
    };
    let ids = call.peers.iter().map(resolve).collect::<Result<Vec<_>, _>>()?;
    let Page { dialogs, messages, chats } = Page::of(context, &ids);
    let users = vec![tl_types::user(&context.account, context.bot)];
    let found = types::messages::PeerDialogs { dialogs, messages, chats, users, state: tl_types::state() };
    Ok(enums::messages::PeerDialogs::Dialogs(found).to_bytes())
}

/// Also a channel that the caller was thrown out of is shown, as `channelForbidden`.
pub(crate) fn get_channels(context: &Context, call: &f::channels::GetChannels) -> Answer {
    let chat = |channel: &enums::InputChannel| {
        let enums::InputChannel::Channel(channel) = channel else {
            return Err(RpcError::bad_request("CHANNEL_INVALID"));
        };
        let (id, standing) = find(context, channel.channel_id, channel.access_hash)?;
        match standing {
            None | Some(Standing::Left) => Err(RpcError::bad_request("CHANNEL_PRIVATE")),
            Some(_) => look(context, id, |channel| tl_types::chat(channel, &context.who())),
        }
    };
    let chats = call.id.iter().map(chat).collect::<Result<Vec<_>, _>>()?;
    Ok(enums::messages::Chats::Chats(types::messages::Chats { chats }).to_bytes())
}

/// Basic groups, by their ids alone.
pub(crate) fn get_chats(context: &Context, call: &f::messages::GetChats) -> Answer {
    let chat = |chat_id: &i64| {
        let invalid = || RpcError::bad_request("CHAT_ID_INVALID");
        let id = ChannelId::from(-(*chat_id).max(1));
        let known =
            |group: &Channel| group.standing(&context.who()).map(|_| tl_types::chat(group, &context.who()));
        context.shared.channels.look(id, known).flatten().ok_or_else(invalid)
    };
    let chats = call.id.iter().map(chat).collect::<Result<Vec<_>, _>>()?;
    Ok(enums::messages::Chats::Chats(types::messages::Chats { chats }).to_bytes())
}

/// What has changed since `pts`. The sandbox keeps the changes no longer than the messages that they made: all of those are told,
/// unless there were more changes than the caller takes.
/// <https://core.telegram.org/method/updates.getChannelDifference>
pub(crate) fn channel_difference(context: &Context, call: &f::updates::GetChannelDifference) -> Answer {
    let id = resolve_channel(context, &call.channel)?;
    if call.pts < 1 || call.limit < 1 {
        return Err(RpcError::bad_request("PERSISTENT_TIMESTAMP_INVALID"));
    }
    let difference = look(context, id, |channel| difference(context, channel, call.pts, call.limit))?;
    Ok(difference.to_bytes())
}

fn difference(
    context: &Context,
    channel: &Channel,
    since: i32,
    limit: i32,
) -> enums::updates::ChannelDifference {
    let (who, pts, timeout) = (context.who(), channel.pts, Some(30));
    if since >= pts {
        return types::updates::ChannelDifferenceEmpty { r#final: true, pts, timeout }.into();
    }
    let (chats, users) =
        (vec![tl_types::chat(channel, &who)], vec![tl_types::user(&context.account, context.bot)]);
    if since.saturating_add(limit) < pts {
        let (dialog, messages) = (tl_types::dialog(channel), vec![tl_types::newest(channel, &who)]);
        let too_long = types::updates::ChannelDifferenceTooLong {
            r#final: true,
            timeout,
            dialog,
            messages,
            chats,
            users,
        };
        return too_long.into();
    }
    let new_messages =
        channel.messages.values().map(|stored| tl_types::message(channel, stored, &who)).collect();
    let other_updates = Vec::new();
    let all = types::updates::ChannelDifference {
        r#final: true,
        pts,
        timeout,
        new_messages,
        other_updates,
        chats,
        users,
    };
    all.into()
}
