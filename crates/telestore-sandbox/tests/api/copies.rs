//! Messages of files that are there: `inputMediaDocument` and `inputMediaPhoto`.

use grammers_client::tl;
use telestore_sandbox::UserSpec;

use crate::client::{big_file, big_part, connect, find_channel, message_id, refused, send_media};
use crate::reading::{KIB, Shelf, document, message, range, read};

fn media_of(document: &tl::types::Document) -> tl::enums::InputMedia {
    let id = tl::types::InputDocument {
        id: document.id,
        access_hash: document.access_hash,
        file_reference: document.file_reference.clone(),
    };
    tl::types::InputMediaDocument {
        spoiler: false,
        id: id.into(),
        video_cover: None,
        video_timestamp: None,
        ttl_seconds: None,
        query: None,
    }
    .into()
}

/// A call of `messages.sendMedia` with a file that is there.
fn again(
    peer: &tl::enums::InputPeer,
    media: tl::enums::InputMedia,
    random_id: i64,
) -> tl::functions::messages::SendMedia {
    let call = send_media(peer.clone(), big_file(0, 1), random_id);
    tl::functions::messages::SendMedia { media, message: "once more".to_owned(), ..call }
}

fn bad(name: &str) -> (i32, String) {
    (400, name.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_becomes_another_message_without_its_bytes() {
    let shelf = Shelf::with(10 * KIB).await;
    let first = shelf.document().await;
    let parts = shelf.sandbox.stats().parts_total();
    let call = again(&shelf.peer, media_of(&first), 71);
    let copy = message_id(&shelf.client.invoke(&call).await.expect("a message"));
    assert!(copy > shelf.message_id);
    let repeated = shelf.client.invoke(&call).await.expect("the same message");
    assert_eq!(message_id(&repeated), copy);
    assert_eq!(shelf.sandbox.stats().parts_total(), parts);
    let messages = shelf.sandbox.messages_of(&shelf.user);
    let [original, copied] = &messages[..] else { panic!("two messages") };
    assert_eq!((original.document_id, &original.file_name), (copied.document_id, &copied.file_name));
    assert_eq!((&original.file_unique_id, &original.sha256), (&copied.file_unique_id, &copied.sha256));
    assert_eq!(copied.caption, "once more");

    // It lives on when the first one is gone, whose reference is of no use any more.
    let second = document(&shelf.client, &shelf.peer, copy).await;
    assert_eq!((second.id, second.access_hash), (first.id, first.access_hash));
    let dialogs = shelf.client.iter_dialogs().next().await.expect("dialogs").expect("a dialog");
    shelf.client.delete_messages(dialogs.peer_ref(), &[shelf.message_id]).await.expect("deleted");
    assert_eq!(refused(read(&shelf.client, &first, 0, 4096).await), bad("FILE_REFERENCE_EXPIRED"));
    assert!(read(&shelf.client, &second, 0, 4096).await.expect("bytes") == shelf.bytes[..4096]);
    let left = std::fs::read_dir(shelf.sandbox.dir().join("parts")).expect("a folder").count();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_needs_what_the_account_knows_of_it_now() {
    let shelf = Shelf::with(10 * KIB).await;
    let old = shelf.document().await;
    let bob = shelf.sandbox.add_user(UserSpec::new("bob").channel(Some(&*shelf.user.channel_id)));
    let his = connect(&shelf.sandbox, &bob);
    let foreign = again(&find_channel(&his, &bob).await, media_of(&old), 72);
    assert_eq!(refused(his.invoke(&foreign).await), bad("MEDIA_EMPTY"));
    shelf.sandbox.expire_file_references();
    let fails = async |media| refused(shelf.client.invoke(&again(&shelf.peer, media, 73)).await);
    assert_eq!(fails(media_of(&old)).await, bad("FILE_REFERENCE_EXPIRED"));
    let with = |file_reference| media_of(&tl::types::Document { file_reference, ..old.clone() });
    assert_eq!(fails(with(Vec::new())).await, bad("FILE_REFERENCE_EMPTY"));
    assert_eq!(fails(with(vec![1; 25])).await, bad("FILE_REFERENCE_INVALID"));
    assert_eq!(fails(media_of(&tl::types::Document { id: 5, ..old.clone() })).await, bad("MEDIA_EMPTY"));
    // A call that was refused leaves its `random_id` free.
    let new = media_of(&shelf.document().await);
    assert!(shelf.client.invoke(&again(&shelf.peer, new.clone(), 73)).await.is_ok());
    shelf.sandbox.set_forwards(&shelf.user.channel_id, false);
    assert_eq!(
        refused(shelf.client.invoke(&again(&shelf.peer, new, 74)).await),
        bad("CHAT_FORWARDS_RESTRICTED")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_is_read_and_sent_again_as_a_photo() {
    let shelf = Shelf::with(KIB).await;
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x08\0\0\0\x04".to_vec();
    png.resize(5000, 7);
    assert!(shelf.client.invoke(&big_part(9, 0, 1, png.clone())).await.expect("a part"));
    let uploaded = tl::types::InputMediaUploadedPhoto {
        spoiler: false,
        live_photo: false,
        file: big_file(9, 1),
        stickers: None,
        ttl_seconds: None,
        video: None,
    };
    let sent =
        message_id(&shelf.client.invoke(&again(&shelf.peer, uploaded.into(), 76)).await.expect("sent"));
    let photo = async |id| match message(&shelf.client, &shelf.peer, id).await {
        tl::enums::Message::Message(message) => match message.media {
            Some(tl::enums::MessageMedia::Photo(media)) => match media.photo {
                Some(tl::enums::Photo::Photo(photo)) => photo,
                other => panic!("no photo: {other:?}"),
            },
            other => panic!("no photo: {other:?}"),
        },
        other => panic!("no message: {other:?}"),
    };
    let known = photo(sent).await;
    let id = tl::types::InputPhoto {
        id: known.id,
        access_hash: known.access_hash,
        file_reference: known.file_reference.clone(),
    };
    let known_media = tl::types::InputMediaPhoto {
        spoiler: false,
        live_photo: false,
        id: id.into(),
        ttl_seconds: None,
        video: None,
    };
    let copied = shelf.client.invoke(&again(&shelf.peer, known_media.into(), 77)).await.expect("a message");
    let copied = photo(message_id(&copied)).await;
    assert_eq!((copied.id, copied.dc_id), (known.id, 2));
    let at = |thumb_size: &str| {
        let (id, access_hash) = (copied.id, copied.access_hash);
        let (file_reference, thumb_size) = (copied.file_reference.clone(), thumb_size.to_owned());
        let place = tl::types::InputPhotoFileLocation { id, access_hash, file_reference, thumb_size };
        range(place, 0, 8192)
    };
    let tl::enums::upload::File::File(file) = shelf.client.invoke(&at("y")).await.expect("bytes") else {
        panic!("no bytes")
    };
    assert!(file.bytes == png);
    assert_eq!(refused(shelf.client.invoke(&at("")).await), bad("LOCATION_INVALID"));
}

/// The channel of this title.
async fn channel_called(client: &grammers_client::Client, title: &str) -> tl::enums::InputPeer {
    let mut dialogs = client.iter_dialogs();
    while let Some(dialog) = dialogs.next().await.expect("dialogs") {
        if dialog.peer().name() == Some(title) {
            return dialog.peer_ref().into();
        }
    }
    panic!("no such dialog");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_moves_with_all_its_messages() {
    let shelf = Shelf::with(10 * KIB).await;
    let other = shelf.sandbox.add_channel(&shelf.user, "other");
    let peer = channel_called(&shelf.client, "other").await;
    let copy = again(&peer, media_of(&shelf.document().await), 75);
    let copy = message_id(&shelf.client.invoke(&copy).await.expect("a message"));
    shelf.sandbox.move_documents(other, 4);
    assert_eq!(document(&shelf.client, &peer, copy).await.dc_id, 4);
    assert_eq!(shelf.document().await.dc_id, 4);
}
