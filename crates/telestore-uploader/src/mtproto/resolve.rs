use grammers_tl_types as tl;
use tl::enums::{Chat, Dialog, InputChannel, InputPeer, Message, Peer, User};

use super::attempt::Attempt;
use super::rpc::{CallError, Remedy};
use crate::{Error, Result};

/// What Telegram gives at once.
const PAGE: i32 = 100;

/// How many pages of dialogs are looked through.
const MAX_PAGES: usize = 200;

/// Finds the channel of the credentials, and remembers it for the account.
///
/// Telegram wants an access hash beside the id. A bot may leave it out; a user finds it in the list of dialogs.
pub(crate) async fn resolve(attempt: &Attempt<'_>, hash: Option<i64>) -> Result<InputPeer> {
    let chat = &attempt.credentials.chat_id;
    if let Some(peer) = attempt.account.known_peer(chat.as_str()) {
        return Ok(peer);
    }
    let peer = match (chat.channel_id(), chat.number()) {
        (Some(id), _) => match hash {
            Some(hash) => input_channel(id, hash),
            None => channel(attempt, id).await?,
        },
        (None, Some(number)) if number < 0 => tl::types::InputPeerChat { chat_id: -number }.into(),
        // Files go to channels and groups; a number above zero is a person.
        (None, Some(_)) => return Err(Error::channel_unresolved()),
        (None, None) => named(attempt, chat.as_str().trim_start_matches('@')).await?,
    };
    attempt.account.remember_peer(chat.as_str(), peer.clone());
    Ok(peer)
}

/// The access hash of a channel, for a later attempt.
pub(crate) fn access_hash(peer: &InputPeer) -> Option<i64> {
    match peer {
        InputPeer::Channel(channel) => Some(channel.access_hash),
        _ => None,
    }
}

async fn channel(attempt: &Attempt<'_>, id: i64) -> Result<InputPeer> {
    let nameless: InputChannel = tl::types::InputChannel { channel_id: id, access_hash: 0 }.into();
    let request = tl::functions::channels::GetChannels { id: vec![nameless] };
    match attempt.call(&request).await {
        Ok(found) => {
            let hash = chats(&found).iter().find_map(|chat| hash_of(chat).filter(|(of, _)| *of == id));
            if let Some((_, hash)) = hash {
                return Ok(input_channel(id, hash));
            }
        }
        Err(error) if matches!(error.remedy(), Remedy::Resolve | Remedy::GiveUp) => {}
        Err(error) => return Err(error.into()),
    }
    in_dialogs(attempt, id).await
}

/// Looks through the dialogs to their end, and keeps every channel seen on the way.
async fn in_dialogs(attempt: &Attempt<'_>, id: i64) -> Result<InputPeer> {
    let mut page = tl::functions::messages::GetDialogs {
        exclude_pinned: false,
        folder_id: None,
        offset_date: 0,
        offset_id: 0,
        offset_peer: InputPeer::Empty,
        limit: PAGE,
        hash: 0,
    };
    for _ in 0..MAX_PAGES {
        let dialogs = match attempt.call(&page).await {
            Ok(dialogs) => dialogs,
            // Bots have no dialogs.
            Err(CallError::Rpc(error)) if error.remedy() == Remedy::GiveUp => break,
            Err(error) => return Err(error.into()),
        };
        let (slice, chats, users, last) = match dialogs {
            tl::enums::messages::Dialogs::Dialogs(all) => {
                ((all.dialogs, all.messages), all.chats, all.users, true)
            }
            tl::enums::messages::Dialogs::Slice(slice) => {
                let last = slice.dialogs.is_empty();
                ((slice.dialogs, slice.messages), slice.chats, slice.users, last)
            }
            tl::enums::messages::Dialogs::NotModified(_) => break,
        };
        let mut found = None;
        for (channel, hash) in chats.iter().filter_map(hash_of) {
            let peer = input_channel(channel, hash);
            if channel == id {
                found = Some(peer);
            } else {
                attempt.account.remember_peer(&format!("{}", -1_000_000_000_000 - channel), peer);
            }
        }
        if let Some(found) = found {
            return Ok(found);
        }
        if last || !turn(&mut page, &slice.0, &slice.1, &chats, &users) {
            break;
        }
    }
    Err(Error::channel_unresolved())
}

/// Moves on to the dialogs behind these; says no where that would be the same page.
fn turn(
    page: &mut tl::functions::messages::GetDialogs,
    dialogs: &[Dialog],
    messages: &[Message],
    chats: &[Chat],
    users: &[User],
) -> bool {
    let Some((peer, top)) = dialogs.iter().rev().find_map(|dialog| match dialog {
        Dialog::Dialog(dialog) => Some((&dialog.peer, dialog.top_message)),
        Dialog::Folder(_) | Dialog::Community(_) => None,
    }) else {
        return false;
    };
    let date = messages.iter().find_map(|message| match message {
        Message::Message(message) if message.id == top && message.peer_id == *peer => Some(message.date),
        Message::Service(message) if message.id == top && message.peer_id == *peer => Some(message.date),
        _ => None,
    });
    let (offset_date, offset_peer) = (date.unwrap_or(page.offset_date), input_peer(peer, chats, users));
    let moved = (offset_date, top) != (page.offset_date, page.offset_id) || offset_peer != page.offset_peer;
    page.exclude_pinned = true;
    page.offset_date = offset_date;
    page.offset_id = top;
    page.offset_peer = offset_peer;
    moved
}

fn input_peer(peer: &Peer, chats: &[Chat], users: &[User]) -> InputPeer {
    match peer {
        Peer::Channel(channel) => chats
            .iter()
            .filter_map(hash_of)
            .find(|(id, _)| *id == channel.channel_id)
            .map_or(InputPeer::Empty, |(id, hash)| input_channel(id, hash)),
        Peer::Chat(chat) => tl::types::InputPeerChat { chat_id: chat.chat_id }.into(),
        Peer::User(user) => users
            .iter()
            .find_map(|known| match known {
                User::User(known) if known.id == user.user_id => known.access_hash,
                _ => None,
            })
            .map_or(InputPeer::Empty, |access_hash| {
                tl::types::InputPeerUser { user_id: user.user_id, access_hash }.into()
            }),
    }
}

async fn named(attempt: &Attempt<'_>, name: &str) -> Result<InputPeer> {
    let request = tl::functions::contacts::ResolveUsername { username: name.to_owned(), referer: None };
    let tl::enums::contacts::ResolvedPeer::Peer(found) = match attempt.call(&request).await {
        Ok(found) => found,
        Err(error) if error.remedy() == Remedy::GiveUp => return Err(Error::channel_unresolved()),
        Err(error) => return Err(error.into()),
    };
    match input_peer(&found.peer, &found.chats, &found.users) {
        InputPeer::Empty | InputPeer::User(_) => Err(Error::channel_unresolved()),
        peer => Ok(peer),
    }
}

fn chats(found: &tl::enums::messages::Chats) -> &[Chat] {
    match found {
        tl::enums::messages::Chats::Chats(all) => &all.chats,
        tl::enums::messages::Chats::Slice(slice) => &slice.chats,
    }
}

/// The id and the hash of a channel that may be written to. The hash of a `min` channel is good for its picture only.
fn hash_of(chat: &Chat) -> Option<(i64, i64)> {
    match chat {
        Chat::Channel(channel) if !channel.min => channel.access_hash.map(|hash| (channel.id, hash)),
        _ => None,
    }
}

fn input_channel(channel_id: i64, access_hash: i64) -> InputPeer {
    tl::types::InputPeerChannel { channel_id, access_hash }.into()
}
