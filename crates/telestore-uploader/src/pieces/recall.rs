//! The messages that may come of pieces which were asked for when their upload ended.

use telestore_types::{ResumeState, StoredFile, TelegramCredentials};

use super::state::{Piece, State};
use crate::{Lost, Recalled, Result, TelegramUploader, Verdict};

/// Recalls each piece that is no message by what is written down, by who was asked for it. Those that are found are told before all
/// else, and those that may come before those of which nobody can tell: no piece keeps another one.
pub(super) async fn recall(
    inner: &dyn TelegramUploader,
    credentials: &TelegramCredentials,
    pieces: &State,
    lost: &Lost,
) -> Result<Recalled> {
    let (mut found, mut refused, mut rest) = (Vec::new(), None, Ok(Recalled::Gone));
    for piece in pieces.each.iter().filter(|piece| piece.stored.is_none() && piece.is_begun()) {
        match one(inner, credentials, piece, lost).await {
            Ok(Recalled::There { stored, .. }) => {
                found.extend(stored.messages().iter().map(|message| message.clone().at(piece.offset)));
            }
            Err(error) if error.verdict() == Verdict::Permanent => {
                refused.get_or_insert(error);
            }
            other if rank(&other) > rank(&rest) => rest = other,
            _ => {}
        }
    }
    if let Some(stored) = StoredFile::of(found) {
        return Ok(Recalled::There { stored, more: refused.is_some() || rank(&rest) > 0 });
    }
    match (refused, rest) {
        (Some(refused), Ok(Recalled::Gone)) => Err(refused),
        (Some(_), Ok(Recalled::NotThere)) => Ok(Recalled::Unclear),
        (_, rest) => rest,
    }
}

async fn one(
    inner: &dyn TelegramUploader,
    credentials: &TelegramCredentials,
    piece: &Piece,
    lost: &Lost,
) -> Result<Recalled> {
    let state = ResumeState::new(inner.name(), piece.state.clone()).by(piece.sender.clone());
    let recalled = inner.recall(credentials, &state, lost).await?;
    // Pieces are documents, which wait for nothing; whatever it is, it may come.
    Ok(if let Recalled::Waits(_) = recalled { Recalled::NotYet } else { recalled })
}

/// Of two pieces, what is to be said of both: what may change comes last.
fn rank(recalled: &Result<Recalled>) -> u8 {
    match recalled {
        Ok(Recalled::Gone) => 0,
        Ok(Recalled::NotThere) => 1,
        Ok(Recalled::Unclear) => 2,
        Ok(_) => 3,
        Err(_) => 4,
    }
}
