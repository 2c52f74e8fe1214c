//! Messages that Telegram will make once it has converted their videos: <https://core.telegram.org/api/scheduled-messages>.
//!
//! They have numbers of their own, and are gone from their list once the message is made. A bot cannot look at the list.

use grammers_tl_types as tl;
use tl::enums::InputPeer;

use super::message::Message;
use super::search::Wanted;
use crate::answers::{self, Ask, MESSAGES_MAX, Object, PAGE_MAX, SHORT};
use crate::{Calls, Result};

/// How many are looked at. A chat has at most a hundred that its administrators have scheduled, and those that are converted.
const LISTED_MAX: usize = 200;

impl Ask for tl::functions::messages::GetScheduledMessages {
    type Answer = Option<Message>;

    const ANSWER_MAX: usize = MESSAGES_MAX;

    fn read(&self, answer: &[u8]) -> answers::Result<Option<Message>> {
        let mut listed = listed(answer)?.into_iter();
        Ok(listed.find(|message| self.id.contains(&message.id)))
    }
}

impl Ask for tl::functions::messages::GetScheduledHistory {
    type Answer = Vec<Message>;

    const ANSWER_MAX: usize = PAGE_MAX;

    fn read(&self, answer: &[u8]) -> answers::Result<Vec<Message>> {
        listed(answer)
    }
}

impl Ask for tl::functions::messages::DeleteScheduledMessages {
    type Answer = ();

    const ANSWER_MAX: usize = SHORT;

    /// What it tells of is looked at by [`Calls::is_scheduled`].
    fn read(&self, answer: &[u8]) -> answers::Result<()> {
        Object::of("Updates", answer).map(drop)
    }
}

fn listed(answer: &[u8]) -> answers::Result<Vec<Message>> {
    let messages = Object::of("messages.Messages", answer)?.objects("messages");
    let messages = messages.take(LISTED_MAX).filter(|message| message.is("message"));
    Ok(messages.filter_map(|message| Message::read(&message)).collect())
}

impl Calls<'_> {
    /// Whether a message is still to be made. A bot cannot know.
    ///
    /// # Errors
    /// Those of a call.
    pub async fn is_scheduled(&self, peer: &InputPeer, id: i32) -> Result<bool> {
        let ask = tl::functions::messages::GetScheduledMessages { peer: peer.clone(), id: vec![id] };
        Ok(self.call(&ask).await?.is_some())
    }

    /// Takes a message back before it is made. Nothing is said of one that is not scheduled any more: it may be made by now. A
    /// bot cannot.
    ///
    /// # Errors
    /// Those of a call. It may be asked again after any of them.
    pub async fn delete_scheduled(&self, peer: &InputPeer, id: i32) -> Result<()> {
        let delete = tl::functions::messages::DeleteScheduledMessages { peer: peer.clone(), id: vec![id] };
        self.call(&delete).await
    }

    /// Looks for a message whose answer was lost among those that are still to be made. If two could be it, neither is. For a
    /// bot there are none.
    ///
    /// # Errors
    /// Those of a call.
    pub async fn find_scheduled(&self, peer: &InputPeer, wanted: &Wanted<'_>) -> Result<Option<Message>> {
        let ask = tl::functions::messages::GetScheduledHistory { peer: peer.clone(), hash: 0 };
        let mut found = match self.call(&ask).await {
            Err(error) if error.is("BOT_METHOD_INVALID") => return Ok(None),
            found => found?,
        };
        found.retain(|message| wanted.is(message));
        Ok(found.pop().filter(|_| found.is_empty()))
    }
}
