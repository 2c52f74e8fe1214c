use grammers_tl_types as tl;
use tl::enums::{InputChannel, InputPeer};

use super::answers::Next;
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
        Ok(channels) => {
            if let Some((_, hash)) = channels.into_iter().find(|(of, _)| *of == id) {
                return Ok(input_channel(id, hash));
            }
        }
        Err(error) if matches!(error.remedy(), Remedy::Resolve | Remedy::GiveUp) => {}
        Err(error) => return Err(error.into()),
    }
    in_dialogs(attempt, id).await
}

/// Asks for the latest dialogs.
pub(super) fn first_page() -> tl::functions::messages::GetDialogs {
    tl::functions::messages::GetDialogs {
        exclude_pinned: false,
        folder_id: None,
        offset_date: 0,
        offset_id: 0,
        offset_peer: InputPeer::Empty,
        limit: PAGE,
        hash: 0,
    }
}

/// Looks through the dialogs to their end, and keeps every channel seen on the way.
async fn in_dialogs(attempt: &Attempt<'_>, id: i64) -> Result<InputPeer> {
    let mut request = first_page();
    for _ in 0..MAX_PAGES {
        let page = match attempt.call(&request).await {
            Ok(page) => page,
            // Bots have no dialogs.
            Err(CallError::Rpc(error)) if error.remedy() == Remedy::GiveUp => break,
            Err(error) => return Err(error.into()),
        };
        let mut found = None;
        for (channel, hash) in page.channels {
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
        if !page.next.is_some_and(|next| turn(&mut request, next)) {
            break;
        }
    }
    Err(Error::channel_unresolved())
}

/// Moves on to the dialogs behind these; says no where that would be the same page.
fn turn(request: &mut tl::functions::messages::GetDialogs, next: Next) -> bool {
    let Next { date, id, peer } = next;
    let date = date.unwrap_or(request.offset_date);
    let moved = (date, id) != (request.offset_date, request.offset_id) || peer != request.offset_peer;
    request.exclude_pinned = true;
    request.offset_date = date;
    request.offset_id = id;
    request.offset_peer = peer;
    moved
}

async fn named(attempt: &Attempt<'_>, name: &str) -> Result<InputPeer> {
    let request = tl::functions::contacts::ResolveUsername { username: name.to_owned(), referer: None };
    match attempt.call(&request).await {
        Ok(InputPeer::Empty | InputPeer::User(_)) => Err(Error::channel_unresolved()),
        Ok(peer) => Ok(peer),
        Err(error) if error.remedy() == Remedy::GiveUp => Err(Error::channel_unresolved()),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn input_channel(channel_id: i64, access_hash: i64) -> InputPeer {
    tl::types::InputPeerChannel { channel_id, access_hash }.into()
}
