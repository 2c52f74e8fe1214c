//! Looking into the channel for a message that another backend may have made.

use telestore_mtproto::tl::enums::InputPeer;
use telestore_mtproto::{Message, Wanted};
use telestore_types::{CAPTION_MAX, SendAs, StoredAs, StoredFile, StoredMessage};

use super::attempt::Attempt;
use super::send::chat_of;
use crate::{Found, Lost, Result, UploadRequest};

/// How much earlier than it was asked for a message may be, if only times tell, in seconds: clocks of machines differ. Messages
/// of that time are known by their numbers.
const CLOCKS_DIFFER: i64 = 10 * 60;

/// Finds the message by its caption, its size and the messages around it. Its name does not tell: Telegram writes names anew.
pub(super) async fn find(attempt: &Attempt<'_>, request: &UploadRequest, lost: &Lost) -> Result<Found> {
    attempt.calls.connect().await?;
    let peer = attempt.calls.locate(&lost.chat).await?;
    if !matches!(peer, InputPeer::Channel(_)) {
        // In a basic group each account has numbers of its own.
        return Ok(Found::Unclear);
    }
    let chat = chat_of(&peer).unwrap_or_else(|| lost.chat.clone());
    let behind = lost.newest_before(&chat).and_then(|id| i32::try_from(id).ok());
    let since = match behind {
        Some(_) => 0,
        None => {
            let ago = i64::try_from(lost.ago.as_secs()).unwrap_or(i64::MAX);
            attempt.calls.account().time().await?.saturating_sub(ago).saturating_sub(CLOCKS_DIFFER)
        }
    };
    let caption = request.caption.clone().cut(CAPTION_MAX);
    let length = Some(request.source.len());
    let wanted = Wanted {
        caption: caption.text(),
        length,
        since,
        behind: behind.unwrap_or(0),
        own: false,
        document_id: None,
    };
    let mut looks = vec![attempt.calls.look_for(&peer, &wanted).await?];
    if request.send_as == SendAs::Photo {
        looks.push(attempt.calls.look_for(&peer, &Wanted { length: None, ..wanted }).await?);
    }
    let is_whole = looks.iter().all(|look| look.is_whole);
    let found = looks.into_iter().flat_map(|look| look.found);
    let mut found = found.filter(|message| !lost.is_known(&chat, message.id.into()));
    Ok(match (found.next(), found.next()) {
        (Some(message), None) => stored(&message, request).map_or(Found::Unclear, |mut stored| {
            attempt.calls.account().sent_messages().note(&peer, message.id);
            stored.chat_id = Some(chat);
            Found::There(StoredFile::new(stored))
        }),
        (None, _) if is_whole && lost.all_known => Found::NotThere,
        _ => Found::Unclear,
    })
}

fn stored(message: &Message, request: &UploadRequest) -> Option<StoredMessage> {
    let stored_as = StoredAs::Mtproto { document_id: message.file_id()? };
    let stored = StoredMessage::new(message.id.into(), stored_as, request.source.len());
    // If it was sent as a document instead, no other message is made of it: that costs bytes, and no mistake.
    Some(stored.sent_as(request.send_as))
}
