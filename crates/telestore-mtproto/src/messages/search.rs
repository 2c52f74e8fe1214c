//! Finds a message that Telegram made and does not name: if it answers nothing but `RANDOM_ID_DUPLICATE`, a call with
//! the same `random_id` was taken before, and its message is in the channel, or will be.
//!
//! A post of a channel has no sender and no `random_id`. Ours is one that this account posted (`out`), with the caption and
//! the size of the file, made since the message was asked for first, by Telegram's own time, and not the message of another
//! file of this account. If that leaves two, neither is taken: a file must not be called sent because its twin was.

use grammers_tl_types as tl;
use tl::enums::InputPeer;

use super::message::Message;
use super::newest::Newest;
use crate::answers::{self, Ask, Object, PAGE_MAX};
use crate::{Calls, Result};

/// What Telegram gives at once. <https://core.telegram.org/api/offsets>
const PAGE: i32 = 100;

/// How many pages are looked through. What was posted behind so many others was asked for long ago.
const MAX_PAGES: usize = 20;

/// What a message is known by that a lost answer would have named.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The caption that it was sent with.
    pub caption: &'a str,
    /// How many bytes its file has; `None` for a photo, of which Telegram keeps other bytes.
    pub length: Option<u64>,
    /// When it was asked for first, in Telegram's seconds since 1970. Zero if that is not known.
    pub since: i64,
    /// A message that was there before it, whose number is smaller therefore. Zero if none is known.
    pub behind: i32,
    /// Whether the account that looks posted it.
    pub own: bool,
    /// The id of its file, if an answer has named that: what has it is the message, whatever else is said of it.
    pub document_id: Option<i64>,
}

/// What a look into a channel has shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Look {
    /// The messages that could be it, by what they were known by: without the names and references of their files.
    pub found: Vec<Message>,
    /// Whether all messages were looked at that could be it.
    pub is_whole: bool,
}

impl Look {
    /// Takes in what of a page could be it, and no more of that than tells one from another: there may be thousands.
    fn take(&mut self, page: Vec<Message>, wanted: &Wanted<'_>) {
        for mut message in page.into_iter().filter(|message| wanted.is(message)) {
            message.text = wanted.caption.to_owned();
            if let Some(document) = &mut message.document {
                (document.file_reference, document.mime_type, document.file_name) = Default::default();
            }
            self.found.push(message);
        }
    }
}

impl Wanted<'_> {
    /// Whether a message was made before this one was asked for.
    fn is_older(&self, message: &Message) -> bool {
        message.id <= self.behind || message.date.is_some_and(|date| date < self.since)
    }

    /// Whether this is the message, as far as that can be seen.
    pub fn is(&self, message: &Message) -> bool {
        if message.own && self.is_named(message) {
            return true;
        }
        let size = message.document.as_ref().map(|document| document.size);
        let is_of_kind = size.is_some() != message.photo_id.is_some();
        // One without a date is older than nothing.
        !self.is_older(message)
            && (message.own || !self.own)
            && is_of_kind && size == self.length
            // Telegram takes blanks off the ends.
            && message.text.trim() == self.caption.trim()
    }

    fn is_named(&self, message: &Message) -> bool {
        self.document_id.is_some() && message.file_id() == self.document_id
    }
}

impl Ask for tl::functions::messages::GetHistory {
    type Answer = Vec<Message>;

    const ANSWER_MAX: usize = PAGE_MAX;

    /// Service messages and empty ones are read, too: the next page begins behind them.
    fn read(&self, answer: &[u8]) -> answers::Result<Vec<Message>> {
        let messages = Object::of("messages.Messages", answer)?.objects("messages");
        Ok(messages.take(PAGE as usize).filter_map(|message| Message::read(&message)).collect())
    }
}

/// Asks for the newest messages that are older than `offset_id`, or than nothing if that is zero.
pub(crate) fn page(peer: InputPeer, offset_id: i32) -> tl::functions::messages::GetHistory {
    tl::functions::messages::GetHistory {
        peer,
        offset_id,
        offset_date: 0,
        add_offset: 0,
        limit: PAGE,
        max_id: 0,
        min_id: 0,
        hash: 0,
    }
}

