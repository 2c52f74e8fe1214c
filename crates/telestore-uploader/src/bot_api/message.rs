//! How a message is to be, in the Bot API's words: <https://core.telegram.org/bots/api#senddocument>.

use serde_json::{Value, json};
use telestore_types::{CAPTION_MAX, Caption, Entity, EntityKind, TopicId};

use crate::UploadRequest;
use crate::media::Media;

/// The call that makes a message of a file.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) method: &'static str,
    /// What the method calls the file.
    pub(super) file: &'static str,
    /// What goes before the file.
    pub(super) fields: Vec<(&'static str, String)>,
    /// The picture that stands for the file.
    pub(super) thumbnail: Option<&'a [u8]>,
}

impl<'a> Call<'a> {
    pub(super) fn of(request: &'a UploadRequest, media: &Media, chat_id: &str) -> Self {
        let (method, file) = match media {
            Media::Document => ("sendDocument", "document"),
            Media::Video(_) => ("sendVideo", "video"),
            Media::Audio(_) => ("sendAudio", "audio"),
            Media::Photo => ("sendPhoto", "photo"),
        };
        let mut fields = vec![("chat_id", chat_id.to_owned())];
        fields.extend(of_caption(&request.caption.clone().cut(CAPTION_MAX)));
        fields.extend(of_media(media));
        if let Some(thread) = request.topic.and_then(TopicId::thread) {
            fields.push(("message_thread_id", thread.to_string()));
        }
        if request.silent {
            fields.push(("disable_notification", yes()));
        }
        let thumbnail = request.thumbnail.as_ref().filter(|_| *media != Media::Photo);
        Self { method, file, fields, thumbnail: thumbnail.map(|thumbnail| &thumbnail.bytes()[..]) }
    }
}

fn yes() -> String {
    "true".to_owned()
}

fn of_caption(caption: &Caption) -> Vec<(&'static str, String)> {
    let mut fields = vec![("caption", caption.text().to_owned())];
    if !caption.entities().is_empty() {
        let entities: Vec<_> = caption.entities().iter().map(entity).collect();
        fields.push(("caption_entities", Value::from(entities).to_string()));
    }
    fields
}

fn of_media(media: &Media) -> Vec<(&'static str, String)> {
    match media {
        Media::Document => vec![("disable_content_type_detection", yes())],
        Media::Video(None) => vec![("supports_streaming", yes())],
        Media::Video(Some(video)) => vec![
            ("supports_streaming", yes()),
            ("duration", (video.seconds.round() as u64).to_string()),
            ("width", video.width.to_string()),
            ("height", video.height.to_string()),
        ],
        Media::Audio(audio) => {
            let seconds = audio.seconds.map(|seconds| ("duration", seconds.to_string()));
            let title = audio.title.clone().map(|title| ("title", title));
            let performer = audio.performer.clone().map(|performer| ("performer", performer));
            [seconds, title, performer].into_iter().flatten().collect()
        }
        Media::Photo => Vec::new(),
    }
}

/// <https://core.telegram.org/bots/api#messageentity>
fn entity(entity: &Entity) -> Value {
    let mut json = json!({"offset": entity.offset, "length": entity.length});
    json["type"] = Value::from(match &entity.kind {
        EntityKind::Bold => "bold",
        EntityKind::Italic => "italic",
        EntityKind::Underline => "underline",
        EntityKind::Strike => "strikethrough",
        EntityKind::Spoiler => "spoiler",
        EntityKind::Code => "code",
        EntityKind::Pre { language } => {
            if !language.is_empty() {
                json["language"] = Value::from(language.as_str());
            }
            "pre"
        }
        EntityKind::Link { url } => {
            json["url"] = Value::from(url.as_str());
            "text_link"
        }
        EntityKind::Blockquote { collapsed: false } => "blockquote",
        EntityKind::Blockquote { collapsed: true } => "expandable_blockquote",
    });
    json
}
