//! Reads channels, groups and dialogs: ids and access hashes.

use grammers_tl_types as tl;
use tl::enums::InputPeer;

use super::rights::{self, Refusal};
use crate::answers::{Ask, Object, Objects, PAGE_MAX, Result, SHORT};

/// How many channels of an answer are looked at: a page has a hundred dialogs.
const CHANNELS_MAX: usize = 1000;

/// A channel or supergroup as the account sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VisibleChannel {
    /// Its id, as MTProto has it: above zero.
    pub id: i64,
    /// What calls name beside the id. Good for this account only.
    pub access_hash: i64,
    /// What stops the account from posting files there.
    pub refusal: Option<Refusal>,
}

impl VisibleChannel {
    /// How calls name it.
    pub fn peer(&self) -> InputPeer {
        input_channel(self.id, self.access_hash)
    }
}

/// A basic group as the account sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VisibleGroup {
    /// Its id, as MTProto has it: above zero.
    pub id: i64,
    /// The id and the access hash of the supergroup that it has become.
    pub moved_to: Option<(i64, i64)>,
    /// What stops the account from posting files there.
    pub refusal: Option<Refusal>,
}

/// A page of the list of dialogs.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Dialogs {
    /// The channels in it.
    pub channels: Vec<VisibleChannel>,
    /// Where the next page begins, unless this is the last.
    pub next: Option<NextDialogs>,
}

/// What the last dialog of a page is known by.
#[derive(Debug)]
#[non_exhaustive]
pub struct NextDialogs {
    /// The date of its newest message, in seconds since 1970.
    pub date: Option<i32>,
    /// The id of its newest message.
    pub id: i32,
    /// The dialog.
    pub peer: InputPeer,
}

impl Ask for tl::functions::channels::GetChannels {
    type Answer = Vec<VisibleChannel>;

    const ANSWER_MAX: usize = SHORT;

    fn read(&self, answer: &[u8]) -> Result<Vec<VisibleChannel>> {
        Ok(channels(&Object::of("messages.Chats", answer)?))
    }
}

impl Ask for tl::functions::messages::GetChats {
    type Answer = Vec<VisibleGroup>;

    const ANSWER_MAX: usize = SHORT;

    fn read(&self, answer: &[u8]) -> Result<Vec<VisibleGroup>> {
        let chats = Object::of("messages.Chats", answer)?.objects("chats");
        Ok(chats.filter_map(|chat| group(&chat)).take(CHANNELS_MAX).collect())
    }
}

impl Ask for tl::functions::messages::GetDialogs {
    type Answer = Dialogs;

    const ANSWER_MAX: usize = PAGE_MAX;

    fn read(&self, answer: &[u8]) -> Result<Dialogs> {
        let dialogs = Object::of("messages.Dialogs", answer)?;
        // All of them come at once if they are few, or are said to be the same as before.
        let next = dialogs.is("messages.dialogsSlice").then(|| next(&dialogs)).flatten();
        Ok(Dialogs { channels: channels(&dialogs), next })
    }
}

impl Ask for tl::functions::contacts::ResolveUsername {
    type Answer = InputPeer;

    const ANSWER_MAX: usize = SHORT;

    fn read(&self, answer: &[u8]) -> Result<InputPeer> {
        let found = Object::of("contacts.ResolvedPeer", answer)?;
        Ok(found.object("peer").map_or(InputPeer::Empty, |peer| input_peer(&peer, &found)))
    }
}

fn channels(answer: &Object<'_>) -> Vec<VisibleChannel> {
    answer.objects("chats").filter_map(|chat| seen(&chat)).take(CHANNELS_MAX).collect()
}

fn seen(chat: &Object<'_>) -> Option<VisibleChannel> {
    let (id, access_hash) = hash_of(chat)?;
    Some(VisibleChannel { id, access_hash, refusal: rights::refusal(chat) })
}

fn group(chat: &Object<'_>) -> Option<VisibleGroup> {
    let group = chat.is("chat") || chat.is("chatForbidden");
    let moved_to =
        chat.object("migrated_to").and_then(|new| new.long("channel_id").zip(new.long("access_hash")));
    let id = chat.long("id").filter(|_| group)?;
    Some(VisibleGroup { id, moved_to, refusal: rights::refusal(chat) })
}

fn next(dialogs: &Object<'_>) -> Option<NextDialogs> {
    let last = dialogs.objects("dialogs").filter(|dialog| dialog.is("dialog")).last()?;
    let (peer, id) = (last.object("peer")?, last.int("top_message")?);
    let is_top = |message: &Object<'_>| {
        message.int("id") == Some(id) && message.bytes("peer_id") == last.bytes("peer")
    };
    let date = dialogs.objects("messages").find(is_top).and_then(|message| message.int("date"));
    Some(NextDialogs { date, id, peer: input_peer(&peer, dialogs) })
}

/// The peer as calls name it, by the chats and users of the answer.
fn input_peer(peer: &Object<'_>, answer: &Object<'_>) -> InputPeer {
    let known = if let Some(wanted) = peer.long("channel_id") {
        let mut channels = answer.objects("chats").filter_map(|chat| hash_of(&chat));
        channels.find(|(id, _)| *id == wanted).map(|(id, hash)| input_channel(id, hash))
    } else if let Some(chat_id) = peer.long("chat_id") {
        Some(tl::types::InputPeerChat { chat_id }.into())
    } else {
        peer.long("user_id").and_then(|id| input_user(id, answer.objects("users")))
    };
    known.unwrap_or(InputPeer::Empty)
}

fn input_user(user_id: i64, mut users: Objects<'_>) -> Option<InputPeer> {
    let user = users.find(|user| user.is("user") && user.long("id") == Some(user_id))?;
    let access_hash = user.long("access_hash")?;
    Some(tl::types::InputPeerUser { user_id, access_hash }.into())
}

/// The ids that channels have: no other one has a name in the Bot API, which credentials use.
/// <https://core.telegram.org/api/bots/ids>
const CHANNEL_IDS: std::ops::RangeInclusive<i64> = 1..=997_852_516_352;

/// The id and the hash of a channel. The hash of a `min` channel is good for its picture only.
fn hash_of(chat: &Object<'_>) -> Option<(i64, i64)> {
    let usable = chat.is("channel") && !chat.has("min") || chat.is("channelForbidden");
    let id = chat.long("id").filter(|id| usable && CHANNEL_IDS.contains(id))?;
    Some((id, chat.long("access_hash")?))
}

fn input_channel(channel_id: i64, access_hash: i64) -> InputPeer {
    tl::types::InputPeerChannel { channel_id, access_hash }.into()
}
