//! A file that a message is to be made of.

use grammers_tl_types::{enums, types};

use super::locations::Location;
use super::rpc_error::RpcError;
use crate::media::Kind;

/// A file as its sender wants it.
pub(super) enum InputMedia {
    /// Its parts were sent.
    Uploaded(UploadedMedia),
    /// A message has it already.
    Known(Location),
}

/// A file whose parts were sent.
pub(super) struct UploadedMedia {
    pub(super) file: enums::InputFile,
    pub(super) kind: Kind,
    pub(super) mime_type: String,
    pub(super) force_file: bool,
    pub(super) attributes: Vec<enums::DocumentAttribute>,
    pub(super) thumb: Option<enums::InputFile>,
}

impl InputMedia {
    pub(super) fn of(media: enums::InputMedia) -> Result<Self, RpcError> {
        match media {
            enums::InputMedia::UploadedDocument(media) => {
                Ok(Self::Uploaded(UploadedMedia::of_document(media)))
            }
            enums::InputMedia::UploadedPhoto(media) => Ok(Self::Uploaded(UploadedMedia {
                file: media.file,
                kind: Kind::Photo,
                mime_type: "image/jpeg".to_owned(),
                force_file: false,
                attributes: Vec::new(),
                thumb: None,
            })),
            enums::InputMedia::Document(media) => Location::of_document(media.id).map(Self::Known),
            enums::InputMedia::Photo(media) => Location::of_photo(media.id).map(Self::Known),
            _ => Err(RpcError::bad_request("MEDIA_INVALID")),
        }
    }

    /// The parts it is made of, if it is made of parts.
    pub(super) fn file(&self) -> Option<&enums::InputFile> {
        match self {
            Self::Uploaded(media) => Some(&media.file),
            Self::Known(_) => None,
        }
    }
}

impl UploadedMedia {
    fn of_document(media: types::InputMediaUploadedDocument) -> Self {
        let kind = match media.force_file {
            true => Kind::Document,
            false => Kind::of_type(&media.mime_type, &media.attributes, media.nosound_video),
        };
        let types::InputMediaUploadedDocument { file, thumb, mime_type, force_file, attributes, .. } = media;
        Self { file, kind, mime_type, force_file, attributes, thumb }
    }
}
