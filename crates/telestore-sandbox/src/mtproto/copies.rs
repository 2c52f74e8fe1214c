//! Messages of files that are there: no bytes come, <https://core.telegram.org/constructor/inputMediaDocument>.

use super::locations::Location;
use super::rpc_error::RpcError;
use crate::channel_id::ChannelId;
use crate::copies;
use crate::message::DraftDocument;
use crate::shared::Shared;
use crate::standing::Who;

/// The file of a message for another message, under its id and its name. Blocks on the disk.
pub(super) fn copy(shared: &Shared, who: &Who, location: &Location) -> Result<DraftDocument, RpcError> {
    let holders = location.holders(shared, who);
    if holders.is_empty() {
        return Err(RpcError::bad_request("MEDIA_EMPTY"));
    }
    let message = location.origin(shared, who, holders)?;
    let channel = ChannelId::from(message.public.channel_id);
    if shared.channels.look(channel, |channel| channel.forwards) == Some(false) {
        return Err(RpcError::bad_request("CHAT_FORWARDS_RESTRICTED"));
    }
    copies::document_of(&shared.dir, message).map_err(RpcError::internal)
}
