use std::collections::{BTreeMap, BTreeSet};

use telestore_types::{ChunkIndex, MAX_CHUNKS, Upload, UploadId, UploadKind, UploadState};

use super::uploads::take_away;
use super::{Answer, Rows, check};
use crate::{ChunkRecord, Concatenated, Concatenation, More, Result};

/// [`SessionStore::concatenate`](crate::SessionStore::concatenate).
///
/// # Errors
/// Those of the rows.
pub async fn concatenate(rows: &mut dyn Rows, new: &Concatenation) -> Result<Answer<Concatenated>> {
    let Concatenation { upload, parts, thumbnail, limits } = new;
    // As with any new upload: one that was cancelled makes room, and a result is never wiped. Before the parts are looked at: they are
    // gone when it is in the channel.
    let before = rows.load(&upload.id).await?;
    if before.as_ref().is_some_and(|before| before.state != UploadState::Cancelled) {
        return Ok(Answer::Unchanged(Concatenated::Exists));
    }
    let found = match find(rows, upload, parts).await? {
        Ok(found) => found,
        Err(refused) => return Ok(Answer::Unchanged(refused)),
    };
    let (mut whole, mut records) = (upload.clone(), Vec::new());
    for part in parts.iter().filter_map(|id| found.get(id)) {
        let of_part = rows.records(&part.key).await?;
        for record in of_part.into_iter().filter(|record| !record.index.is_thumbnail()) {
            let Ok(index) = ChunkIndex::new(whole.received_chunks, MAX_CHUNKS) else {
                return Ok(Answer::Unchanged(Concatenated::TooMany));
            };
            whole.received_chunks += 1;
            whole.received_bytes = whole.received_bytes.saturating_add(record.length);
            records.push(ChunkRecord { index, ..record });
        }
    }
    if whole.received_bytes > limits.max_bytes {
        return Ok(Answer::Unchanged(Concatenated::TooLarge { received: whole.received_bytes }));
    }
    // Its bytes are there already, and counted as those of the parts.
    if let Err(exceeded) = check(rows, &whole, limits, &More::UPLOAD, whole.created_at).await? {
        return Ok(Answer::Unchanged(Concatenated::TooMuch(exceeded)));
    }
    whole.file_size = Some(whole.received_bytes);
    whole.complete_by_itself(whole.created_at);
    take_away(rows, before).await?;
    rows.insert(&whole).await?;
    for record in records.iter().chain(thumbnail) {
        rows.put_chunk(&whole.key, record).await?;
    }
    Ok(Answer::Changed(Concatenated::Made(Box::new(whole))))
}

/// The parts by their ids, or why they cannot be put together.
async fn find(
    rows: &mut dyn Rows,
    upload: &Upload,
    parts: &[UploadId],
) -> Result<std::result::Result<BTreeMap<UploadId, Upload>, Concatenated>> {
    let names: BTreeSet<&UploadId> = parts.iter().collect();
    let mut whole = BTreeMap::new();
    // In the order of their names: two that put the same parts together wait for each other, and not both at once. The first that
    // does not fit ends it: nobody has others wait for rows that are not theirs.
    for id in names {
        let usable = |part: &Upload| {
            part.kind == UploadKind::Partial
                && part.state == UploadState::Receiving
                && part.user_id == upload.user_id
        };
        match rows.load(id).await?.filter(usable) {
            None => return Ok(Err(Concatenated::NoPart(id.clone()))),
            Some(part) if part.file_size != Some(part.received_bytes) => {
                return Ok(Err(Concatenated::Unfinished(id.clone())));
            }
            Some(part) => whole.insert(id.clone(), part),
        };
    }
    Ok(Ok(whole))
}
