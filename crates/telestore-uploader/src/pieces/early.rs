//! Pieces of a file that still arrives: their parts go, in the order of the file, and no message is made.

use std::sync::Arc;

use super::ledger::Ledger;
use super::run::{name_of, of_piece};
use crate::{Result, TelegramUploader, UploadRequest};

/// Sends the parts of each piece that is worth it, as its bytes arrive.
pub(super) async fn send(
    inner: &dyn TelegramUploader,
    request: &UploadRequest,
    ledger: &Arc<Ledger>,
) -> Result<()> {
    ledger.begin().await?;
    let Some(from) = inner.capability().early_from else { return Ok(()) };
    let sender = name_of(&request.sender);
    let count = ledger.count();
    for (index, piece) in ledger.pieces().into_iter().enumerate() {
        if request.cancel.is_cancelled() {
            return Ok(());
        }
        // What is sent in no time is left to the end.
        if piece.size < from || piece.stored.is_some() {
            continue;
        }
        let of_piece = of_piece(request, &piece, index + 1, count, request.sender.clone(), inner.name());
        let name = of_piece.file_name.clone();
        let sent = inner.send_early(of_piece, ledger.sink(index, sender.clone())).await;
        sent.map_err(|error| error.of_piece(&name, index + 1, count))?;
    }
    Ok(())
}
