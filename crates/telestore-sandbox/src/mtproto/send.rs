//! `messages.sendMedia` and `messages.sendMessage`.

use std::io::Read;

use grammers_tl_types::{Serializable, enums, functions as f, types};
use md5::Md5;
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use super::chats::{look, resolve_peer};
use super::dispatch::Context;
use super::input_media::{InputMedia, UploadedMedia};
use super::parts::Taken;
use super::rpc_error::RpcError;
use super::rules::check_total;
use super::wording::Wording;
use super::{copies, scheduled, tl_types};
use crate::channel::{Claim, RandomId};
use crate::channel_id::ChannelId;
use crate::faults::Call;
use crate::media::{Kind, check_photo, thumbnail};
use crate::message::{Draft, DraftDocument, StoredMessage, Via};
use crate::standing::Standing;

type Answer = Result<Vec<u8>, RpcError>;

pub(crate) async fn send_media(context: Context, call: f::messages::SendMedia) -> Answer {
    let wording = Wording::of_media(&call)?;
    let media = InputMedia::of(call.media)?;
    send(context, &call.peer, call.random_id, wording, Some(media)).await
}

pub(crate) async fn send_message(context: Context, call: f::messages::SendMessage) -> Answer {
    if call.message.is_empty() {
        return Err(RpcError::bad_request("MESSAGE_EMPTY"));
    }
    let (shared, text) = (context.shared.clone(), call.message.clone());
    let sent = send(context, &call.peer, call.random_id, Wording::of_text(&call)?, None).await?;
    // Who passes a login code on is about to be robbed of the account.
    shared.sign_ins.codes.void_in(&text);
    Ok(sent)
}

async fn send(
    context: Context,
    peer: &enums::InputPeer,
    random_id: i64,
    wording: Wording,
    media: Option<InputMedia>,
) -> Answer {
    let channel = resolve_peer(&context, peer)?;
    if random_id == 0 {
        return Err(RpcError::bad_request("RANDOM_ID_EMPTY"));
    }
    check_rights(&context, channel, media.is_some())?;
    check_length(&context, &wording.text, media.is_some())?;
    let topic_id = look(&context, channel, |channel| wording.topic(channel))??;
    let claimed = context.shared.channels.claim(channel, &context.who(), random_id);
    let claim = match claimed.ok_or_else(|| RpcError::bad_request("CHANNEL_INVALID"))? {
        RandomId::Fresh(claim) => claim,
        RandomId::InFlight => return Err(RpcError::new(500, "RANDOM_ID_DUPLICATE")),
        RandomId::Done(message) => return updates(&context, channel, &message, random_id, false),
    };
    let claimed = Call::new("messages.sendMedia:claimed", Some(context.user_id()));
    context.shared.faults.strike(claimed).await;
    let draft = Draft {
        sender: context.who(),
        via: Via::Mtproto,
        caption: wording.text,
        entities: wording.entities,
        topic_id,
        silent: wording.silent,
        random_id: Some(random_id),
        document: None,
    };
    let worker = context.clone();
    // In one piece off the async threads: once started, the message and its random_id come into being together.
    let posted = spawn_blocking(move || post(&worker, channel, claim, draft, media));
    let (message, scheduled) = posted.await.map_err(RpcError::internal)??;
    updates(&context, channel, &message, random_id, scheduled)
}

/// Whether the account may send a file, or a text, there.
fn check_rights(context: &Context, channel: ChannelId, file: bool) -> Result<(), RpcError> {
    let who = context.who();
    let found = look(context, channel, |channel| {
        (channel.writable, channel.group, channel.standing(&who), channel.may_post(&who))
    })?;
    match found {
        (_, _, _, true) => Ok(()),
        (false, ..) => Err(RpcError::new(403, "CHAT_WRITE_FORBIDDEN")),
        (true, false, ..) => Err(RpcError::bad_request("CHAT_ADMIN_REQUIRED")),
        (true, true, Some(Standing::Restricted | Standing::Member), _) if !file => Ok(()),
        (true, true, Some(Standing::Restricted), _) => Err(RpcError::bad_request("USER_BANNED_IN_CHANNEL")),
        (true, true, ..) => Err(RpcError::new(403, "CHAT_SEND_DOCS_FORBIDDEN")),
    }
}

/// 4096 UTF-16 units for a text: <https://core.telegram.org/api/config>.
fn check_length(context: &Context, text: &str, caption: bool) -> Result<(), RpcError> {
    let length = text.encode_utf16().count();
    match caption {
        true if length > context.longest_caption() => Err(RpcError::bad_request("MEDIA_CAPTION_TOO_LONG")),
        false if length > 4096 => Err(RpcError::bad_request("MESSAGE_TOO_LONG")),
        _ => Ok(()),
    }
}

