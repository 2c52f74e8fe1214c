use telestore_types::{ChunkVerdict, Timestamp, Upload};

use crate::{ChunkRecord, Recorded};

/// The rule of [`record_chunk`](crate::SessionStore::record_chunk): the upload with one more chunk, or why it is not
/// recorded. `old` is the length and the CRC-32C of what the chunk's place holds now.
pub(crate) fn admit(
    mut upload: Box<Upload>,
    old: Option<(u64, u32)>,
    chunk: &ChunkRecord,
    mime_type: Option<&str>,
    max_bytes: u64,
    now: Timestamp,
) -> Result<Box<Upload>, Recorded> {
    let new = (chunk.length, chunk.crc32c);
    match upload.chunk_verdict(old, new) {
        ChunkVerdict::Store => {}
        verdict => return Err(Recorded::Refused { verdict, upload }),
    }
    upload.chunk_stored(old, new, now);
    upload.mime_type = upload.mime_type.or_else(|| mime_type.map(str::to_owned));
    if upload.received_bytes > max_bytes {
        return Err(Recorded::TooLarge { received: upload.received_bytes });
    }
    match upload.check_sum(old.map(|(length, _)| length), chunk.length) {
        Ok(()) => Ok(upload),
        Err(error) => Err(Recorded::Unfit(error)),
    }
}
