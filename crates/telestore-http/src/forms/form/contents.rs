//! The bytes of a form's parts.

use std::time::Instant;

use actix_multipart::MultipartError;
use actix_web::error::PayloadError;
use bytes::Bytes;
use telestore::store::{Spool, SpooledChunk};
use telestore::types::ContentDigest;
use telestore::{Caller, Telestore};

use super::{FILE_NAME, Limits};
use crate::forms::head::{PartHead, reading};
use crate::forms::parts::Part;
use crate::shared::budget::Share;
use crate::shared::error::ApiError;
use crate::shared::fault::{Fault, printable};
use crate::shared::patience::is_too_slow;

/// After how many bytes of a file the disk is looked at again.
const LOOK_AFTER: u64 = 1024 * 1024;

/// Spools the bytes of the file as they arrive.
pub(super) async fn fill(
    engine: &Telestore,
    mut part: Part,
    mut spool: Box<dyn Spool>,
    digests: &[ContentDigest],
    mut share: Option<Share>,
    sender: Option<&Caller>,
    limits: Limits<'_>,
) -> Result<(SpooledChunk, Option<Share>), ApiError> {
    for digest in digests {
        spool.expect(*digest);
    }
    let (mut length, mut look_at) = (0_u64, LOOK_AFTER);
    while let Some(piece) = next_piece(&mut part, share.as_mut()).await? {
        let came = share.as_ref().map(|_| Instant::now());
        length += piece.len() as u64;
        if length > limits.max_bytes {
            return Err(limits.too_large());
        }
        if let Some(share) = &mut share {
            share.take(piece.len() as u64).await?;
        }
        if length >= look_at && !limits.known {
            engine.check_space().await?;
            if let Some(sender) = sender {
                engine.check_sendable(sender, length).await?;
            }
            if share.is_some() {
                limits.options.spool_budget.look(engine).await?;
            }
            look_at = length + LOOK_AFTER;
        }
        spool.write(piece).await?;
        if let (Some(share), Some(came)) = (&mut share, came) {
            share.was_busy(came.elapsed());
        }
    }
    Ok((spool.finish().await?, share))
}

/// The next bytes of the file, for as long as its sender may go on.
async fn next_piece(part: &mut Part, share: Option<&mut Share>) -> Result<Option<Bytes>, ApiError> {
    let next = part.next();
    let piece = match share {
        None => next.await,
        Some(share) => tokio::select! {
            biased;
            piece = next => piece,
            () = share.given_up() => return Err(ApiError::StrangersFull),
        },
    };
    piece.transpose().map_err(broken)
}

/// The text of a field.
pub(super) async fn text(part: Part, head: &PartHead, limits: Limits<'_>) -> Result<String, ApiError> {
    let limit = limits.options.max_field_bytes;
    let wrong = |what: String| {
        let hint =
            head.file_name.as_ref().map(|_| format!("; the file goes into the part {}", limits.file_field));
        let hint = hint.unwrap_or_default();
        ApiError::invalid(format!("form field {} is {what}{hint}", printable(&head.name)))
    };
    let bytes = at_most(part, limit).await?.ok_or_else(|| wrong(format!("over {limit} bytes")))?;
    head.text(bytes).or_else(|bytes| {
        // No file is refused for how its name was written.
        if head.name == FILE_NAME {
            return Ok(reading(&bytes));
        }
        let at = bytes.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len());
        Err(wrong(format!("not UTF-8 at byte {at}")))
    })
}

/// The bytes of a part that has no more than so many; `None` if it has.
pub(super) async fn at_most(mut part: Part, most: usize) -> Result<Option<Vec<u8>>, ApiError> {
    let mut bytes = Vec::new();
    while let Some(piece) = part.next().await {
        let piece = piece.map_err(broken)?;
        if bytes.len() + piece.len() > most {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Some(bytes))
}

/// What actix-multipart says of a body that ended early, or that the tap refused.
pub(super) fn broken(error: MultipartError) -> ApiError {
    if let Some(fault) = Fault::of(&error) {
        return ApiError::Form(fault.clone());
    }
    if matches!(&error, MultipartError::Payload(error) if is_too_slow(error)) {
        return ApiError::TooSlow;
    }
    tracing::debug!(%error, "form is broken");
    ApiError::invalid(match error {
        MultipartError::Payload(PayloadError::EncodingCorrupted) => {
            "form is not complete: the chunks of its Transfer-Encoding are malformed"
        }
        _ => "form is not complete: its connection broke; send it again",
    })
}
