//! Bytes in and out: `upload.saveFilePart`, `upload.saveBigFilePart`, `upload.getFile`, `upload.getFileHashes`.

use std::os::unix::fs::FileExt;

use bytes::{Buf, Bytes};
use grammers_tl_types::{Serializable, enums, functions as f, types};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use super::dispatch::Context;
use super::envelope::take_bytes;
use super::locations::Location;
use super::parts::NewPart;
use super::rpc_error::RpcError;
use super::tl_types;
use crate::message::SandboxMessage;

type Answer = Result<Vec<u8>, RpcError>;

/// `upload.getFile` reads within one mebibyte of the file.
const MEBIBYTE: i64 = 1024 * 1024;

/// What `upload.getFileHashes` makes a hash of, and how many it tells at once. Telegram documents neither: the blocks are those of
/// its CDN, <https://core.telegram.org/cdn>, and an answer covers what one `upload.getFile` can read.
const HASHED: u64 = 128 * 1024;
const HASHES: usize = 8;

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

/// What `upload.getFile` answers, and `upload.getFileHashes` is about: the file, where this account may read it.
fn find(context: &Context, location: enums::InputFileLocation) -> Result<SandboxMessage, RpcError> {
    let (location, who) = (Location::of(location)?, context.who());
    let holders = location.holders(&context.shared, &who);
    // Other data centres know only where the file is.
    match holders.first().map(|message| message.public.dc_id) {
        None => return Err(RpcError::bad_request("FILE_ID_INVALID")),
        Some(dc) if dc != context.dc => return Err(RpcError::new(303, format!("FILE_MIGRATE_{dc}"))),
        Some(_) => {}
    }
    location.origin(&context.shared, &who, holders).map(|message| message.public)
}

pub(crate) async fn get_file(context: Context, call: f::upload::GetFile) -> Answer {
    check_range(call.precise, call.offset, i64::from(call.limit))?;
    let file = find(&context, call.location)?;
    let (offset, limit) = (call.offset as u64, call.limit as u64);
    let bytes = spawn_blocking(move || read(&file, offset, limit));
    let bytes = bytes.await.map_err(RpcError::internal)?.map_err(RpcError::internal)?;
    context.shared.stats.downloaded(&context.who(), context.dc, bytes.len() as u64);
    let mtime = crate::channel::unix_time() as i32;
    let file = types::upload::File { r#type: enums::storage::FileType::FileUnknown, mtime, bytes };
    Ok(enums::upload::File::File(file).to_bytes())
}

/// The hashes of the blocks from the one that `offset` lies in.
pub(crate) async fn get_file_hashes(context: Context, call: f::upload::GetFileHashes) -> Answer {
    if call.offset < 0 {
        return Err(RpcError::bad_request("OFFSET_INVALID"));
    }
    let file = find(&context, call.location)?;
    let first = call.offset as u64 / HASHED;
    let hashes = spawn_blocking(move || {
        let blocks = (first..file.size.div_ceil(HASHED)).take(HASHES);
        let hash = |block: u64| {
            let bytes = read(&file, block * HASHED, HASHED)?;
            let (offset, limit) = ((block * HASHED) as i64, bytes.len() as i32);
            let hash = Sha256::digest(&bytes).to_vec();
            Ok(enums::FileHash::Hash(types::FileHash { offset, limit, hash }))
        };
        blocks.map(hash).collect::<std::io::Result<Vec<_>>>()
    });
    let hashes = hashes.await.map_err(RpcError::internal)?.map_err(RpcError::internal)?;
    Ok(hashes.to_bytes())
}

/// As many bytes as there are; none behind the end.
fn read(file: &SandboxMessage, offset: u64, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; file.size.saturating_sub(offset).min(limit) as usize];
    std::fs::File::open(&file.path)?.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
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
