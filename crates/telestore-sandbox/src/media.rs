//! What Telegram makes of a file that is not sent as it is: <https://core.telegram.org/api/files>.

use std::io::Read;
use std::path::Path;

use grammers_tl_types::enums::DocumentAttribute;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What the file of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// As it was sent.
    #[default]
    Document,
    /// Played as a video.
    Video,
    /// A video without sound, as Telegram takes it: what it makes of videos whose sender does not say otherwise.
    Animation,
    /// Played as music.
    Audio,
    /// Shown as a picture.
    Photo,
}

impl Kind {
    /// What the Bot API calls it in a message.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Video => "video",
            Self::Animation => "animation",
            Self::Audio => "audio",
            Self::Photo => "photo",
        }
    }

    /// What becomes of a file that its sender did not force to stay one. Whether a video has sound is not looked at: one
    /// whose sender does not say that it is none without is an animation.
    pub(crate) fn of_type(mime_type: &str, attributes: &[DocumentAttribute], nosound_video: bool) -> Self {
        let has_video = attributes.iter().any(|one| matches!(one, DocumentAttribute::Video(_)));
        let has_audio = attributes.iter().any(|one| matches!(one, DocumentAttribute::Audio(_)));
        match mime_type {
            "image/gif" => Self::Animation,
            kind if (has_video || kind == "video/mp4") && nosound_video => Self::Video,
            "video/mp4" => Self::Animation,
            kind if has_audio || kind.starts_with("audio/") => Self::Audio,
            _ => Self::Document,
        }
    }
}

/// What the sender of a video or a piece of music says of it.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct SandboxMedia {
    /// How long it is, in seconds.
    pub seconds: f64,
    /// The sides of a video, in pixels.
    pub size: Option<(i32, i32)>,
    /// Whether it can be played while it loads.
    pub supports_streaming: bool,
    /// The title of a piece of music.
    pub title: Option<String>,
    /// Who plays it.
    pub performer: Option<String>,
}

impl SandboxMedia {
    /// What the attributes of a document say; `None` if they say nothing of this kind.
    pub(crate) fn of(attributes: &[DocumentAttribute]) -> Option<Self> {
        attributes.iter().find_map(|attribute| match attribute {
            DocumentAttribute::Video(video) => Some(Self {
                seconds: video.duration,
                size: Some((video.w, video.h)),
                supports_streaming: video.supports_streaming,
                ..Self::default()
            }),
            DocumentAttribute::Audio(audio) => Some(Self {
                seconds: f64::from(audio.duration),
                title: audio.title.clone(),
                performer: audio.performer.clone(),
                ..Self::default()
            }),
            _ => None,
        })
    }
}

/// The name of the error that a photo is refused with, if it is: <https://core.telegram.org/bots/api#sendphoto>.
pub(crate) fn check_photo(path: &Path, size: u64) -> std::io::Result<Result<(i32, i32), &'static str>> {
    let mut head = Vec::new();
    std::fs::File::open(path)?.take(1024 * 1024).read_to_end(&mut head)?;
    let Some((width, height)) = picture_size(&head) else { return Ok(Err("IMAGE_PROCESS_FAILED")) };
    let (longer, shorter) = (width.max(height), width.min(height));
    let fits =
        size <= 10 * 1024 * 1024 && shorter > 0 && longer + shorter <= 10_000 && longer <= 20 * shorter;
    Ok(if fits { Ok((width, height)) } else { Err("PHOTO_INVALID_DIMENSIONS") })
}

/// The SHA-256 of a thumbnail that Telegram takes: a JPEG of at most 200 kB and 320 pixels. It ignores others
/// (<https://core.telegram.org/bots/api#senddocument>).
pub(crate) fn thumbnail(path: &Path) -> std::io::Result<Option<String>> {
    let bytes = std::fs::read(path)?;
    let size = picture_size(&bytes).filter(|_| bytes.starts_with(b"\xff\xd8") && bytes.len() <= 200_000);
    let fits = size.is_some_and(|(width, height)| width.max(height) <= 320);
    Ok(fits.then(|| hex::encode(Sha256::digest(&bytes))))
}

/// Width and height of a JPEG or PNG picture.
pub(crate) fn picture_size(head: &[u8]) -> Option<(i32, i32)> {
    let short = |at: usize| Some(i32::from(u16::from_be_bytes(head.get(at..at + 2)?.try_into().ok()?)));
    if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        let long = |at: usize| i32::try_from(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?)).ok();
        return Some((long(16)?, long(20)?));
    }
    let mut at = if head.starts_with(b"\xff\xd8") { 2 } else { return None };
    loop {
        match head.get(at..at + 2)? {
            [0xff, 0xc0..=0xc3] => return Some((short(at + 7)?, short(at + 5)?)),
            [0xff, 0xff] => at += 1,
            [0xff, _] => at += 2 + usize::try_from(short(at + 2)?).ok()?,
            _ => return None,
        }
    }
}
