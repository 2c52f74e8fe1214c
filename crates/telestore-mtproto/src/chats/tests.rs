use grammers_tl_types::{self as tl, Deserializable, Serializable, enums};
use tl::enums::{InputPeer, Peer};

use super::read::Dialogs;
use super::resolve::first_page;
use crate::answers::{Ask, Object, dc_options};

/// An object with nothing but its mandatory fields.
fn bare<T: Deserializable>(mandatory: &[u8]) -> T {
    T::from_bytes(mandatory).expect("the mandatory fields are complete")
}

fn text(text: &str) -> Vec<u8> {
    text.to_owned().to_bytes()
}

fn channel(id: i64, hash: i64, min: bool) -> enums::Chat {
    let fields =
        [&[0; 8][..], &id.to_le_bytes(), &text("a title"), &enums::ChatPhoto::Empty.to_bytes(), &[0; 4]];
    let mut channel: tl::types::Channel = bare(&fields.concat());
    (channel.access_hash, channel.min) = (Some(hash), min);
    channel.username = Some("name".to_owned());
    channel.into()
}

fn user(id: i64, hash: i64) -> enums::User {
    let mut user: tl::types::User = bare(&[&[0; 8][..], &id.to_le_bytes()].concat());
    (user.access_hash, user.first_name) = (Some(hash), Some("x".repeat(300)));
    user.into()
}

fn of_channel(channel_id: i64) -> Peer {
    tl::types::PeerChannel { channel_id }.into()
}

fn message(id: i32, peer: &Peer, date: i32) -> enums::Message {
    let fields = [&[0; 8][..], &id.to_le_bytes(), &peer.to_bytes(), &date.to_le_bytes(), &text("hello")];
    let mut message: tl::types::Message = bare(&fields.concat());
    (message.views, message.forwards) = (Some(3), Some(0));
    message.into()
}

fn dialog(peer: &Peer, top_message: i32) -> enums::Dialog {
    let numbers = [top_message, 0, 0, 0, 0, 0, 0].map(i32::to_le_bytes).concat();
    let settings = enums::PeerNotifySettings::Settings(bare(&[0; 4])).to_bytes();
    let dialog: tl::types::Dialog = bare(&[&[0; 4][..], &peer.to_bytes(), &numbers, &settings].concat());
    dialog.into()
}

fn slice(peers: &[Peer]) -> tl::types::messages::DialogsSlice {
    tl::types::messages::DialogsSlice {
        count: 1000,
        dialogs: (1..).zip(peers).map(|(top, peer)| dialog(peer, top)).collect(),
        messages: (1..).zip(peers).map(|(id, peer)| message(id, peer, 100 + id)).collect(),
        chats: vec![channel(7, 70, false), channel(8, 80, true), channel(9, 90, false)],
        users: vec![user(5, 50)],
    }
}

fn page(slice: tl::types::messages::DialogsSlice) -> Dialogs {
    first_page().read(&enums::messages::Dialogs::Slice(slice).to_bytes()).expect("readable")
}

#[test]
fn a_page_of_dialogs_names_channels_and_where_it_ends() {
    let page_of = |last: Peer| page(slice(&[of_channel(9), last]));
    let found = page_of(of_channel(7));
    let channels = found.channels.iter().map(|seen| (seen.id, seen.access_hash)).collect::<Vec<_>>();
    assert_eq!(channels, [(7, 70), (9, 90)], "the hash of a min channel is of no use");
    let next = found.next.expect("there is more");
    assert_eq!((next.date, next.id), (Some(102), 2));
    assert_eq!(next.peer, tl::types::InputPeerChannel { channel_id: 7, access_hash: 70 }.into());
    let user = page_of(tl::types::PeerUser { user_id: 5 }.into()).next.expect("there is more");
    assert_eq!(user.peer, tl::types::InputPeerUser { user_id: 5, access_hash: 50 }.into());
    let chat = page_of(tl::types::PeerChat { chat_id: 6 }.into()).next.expect("there is more");
    assert_eq!(chat.peer, tl::types::InputPeerChat { chat_id: 6 }.into());
    assert_eq!(page_of(of_channel(1)).next.expect("there is more").peer, InputPeer::Empty);
}

#[test]
fn ids_that_no_channel_has_are_passed_over() {
    let ids = [i64::MIN, -7, 0, 7, 997_852_516_353, i64::MAX];
    let chats = ids.map(|id| channel(id, 70, false)).to_vec();
    let found = page(tl::types::messages::DialogsSlice { chats, ..slice(&[of_channel(7)]) });
    assert_eq!(found.channels.iter().map(|seen| seen.id).collect::<Vec<_>>(), [7]);
}

#[test]
fn a_page_without_a_successor_is_the_last() {
    assert!(page(slice(&[])).next.is_none());
    let tl::types::messages::DialogsSlice { dialogs, messages, chats, users, .. } = slice(&[of_channel(7)]);
    let all =
        enums::messages::Dialogs::from(tl::types::messages::Dialogs { dialogs, messages, chats, users });
    let page = first_page().read(&all.to_bytes()).expect("readable");
    assert!(page.next.is_none() && page.channels.len() == 2);
    let same = enums::messages::Dialogs::from(tl::types::messages::DialogsNotModified { count: 3 });
    let page = first_page().read(&same.to_bytes()).expect("readable");
    assert!(page.next.is_none() && page.channels.is_empty());
}

#[test]
fn what_is_cut_off_or_of_another_type_is_an_error() {
    let whole = enums::messages::Dialogs::Slice(slice(&[of_channel(7)])).to_bytes();
    for length in 0..whole.len() {
        assert!(first_page().read(&whole[..length]).is_err(), "{length}");
    }
    assert!(dc_options(&whole).is_err());
    assert!(Object::of("NoSuchType", &whole).is_err());
}
