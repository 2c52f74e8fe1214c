//! The message that may come of a state which no attempt goes on from: a process was killed, or gave up, and the upload was
//! cancelled before the next attempt.
//!
//! The same call once more, with the same `random_id`, would name the message, or make it: of a file that nobody wants, with a
//! notification for everybody. So nothing is sent, and the message is looked for, as one whose answer was lost: one that the asked
//! account posted since, with that caption and size. That is no proof, so it is the caller who deletes it, who knows of other
//! files. A video that Telegram converts has a number, or a document, which is proof, and is taken back here.

use telestore_mtproto::tl::enums::InputPeer;
use telestore_mtproto::{Calls, Message, Wanted};
use telestore_types::{ResumeState, SendAs, StoredAs, StoredFile, StoredMessage, TelegramCredentials};

use super::attempt::Attempt;
use super::resume::{AskedFor, Pending, Resume};
use super::send::chat_of;
use crate::{Error, ErrorKind, Lost, Recalled, Result};

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

/// Who was asked for the message.
pub(super) struct Asked {
    pub(super) credentials: TelegramCredentials,
    /// Whether it may be another account.
    adopted: bool,
}

/// Who of these was asked for the message, as the state says. A session that is gone may be another one of the same account, as it is
/// to an attempt; a bot that is gone cannot look.
pub(super) fn asked(credentials: &TelegramCredentials, state: &ResumeState) -> Result<Asked> {
    let as_they_are = |adopted| Asked { credentials: credentials.clone(), adopted };
    let Some(id) = &state.sender else { return Ok(as_they_are(false)) };
    match credentials.sender(id) {
        Some(sender) => Ok(Asked { credentials: credentials.only(sender), adopted: false }),
        None if !id.is_bot() && credentials.sessions().next().is_some() => Ok(as_they_are(true)),
        None => {
            let text = format!("{id} was asked to send it, and is not among the senders any more");
            Err(Error::new(ErrorKind::Rejected, text))
        }
    }
}

impl Asked {
    /// What was seen, if that is what the asked account sees: another one does not know its posts.
    pub(super) fn as_seen(&self, recalled: Recalled) -> Recalled {
        match recalled {
            Recalled::NotThere if self.adopted => Recalled::Unclear,
            recalled => recalled,
        }
    }
}

/// Takes back what may come of the state, or finds it.
pub(super) async fn recall(attempt: &Attempt<'_>, resume: &Resume, lost: &Lost) -> Result<Recalled> {
    let Some(chat) = resume.chat() else { return Ok(Recalled::Gone) };
    attempt.calls.connect().await?;
    let peer = attempt.calls.locate(&chat).await?;
    match (resume.scheduled, &resume.asked_for) {
        (Some(pending), _) => take_back(attempt, &peer, resume, pending).await,
        (None, Some(asked_for)) => look(attempt, &peer, resume, asked_for, lost).await,
        // Of a version that did not write down what it asked for.
        (None, None) => Ok(Recalled::Unclear),
    }
}

/// Takes back a message that waited for its video when it was seen last. If no answer has named the document, only what is still
/// scheduled: in the channel, the message could not be told from others.
async fn take_back(
    attempt: &Attempt<'_>,
    peer: &InputPeer,
    resume: &Resume,
    pending: Pending,
) -> Result<Recalled> {
    let calls = &attempt.calls;
    let mut scheduled = None;
    for looked in 0..LOOKS {
        scheduled = unschedule(calls, peer, pending).await?;
        if let Some(document_id) = pending.document_id {
            let since = resume.asked_at.unwrap_or(0);
            let document_id = Some(document_id);
            let wanted = Wanted { caption: "", length: NO_LENGTH, since, behind: 0, own: true, document_id };
            if let Some(message) = calls.find_message(peer, &wanted).await? {
                calls.delete_message(peer, message.id).await?;
                return Ok(Recalled::Gone);
            }
        }
        calls.pause(looked).await;
    }
    let may_come = scheduled == Some(true) || scheduled.is_none() && pending.document_id.is_some();
    Ok(if may_come { Recalled::NotYet } else { Recalled::Gone })
}

/// Looks for a message that was asked for and that no answer has named.
async fn look(
    attempt: &Attempt<'_>,
    peer: &InputPeer,
    resume: &Resume,
    asked_for: &AskedFor,
    lost: &Lost,
) -> Result<Recalled> {
    let calls = &attempt.calls;
    let chat = chat_of(peer).unwrap_or_else(|| lost.chat.clone());
    let behind = lost.newest_before(&chat).and_then(|id| i32::try_from(id).ok()).unwrap_or(0);
    let behind = behind.max(asked_for.behind);
    let Some(since) = resume.asked_at.or((behind > 0).then_some(0)) else { return Ok(Recalled::Unclear) };
    let wanted = Wanted {
        caption: &asked_for.caption,
        length: Some(resume.length),
        since,
        behind,
        own: true,
        document_id: None,
    };
    if asked_for.send_as == SendAs::Video
        && let Some(waiting) = calls.find_scheduled(peer, &wanted).await?
    {
        let pending = Pending { id: waiting.id, document_id: waiting.file_id() };
        let mut waits = resume.clone();
        waits.scheduled = Some(pending);
        return Ok(Recalled::Waits(waits.to_state()));
    }
    let mut looks = vec![calls.look_for(peer, &wanted).await?];
    if asked_for.send_as == SendAs::Photo {
        looks.push(calls.look_for(peer, &Wanted { length: None, ..wanted }).await?);
    }
    let is_whole = looks.iter().all(|look| look.is_whole);
    let over = i64::try_from(lost.over.as_secs()).unwrap_or(i64::MAX);
    let latest = calls.account().time().await?.saturating_sub(over);
    let others = calls.account().sent_messages();
    let mut found: Vec<_> = looks.into_iter().flat_map(|look| look.found).collect();
    found.retain(|message| {
        let in_time = message.date.is_none_or(|date| date <= latest);
        in_time && !lost.is_known(&chat, message.id.into()) && !others.holds(peer, message.id)
    });
    Ok(match (found.as_slice(), asked_for.send_as) {
        ([message], _) => there(message, peer, resume).unwrap_or(Recalled::Unclear),
        // A video that was converted has another size.
        ([], SendAs::Video) => Recalled::Unclear,
        ([], _) if is_whole && lost.all_known => Recalled::NotThere,
        _ => Recalled::Unclear,
    })
}

fn there(message: &Message, peer: &InputPeer, resume: &Resume) -> Option<Recalled> {
    let stored_as = StoredAs::Mtproto { document_id: message.file_id()? };
    let mut stored = StoredMessage::new(message.id.into(), stored_as, resume.length);
    stored.chat_id = chat_of(peer);
    Some(Recalled::There { stored: StoredFile::new(stored), more: false })
}
