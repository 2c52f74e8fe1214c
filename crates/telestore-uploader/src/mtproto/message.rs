//! How a message is to be, in MTProto's words: <https://core.telegram.org/method/messages.sendMedia>.

use telestore_mtproto::Document;
use telestore_mtproto::tl::enums::{DocumentAttribute, InputFile, InputMedia, InputReplyTo, MessageEntity};
use telestore_mtproto::tl::types;
use telestore_types::{Caption, Entity, EntityKind, TopicId};

use crate::media::{Audio, Media, Video};

/// The file of a message: as what, under which name, and of which type.
pub(super) fn input_media(
    media: &Media,
    file: InputFile,
    thumb: Option<InputFile>,
    name: String,
    mime_type: String,
) -> InputMedia {
    let mut attributes = vec![types::DocumentAttributeFilename { file_name: name }.into()];
    match media {
        Media::Photo => return input_photo(file),
        Media::Video(Some(video)) => attributes.push(of_video(video)),
        Media::Audio(audio) if audio.seconds.is_some() => attributes.push(of_audio(audio)),
        Media::Document | Media::Video(None) | Media::Audio(_) => {}
    }
    types::InputMediaUploadedDocument {
        // Without it, Telegram makes an animation of a video that has no sound.
        nosound_video: matches!(media, Media::Video(_)),
        force_file: *media == Media::Document,
        spoiler: false,
        file,
        thumb,
        mime_type,
        attributes,
        stickers: None,
        video_cover: None,
        video_timestamp: None,
        ttl_seconds: None,
    }
    .into()
}

/// A file that is there already, without its bytes.
pub(super) fn known_media(document: &Document) -> InputMedia {
    let (id, access_hash) = (document.id, document.access_hash);
    let file_reference = document.file_reference.clone();
    types::InputMediaDocument {
        spoiler: false,
        id: types::InputDocument { id, access_hash, file_reference }.into(),
        video_cover: None,
        video_timestamp: None,
        ttl_seconds: None,
        query: None,
    }
    .into()
}

fn input_photo(file: InputFile) -> InputMedia {
    let (spoiler, live_photo) = (false, false);
    let (stickers, ttl_seconds, video) = (None, None, None);
    types::InputMediaUploadedPhoto { spoiler, live_photo, file, stickers, ttl_seconds, video }.into()
}

fn of_video(video: &Video) -> DocumentAttribute {
    types::DocumentAttributeVideo {
        round_message: false,
        supports_streaming: true,
        nosound: false,
        duration: video.seconds,
        w: video.width as i32,
        h: video.height as i32,
        preload_prefix_size: None,
        video_start_ts: None,
        video_codec: None,
    }
    .into()
}

fn of_audio(audio: &Audio) -> DocumentAttribute {
    types::DocumentAttributeAudio {
        voice: false,
        duration: audio.seconds.unwrap_or_default() as i32,
        title: audio.title.clone(),
        performer: audio.performer.clone(),
        waveform: None,
    }
    .into()
}

/// What a message in a topic answers to: the one that opened it. <https://core.telegram.org/api/forum#sending-messages>
pub(super) fn reply_to(topic: Option<TopicId>) -> Option<InputReplyTo> {
    let reply_to_msg_id = topic.and_then(TopicId::thread)?;
    let reply = types::InputReplyToMessage {
        reply_to_msg_id,
        top_msg_id: None,
        reply_to_peer_id: None,
        quote_text: None,
        quote_entities: None,
        quote_offset: None,
        monoforum_peer_id: None,
        todo_item_id: None,
        poll_option: None,
    };
    Some(reply.into())
}

/// How parts of the caption look; `None` if they look like nothing.
pub(super) fn entities(caption: &Caption) -> Option<Vec<MessageEntity>> {
    let entities: Vec<_> = caption.entities().iter().map(entity).collect();
    (!entities.is_empty()).then_some(entities)
}

/// <https://core.telegram.org/api/entities>
fn entity(entity: &Entity) -> MessageEntity {
    // A caption is not that long.
    let (offset, length) = (entity.offset as i32, entity.length as i32);
    match entity.kind.clone() {
        EntityKind::Bold => types::MessageEntityBold { offset, length }.into(),
        EntityKind::Italic => types::MessageEntityItalic { offset, length }.into(),
        EntityKind::Underline => types::MessageEntityUnderline { offset, length }.into(),
        EntityKind::Strike => types::MessageEntityStrike { offset, length }.into(),
        EntityKind::Spoiler => types::MessageEntitySpoiler { offset, length }.into(),
        EntityKind::Code => types::MessageEntityCode { offset, length }.into(),
        EntityKind::Pre { language } => types::MessageEntityPre { offset, length, language }.into(),
        EntityKind::Link { url } => types::MessageEntityTextUrl { offset, length, url }.into(),
        EntityKind::Blockquote { collapsed } => {
            types::MessageEntityBlockquote { collapsed, offset, length }.into()
        }
    }
}
