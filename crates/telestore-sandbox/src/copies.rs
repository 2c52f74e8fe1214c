//! Files that are sent once more, without their bytes.

use std::path::{Path, PathBuf};

use crate::media::Kind;
use crate::message::{DraftDocument, StoredMessage};

/// The file of a message for another message, under its id and its name. Blocks on the disk.
pub(crate) fn document_of(dir: &Path, message: StoredMessage) -> std::io::Result<DraftDocument> {
    let StoredMessage { public, attributes, .. } = message;
    Ok(DraftDocument {
        from: another_name(dir, &public.path)?,
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
