//! How clients name a file that a message has: by its id, an access hash and a file reference, each for one account.

use grammers_tl_types::enums;

use super::rpc_error::RpcError;
use super::tl_types::PHOTO_SIZE;
use crate::channel_id::ChannelId;
use crate::message::StoredMessage;
use crate::references::Reference;
use crate::shared::Shared;
use crate::standing::Who;

/// A file as a client names it.
pub(super) struct Location {
    id: i64,
    access_hash: i64,
    file_reference: Vec<u8>,
    photo: bool,
}

impl Location {
    pub(super) fn of(location: enums::InputFileLocation) -> Result<Self, RpcError> {
        let (id, access_hash, file_reference, size, photo) = match location {
            enums::InputFileLocation::InputDocumentFileLocation(file) => {
                (file.id, file.access_hash, file.file_reference, file.thumb_size, false)
            }
            enums::InputFileLocation::InputPhotoFileLocation(file) => {
                (file.id, file.access_hash, file.file_reference, file.thumb_size, true)
            }
            _ => return Err(RpcError::bad_request("LOCATION_INVALID")),
        };
        // No document has a thumbnail that could be fetched, and a photo has one size.
        match size == if photo { PHOTO_SIZE } else { "" } {
            true => Ok(Self { id, access_hash, file_reference, photo }),
            false => Err(RpcError::bad_request("LOCATION_INVALID")),
        }
    }

    pub(super) fn of_document(document: enums::InputDocument) -> Result<Self, RpcError> {
        match document {
            enums::InputDocument::Document(file) => {
                let (access_hash, file_reference) = (file.access_hash, file.file_reference);
                Ok(Self { id: file.id, access_hash, file_reference, photo: false })
            }
            enums::InputDocument::Empty => Err(RpcError::bad_request("MEDIA_EMPTY")),
        }
    }

    pub(super) fn of_photo(photo: enums::InputPhoto) -> Result<Self, RpcError> {
        match photo {
            enums::InputPhoto::Photo(file) => {
                let (access_hash, file_reference) = (file.access_hash, file.file_reference);
                Ok(Self { id: file.id, access_hash, file_reference, photo: true })
            }
            enums::InputPhoto::Empty => Err(RpcError::bad_request("MEDIA_EMPTY")),
        }
    }

    /// The messages that have the file, with the hash that `who` knows it by. There are none of a file whose last message
    /// was deleted.
    pub(super) fn holders(&self, shared: &Shared, who: &Who) -> Vec<StoredMessage> {
        let wanted = |message: &StoredMessage| {
            message.holds_file(self.id, self.photo) && message.access_hash(who) == self.access_hash
        };
        shared.channels.find_messages(wanted)
    }

    /// The one of `holders` that the reference came from.
    pub(super) fn origin(
        &self,
        shared: &Shared,
        who: &Who,
        holders: Vec<StoredMessage>,
    ) -> Result<StoredMessage, RpcError> {
        if self.file_reference.is_empty() {
            return Err(RpcError::bad_request("FILE_REFERENCE_EMPTY"));
        }
        let reference = Reference::open(&self.file_reference, self.id, who);
        let reference = reference.ok_or_else(|| RpcError::bad_request("FILE_REFERENCE_INVALID"))?;
        // That of a message that was deleted is of no use any more, even if another one has the file.
        let origin = holders.into_iter().find(|message| message.reference() == reference);
        let origin = origin.ok_or_else(|| RpcError::bad_request("FILE_REFERENCE_EXPIRED"))?;
        let channel = ChannelId::from(origin.public.channel_id);
        match shared.channels.look(channel, |channel| channel.holds(who)) {
            Some(true) => Ok(origin),
            _ => Err(RpcError::bad_request("CHANNEL_PRIVATE")),
        }
    }
}
