//! The calls of the Bot API that send a file.

use grammers_tl_types::{enums, types};
use serde_json::{Value, json};

use super::bot_api::{Answer, BotCall};
use super::bot_files::by_file_id;
use super::bot_params::{Document, Params, internal};
use super::faulty::{Refusal, bot_error};
use crate::copies;
use crate::media::{Kind, check_photo, thumbnail};
use crate::message::{Draft, DraftDocument, SandboxMessage};
use crate::names;

/// Sends the file of a call as this.
pub(super) async fn send(mut call: BotCall, kind: Kind) -> Answer {
    let channel = call.writable_channel()?;
    let message = call.draft(channel, "caption", "caption_entities")?;
    if message.caption.encode_utf16().count() > 1024 {
        return Err(refused("Bad Request: message caption is too long"));
    }
    let Some(file) = call.params.files.remove(kind.field()) else {
        let draft = again(&call, kind)?;
        return call.post(channel, Draft { document: Some(draft), ..message }).await;
    };
    if file.size == 0 {
        return Err(refused("Bad Request: file must be non-empty"));
    }
    let thumbnail = call.params.files.remove("thumbnail").and_then(|file| thumbnail(&file.path).ok()?);
    let (path, draft) = document(&call, file, kind)?;
    let draft = DraftDocument { thumbnail, ..draft };
    let answer = call.post(channel, Draft { document: Some(draft), ..message }).await;
    // Moved by now, or of no use.
    drop(path);
    answer
}

/// The file that a call names by its `file_id`: it goes once more as what it is, whatever the call is.
fn again(call: &BotCall, kind: Kind) -> Result<DraftDocument, Refusal> {
    let file_id = call.params.get(kind.field());
    if file_id.is_empty() {
        return Err(refused(&format!("Bad Request: there is no {} in the request", kind.field())));
    }
    let found = by_file_id(call, file_id).filter(|message| message.public.kind == kind);
    let message = found.ok_or_else(|| refused("Bad Request: wrong file identifier/HTTP URL specified"))?;
    copies::document_of(&call.shared.dir, message).map_err(internal)
}

fn refused(description: &str) -> Refusal {
    bot_error(400, description, json!({}))
}

fn document(
    call: &BotCall,
    file: Document,
    sent_as: Kind,
) -> Result<(tempfile::TempPath, DraftDocument), Refusal> {
    let Document { path, size, sha256, file_name: sent_name, content_type } = file;
    let file_name = names::through_bot_api(&sent_name);
    let guessed = || mime_guess::from_path(&file_name).first_or_octet_stream().to_string();
    let mime_type = content_type.filter(|kind| kind != "application/octet-stream").unwrap_or_else(guessed);
    let force_file = sent_as == Kind::Document && call.params.is_set("disable_content_type_detection");
    let mut attributes = vec![types::DocumentAttributeFilename { file_name: file_name.clone() }.into()];
    attributes.extend(attribute(&call.params, sent_as));
    let kind = match sent_as {
        Kind::Document if force_file => Kind::Document,
        // A bot cannot say that a video without sound is one.
        Kind::Document => Kind::of_type(&mime_type, &attributes, false),
        kind => kind,
    };
    let photo = match kind {
        Kind::Photo => {
            let checked =
                check_photo(&path, size).map_err(|error| refused(&format!("Bad Request: {error}")))?;
            Some(checked.map_err(|name| refused(&format!("Bad Request: {name}")))?)
        }
        _ => None,
    };
    let sha256 = if call.shared.rules.hash { sha256 } else { String::new() };
    let from = path.to_path_buf();
    let draft = DraftDocument {
        from,
        document_id: None,
        dc_id: call.shared.placement.of(call.bot.home()),
        size,
        sha256,
        sent_name,
        file_name,
        mime_type,
        force_file,
        kind,
        photo,
        thumbnail: None,
        attributes,
    };
    Ok((path, draft))
}

/// What the caller says of a video or a piece of music.
fn attribute(params: &Params, kind: Kind) -> Option<enums::DocumentAttribute> {
    let number = |name: &str| params.get(name).parse::<i32>().unwrap_or_default();
    let text = |name: &str| Some(params.get(name).to_owned()).filter(|text| !text.is_empty());
    match kind {
        Kind::Video => Some(
            types::DocumentAttributeVideo {
                round_message: false,
                supports_streaming: params.is_set("supports_streaming"),
                nosound: false,
                duration: f64::from(number("duration")),
                w: number("width"),
                h: number("height"),
                preload_prefix_size: None,
                video_start_ts: None,
                video_codec: None,
            }
            .into(),
        ),
        Kind::Audio => Some(
            types::DocumentAttributeAudio {
                voice: false,
                duration: number("duration"),
                title: text("title"),
                performer: text("performer"),
                waveform: None,
            }
            .into(),
        ),
        _ => None,
    }
}

/// The file of a message in the Bot API's words. A photo comes in several sizes, here in one.
pub(super) fn file_json(message: &SandboxMessage) -> Value {
    let mut json = json!({
        "file_id": message.file_id,
        "file_unique_id": message.file_unique_id,
        "file_size": message.size,
    });
    let media = message.media.as_ref();
    if let Some((width, height)) = media.and_then(|media| media.size) {
        (json["width"], json["height"]) = (json!(width), json!(height));
    }
    if message.kind == Kind::Photo {
        return json!([json]);
    }
    (json["file_name"], json["mime_type"]) = (json!(message.file_name), json!(message.mime_type));
    if let Some(media) = media {
        json["duration"] = json!(media.seconds as i64);
    }
    json
}
