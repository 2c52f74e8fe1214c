use telestore_types::{ChunkVerdict, Upload};

use super::{Place, Rows, check};
use crate::{BlobName, Limits, More, NewChunk, Quota, Recorded, Result, Subject};

/// A chunk that may be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// The upload with it.
    pub upload: Box<Upload>,
    /// The bytes whose place it takes.
    pub replaced: Option<BlobName>,
}

/// The upload with one more chunk, or why it is not recorded. `old` is the length and the CRC-32C of what the chunk's
/// place holds now.
///
/// # Errors
/// [`Recorded::Refused`], [`Recorded::TooLarge`], [`Recorded::Unfit`].
pub fn admit(
    mut upload: Box<Upload>,
    old: Option<(u64, u32)>,
    new: &NewChunk,
) -> Result<Box<Upload>, Recorded> {
    let bytes = (new.chunk.length, new.chunk.crc32c);
    match upload.chunk_verdict(old, bytes) {
        ChunkVerdict::Store => {}
        verdict => return Err(Recorded::Refused { verdict, upload }),
    }
    upload.chunk_stored(old, bytes, new.now);
    upload.mime_type = upload.mime_type.or_else(|| new.mime_type.clone());
    if upload.received_bytes > new.limits.max_bytes {
        return Err(Recorded::TooLarge { received: upload.received_bytes });
    }
    match upload.check_sum(old.map(|(length, _)| length), new.chunk.length) {
        Ok(()) => Ok(upload),
        Err(error) => Err(Recorded::Unfit(error)),
    }
}

/// The first half of [`record_chunk`](crate::SessionStore::record_chunk): what is to be written, or why nothing is.
///
/// The second half is the store's: it saves the upload, puts the record in its place, and counts the bytes of those that
/// [`counted`] names, so that it may do all of that in one statement.
///
/// # Errors
/// Those of the rows.
pub async fn admit_chunk(rows: &mut dyn Rows, new: &NewChunk) -> Result<Result<Admitted, Recorded>> {
    let Some(Place { upload, held }) = rows.place(&new.id, &new.key, new.chunk.index).await? else {
        return Ok(Err(Recorded::NotFound));
    };
    let old = held.as_ref().map(|held| (held.length, held.crc32c));
    let upload = match admit(Box::new(upload), old, new) {
        Ok(upload) => upload,
        Err(refused) => return Ok(Err(refused)),
    };
    let more = More::chunk(new.chunk.length, old.map(|(length, _)| length));
    // The rows still have the upload as it was before.
    if let Err(exceeded) = check(rows, &upload, &new.limits, &more, new.now).await? {
        return Ok(Err(Recorded::TooMuch(exceeded)));
    }
    Ok(Ok(Admitted { upload, replaced: held.map(|held| held.blob) }))
}

/// Whose bytes of a day are limited, and so are counted: of the owner of an upload, and of the clients at its address.
pub fn counted<'a>(upload: &'a Upload, limits: &Limits) -> Vec<Subject<'a>> {
    let quotas = limits.of(upload.user_id.as_ref(), upload.address.as_ref());
    let counted = |(_, quota): &(Subject<'_>, Quota)| quota.bytes_per_day.is_some();
    quotas.into_iter().filter(counted).map(|(subject, _)| subject).collect()
}
