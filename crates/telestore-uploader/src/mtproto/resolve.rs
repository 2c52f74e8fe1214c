use grammers_tl_types as tl;
use telestore_types::ChatId;
use tl::enums::{InputChannel, InputPeer};
use tokio::time::Instant;

use super::account::Known;
use super::answers::{Group, Next, Seen};
use super::attempt::Attempt;
use super::rights::Refusal;
use super::rpc::{CallError, Remedy};
use crate::{Error, Result};

/// What Telegram gives at once.
const PAGE: i32 = 100;

/// How many pages of dialogs are looked through.
const MAX_PAGES: usize = 200;

/// Finds the channel of the credentials, sees that the account may post in it, and remembers both for the account.
///
/// Telegram wants an access hash beside the id. A bot may leave it out; a user finds it in the list of dialogs. `hash` is
/// what an earlier attempt found.
pub(crate) async fn resolve(attempt: &Attempt<'_>, hash: Option<i64>) -> Result<Known> {
    let chat = &attempt.credentials.chat_id;
    let known = attempt.account.known_peer(chat.as_str());
    let max_age = attempt.config.rights_max_age;
    if let Some(known) = known.as_ref().filter(|known| known.posts.is_some_and(|at| at.elapsed() < max_age)) {
        return Ok(known.clone());
    }
    let found = find(attempt, known.map(|known| known.peer), hash).await?;
    if let Some(refusal) = found.refusal.filter(|refusal| refusal.holds(attempt.now())) {
        return Err(Error::may_not_post(refusal.why));
    }
    let known = Known { peer: found.peer, moved_to: found.moved_to, posts: Some(Instant::now()) };
    attempt.account.remember_peer(chat.as_str(), known.clone());
    if let Some(moved_to) = &known.moved_to {
        attempt.progress.moved(chat, moved_to).await;
    }
    Ok(known)
}

/// Finds the channel, whether or not the account may post in it.
pub(crate) async fn locate(attempt: &Attempt<'_>) -> Result<InputPeer> {
    match attempt.account.known_peer(attempt.credentials.chat_id.as_str()) {
        Some(known) => Ok(known.peer),
        None => find(attempt, None, None).await.map(|found| found.peer),
    }
}

async fn find(attempt: &Attempt<'_>, known: Option<InputPeer>, hash: Option<i64>) -> Result<Target> {
    let chat = &attempt.credentials.chat_id;
    match (chat.channel_id(), chat.number()) {
        (Some(id), _) => {
            let known = known.as_ref().and_then(access_hash);
            channel(attempt, id, known.or(hash)).await.map(Target::from)
        }
        (None, Some(number)) if number < 0 => group(attempt, -number).await,
        // Files go to channels and groups; a number above zero is a person.
        (None, Some(_)) => Err(Error::channel_unresolved()),
        (None, None) => match known {
            Some(known) => look_at(attempt, known).await,
            None => named(attempt, chat.as_str().trim_start_matches('@')).await,
        },
    }
}

/// Which supergroup the group of the credentials has become.
pub(crate) async fn moved_to(attempt: &Attempt<'_>) -> Result<Option<ChatId>> {
    match attempt.credentials.chat_id.number() {
        Some(id) if id < 0 && attempt.credentials.chat_id.channel_id().is_none() => {
            group(attempt, -id).await.map(|found| found.moved_to)
        }
        _ => Ok(None),
    }
}

/// The access hash of a channel, for a later attempt.
pub(crate) fn access_hash(peer: &InputPeer) -> Option<i64> {
    match peer {
        InputPeer::Channel(channel) => Some(channel.access_hash),
        _ => None,
    }
}

/// Where files can go.
struct Target {
    peer: InputPeer,
    moved_to: Option<ChatId>,
    refusal: Option<Refusal>,
}

impl From<Seen> for Target {
    fn from(seen: Seen) -> Self {
        Self { peer: seen.peer(), moved_to: None, refusal: seen.refusal }
    }
}

/// Asks for a channel by the hash that is known of it, without one, and then in the list of dialogs.
async fn channel(attempt: &Attempt<'_>, id: i64, hash: Option<i64>) -> Result<Seen> {
    for access_hash in hash.into_iter().chain([0]) {
        if let Some(seen) = ask_for(attempt, id, access_hash).await? {
            return Ok(seen);
        }
    }
    in_dialogs(attempt, id).await
}

async fn ask_for(attempt: &Attempt<'_>, id: i64, access_hash: i64) -> Result<Option<Seen>> {
    let named: InputChannel = tl::types::InputChannel { channel_id: id, access_hash }.into();
    let request = tl::functions::channels::GetChannels { id: vec![named] };
    match attempt.call(&request).await {
        Ok(channels) => Ok(channels.into_iter().find(|seen| seen.id == id)),
        Err(error) if matches!(error.remedy(), Remedy::Resolve | Remedy::GiveUp) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A basic group, or what it has become: <https://core.telegram.org/api/channel#migration>.
async fn group(attempt: &Attempt<'_>, id: i64) -> Result<Target> {
    let request = tl::functions::messages::GetChats { id: vec![id] };
    let groups = match attempt.call(&request).await {
        Ok(groups) => groups,
        Err(error) if error.remedy() == Remedy::GiveUp => return Err(Error::channel_unresolved()),
        Err(error) => return Err(error.into()),
    };
    let found = groups.into_iter().find(|group| group.id == id).ok_or_else(Error::channel_unresolved)?;
    let Group { moved_to: Some((new, hash)), .. } = found else {
        let peer = tl::types::InputPeerChat { chat_id: id }.into();
        return Ok(Target { peer, moved_to: None, refusal: found.refusal });
    };
    let seen = channel(attempt, new, Some(hash)).await?;
    let moved_to = ChatId::new(bot_api_id(seen.id)).ok();
    Ok(Target { moved_to, ..seen.into() })
}

/// The rights to a peer that a name stood for.
async fn look_at(attempt: &Attempt<'_>, peer: InputPeer) -> Result<Target> {
    match peer {
        InputPeer::Channel(known) => {
            channel(attempt, known.channel_id, Some(known.access_hash)).await.map(Target::from)
        }
        InputPeer::Chat(known) => group(attempt, known.chat_id).await,
        _ => Err(Error::channel_unresolved()),
    }
}

/// What the Bot API calls a channel.
fn bot_api_id(channel: i64) -> String {
    (-1_000_000_000_000 - channel).to_string()
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
async fn in_dialogs(attempt: &Attempt<'_>, id: i64) -> Result<Seen> {
    let mut request = first_page();
    for _ in 0..MAX_PAGES {
        let page = match attempt.call(&request).await {
            Ok(page) => page,
            // Bots have no dialogs.
            Err(CallError::Rpc(error)) if error.remedy() == Remedy::GiveUp => break,
            Err(error) => return Err(error.into()),
        };
        let mut found = None;
        for seen in page.channels {
            if seen.id == id {
                found = Some(seen);
            } else {
                let known = Known { peer: seen.peer(), moved_to: None, posts: None };
                attempt.account.remember_peer(&bot_api_id(seen.id), known);
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

async fn named(attempt: &Attempt<'_>, name: &str) -> Result<Target> {
    let request = tl::functions::contacts::ResolveUsername { username: name.to_owned(), referer: None };
    match attempt.call(&request).await {
        Ok(peer) => look_at(attempt, peer).await,
        Err(error) if error.remedy() == Remedy::GiveUp => Err(Error::channel_unresolved()),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn input_channel(channel_id: i64, access_hash: i64) -> InputPeer {
    tl::types::InputPeerChannel { channel_id, access_hash }.into()
}
