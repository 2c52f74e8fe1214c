//! Files that are read back: ranges, data centres, references, hashes.

use grammers_client::tl;
use sha2::{Digest, Sha256};
use telestore_sandbox::UserSpec;

use crate::client::{connect, refused};
use crate::reading::{GET_FILE, KIB, Shelf, document, location, message, range, read, send};

fn bad(name: &str) -> (i32, String) {
    (400, name.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_answer_is_short_and_there_is_nothing_behind_the_end() {
    let shelf = Shelf::with(700 * KIB + 5).await;
    let document = shelf.document().await;
    assert_eq!(document.size, (700 * KIB + 5) as i64);
    let at = async |offset| read(&shelf.client, &document, offset, 512 * KIB).await.expect("bytes");
    assert!(at(0).await == shelf.bytes[..512 * KIB]);
    assert!(at(512 * KIB).await == shelf.bytes[512 * KIB..]);
    assert!(at(1024 * KIB).await.is_empty());
    let refuse = async |offset, limit| refused(read(&shelf.client, &document, offset, limit).await);
    assert_eq!(refuse(1000, 4096).await, bad("OFFSET_INVALID"));
    assert_eq!(refuse(4096, 1024 * KIB).await, bad("LIMIT_INVALID"));
    // What has no thumbnail has no file of that name.
    let thumb = tl::types::InputDocumentFileLocation { thumb_size: "m".to_owned(), ..location(&document) };
    assert_eq!(refused(shelf.client.invoke(&range(thumb, 0, 4096)).await), bad("LOCATION_INVALID"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_data_centre_is_read_there_by_a_guest() {
    let shelf = Shelf::with(100 * KIB).await;
    let stranger = shelf.stranger_at_4().await;
    let read_at = async |client, document: &tl::types::Document| read(client, document, 0, 4096).await;
    let here = shelf.document().await;
    assert_eq!(here.dc_id, 2);
    assert_eq!(shelf.sandbox.move_documents(&shelf.user.channel_id, 4), 1);
    let there = shelf.document().await;
    assert_eq!(there, tl::types::Document { dc_id: 4, ..here });
    let elsewhere = (303, "FILE_MIGRATE 4".to_owned());
    assert_eq!(refused(read_at(&shelf.client, &there).await), elsewhere);
    let nobody = (401, "AUTH_KEY_UNREGISTERED".to_owned());
    assert_eq!(refused(read_at(&stranger, &there).await), nobody);
    let guest = shelf.guest_at_4().await;
    assert!(read_at(&guest, &there).await.expect("bytes") == shelf.bytes[..4096]);
    let me = tl::functions::users::GetUsers { id: vec![tl::enums::InputUser::UserSelf] };
    assert_eq!(refused(guest.invoke(&me).await), (303, "USER_MIGRATE 2".to_owned()));
    // And the other way round.
    shelf.sandbox.move_documents(&shelf.user.channel_id, 2);
    assert_eq!(refused(read_at(&guest, &there).await), (303, "FILE_MIGRATE 2".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_lies_where_it_was_sent_or_where_it_is_placed() {
    let shelf = Shelf::with(KIB).await;
    let guest = shelf.guest_at_4().await;
    shelf.sandbox.place_documents(Some(4));
    let placed = send(&shelf.client, &shelf.peer, 2, &[1; KIB]).await;
    shelf.sandbox.place_documents(None);
    let sent_here = send(&shelf.client, &shelf.peer, 3, &[2; KIB]).await;
    shelf.sandbox.move_account(&shelf.user, 4);
    let sent_there = send(&guest, &shelf.peer, 4, &[3; KIB]).await;
    let dc = async |id| document(&guest, &shelf.peer, id).await.dc_id;
    assert_eq!([dc(placed).await, dc(sent_here).await, dc(sent_there).await], [4, 2, 4]);
    let shown = shelf.sandbox.messages_of(&shelf.user);
    assert_eq!(shown.iter().map(|message| message.dc_id).collect::<Vec<_>>(), [2, 4, 2, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn references_expire_until_the_message_is_read_again() {
    let shelf = Shelf::with(10 * KIB).await;
    let bot = shelf.bot().await;
    for (client, peer) in [(&shelf.client, shelf.peer.clone()), (&bot, shelf.peer_of_bot())] {
        let old = document(client, &peer, shelf.message_id).await;
        assert!(read(client, &old, 0, 4096).await.is_ok());
        shelf.sandbox.expire_file_references();
        assert_eq!(refused(read(client, &old, 0, 4096).await), bad("FILE_REFERENCE_EXPIRED"));
        let new = document(client, &peer, shelf.message_id).await;
        assert_ne!(new.file_reference, old.file_reference);
        assert_eq!((new.id, new.access_hash), (old.id, old.access_hash));
        assert!(read(client, &new, 0, 4096).await.is_ok());
        assert_eq!(refused(read(client, &old, 0, 4096).await), bad("FILE_REFERENCE_EXPIRED"));
        let with = async |file_reference| {
            let location = tl::types::InputDocumentFileLocation { file_reference, ..location(&new) };
            refused(client.invoke(&range(location, 0, 4096)).await)
        };
        assert_eq!(with(Vec::new()).await, bad("FILE_REFERENCE_EMPTY"));
        assert_eq!(with(b"something".to_vec()).await, bad("FILE_REFERENCE_INVALID"));
    }
    // One channel's stay if another one's expire.
    let document = shelf.document().await;
    let other = shelf.sandbox.add_user(UserSpec::new("bob"));
    shelf.sandbox.expire_file_references_of(&other.channel_id);
    assert!(read(&shelf.client, &document, 0, 4096).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_account_knows_is_of_no_use_to_another() {
    let shelf = Shelf::with(10 * KIB).await;
    let bob = shelf.sandbox.add_user(UserSpec::new("bob").channel(Some(&*shelf.user.channel_id)));
    let client = connect(&shelf.sandbox, &bob);
    let peer = crate::client::find_channel(&client, &bob).await;
    let (hers, his) = (shelf.document().await, document(&client, &peer, shelf.message_id).await);
    assert_eq!(hers.id, his.id);
    assert_ne!(hers.access_hash, his.access_hash);
    assert_eq!(refused(read(&client, &hers, 0, 4096).await), bad("FILE_ID_INVALID"));
    let mixed = tl::types::Document { file_reference: hers.file_reference, ..his.clone() };
    assert_eq!(refused(read(&client, &mixed, 0, 4096).await), bad("FILE_REFERENCE_INVALID"));
    assert!(read(&client, &his, 0, 4096).await.is_ok());
    shelf.sandbox.remove_account(&shelf.user.channel_id, &bob);
    assert_eq!(refused(read(&client, &his, 0, 4096).await), bad("CHANNEL_PRIVATE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_message_is_empty_and_its_file_is_gone() {
    let shelf = Shelf::with(10 * KIB).await;
    let document = shelf.document().await;
    let tl::enums::InputPeer::Channel(channel) = &shelf.peer else { panic!("a channel") };
    let (channel_id, access_hash) = (channel.channel_id, channel.access_hash);
    let delete = tl::functions::channels::DeleteMessages {
        channel: tl::types::InputChannel { channel_id, access_hash }.into(),
        id: vec![shelf.message_id],
    };
    shelf.client.invoke(&delete).await.expect("deleted");
    let gone = message(&shelf.client, &shelf.peer, shelf.message_id).await;
    assert!(matches!(gone, tl::enums::Message::Empty(gone) if gone.id == shelf.message_id));
    assert_eq!(refused(read(&shelf.client, &document, 0, 4096).await), bad("FILE_ID_INVALID"));
}

#[tokio::test(flavor = "multi_thread")]
async fn hashes_are_of_blocks_of_128_kibibytes() {
    let shelf = Shelf::with(1200 * KIB + 7).await;
    let document = shelf.document().await;
    let hashes = async |offset: usize| {
        let location = location(&document).into();
        let call = tl::functions::upload::GetFileHashes { location, offset: offset as i64 };
        let hashes = shelf.client.invoke(&call).await.expect("hashes");
        hashes.into_iter().map(|tl::enums::FileHash::Hash(hash)| hash).collect::<Vec<_>>()
    };
    let expected: Vec<_> = (0..)
        .zip(shelf.bytes.chunks(128 * KIB))
        .map(|(block, bytes)| tl::types::FileHash {
            offset: block * 128 * KIB as i64,
            limit: bytes.len() as i32,
            hash: Sha256::digest(bytes).to_vec(),
        })
        .collect();
    assert_eq!(expected.len(), 10);
    assert_eq!(hashes(0).await, expected[..8]);
    assert_eq!(hashes(1024 * KIB).await, expected[8..]);
    assert_eq!(hashes(1100 * KIB).await, expected[8..], "from the block that the offset lies in");
    assert!(hashes(2048 * KIB).await.is_empty());
    shelf.sandbox.expire_file_references();
    let call = tl::functions::upload::GetFileHashes { location: location(&document).into(), offset: 0 };
    assert_eq!(refused(shelf.client.invoke(&call).await), bad("FILE_REFERENCE_EXPIRED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_are_counted_by_account_and_data_centre() {
    let shelf = Shelf::with(100 * KIB).await;
    let (document, bot) = (shelf.document().await, shelf.bot().await);
    let pause = shelf.sandbox.pause(GET_FILE);
    let reads: Vec<_> = (0..3)
        .map(|block| {
            let (client, document) = (shelf.client.clone(), document.clone());
            tokio::spawn(async move { read(&client, &document, block * 32 * KIB, 32 * KIB).await })
        })
        .collect();
    shelf.sandbox.faults().wait_fired(pause, 3).await;
    let stats = shelf.sandbox.stats().downloads(&shelf.user.user_id, false, 2);
    assert_eq!((stats.calls, stats.in_flight, stats.most_in_flight, stats.bytes), (3, 3, 3, 0));
    shelf.sandbox.resume(pause);
    for read in reads {
        assert_eq!(read.await.expect("a task").expect("bytes").len(), 32 * KIB);
    }
    let id = &shelf.user.user_id;
    shelf.sandbox.wait_until(|stats| stats.downloads(id, false, 2).in_flight == 0).await;
    let seen = document_of_bot(&shelf, &bot).await;
    assert_eq!(read(&bot, &seen, 96 * KIB, 32 * KIB).await.expect("the end").len(), 4 * KIB);
    let stats = shelf.sandbox.stats();
    let account = stats.downloads(id, false, 2);
    assert_eq!((account.calls, account.most_in_flight, account.bytes), (3, 3, 96 * KIB as u64));
    let bot = stats.downloads(id, true, 2);
    assert_eq!((bot.calls, bot.most_in_flight, bot.bytes), (1, 1, 4 * KIB as u64));
    assert_eq!(stats.downloads(id, false, 4).calls, 0);
    assert_eq!((stats.most_downloads_in_flight, stats.calls(GET_FILE)), (3, 4));
    assert_eq!(stats.bytes_sent, 100 * KIB as u64);
}

async fn document_of_bot(shelf: &Shelf, bot: &grammers_client::Client) -> tl::types::Document {
    document(bot, &shelf.peer_of_bot(), shelf.message_id).await
}