impl Calls<'_> {
    /// Looks for a message whose answer was lost, from the newest one back to when it was asked for: one that this account
    /// posted, and that is not [noted](crate::SentMessages::note) as that of another file. If two could be it, neither is.
    ///
    /// A bot sees no history, and finds the message by the channel's changes and the numbers of its messages; in a basic group,
    /// it finds none.
    ///
    /// # Errors
    /// Those of a call.
    pub async fn find_message(&self, peer: &InputPeer, wanted: &Wanted<'_>) -> Result<Option<Message>> {
        let mut found = self.look_for(peer, wanted).await?.found;
        found.retain(|message| !self.account().sent_messages().holds(peer, message.id));
        if let Some(named) = found.iter().position(|message| wanted.is_named(message)) {
            return Ok(Some(found.swap_remove(named)));
        }
        Ok(found.pop().filter(|_| found.is_empty()))
    }

    /// The messages that could be one, from the newest one back to when it was asked for.
    ///
    /// # Errors
    /// Those of a call.
    pub async fn look_for(&self, peer: &InputPeer, wanted: &Wanted<'_>) -> Result<Look> {
        match self.in_history(peer, wanted).await {
            Err(error) if error.is("BOT_METHOD_INVALID") => self.in_numbers(peer, wanted).await,
            looked => looked,
        }
    }

    async fn in_history(&self, peer: &InputPeer, wanted: &Wanted<'_>) -> Result<Look> {
        let mut look = Look::default();
        let mut request = page(peer.clone(), 0);
        for _ in 0..MAX_PAGES {
            let messages = self.call(&request).await?;
            let older = messages.iter().map(|message| message.id).min();
            let is_last = messages.iter().any(|message| wanted.is_older(message));
            look.take(messages, wanted);
            match older.filter(|id| request.offset_id == 0 || *id < request.offset_id) {
                Some(older) if !is_last => request.offset_id = older,
                _ => return Ok(Look { is_whole: true, ..look }),
            }
        }
        Ok(look)
    }

    async fn in_numbers(&self, peer: &InputPeer, wanted: &Wanted<'_>) -> Result<Look> {
        let mut look = Look::default();
        let mut newest = match Newest::of(self, peer, |messages| look.take(messages, wanted)).await? {
            Newest::All => return Ok(Look { is_whole: true, ..look }),
            Newest::Unknown => return Ok(look),
            Newest::From(back) => back,
        };
        for _ in 0..MAX_PAGES {
            let messages = newest.page(self).await?;
            let is_last = messages.is_empty() || messages.iter().any(|message| wanted.is_older(message));
            look.take(messages, wanted);
            if is_last {
                return Ok(Look { is_whole: true, ..look });
            }
        }
        Ok(look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::Document;

    fn document(size: u64) -> Document {
        Document {
            id: 5,
            access_hash: 0,
            file_reference: Vec::new(),
            dc_id: 2,
            size,
            mime_type: String::new(),
            file_name: None,
        }
    }

    fn ours() -> Message {
        Message {
            id: 7,
            date: Some(100),
            own: true,
            text: "c".to_owned(),
            document: Some(document(10)),
            photo_id: None,
        }
    }

    #[test]
    fn what_is_found_takes_little_memory() {
        let wanted =
            Wanted { caption: "c", length: Some(10), since: 100, behind: 6, own: true, document_id: None };
        let mut padded = Message { text: format!("c{}", " ".repeat(60_000)), ..ours() };
        let mut long = document(10);
        (long.file_reference, long.mime_type) = (vec![1; 4000], "a".repeat(4000));
        padded.document = Some(long);
        let mut look = Look::default();
        look.take(vec![padded], &wanted);
        assert_eq!(look.found, [ours()]);
    }

    #[test]
    fn only_our_own_post_since_then_is_it() {
        let wanted =
            Wanted { caption: "c", length: Some(10), since: 100, behind: 6, own: true, document_id: None };
        assert!(wanted.is(&ours()));
        let converted = Message { document: Some(document(11)), ..ours() };
        assert!(Wanted { document_id: Some(5), ..wanted }.is(&converted));
        let photo = Message { document: None, photo_id: Some(6), ..ours() };
        assert!(Wanted { length: None, ..wanted }.is(&photo));
        assert!(!Wanted { length: None, ..wanted }.is(&ours()));
        for other in [
            Message { date: Some(99), ..ours() },
            Message { id: 6, ..ours() },
            Message { own: false, ..ours() },
            Message { text: "other".to_owned(), ..ours() },
            Message { document: Some(document(11)), ..ours() },
            Message { document: None, ..ours() },
            photo.clone(),
        ] {
            assert!(!wanted.is(&other), "{other:?}");
        }
        let of_a_bot = Message { own: false, text: " c\n".to_owned(), ..ours() };
        assert!(Wanted { own: false, ..wanted }.is(&of_a_bot));
    }
}
