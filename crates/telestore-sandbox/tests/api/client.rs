//! A stock grammers client over a session of the sandbox.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use grammers_client::{Client, InvocationError, tl};
use grammers_mtsender::{ConnectionParams, NoRetries, SenderPool};
use grammers_session::SessionData;
use grammers_session::storages::MemorySession;
use grammers_session::types::DcOption;
use grammers_session::updates::UpdatesLike;
use telestore_sandbox::{Sandbox, SandboxUser};

/// Connects with the user's auth key. No call is tried again.
pub(crate) fn connect(sandbox: &Sandbox, user: &SandboxUser) -> Client {
    connect_to(2, sandbox.mtproto_addr(), user.auth_key_bytes(), user.api_id)
}

/// Connects to a data centre with a key that it knows.
pub(crate) fn connect_to(id: i32, address: SocketAddr, auth_key: [u8; 256], api_id: i32) -> Client {
    connect_listening(id, address, auth_key, api_id).0
}

/// The same, and what comes without being asked for.
pub(crate) fn connect_listening(
    id: i32,
    address: SocketAddr,
    auth_key: [u8; 256],
    api_id: i32,
) -> (Client, tokio::sync::mpsc::Receiver<UpdatesLike>) {
    let SocketAddr::V4(ipv4) = address else { panic!("the sandbox is bound to IPv4") };
    let ipv6 = std::net::SocketAddrV6::new(std::net::Ipv6Addr::LOCALHOST, ipv4.port(), 0, 0);
    let option = DcOption { id, ipv4, ipv6, auth_key: Some(auth_key) };
    let data = SessionData { home_dc: id, dc_options: HashMap::from([(id, option)]), ..Default::default() };
    let params = ConnectionParams { retry_policy: Box::new(NoRetries), ..Default::default() };
    let pool = SenderPool::with_configuration(Arc::new(MemorySession::from(data)), api_id, params);
    tokio::spawn(pool.runner.run());
    (Client::new(pool.handle), pool.updates)
}

/// The user's channel as the account finds it: in its dialogs.
pub(crate) async fn find_channel(client: &Client, user: &SandboxUser) -> tl::enums::InputPeer {
    let id: i64 = user.channel_id.parse().expect("a number");
    let mut dialogs = client.iter_dialogs();
    while let Some(dialog) = dialogs.next().await.expect("dialogs") {
        if dialog.peer_id().bot_api_dialog_id() == Some(id) {
            return dialog.peer_ref().into();
        }
    }
    panic!("no such dialog");
}

/// Calls again after a connection was lost: the pool may hand out the dead one once more.
pub(crate) async fn call_again<R: tl::RemoteCall>(client: &Client, call: &R) -> R::Return {
    loop {
        match client.invoke(call).await {
            Ok(answer) => return answer,
            Err(InvocationError::Dropped(_)) => {}
            Err(error) => panic!("not only a lost connection: {error}"),
        }
    }
}

/// Code and name of the error a call ended with.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, InvocationError>) -> (i32, String) {
    match result {
        Err(InvocationError::Rpc(error)) => match error.value {
            Some(value) => (error.code, format!("{} {value}", error.name)),
            None => (error.code, error.name),
        },
        other => panic!("not refused: {other:?}"),
    }
}

/// A call of `upload.saveBigFilePart`.
pub(crate) fn big_part(
    file_id: i64,
    index: i32,
    total: i32,
    bytes: Vec<u8>,
) -> tl::functions::upload::SaveBigFilePart {
    tl::functions::upload::SaveBigFilePart { file_id, file_part: index, file_total_parts: total, bytes }
}

/// A call of `upload.saveFilePart`.
pub(crate) fn small_part(file_id: i64, index: i32, bytes: Vec<u8>) -> tl::functions::upload::SaveFilePart {
    tl::functions::upload::SaveFilePart { file_id, file_part: index, bytes }
}

/// A file of many parts, named.
pub(crate) fn big_file(id: i64, parts: i32) -> tl::enums::InputFile {
    tl::enums::InputFile::Big(tl::types::InputFileBig { id, parts, name: "big.bin".into() })
}

/// A call of `messages.sendMedia` with a document.
pub(crate) fn send_media(
    peer: tl::enums::InputPeer,
    file: tl::enums::InputFile,
    random_id: i64,
) -> tl::functions::messages::SendMedia {
    let filename = tl::types::DocumentAttributeFilename { file_name: "report.bin".into() };
    let media = tl::types::InputMediaUploadedDocument {
        nosound_video: false,
        force_file: true,
        spoiler: false,
        file,
        thumb: None,
        mime_type: "application/octet-stream".into(),
        attributes: vec![tl::enums::DocumentAttribute::Filename(filename)],
        stickers: None,
        video_cover: None,
        video_timestamp: None,
        ttl_seconds: None,
    };
    tl::functions::messages::SendMedia {
        silent: false,
        background: false,
        clear_draft: false,
        noforwards: false,
        update_stickersets_order: false,
        invert_media: false,
        allow_paid_floodskip: false,
        peer,
        reply_to: None,
        media: tl::enums::InputMedia::UploadedDocument(media),
        message: "Uploaded: report.bin".into(),
        random_id,
        reply_markup: None,
        entities: None,
        schedule_date: None,
        schedule_repeat_period: None,
        send_as: None,
        quick_reply_shortcut: None,
        effect: None,
        allow_paid_stars: None,
        suggested_post: None,
    }
}

/// The message id in the answer of a send.
pub(crate) fn message_id(updates: &tl::enums::Updates) -> i32 {
    let tl::enums::Updates::Updates(updates) = updates else { panic!("not updates: {updates:?}") };
    let ids = updates.updates.iter().find_map(|update| match update {
        tl::enums::Update::MessageId(update) => Some(update.id),
        _ => None,
    });
    ids.expect("an id for the random_id")
}

/// Bytes that do not compress and are not the same for two seeds.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(&mut step).take(len.div_ceil(8)).flatten().collect();
    bytes.truncate(len);
    bytes
}
