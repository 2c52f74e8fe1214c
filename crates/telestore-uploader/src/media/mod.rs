//! What a file is sent as, and what Telegram is told of it beside its bytes.

mod reader;
mod tracks;

use std::sync::Arc;

use telestore_types::{ByteSource, SendAs, picture_size};

use crate::UploadRequest;
#[cfg(feature = "fuzzing")]
pub(crate) use tracks::check;

/// The largest photo that Telegram takes, in bytes: <https://core.telegram.org/bots/api#sendphoto>.
const PHOTO_MAX: u64 = 10 * 1024 * 1024;

/// The most that width and height of a photo may be together, in pixels.
const PHOTO_SIDES_MAX: u64 = 10_000;

/// How often the longer side of a photo may have the length of the shorter one.
const PHOTO_RATIO_MAX: u64 = 20;

/// How much of a picture is read to find its size.
const PICTURE_HEAD: u64 = 512 * 1024;

/// As what a file goes, and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Media {
    Document,
    /// Of a video that cannot be read nothing is known.
    Video(Option<Video>),
    Audio(Audio),
    Photo,
}

/// What Telegram is told of a video.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Video {
    pub(crate) seconds: f64,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// What Telegram is told of a piece of music, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Audio {
    pub(crate) seconds: Option<u32>,
    pub(crate) title: Option<String>,
    pub(crate) performer: Option<String>,
}

impl Media {
    /// Finds out as what a file goes: what the request says, unless Telegram does not take it as that.
    pub(crate) async fn of(request: &UploadRequest) -> Self {
        match request.send_as {
            SendAs::Video => Self::Video(tracks::read(Arc::clone(&request.source)).await.video),
            SendAs::Audio => Self::Audio(tracks::read(Arc::clone(&request.source)).await.audio),
            SendAs::Photo => match no_photo(request.source.as_ref()).await {
                None => Self::Photo,
                Some(why) => {
                    tracing::info!("[{}] Sent as a document: {why}", request.upload_id);
                    Self::Document
                }
            },
            _ => Self::Document,
        }
    }

    /// As what the message shows it.
    pub(crate) fn shown_as(&self) -> SendAs {
        match self {
            Self::Document => SendAs::Document,
            Self::Video(_) => SendAs::Video,
            Self::Audio(_) => SendAs::Audio,
            Self::Photo => SendAs::Photo,
        }
    }

    /// The same after Telegram has refused it with these words: a picture that it cannot read, or does not want, goes as a
    /// document. `None` if there is nothing else to try.
    pub(crate) fn instead(&self, said: &str) -> Option<Self> {
        const PICTURE: [&str; 2] = ["IMAGE_PROCESS_FAILED", "PHOTO_"];
        let refused = PICTURE.iter().any(|words| said.contains(words));
        (refused && *self == Self::Photo).then_some(Self::Document)
    }
}

/// Why Telegram would not take a file as a photo. One that cannot be read now is not refused for that here.
async fn no_photo(source: &dyn ByteSource) -> Option<&'static str> {
    if source.len() > PHOTO_MAX {
        return Some("a photo has at most 10 MB");
    }
    let head = source.read_at(0, source.len().min(PICTURE_HEAD) as usize).await.ok()?;
    let Some((width, height)) = picture_size(&head) else {
        return Some("it is no JPEG or PNG picture that can be read");
    };
    let (longer, shorter) = (u64::from(width.max(height)), u64::from(width.min(height)));
    match () {
        () if shorter == 0 => Some("it is a picture without pixels"),
        () if longer + shorter > PHOTO_SIDES_MAX => {
            Some("a photo's sides have at most 10000 pixels together")
        }
        () if longer > shorter * PHOTO_RATIO_MAX => Some("a photo is at most 20 times as long as wide"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use telestore_types::BytesSource;

    use super::*;

    async fn refused(length: usize, width: u16, height: u16) -> Option<&'static str> {
        let mut bytes = b"\xff\xd8\xff\xc0\0\x11\x08".to_vec();
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes.resize(length.max(bytes.len()), 0);
        no_photo(&BytesSource::new(bytes)).await
    }

    #[tokio::test]
    async fn a_picture_is_a_photo_within_telegrams_bounds() {
        let limit = PHOTO_MAX as usize;
        for (length, width, height, fits) in [
            (0, 640, 480, true),
            (limit, 5000, 5000, true),
            (limit + 1, 5000, 5000, false),
            (0, 5001, 5000, false),
            (0, 100, 2000, true),
            (0, 2001, 100, false),
            (0, 0, 10, false),
        ] {
            assert_eq!(refused(length, width, height).await.is_none(), fits, "{length} {width}x{height}");
        }
        assert!(no_photo(&BytesSource::new(&b"no picture"[..])).await.is_some());
    }

    #[test]
    fn only_a_photo_that_telegram_cannot_take_goes_as_a_document() {
        for said in ["PHOTO_INVALID_DIMENSIONS (400)", "Bad Request: IMAGE_PROCESS_FAILED"] {
            assert_eq!(Media::Photo.instead(said), Some(Media::Document), "{said}");
            assert_eq!(Media::Document.instead(said), None, "{said}");
        }
        assert_eq!(Media::Photo.instead("CHAT_SEND_PHOTOS_FORBIDDEN"), None);
    }
}
