use grammers_tl_types as tl;
use telestore_types::ChatId;
use tl::enums::{InputChannel, InputPeer};
use tokio::time::Instant;

use super::read::{NextDialogs, VisibleChannel, VisibleGroup};
use super::rights::Refusal;
use crate::account::{Chat, access_hash};
use crate::{Calls, Error, Remedy, Result};

/// What Telegram gives at once.
const PAGE: i32 = 100;

/// How many pages of dialogs are looked through.
const MAX_PAGES: usize = 200;

impl Calls<'_> {
    /// Finds a channel or group, sees that the account may post in it, and remembers both for the account: the rights for
    /// [`rights_max_age`](crate::MtprotoConfig::rights_max_age).
    ///
    /// Telegram wants an access hash beside the id. A bot may leave it out; a user finds it in the list of dialogs. `hash`
    /// is [what an earlier call found](Chat::access_hash), if it was kept.
    ///
    /// # Errors
    /// [`ErrorKind::ChatNotFound`](crate::ErrorKind::ChatNotFound), [`ErrorKind::MayNotPost`](crate::ErrorKind::MayNotPost),
    /// and those of a call.
    pub async fn resolve(&self, chat: &ChatId, hash: Option<i64>) -> Result<Chat> {
        let known = self.account().peers().get(chat.as_str());
        let max_age = self.config().rights_max_age;
        let fresh = |known: &&Chat| known.posts.is_some_and(|at| at.elapsed() < max_age);
        if let Some(known) = known.as_ref().filter(fresh) {
            return Ok(known.clone());
        }
        let found = find(self, chat, known.map(|known| known.peer), hash).await?;
        if let Some(refusal) = found.refusal.filter(|refusal| refusal.holds(self.now())) {
            return Err(Error::may_not_post(refusal.why));
        }
        let known = Chat::new(found.peer, found.moved_to, Some(Instant::now()));
        self.account().peers().remember(chat.as_str(), known.clone());
        Ok(known)
    }

    /// Finds a channel or group, whether or not the account may post in it. A channel that is named by its number is remembered for
    /// the account, so that it is looked for once: neither its number nor its access hash changes. Who is refused there
    /// [forgets](Self::forget) it.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve), but for the rights.
    pub async fn locate(&self, chat: &ChatId) -> Result<InputPeer> {
        if let Some(known) = self.account().peers().get(chat.as_str()) {
            return Ok(known.peer);
        }
        let peer = find(self, chat, None, None).await?.peer;
        if chat.channel_id().is_some() {
            self.account().peers().remember(chat.as_str(), Chat::new(peer.clone(), None, None));
        }
        Ok(peer)
    }

    /// Which supergroup a basic group has become; `None` if it has not, or `chat` is no basic group.
    ///
    /// # Errors
    /// As [`locate`](Self::locate).
    pub async fn moved_to(&self, chat: &ChatId) -> Result<Option<ChatId>> {
        match chat.number().filter(|_| chat.is_basic_group()) {
            Some(id) => group(self, -id).await.map(|found| found.moved_to),
            None => Ok(None),
        }
    }

    /// Forgets what is remembered of a channel or group, so that it is asked for anew.
    pub fn forget(&self, chat: &ChatId) {
        self.account().peers().forget(chat.as_str());
    }
}

async fn find(
    calls: &Calls<'_>,
    chat: &ChatId,
    known: Option<InputPeer>,
    hash: Option<i64>,
) -> Result<Target> {
    match (chat.channel_id(), chat.number()) {
        (Some(id), _) => {
            let known = known.as_ref().and_then(access_hash);
            channel(calls, id, known.or(hash)).await.map(Target::from)
        }
        (None, Some(number)) if number < 0 => group(calls, -number).await,
        // Files go to channels and groups; a number above zero is a person.
        (None, Some(_)) => Err(Error::chat_not_found()),
        (None, None) => match known {
            Some(known) => look_at(calls, known).await,
            None => named(calls, chat.as_str().trim_start_matches('@')).await,
        },
    }
}

/// Where files can go.
struct Target {
    peer: InputPeer,
    moved_to: Option<ChatId>,
    refusal: Option<Refusal>,
}

impl From<VisibleChannel> for Target {
    fn from(seen: VisibleChannel) -> Self {
        Self { peer: seen.peer(), moved_to: None, refusal: seen.refusal }
    }
}

