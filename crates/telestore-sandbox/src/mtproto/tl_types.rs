//! The sandbox's users, channels and messages as TL objects. The few types involved are the same in layers 229
//! and 230, so one form serves all clients.

use grammers_tl_types::{Cursor, Deserializable, Serializable, enums, types};

use crate::channel::Channel;
use crate::data_centres::{DataCentre, HOME};
use crate::entities::SandboxEntity;
use crate::media::Kind;
use crate::message::StoredMessage;
use crate::shared::{Addresses, Shared};
use crate::standing::{Standing, Who};
use crate::users::Account;

/// An object with nothing but its mandatory fields, given in serialised form. Layers add optional fields all the
/// time; none of them has to be named here.
fn bare<T: Deserializable>(mandatory: &[u8]) -> T {
    let mut cursor = Cursor::from_slice(mandatory);
    T::deserialize(&mut cursor).expect("the mandatory fields are complete")
}

/// The account or its bot.
pub(crate) fn user(account: &Account, bot: bool) -> enums::User {
    let mut fields = [0; 8].to_vec();
    fields.extend(id_of(account, bot).to_le_bytes());
    let mut user: types::User = bare(&fields);
    user.is_self = true;
    user.bot = bot;
    user.access_hash = Some(id_of(account, bot) ^ 0x5eed_5eed);
    user.first_name = Some(account.user.name.clone());
    match bot {
        true => user.bot_info_version = Some(1),
        false => user.phone = Some(account.user.phone.clone()),
    }
    user.premium = !bot && account.is_premium();
    if bot {
        user.username = Some(format!("{}_sandbox_bot", account.user.name));
    }
    enums::User::User(user)
}

/// The Telegram id of the account or its bot.
pub(crate) fn id_of(account: &Account, bot: bool) -> i64 {
    if bot { account.user.bot_user_id } else { account.user.telegram_user_id }
}

/// The channel or group as one who knows it sees it.
pub(crate) fn chat(channel: &Channel, who: &Who) -> enums::Chat {
    match (channel.standing(who), channel.id.is_basic_group()) {
        (Some(Standing::Kicked), true) => {
            let (id, title) = (channel.id.bare(), channel.title.clone());
            enums::Chat::Forbidden(types::ChatForbidden { id, title })
        }
        (Some(Standing::Kicked), false) => enums::Chat::ChannelForbidden(types::ChannelForbidden {
            broadcast: !channel.group,
            megagroup: channel.group,
            monoforum: false,
            id: channel.id.bare(),
            access_hash: channel.access_hash(who),
            title: channel.title.clone(),
            until_date: None,
        }),
        (standing, true) => basic_group(channel, who, standing),
        (standing, false) => supergroup_or_channel(channel, who, standing),
    }
}

fn supergroup_or_channel(channel: &Channel, who: &Who, standing: Option<Standing>) -> enums::Chat {
    let mut fields = [0; 8].to_vec();
    channel.id.bare().serialize(&mut fields);
    channel.title.serialize(&mut fields);
    enums::ChatPhoto::Empty.serialize(&mut fields);
    (channel.created as i32).serialize(&mut fields);
    let mut chat: types::Channel = bare(&fields);
    (chat.broadcast, chat.megagroup) = (!channel.group, channel.group);
    chat.forum = channel.topics.is_forum();
    chat.noforwards = !channel.forwards;
    chat.creator = standing == Some(Standing::Creator);
    chat.left = !channel.holds(who);
    chat.access_hash = Some(channel.access_hash(who));
    chat.participants_count = Some(participants(channel));
    chat.admin_rights = standing.and_then(|standing| admin_rights(channel, standing));
    chat.banned_rights = (standing == Some(Standing::Restricted)).then(no_documents);
    chat.default_banned_rights = default_banned_rights(channel);
    enums::Chat::Channel(chat)
}

fn basic_group(channel: &Channel, who: &Who, standing: Option<Standing>) -> enums::Chat {
    let mut fields = [0; 4].to_vec();
    channel.id.bare().serialize(&mut fields);
    channel.title.serialize(&mut fields);
    enums::ChatPhoto::Empty.serialize(&mut fields);
    [participants(channel), channel.created as i32, 1].iter().for_each(|field| field.serialize(&mut fields));
    let mut chat: types::Chat = bare(&fields);
    chat.creator = standing == Some(Standing::Creator);
    chat.left = !channel.holds(who);
    chat.deactivated = channel.migrated_to.is_some();
    chat.noforwards = !channel.forwards;
    chat.migrated_to = channel.migrated_to.map(|new| {
        let (channel_id, access_hash) = (new.bare(), who.access_hash(new));
        enums::InputChannel::Channel(types::InputChannel { channel_id, access_hash })
    });
    chat.admin_rights = standing.and_then(|standing| admin_rights(channel, standing));
    chat.default_banned_rights = default_banned_rights(channel);
    enums::Chat::Chat(chat)
}

