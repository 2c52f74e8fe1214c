//! Taking back a message that Telegram has not made yet: that of a video which it converts.

use telestore_mtproto::tl::enums::InputPeer;
use telestore_mtproto::{Calls, Wanted};

use super::attempt::Attempt;
use super::resume::{Pending, Resume};
use crate::{Recalled, Result};

/// How often it is looked for the message once it is scheduled no more: it may have been made at that moment.
const LOOKS: u32 = 3;

/// A length that no file has: only what an answer has named is found.
const NO_LENGTH: Option<u64> = Some(u64::MAX);

/// Takes a scheduled message back, and says whether it is scheduled still; `None` if Telegram does not tell, as it does not
/// tell bots.
async fn unschedule(calls: &Calls<'_>, peer: &InputPeer, pending: Pending) -> Result<Option<bool>> {
    let scheduled = is_scheduled(calls, peer, pending).await?;
    if scheduled != Some(true) {
        return Ok(scheduled);
    }
    calls.delete_scheduled(peer, pending.id).await?;
    is_scheduled(calls, peer, pending).await
}

/// Whether Telegram still works on the video; `None` if it does not tell.
pub(super) async fn is_scheduled(
    calls: &Calls<'_>,
    peer: &InputPeer,
    pending: Pending,
) -> Result<Option<bool>> {
    match calls.is_scheduled(peer, pending.id).await {
        Err(error) if error.is("BOT_METHOD_INVALID") => Ok(None),
        scheduled => Ok(Some(scheduled?)),
    }
}

/// Takes back what may come of a state that no attempt goes on from. If no answer has named the document, only what is still
/// scheduled: in the channel, the message could not be told from others.
pub(super) async fn recall(attempt: &Attempt<'_>, resume: &Resume) -> Result<Recalled> {
    let (Some(pending), Some(chat)) = (resume.scheduled, resume.chat()) else { return Ok(Recalled::Gone) };
    let calls = &attempt.calls;
    calls.connect().await?;
    let peer = calls.locate(&chat).await?;
    let mut scheduled = None;
    for looked in 0..LOOKS {
        scheduled = unschedule(calls, &peer, pending).await?;
        if let Some(document_id) = pending.document_id {
            let since = resume.asked_at.unwrap_or(0);
            let document_id = Some(document_id);
            let wanted = Wanted { caption: "", length: NO_LENGTH, since, behind: 0, own: true, document_id };
            if let Some(message) = calls.find_message(&peer, &wanted).await? {
                calls.delete_message(&peer, message.id).await?;
                return Ok(Recalled::Gone);
            }
        }
        calls.pause(looked).await;
    }
    let may_come = scheduled == Some(true) || scheduled.is_none() && pending.document_id.is_some();
    Ok(if may_come { Recalled::NotYet } else { Recalled::Gone })
}