/// Asks for a channel by the hash that is known of it, without one, and then in the list of dialogs.
async fn channel(calls: &Calls<'_>, id: i64, hash: Option<i64>) -> Result<VisibleChannel> {
    for access_hash in hash.into_iter().chain([0]) {
        if let Some(seen) = ask_for(calls, id, access_hash).await? {
            return Ok(seen);
        }
    }
    in_dialogs(calls, id).await
}

async fn ask_for(calls: &Calls<'_>, id: i64, access_hash: i64) -> Result<Option<VisibleChannel>> {
    let named: InputChannel = tl::types::InputChannel { channel_id: id, access_hash }.into();
    let request = tl::functions::channels::GetChannels { id: vec![named] };
    match calls.call(&request).await {
        Ok(channels) => Ok(channels.into_iter().find(|seen| seen.id == id)),
        Err(error) if matches!(error.remedy(), Remedy::Resolve | Remedy::GiveUp) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A basic group, or what it has become: <https://core.telegram.org/api/channel#migration>.
async fn group(calls: &Calls<'_>, id: i64) -> Result<Target> {
    let request = tl::functions::messages::GetChats { id: vec![id] };
    let groups = match calls.call(&request).await {
        Ok(groups) => groups,
        Err(error) if error.remedy() == Remedy::GiveUp => return Err(Error::chat_not_found()),
        Err(error) => return Err(error),
    };
    let found = groups.into_iter().find(|group| group.id == id).ok_or_else(Error::chat_not_found)?;
    let VisibleGroup { moved_to: Some((new, hash)), .. } = found else {
        let peer = tl::types::InputPeerChat { chat_id: id }.into();
        return Ok(Target { peer, moved_to: None, refusal: found.refusal });
    };
    let seen = channel(calls, new, Some(hash)).await?;
    let moved_to = ChatId::new(bot_api_id(seen.id)).ok();
    Ok(Target { moved_to, ..seen.into() })
}

/// The rights to a peer that a name stood for.
async fn look_at(calls: &Calls<'_>, peer: InputPeer) -> Result<Target> {
    match peer {
        InputPeer::Channel(known) => {
            channel(calls, known.channel_id, Some(known.access_hash)).await.map(Target::from)
        }
        InputPeer::Chat(known) => group(calls, known.chat_id).await,
        _ => Err(Error::chat_not_found()),
    }
}

/// What the Bot API calls a channel.
fn bot_api_id(channel: i64) -> String {
    (-1_000_000_000_000 - channel).to_string()
}

/// Asks for the latest dialogs.
pub(crate) fn first_page() -> tl::functions::messages::GetDialogs {
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
async fn in_dialogs(calls: &Calls<'_>, id: i64) -> Result<VisibleChannel> {
    let mut request = first_page();
    for _ in 0..MAX_PAGES {
        let page = match calls.call(&request).await {
            Ok(page) => page,
            // Bots have no dialogs.
            Err(error) if error.rpc().is_some_and(|rpc| rpc.remedy() == Remedy::GiveUp) => break,
            Err(error) => return Err(error),
        };
        let mut found = None;
        for seen in page.channels {
            if seen.id == id {
                found = Some(seen);
            } else {
                let known = Chat::new(seen.peer(), None, None);
                calls.account().peers().remember(&bot_api_id(seen.id), known);
            }
        }
        if let Some(found) = found {
            return Ok(found);
        }
        if !page.next.is_some_and(|next| turn(&mut request, next)) {
            break;
        }
    }
    Err(Error::chat_not_found())
}

/// Moves on to the dialogs behind these; says no if that would be the same page.
fn turn(request: &mut tl::functions::messages::GetDialogs, next: NextDialogs) -> bool {
    let NextDialogs { date, id, peer } = next;
    let date = date.unwrap_or(request.offset_date);
    let moved = (date, id) != (request.offset_date, request.offset_id) || peer != request.offset_peer;
    request.exclude_pinned = true;
    request.offset_date = date;
    request.offset_id = id;
    request.offset_peer = peer;
    moved
}

async fn named(calls: &Calls<'_>, name: &str) -> Result<Target> {
    let request = tl::functions::contacts::ResolveUsername { username: name.to_owned(), referer: None };
    match calls.call(&request).await {
        Ok(peer) => look_at(calls, peer).await,
        Err(error) if error.remedy() == Remedy::GiveUp => Err(Error::chat_not_found()),
        Err(error) => Err(error),
    }
}
