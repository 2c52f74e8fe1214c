//! Reading over MTProto, against the sandbox.

mod common;

use std::sync::Arc;

use common::{World, bytes};
use futures_util::TryStreamExt;
use telestore_reader::{Content, ErrorKind, TelegramReader};
use telestore_sandbox::{Sandbox, Standing};
use telestore_types::{ByteSource, StoredFile};
use telestore_uploader::TelegramUploader;

const GET: &str = "upload.getFile";

/// How a channel is looked for.
const LOOKING: [&str; 2] = ["channels.getChannels", "messages.getDialogs"];
const BLOCK: usize = 256 * 1024;

#[tokio::test]
async fn what_was_sent_comes_back_whole_and_by_any_range() {
    let world = World::new().await;
    for length in [1, 1023, 1024, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 77] {
        let sent = bytes(length as u64, length);
        let stored = world.send(&sent).await;
        let content = world.open(&stored).await.unwrap();
        assert_eq!(content.len(), length as u64);
        assert_eq!(common::read(&content, 0..u64::MAX).await.unwrap(), sent);
        for (from, to) in [(0, 1), (length / 2, length), (length - 1, length), (length / 3, length / 3 * 2)] {
            let read = common::read(&content, from as u64..to as u64).await.unwrap();
            assert_eq!(read, sent[from..to], "{from}..{to} of {length}");
        }
        assert_eq!(content.read_at(length as u64 - 1, 1).await.unwrap(), sent[length - 1..]);
        assert!(content.read_at(length as u64 - 1, 2).await.is_err());
    }
}

#[tokio::test]
async fn random_ranges_are_those_of_the_original() {
    let world = World::new().await;
    let sent = bytes(1, 6 * BLOCK + 12_345);
    let content = world.open(&world.send(&sent).await).await.unwrap();
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..300 {
        let from = random(sent.len());
        let to = from + 1 + random(sent.len() - from);
        assert_eq!(common::read(&content, from as u64..to as u64).await.unwrap(), sent[from..to]);
    }
}

#[tokio::test]
async fn a_channel_is_looked_for_once() {
    // Two connections of one account at a time.
    let world = World::of(Sandbox::builder().start().await.unwrap());
    let sent = bytes(8, 2000);
    let stored = world.send(&sent).await;
    // One that has sent nothing, as after a restart.
    let readers = world.other_readers();
    let asked = || LOOKING.map(|method| world.sandbox.stats().calls(method));
    let before = asked();
    Content::open(&readers, &world.credentials(), stored.messages()).await.unwrap();
    let after = asked();
    assert_ne!(before, after);
    for _ in 0..3 {
        let content = Content::open(&readers, &world.credentials(), stored.messages()).await.unwrap();
        assert_eq!(common::read(&content, 0..u64::MAX).await.unwrap(), sent);
    }
    assert_eq!(asked(), after);
}

#[tokio::test]
async fn a_channel_that_was_left_is_looked_for_anew() {
    let world = World::new().await;
    let sent = bytes(9, 2000);
    let stored = world.send(&sent).await;
    let open = async || world.open(&stored).await;
    let become_one = |standing: Standing| {
        world.sandbox.set_standing_of_account(&*world.user.channel_id, &world.user, standing);
    };
    open().await.unwrap();
    become_one(Standing::Left);
    assert_eq!(open().await.unwrap_err().kind(), ErrorKind::Refused);
    become_one(Standing::Creator);
    let looked = world.sandbox.stats().calls(LOOKING[0]);
    assert_eq!(common::read(&open().await.unwrap(), 0..u64::MAX).await.unwrap(), sent);
    assert!(world.sandbox.stats().calls(LOOKING[0]) > looked);
}

