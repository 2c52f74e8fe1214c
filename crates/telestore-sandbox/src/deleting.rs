//! Who may delete which messages for everybody.
//!
//! TDLib knows Telegram's rules, since it says of each message whether it can be deleted (`can_delete_channel_message`); the errors
//! are those of <https://core.telegram.org/method/channels.deleteMessages> and of the Bot API's server.

use crate::channel::{Channel, Channels, unix_time};
use crate::channel_id::ChannelId;
use crate::standing::{Standing, Who};

/// The message that says that the channel was made.
const CREATION: i32 = 1;

/// For how long bots may delete messages, in seconds: <https://core.telegram.org/bots/api#deletemessage>.
const BOTS_DELETE_FOR: i64 = 2 * 24 * 60 * 60;

/// One of the messages may not be deleted: then none is.
#[derive(Debug)]
pub(crate) struct NotAllowed;

impl Channels {
    /// Removes messages for everybody, if `who` may do that with each. Says how many there were.
    pub(crate) fn delete_by(
        &self,
        who: &Who,
        id: ChannelId,
        message_ids: &[i32],
    ) -> Result<usize, NotAllowed> {
        let now = unix_time();
        let allowed =
            |channel: &Channel| message_ids.iter().all(|number| channel.may_delete(who, *number, now));
        match self.look(id, allowed) {
            Some(false) => Err(NotAllowed),
            _ => Ok(self.delete(id, message_ids)),
        }
    }
}

impl Channel {
    /// Whether somebody may delete a message at this time. One that is not there keeps nobody from anything.
    pub(crate) fn may_delete(&self, who: &Who, message_id: i32, now: i64) -> bool {
        let Some(message) = self.messages.get(&message_id) else { return message_id != CREATION };
        let own = message.sender == *who;
        if who.bot && now - message.public.date >= BOTS_DELETE_FOR {
            return false;
        }
        match self.members.get(who) {
            _ if self.deletes_others(who) => true,
            // A channel's posts by who may post, a group's by who sent them.
            Some(Standing::AdministratorWithoutDeletes) => own && (self.group || self.writable),
            Some(Standing::Member | Standing::Restricted) => own && self.group,
            _ => false,
        }
    }

    /// Whether somebody has the right to delete what others have sent.
    pub(crate) fn deletes_others(&self, who: &Who) -> bool {
        let standing = self.members.get(who);
        standing.is_some_and(|standing| {
            standing.is_administrator() && *standing != Standing::AdministratorWithoutDeletes
        })
    }
}
