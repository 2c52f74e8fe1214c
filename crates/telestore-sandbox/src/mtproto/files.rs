//! Bytes in and out: `upload.saveFilePart`, `upload.saveBigFilePart`, `upload.getFile`.

use std::os::unix::fs::FileExt;

use bytes::{Buf, Bytes};
use grammers_tl_types::{Serializable, enums, functions as f, types};
use tokio::task::spawn_blocking;

use super::dispatch::Context;
use super::envelope::take_bytes;
use super::parts::NewPart;
use super::rpc_error::RpcError;
use super::tl_types;
use crate::channel_id::ChannelId;

type Answer = Result<Vec<u8>, RpcError>;

/// `upload.getFile` reads within one mebibyte of the file.
const MEBIBYTE: i64 = 1024 * 1024;

/// Read by hand: the bytes of a part are not copied.
fn read_part(mut body: Bytes, big: bool) -> Option<NewPart> {
    body.try_get_u32_le().ok()?;
    let file_id = body.try_get_i64_le().ok()?;
    let index = body.try_get_i32_le().ok()?;
    let total = if big { Some(body.try_get_i32_le().ok()?) } else { None };
    Some(NewPart { file_id, index, total, bytes: take_bytes(&mut body)? })
}

pub(crate) async fn save_part(context: Context, body: Bytes, big: bool) -> Answer {
    let part = read_part(body, big).ok_or_else(|| RpcError::bad_request("INPUT_FETCH_ERROR"))?;
    let (shared, owner, most) = (context.shared.clone(), context.part_owner(), context.most_parts());
    let saved = spawn_blocking(move || {
        shared.parts.save(&owner, &part, most)?;
        shared.stats.part(&owner.who.user_id, part.file_id, part.index, part.bytes.len() as u64);
        Ok(())
    });
    saved.await.map_err(RpcError::internal)??;
    Ok(tl_types::yes())
}

pub(crate) async fn get_file(context: Context, call: f::upload::GetFile) -> Answer {
    let enums::InputFileLocation::InputDocumentFileLocation(location) = call.location else {
        return Err(RpcError::bad_request("LOCATION_INVALID"));
    };
    check_range(call.precise, call.offset, i64::from(call.limit))?;
    let who = context.who();
    let found = context.shared.channels.find_message(|message| message.public.document_id == location.id);
    let stored = found.filter(|message| message.access_hash(&who) == location.access_hash);
    let stored = stored.ok_or_else(|| RpcError::bad_request("FILE_ID_INVALID"))?;
    if location.file_reference != stored.file_reference(&who) {
        return Err(RpcError::bad_request("FILE_REFERENCE_INVALID"));
    }
    let channel = ChannelId::from(stored.public.channel_id);
    if context.shared.channels.look(channel, |channel| channel.holds(&who)) != Some(true) {
        return Err(RpcError::bad_request("CHANNEL_PRIVATE"));
    }
    let (offset, limit) = (call.offset as u64, call.limit as u64);
    let bytes = spawn_blocking(move || {
        let file = std::fs::File::open(&stored.public.path)?;
        let mut bytes = vec![0; stored.public.size.saturating_sub(offset).min(limit) as usize];
        file.read_exact_at(&mut bytes, offset)?;
        Ok::<_, std::io::Error>(bytes)
    });
    let bytes = bytes.await.map_err(RpcError::internal)?.map_err(RpcError::internal)?;
    context.shared.stats.write(|stats| stats.bytes_sent += bytes.len() as u64);
    let mtime = crate::channel::unix_time() as i32;
    let file = types::upload::File { r#type: enums::storage::FileType::FileUnknown, mtime, bytes };
    Ok(enums::upload::File::File(file).to_bytes())
}

fn check_range(precise: bool, offset: i64, limit: i64) -> Result<(), RpcError> {
    let step = if precise { 1024 } else { 4096 };
    if offset < 0 || offset % step != 0 {
        return Err(RpcError::bad_request("OFFSET_INVALID"));
    }
    let divides = precise || limit > 0 && MEBIBYTE % limit == 0;
    let within = limit > 0 && offset / MEBIBYTE == (offset + limit - 1) / MEBIBYTE;
    if limit <= 0 || limit > MEBIBYTE || limit % step != 0 || !divides || !within {
        return Err(RpcError::bad_request("LIMIT_INVALID"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_telegrams_rules() {
        let allowed = [(false, 0, 4096), (false, 524_288, 524_288), (true, 1024, 3072), (false, 0, MEBIBYTE)];
        assert!(
            allowed.into_iter().all(|(precise, offset, limit)| check_range(precise, offset, limit).is_ok())
        );
        let refused =
            [(false, 0, 1000), (false, 100, 4096), (false, 4096, MEBIBYTE), (false, 0, 12_288), (true, 0, 0)];
        assert!(
            refused.into_iter().all(|(precise, offset, limit)| check_range(precise, offset, limit).is_err())
        );
    }
}
