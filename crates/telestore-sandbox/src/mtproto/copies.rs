//! Messages of files that are there: no bytes come, <https://core.telegram.org/constructor/inputMediaDocument>.

use std::path::{Path, PathBuf};

use super::locations::Location;
use super::rpc_error::RpcError;
use crate::channel_id::ChannelId;
use crate::media::Kind;
use crate::message::{DraftDocument, StoredMessage};
use crate::shared::Shared;
use crate::standing::Who;

/// The file of a message for another message, under its id and its name. Blocks on the disk.
pub(super) fn copy(shared: &Shared, who: &Who, location: &Location) -> Result<DraftDocument, RpcError> {
    let holders = location.holders(shared, who);
    if holders.is_empty() {
        return Err(RpcError::bad_request("MEDIA_EMPTY"));
    }
    let StoredMessage { public, attributes, .. } = location.origin(shared, who, holders)?;
    let channel = ChannelId::from(public.channel_id);
    if shared.channels.look(channel, |channel| channel.forwards) == Some(false) {
        return Err(RpcError::bad_request("CHAT_FORWARDS_RESTRICTED"));
    }
    Ok(DraftDocument {
        from: another_name(&shared.dir, &public.path).map_err(RpcError::internal)?,
        document_id: Some(public.document_id),
        dc_id: public.dc_id,
        size: public.size,
        sha256: public.sha256,
        sent_name: public.sent_name,
        file_name: public.file_name,
        mime_type: public.mime_type,
        force_file: public.force_file,
        kind: public.kind,
        photo: public.media.and_then(|media| media.size).filter(|_| public.kind == Kind::Photo),
        thumbnail: public.thumbnail,
        attributes,
    })
}

/// Gives a file one more name: it stays if the first message goes.
fn another_name(dir: &Path, file: &Path) -> std::io::Result<PathBuf> {
    let other = dir.join("parts").join(format!("copy-{:016x}", rand::random::<u64>()));
    // Some file systems have no such names.
    if std::fs::hard_link(file, &other).is_err() {
        std::fs::copy(file, &other)?;
    }
    Ok(other)
}
