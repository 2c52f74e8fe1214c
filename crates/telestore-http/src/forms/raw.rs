//! Bodies that are the bytes of a file, and nothing else.

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::Payload;
use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use telestore::store::SpooledChunk;
use telestore::types::ContentDigest;
use telestore::{AppendReceipt, Appending, Caller, Error, Telestore};

use crate::shared::error::ApiError;
use crate::shared::patience::is_too_slow;

/// After how many bytes of a file the disk is looked at again.
const LOOK_AFTER: u64 = 1024 * 1024;

/// How long the body is, if the request says so.
pub(crate) fn length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// The declared type of the body, without its parameters, in lower case.
pub(crate) fn content_type(request: &HttpRequest) -> Option<String> {
    let declared = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    Some(declared.split(';').next()?.trim().to_ascii_lowercase()).filter(|kind| !kind.is_empty())
}

/// Appends a body to an upload as it comes. What came before a cut is recorded.
pub(crate) async fn append(body: Payload, appending: Appending) -> Result<AppendReceipt, ApiError> {
    append_behind(Bytes::new(), body, appending).await
}

/// The same of a body of which the first bytes were read already.
pub(crate) async fn append_behind(
    first: Bytes,
    mut body: Payload,
    mut appending: Appending,
) -> Result<AppendReceipt, ApiError> {
    if !first.is_empty() {
        appending.write(first).await?;
    }
    loop {
        let piece = tokio::select! {
            biased;
            error = appending.given_up() => return Err(error.into()),
            piece = body.next() => piece,
        };
        match piece {
            Some(Ok(bytes)) => appending.write(bytes).await?,
            None => return Ok(appending.finish().await?),
            Some(Err(error)) => {
                appending.cut().await;
                return Err(broken(&error));
            }
        }
    }
}

/// Reads over the first `bytes` of a body, which are there already. Gives what was read behind them; `None` if it has no more.
pub(crate) async fn skip(body: &mut Payload, bytes: u64) -> Result<Option<Bytes>, ApiError> {
    let mut left = bytes;
    while let Some(piece) = body.next().await {
        let mut piece = piece.map_err(|error| broken(&error))?;
        let over = left.min(piece.len() as u64);
        left -= over;
        // As long as a piece at most.
        piece.advance(over as usize);
        if !piece.is_empty() {
            return Ok(Some(piece));
        }
    }
    Ok(None)
}

/// Takes in a body of `most` bytes at most, of which nothing is kept, and says how many came.
pub(crate) async fn drop_all(mut body: Payload, most: u64) -> Result<u64, ApiError> {
    let mut length = 0_u64;
    while let Some(piece) = body.next().await {
        length += piece.map_err(|error| broken(&error))?.len() as u64;
        if length > most {
            return Err(Error::TooLarge { what: "body", limit: most }.into());
        }
    }
    Ok(length)
}

/// Spools a body that is a whole file, as it comes. If the file is `known`, its bytes are there already, and are counted only.
pub(crate) async fn spool(
    engine: &Telestore,
    mut body: Payload,
    digests: &[ContentDigest],
    sender: &Caller,
    known: bool,
) -> Result<SpooledChunk, ApiError> {
    let limit = engine.config().max_file_bytes;
    let mut spool = match known {
        true => engine.counting(),
        false => engine.check_intake().await?.spool().await?,
    };
    for digest in digests {
        spool.expect(*digest);
    }
    let (mut length, mut look_at) = (0_u64, LOOK_AFTER);
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| broken(&error))?;
        length += piece.len() as u64;
        if length > limit {
            return Err(Error::TooLarge { what: "file", limit }.into());
        }
        if length >= look_at && !known {
            engine.check_space().await?;
            engine.check_sendable(sender, length).await?;
            look_at = length + LOOK_AFTER;
        }
        spool.write(piece).await?;
    }
    Ok(spool.finish().await?)
}

fn broken(error: &PayloadError) -> ApiError {
    if is_too_slow(error) {
        return ApiError::TooSlow;
    }
    ApiError::invalid(match error {
        PayloadError::EncodingCorrupted => "the chunks of the body's Transfer-Encoding are malformed",
        _ => "body ended before it was complete: the connection broke, or Content-Length says more than came",
    })
}
