use grammers_tl_types as tl;
use tl::enums::InputPeer;

use super::input_channel;
use crate::answers::{self, Ask, Object, SHORT};
use crate::{Calls, Result};

impl Ask for tl::functions::channels::DeleteMessages {
    type Answer = i32;

    const ANSWER_MAX: usize = SHORT;

    fn read(&self, answer: &[u8]) -> answers::Result<i32> {
        affected(answer)
    }
}

impl Ask for tl::functions::messages::DeleteMessages {
    type Answer = i32;

    const ANSWER_MAX: usize = SHORT;

    fn read(&self, answer: &[u8]) -> answers::Result<i32> {
        affected(answer)
    }
}

fn affected(answer: &[u8]) -> answers::Result<i32> {
    let count = Object::of("messages.AffectedMessages", answer)?.int("pts_count");
    count.ok_or_else(|| "it names no messages".to_owned())
}

impl Calls<'_> {
    /// Deletes a message for everybody, and says whether there was one to delete.
    ///
    /// # Errors
    /// Those of a call. It may be asked again after any of them.
    pub async fn delete_message(&self, peer: &InputPeer, message_id: i32) -> Result<bool> {
        let id = vec![message_id];
        let affected = match peer {
            InputPeer::Channel(peer) => {
                let channel = input_channel(peer);
                self.call(&tl::functions::channels::DeleteMessages { channel, id }).await?
            }
            _ => self.call(&tl::functions::messages::DeleteMessages { revoke: true, id }).await?,
        };
        Ok(affected > 0)
    }
}
