//! Signs in to the sandbox with a session, makes a message with a small file, and reads it back, without the uploader.
//!
//! It needs neither a Telegram account nor the internet: `cargo run -p telestore-mtproto --example read_message`

use std::error::Error;
use std::time::Duration;

use telestore_mtproto::answers::is_true;
use telestore_mtproto::{Account, Sent, media_message};
use telestore_mtproto::{AllowedAddresses, Body, Calls, Client, Message, MtprotoConfig, Session, tl};
use telestore_sandbox::Sandbox;
use telestore_types::{ApiId, ChatId};

const TEXT: &[u8] = b"hello, channel";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let message = read().await?;
    println!("{message:#?}");
    Ok(())
}

/// What stands in the channel after a file was sent to it.
pub(crate) async fn read() -> Result<Message, Box<dyn Error>> {
    let sandbox = Sandbox::start().await?;
    let user = sandbox.user();

    let mut config = MtprotoConfig::default();
    // The sandbox is on this machine, where session strings must not lead otherwise.
    config.allowed = AllowedAddresses::any();
    let client = Client::new(config);
    let session = Session::read(user.telethon_session.as_deref().unwrap_or_default())?;
    let account = client.account(session, Some(ApiId::new(user.api_id)?))?;

    // One piece of work: it waits as Telegram asks, and tries again what may pass.
    let calls = Calls::new(account, |wait: Duration| println!("telegram asked to wait {wait:?}"));
    calls.connect().await?;
    let chat = calls.resolve(&ChatId::new(&user.channel_id)?, None).await?;

    let message_id = post(calls.account(), chat.peer.clone()).await?;
    let message = calls.message(&chat.peer, message_id).await?.ok_or("the message is gone")?;
    sandbox.shutdown().await;
    Ok(message)
}

/// Makes a message with a file of one part, by the calls themselves.
async fn post(account: &Account, peer: tl::enums::InputPeer) -> Result<i32, Box<dyn Error>> {
    let name = "hello.txt".to_owned();
    let part = tl::functions::upload::SaveFilePart { file_id: 7, file_part: 0, bytes: TEXT.to_vec() };
    // Parts belong to the data centre that the account is in.
    let here = account.location().migrations();
    let kept = account.call_bulk_at(here, 0, Body::of(&part), ()).await?;
    if !is_true(&kept) {
        return Err("Telegram did not keep the part".into());
    }
    let media = tl::types::InputMediaUploadedDocument {
        nosound_video: false,
        force_file: true,
        spoiler: false,
        file: tl::types::InputFile { id: 7, parts: 1, name: name.clone(), md5_checksum: String::new() }
            .into(),
        thumb: None,
        mime_type: "text/plain".to_owned(),
        attributes: vec![tl::types::DocumentAttributeFilename { file_name: name }.into()],
        stickers: None,
        video_cover: None,
        video_timestamp: None,
        ttl_seconds: None,
    };
    // However often it is called with one `random_id`, the message is one.
    let request = media_message(peer, media.into(), "a greeting".to_owned(), 42);
    match account.call_at(here, &request).await? {
        Some(Sent::Message { message_id, .. }) => Ok(message_id),
        _ => Err("the answer does not name the message".into()),
    }
}
