//! The moments at which a worker is killed while it sends a file: one table, for one worker (`crash.rs`) and for many
//! (`tests/cluster`).

use super::{File, MIB};

pub(crate) const PART: &str = "upload.saveBigFilePart";

/// Which API a file goes by, if the Bot API takes those up to [`By::LIMIT`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum By {
    BotApi,
    Mtproto,
}

impl By {
    pub(crate) const LIMIT: &str = "8 MiB";

    /// A file that goes that way. The moments are counted in parts of it.
    pub(crate) fn file(self) -> File {
        File::new(if self == Self::BotApi { 6 * MIB } else { 21 * MIB })
    }
}

/// Hands all moments to a macro: the name, how the file goes, and what strikes then. They are counted from the completion
/// of the upload on, so that nothing may be sent before.
macro_rules! moments {
    ($then:ident) => {
        $then! {
            killed_while_connecting: Mtproto, Fault::hold("mtproto.connect").once();
            killed_while_the_channel_is_looked_for: Mtproto, Fault::hold("messages.getDialogs");
            killed_at_the_first_part: Mtproto, Fault::hold(PART);
            killed_after_a_few_parts: Mtproto, Fault::hold(PART).skip(3);
            killed_at_half_of_the_parts: Mtproto, Fault::hold(PART).skip(21);
            killed_at_the_last_part: Mtproto, Fault::hold(PART).part(41);
            killed_with_a_part_that_arrived_and_was_not_confirmed:
                Mtproto, Fault::new(PART, FaultAction::Silence).skip(20);
            killed_during_a_flood_wait: Mtproto, Fault::flood_wait(PART, 4).skip(10);
            killed_before_the_message_is_made: Mtproto, Fault::hold("messages.sendMedia");
            killed_while_the_message_is_made: Mtproto, Fault::hold("messages.sendMedia:claimed");
            killed_after_the_message_was_made_and_before_its_answer:
                Mtproto, Fault::new("messages.sendMedia", FaultAction::Silence);
            killed_while_a_bot_sends: BotApi, Fault::hold("sendDocument");
            killed_before_the_webhook: BotApi, Fault::hold("backend.webhook");
            killed_after_the_webhook_and_before_its_answer:
                Mtproto, Fault::new("backend.webhook", FaultAction::Silence);
            killed_while_the_backend_is_down: BotApi, Fault::drop_connection("backend.webhook");
        }
    };
}
pub(crate) use moments;