/// Makes the message; says whether it waits for its video.
fn post(
    context: &Context,
    channel: ChannelId,
    claim: Claim,
    mut draft: Draft,
    media: Option<InputMedia>,
) -> Result<(StoredMessage, bool), RpcError> {
    let file = media.as_ref().and_then(InputMedia::file).and_then(InputFile::of);
    draft.document = match media {
        Some(InputMedia::Uploaded(media)) => Some(take_document(context, media)?),
        Some(InputMedia::Known(location)) => Some(copies::copy(&context.shared, &context.who(), &location)?),
        None => None,
    };
    let videos = &context.shared.videos;
    // One that a message has already was converted then.
    let is_video =
        file.is_some() && draft.document.as_ref().is_some_and(|document| document.kind == Kind::Video);
    if is_video && videos.are_converted() {
        return Ok((videos.wait(channel, context.who(), claim, draft), true));
    }
    let posted = context.shared.channels.post(channel, draft).map_err(RpcError::internal)?;
    let message = posted.ok_or_else(|| RpcError::bad_request("CHANNEL_INVALID"))?;
    claim.keep(message.public.message_id);
    if let Some(InputFile { id, parts, big, .. }) = file {
        let (path, size) = (message.public.path.clone(), message.public.size);
        context.shared.parts.used(context.part_owner(), id, parts, big, path, size);
    }
    Ok((message, false))
}

/// Both forms of an uploaded file.
struct InputFile {
    id: i64,
    parts: i32,
    big: bool,
    name: String,
    md5: Option<String>,
}

impl InputFile {
    fn of(file: &enums::InputFile) -> Option<Self> {
        match file.clone() {
            enums::InputFile::File(file) => Some(Self {
                id: file.id,
                parts: file.parts,
                big: false,
                name: file.name,
                md5: Some(file.md5_checksum).filter(|md5| !md5.is_empty()),
            }),
            enums::InputFile::Big(file) => {
                Some(Self { id: file.id, parts: file.parts, big: true, name: file.name, md5: None })
            }
            enums::InputFile::StoryDocument(_) => None,
        }
    }
}

fn take_document(context: &Context, media: UploadedMedia) -> Result<DraftDocument, RpcError> {
    let file = InputFile::of(&media.file).ok_or_else(|| RpcError::bad_request("MEDIA_INVALID"))?;
    let InputFile { id, parts, big, name, md5 } = file;
    check_total(0, parts, context.most_parts())?;
    let taken = context.shared.parts.take(&context.part_owner(), id, parts, big)?;
    let (sha256, actual) =
        digest(&taken, context.shared.rules.hash, md5.is_some()).map_err(RpcError::internal)?;
    if md5.is_some_and(|md5| !md5.eq_ignore_ascii_case(&actual)) {
        context.shared.parts.discard(&taken);
        return Err(RpcError::bad_request("MD5_CHECKSUM_INVALID"));
    }
    let photo = match media.kind {
        Kind::Photo => {
            let checked = check_photo(&taken.path, taken.size).map_err(RpcError::internal)?;
            Some(
                checked
                    .inspect_err(|_| context.shared.parts.discard(&taken))
                    .map_err(RpcError::bad_request)?,
            )
        }
        _ => None,
    };
    let thumbnail = match &media.thumb {
        Some(thumb) => take_thumbnail(context, thumb)?,
        None => None,
    };
    let named = media.attributes.iter().find_map(|attribute| match attribute {
        enums::DocumentAttribute::Filename(attribute) => Some(attribute.file_name.clone()),
        _ => None,
    });
    let file_name = named.unwrap_or(name);
    Ok(DraftDocument {
        from: taken.path,
        document_id: None,
        dc_id: context.shared.placement.of(context.dc),
        size: taken.size,
        sha256,
        sent_name: file_name.clone(),
        file_name,
        mime_type: media.mime_type,
        force_file: media.force_file,
        kind: media.kind,
        photo,
        thumbnail,
        attributes: media.attributes,
    })
}

/// Takes the picture that stands for a file; one that Telegram does not take is ignored.
fn take_thumbnail(context: &Context, thumb: &enums::InputFile) -> Result<Option<String>, RpcError> {
    let InputFile { id, parts, big, .. } =
        InputFile::of(thumb).ok_or_else(|| RpcError::bad_request("MEDIA_INVALID"))?;
    let taken = context.shared.parts.take(&context.part_owner(), id, parts, big)?;
    let found = thumbnail(&taken.path).map_err(RpcError::internal);
    context.shared.parts.discard(&taken);
    found
}

/// SHA-256 and MD5 in hexadecimal, each empty if it is not wanted.
fn digest(taken: &Taken, sha256: bool, md5: bool) -> std::io::Result<(String, String)> {
    let (mut sha, mut md) = (Sha256::new(), Md5::new());
    if sha256 || md5 {
        let mut file = std::fs::File::open(&taken.path)?;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            if sha256 {
                sha.update(&buffer[..read]);
            }
            if md5 {
                md.update(&buffer[..read]);
            }
        }
    }
    let text = |wanted, digest: &[u8]| if wanted { hex::encode(digest) } else { String::new() };
    Ok((text(sha256, &sha.finalize()), text(md5, &md.finalize())))
}

fn updates(
    context: &Context,
    channel: ChannelId,
    stored: &StoredMessage,
    random_id: i64,
    scheduled: bool,
) -> Answer {
    let updates = look(context, channel, |channel| {
        let message = tl_types::message(channel, stored, &context.who());
        let id = stored.public.message_id;
        let new = match scheduled {
            true => scheduled::new_message(message),
            false => tl_types::new_message(channel, message),
        };
        enums::Updates::Updates(types::Updates {
            updates: vec![enums::Update::MessageId(types::UpdateMessageId { id, random_id }), new],
            users: vec![tl_types::user(&context.account, context.bot)],
            chats: vec![tl_types::chat(channel, &context.who())],
            date: crate::channel::unix_time() as i32,
            seq: 0,
        })
    })?;
    Ok(updates.to_bytes())
}