fn participants(channel: &Channel) -> i32 {
    channel.members.values().filter(|standing| standing.is_in()).count() as i32
}

fn admin_rights(channel: &Channel, standing: Standing) -> Option<enums::ChatAdminRights> {
    let mut rights: types::ChatAdminRights = bare(&[0; 4]);
    rights.post_messages = !channel.group && standing != Standing::AdministratorWithoutPosts;
    rights.edit_messages = !channel.group;
    rights.delete_messages = standing != Standing::AdministratorWithoutDeletes;
    rights.other = true;
    standing.is_administrator().then_some(enums::ChatAdminRights::Rights(rights))
}

/// Channels have none.
fn default_banned_rights(channel: &Channel) -> Option<enums::ChatBannedRights> {
    let allowed = channel.documents && channel.writable;
    channel
        .group
        .then(|| if allowed { enums::ChatBannedRights::Rights(bare(&[0; 8])) } else { no_documents() })
}

/// Everything is allowed but files, for ever.
fn no_documents() -> enums::ChatBannedRights {
    let mut rights: types::ChatBannedRights = bare(&[0; 8]);
    (rights.send_docs, rights.until_date) = (true, i32::MAX);
    enums::ChatBannedRights::Rights(rights)
}

pub(crate) fn peer(channel: &Channel) -> enums::Peer {
    let id = channel.id.bare();
    match channel.id.is_basic_group() {
        true => enums::Peer::Chat(types::PeerChat { chat_id: id }),
        false => enums::Peer::Channel(types::PeerChannel { channel_id: id }),
    }
}

/// The update that tells of a message.
pub(crate) fn new_message(channel: &Channel, message: enums::Message) -> enums::Update {
    let (pts, pts_count) = (channel.pts, 1);
    match channel.id.is_basic_group() {
        true => enums::Update::NewMessage(types::UpdateNewMessage { message, pts, pts_count }),
        false => enums::Update::NewChannelMessage(types::UpdateNewChannelMessage { message, pts, pts_count }),
    }
}

/// A message of the channel.
pub(crate) fn message(channel: &Channel, stored: &StoredMessage, who: &Who) -> enums::Message {
    let mut fields = [0; 8].to_vec();
    stored.public.message_id.serialize(&mut fields);
    peer(channel).serialize(&mut fields);
    (stored.public.date as i32).serialize(&mut fields);
    stored.public.caption.serialize(&mut fields);
    let mut message: types::Message = bare(&fields);
    message.post = !channel.group;
    // The posts of an account's bot are somebody else's.
    message.out = stored.sender == *who;
    message.silent = stored.public.silent;
    let entities: Vec<_> = stored.public.entities.iter().map(SandboxEntity::to_tl).collect();
    message.entities = Some(entities).filter(|entities| !entities.is_empty());
    message.reply_to = stored.public.topic_id.map(in_topic);
    message.views = Some(1);
    message.forwards = Some(0);
    if stored.public.kind == Kind::Photo {
        let mut media: types::MessageMediaPhoto = bare(&[0; 4]);
        media.photo = Some(photo(stored, who));
        message.media = Some(enums::MessageMedia::Photo(media));
    } else if stored.has_document() {
        let mut media: types::MessageMediaDocument = bare(&[0; 4]);
        media.document = Some(document(stored, who));
        message.media = Some(enums::MessageMedia::Document(media));
    }
    enums::Message::Message(message)
}

/// How a message in a topic says so.
fn in_topic(topic_id: i32) -> enums::MessageReplyHeader {
    let mut header: types::MessageReplyHeader = bare(&[0; 4]);
    header.forum_topic = true;
    header.reply_to_msg_id = Some(topic_id);
    enums::MessageReplyHeader::Header(header)
}

/// What the size is called that photos have here.
pub(crate) const PHOTO_SIZE: &str = "y";