#[tokio::test]
async fn a_bot_with_an_application_reads_what_the_account_has_sent() {
    let world = World::new().await;
    let sent = bytes(2, 3 * BLOCK);
    let stored = world.send(&sent).await;
    let credentials = common::bot_of(&world.user);
    let content = Content::open(&world.readers, &credentials, stored.messages()).await.unwrap();
    assert_eq!(common::read(&content, 0..u64::MAX).await.unwrap(), sent);
}

#[tokio::test]
async fn pieces_are_joined_and_a_range_touches_only_its_pieces() {
    let world = World::new().await;
    let pieces: Vec<_> = (0..3).map(|n| bytes(n, BLOCK + 1 + n as usize)).collect();
    let mut messages = Vec::new();
    let mut offset = 0;
    for piece in &pieces {
        let stored = world.send(piece).await.first().clone().at(offset);
        offset += piece.len() as u64;
        messages.push(stored);
    }
    let whole: Vec<u8> = pieces.iter().flatten().copied().collect();
    let content = world.open(&StoredFile::of(messages).unwrap()).await.unwrap();
    assert_eq!(common::read(&content, 0..u64::MAX).await.unwrap(), whole);
    let (from, to) = (BLOCK - 5, 2 * BLOCK + 20);
    assert_eq!(common::read(&content, from as u64..to as u64).await.unwrap(), whole[from..to]);
    let before = world.sandbox.stats().calls(GET);
    common::read(&content, 0..10).await.unwrap();
    assert_eq!(world.sandbox.stats().calls(GET) - before, 1);
}

#[tokio::test]
async fn nothing_is_asked_for_once_the_reader_is_gone() {
    let world = World::new().await;
    let sent = bytes(3, 64 * BLOCK);
    let content = world.open(&world.send(&sent).await).await.unwrap();
    let mut stream = content.read(0..sent.len() as u64);
    assert_eq!(stream.try_next().await.unwrap().unwrap(), sent[..BLOCK]);
    drop(stream);
    // Its next call follows what it had in flight, if there was anything.
    common::read(&content, 0..1).await.unwrap();
    let calls = world.sandbox.stats().calls(GET);
    assert!(calls < 8, "{calls} calls, of which one was wanted");
    common::read(&content, 0..1).await.unwrap();
    assert_eq!(world.sandbox.stats().calls(GET), calls + 1);
}

#[tokio::test]
async fn a_message_that_is_gone_or_another_one_says_so() {
    let world = World::new().await;
    let stored = world.send(&bytes(4, 10)).await;
    let mut other = stored.first().clone();
    other.stored_as = telestore_types::StoredAs::Mtproto { document_id: 4711 };
    let error = world.open(&StoredFile::new(other)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gone);
    assert!(world.uploader.withdraw(&world.credentials(), &stored).await.unwrap());
    let error = world.open(&stored).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gone);
    assert!(error.to_string().contains("deleted"), "{error}");
}

#[tokio::test]
async fn any_message_is_read_by_its_number_and_tells_its_name() {
    let world = World::new().await;
    let sent = bytes(5, 2000);
    let stored = world.send(&sent).await;
    let ids = [stored.message_id(), stored.message_id()];
    let content = Content::look(&world.readers, &world.credentials(), &ids).await.unwrap();
    assert_eq!(content.file_name().as_deref(), Some("file.bin"));
    assert_eq!(common::read(&content, 0..u64::MAX).await.unwrap(), [&sent[..], &sent[..]].concat());
    let none = Content::look(&world.readers, &world.credentials(), &[999]).await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::Gone);
}

#[tokio::test]
async fn a_bot_token_alone_is_told_what_is_missing() {
    let world = World::new().await;
    let stored = world.send(&bytes(6, 10)).await;
    let token_only =
        common::nobody(&world.user).with_bot(telestore_types::Secret::new(&world.user.bot_token));
    let reader: &Arc<dyn TelegramReader> = &world.readers[0];
    assert!(!reader.takes(&token_only, stored.first()));
    let error = Content::open(&world.readers, &token_only, stored.messages()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("api_id"), "{error}");
}
