//! The sandbox's users, channels and messages as TL objects. The few types involved are the same in layers 229
//! and 230, so one form serves all clients.

use grammers_tl_types::{Cursor, Deserializable, Serializable, enums, types};

use crate::channel::Channel;
use crate::data_centres::{DataCentre, HOME};
use crate::message::{StoredMessage, Via};
use crate::shared::{Addresses, Shared};
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
        false => user.phone = Some(format!("999{}", account.user.telegram_user_id % 10_000_000)),
    }
    if bot {
        user.username = Some(format!("{}_sandbox_bot", account.user.name));
    }
    enums::User::User(user)
}

/// The Telegram id of the account or its bot.
pub(crate) fn id_of(account: &Account, bot: bool) -> i64 {
    if bot { account.user.bot_user_id } else { account.user.telegram_user_id }
}

/// Whose access hashes it may use: an account and its bot have different ones.
pub(crate) fn hash_owner(user_id: &str, bot: bool) -> String {
    if bot { format!("bot/{user_id}") } else { user_id.to_owned() }
}

/// The channel as its owner sees it.
pub(crate) fn chat(channel: &Channel, user_id: &str, bot: bool) -> enums::Chat {
    let mut fields = [0; 8].to_vec();
    channel.id.bare().serialize(&mut fields);
    channel.title.serialize(&mut fields);
    enums::ChatPhoto::Empty.serialize(&mut fields);
    (channel.created as i32).serialize(&mut fields);
    let mut chat: types::Channel = bare(&fields);
    chat.broadcast = true;
    chat.creator = !bot;
    chat.access_hash = Some(channel.access_hash(&hash_owner(user_id, bot)));
    chat.participants_count = Some((channel.accounts.len() + channel.bots.len()) as i32);
    let mut rights: types::ChatAdminRights = bare(&[0; 4]);
    rights.post_messages = channel.writable;
    rights.edit_messages = true;
    rights.delete_messages = true;
    rights.other = true;
    chat.admin_rights = Some(enums::ChatAdminRights::Rights(rights));
    enums::Chat::Channel(chat)
}

pub(crate) fn peer(channel: &Channel) -> enums::Peer {
    enums::Peer::Channel(types::PeerChannel { channel_id: channel.id.bare() })
}

/// A post of the channel.
pub(crate) fn message(channel: &Channel, stored: &StoredMessage, user_id: &str) -> enums::Message {
    let mut fields = [0; 8].to_vec();
    stored.public.message_id.serialize(&mut fields);
    peer(channel).serialize(&mut fields);
    (stored.public.date as i32).serialize(&mut fields);
    stored.public.caption.serialize(&mut fields);
    let mut message: types::Message = bare(&fields);
    message.post = true;
    // The posts of an account's bot are somebody else's.
    message.out = stored.public.user_id == user_id && stored.public.via == Via::Mtproto;
    message.views = Some(1);
    message.forwards = Some(0);
    if stored.has_document() {
        let mut media: types::MessageMediaDocument = bare(&[0; 4]);
        media.document = Some(document(stored));
        message.media = Some(enums::MessageMedia::Document(media));
    }
    enums::Message::Message(message)
}

fn document(stored: &StoredMessage) -> enums::Document {
    enums::Document::Document(types::Document {
        id: stored.public.document_id,
        access_hash: stored.access_hash,
        file_reference: stored.file_reference(),
        date: stored.public.date as i32,
        mime_type: stored.public.mime_type.clone(),
        size: stored.public.size as i64,
        thumbs: None,
        video_thumbs: None,
        dc_id: HOME,
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
    message.post = true;
    enums::Message::Service(message)
}

/// The channel's newest message.
pub(crate) fn newest(channel: &Channel, user_id: &str) -> enums::Message {
    let newest = channel.messages.values().next_back();
    newest.map_or_else(|| creation(channel), |stored| message(channel, stored, user_id))
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