/// Telegram keeps a photo in several sizes; here it is the one that was sent.
fn photo(stored: &StoredMessage, who: &Who) -> enums::Photo {
    let (w, h) = stored.public.media.as_ref().and_then(|media| media.size).unwrap_or_default();
    let size = types::PhotoSize { r#type: PHOTO_SIZE.to_owned(), w, h, size: stored.public.size as i32 };
    enums::Photo::Photo(types::Photo {
        has_stickers: false,
        id: stored.public.document_id,
        access_hash: stored.access_hash(who),
        file_reference: stored.file_reference(who),
        date: stored.public.date as i32,
        sizes: vec![size.into()],
        video_sizes: None,
        dc_id: stored.public.dc_id,
    })
}

fn document(stored: &StoredMessage, who: &Who) -> enums::Document {
    enums::Document::Document(types::Document {
        id: stored.public.document_id,
        access_hash: stored.access_hash(who),
        file_reference: stored.file_reference(who),
        date: stored.public.date as i32,
        mime_type: stored.public.mime_type.clone(),
        size: stored.public.size as i64,
        thumbs: None,
        video_thumbs: None,
        dc_id: stored.public.dc_id,
        attributes: stored.attributes.clone(),
    })
}

/// Message 1 of every channel.
pub(crate) fn creation(channel: &Channel) -> enums::Message {
    let mut fields = [0; 4].to_vec();
    1_i32.serialize(&mut fields);
    peer(channel).serialize(&mut fields);
    (channel.created as i32).serialize(&mut fields);
    let title = channel.title.clone();
    enums::MessageAction::ChannelCreate(types::MessageActionChannelCreate { title }).serialize(&mut fields);
    let mut message: types::MessageService = bare(&fields);
    message.post = !channel.group;
    enums::Message::Service(message)
}

/// The channel's newest message.
pub(crate) fn newest(channel: &Channel, who: &Who) -> enums::Message {
    let newest = channel.messages.values().next_back();
    newest.map_or_else(|| creation(channel), |stored| message(channel, stored, who))
}

pub(crate) fn dialog(channel: &Channel) -> enums::Dialog {
    let top_message = channel.messages.keys().next_back().copied().unwrap_or(1);
    enums::Dialog::Dialog(types::Dialog {
        pinned: false,
        unread_mark: false,
        view_forum_as_messages: false,
        peer: peer(channel),
        top_message,
        read_inbox_max_id: top_message,
        read_outbox_max_id: top_message,
        unread_count: 0,
        unread_mentions_count: 0,
        unread_reactions_count: 0,
        unread_poll_votes_count: 0,
        notify_settings: enums::PeerNotifySettings::Settings(bare(&[0; 4])),
        pts: Some(channel.pts),
        draft: None,
        folder_id: None,
        ttl_period: None,
    })
}

pub(crate) fn state() -> enums::updates::State {
    let date = crate::channel::unix_time() as i32;
    enums::updates::State::State(types::updates::State { pts: 1, qts: 1, date, seq: 1, unread_count: 0 })
}

/// `help.getConfig` of one data centre: the addresses of all of them; the first one has one more for media only. None
/// of them is `static`, which would make clients overwrite the address they were given.
pub(crate) fn config(shared: &Shared, this_dc: i32) -> enums::Config {
    let date = crate::channel::unix_time() as i32;
    let Addresses { mtproto, media, .. } = shared.addresses;
    let first = [(HOME, mtproto, false), (HOME, media, true)];
    let others = shared.data_centres.all().into_iter().map(|DataCentre { id, address }| (id, address, false));
    let dc_options = first.into_iter().chain(others).map(|(id, address, media_only)| {
        enums::DcOption::Option(types::DcOption {
            ipv6: address.is_ipv6(),
            media_only,
            tcpo_only: false,
            cdn: false,
            r#static: false,
            this_port_only: true,
            id,
            ip_address: address.ip().to_string(),
            port: i32::from(address.port()),
            secret: None,
        })
    });
    let mut fields = Vec::new();
    0_u32.serialize(&mut fields);
    date.serialize(&mut fields);
    (date + 3600).serialize(&mut fields);
    false.serialize(&mut fields);
    this_dc.serialize(&mut fields);
    dc_options.collect::<Vec<_>>().serialize(&mut fields);
    String::new().serialize(&mut fields);
    // What follows are limits and intervals of things the sandbox has none of.
    let limits = [200, 200_000, 100, 120_000, 5000, 30_000, 300_000, 30_000, 1500, 60_000, 2, 172_800];
    let limits =
        limits.into_iter().chain([172_800, 172_800, 2419, 20, 604_800, 20_000, 90_000, 30_000, 10_000]);
    limits.for_each(|limit: i32| limit.serialize(&mut fields));
    "https://t.me/".to_owned().serialize(&mut fields);
    [1024_i32, 4096, HOME].iter().for_each(|limit| limit.serialize(&mut fields));
    enums::Config::Config(bare(&fields))
}

/// Telegram's true.
pub(crate) fn yes() -> Vec<u8> {
    true.to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_both_addresses() {
        let any: std::net::SocketAddr = ([127, 0, 0, 1], 443).into();
        let media: std::net::SocketAddr = ([127, 0, 0, 1], 444).into();
        let rules = crate::shared::Rules {
            hash: true,
            keep: true,
            strict_time: false,
            clock_ahead: 0,
            single_connection: false,
            local_bot_api: false,
        };
        let dir = tempfile::tempdir().expect("a directory");
        let addresses = Addresses { http: any, mtproto: any, media };
        let shared = Shared::new(dir.path().to_owned(), rules, addresses).expect("a sandbox");
        let enums::Config::Config(config) = config(&shared, 2);
        let options = config.dc_options.iter().map(|option| match option {
            enums::DcOption::Option(option) => (option.port, option.media_only, option.r#static),
        });
        assert_eq!(options.collect::<Vec<_>>(), [(443, false, false), (444, true, false)]);
        assert_eq!((config.this_dc, config.message_length_max, config.webfile_dc_id), (2, 4096, 2));
        assert_eq!(config.me_url_prefix, "https://t.me/");
    }
}
