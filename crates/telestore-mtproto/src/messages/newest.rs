//! The newest messages of a channel, for bots: they see no history.
//!
//! `updates.getChannelDifference` is open to bots. Asked what has changed since the channel began, Telegram tells all of it if
//! that is little, and the number of the newest message otherwise. From that one on, messages are read by their numbers.
//! <https://core.telegram.org/method/updates.getChannelDifference>

use grammers_tl_types as tl;
use tl::enums::{ChannelMessagesFilter, InputChannel, InputMessage, InputPeer};

use super::input_channel;
use super::message::Message;
use crate::answers::{self, Ask, Object, PAGE_MAX};
use crate::{Calls, Result};

/// How many messages are asked for at once.
const PAGE: i32 = 100;

/// The state of a channel in which nothing has happened yet.
const BEGINNING: i32 = 1;

/// How often it is asked what has changed. A channel in which more has happened answers with its newest message.
const MAX_DIFFERENCES: usize = 20;

/// What has changed in a channel.
pub enum Difference {
    /// Some of it, or all.
    Some { messages: Vec<Message>, until: i32, is_all: bool },
    /// Too much to tell; this is the newest message.
    TooLong { newest: i32 },
}

impl Ask for tl::functions::updates::GetChannelDifference {
    type Answer = Difference;

    const ANSWER_MAX: usize = PAGE_MAX;

    fn read(&self, answer: &[u8]) -> answers::Result<Difference> {
        let found = Object::of("updates.ChannelDifference", answer)?;
        if found.is("updates.channelDifferenceTooLong") {
            let newest = found.object("dialog").and_then(|dialog| dialog.int("top_message"));
            return newest
                .map(|newest| Difference::TooLong { newest })
                .ok_or("it names no message".to_owned());
        }
        let messages = found.objects("new_messages").take(PAGE as usize);
        let messages = messages.filter_map(|message| Message::read(&message)).collect();
        let until = found.int("pts").ok_or("it names no state")?;
        Ok(Difference::Some { messages, until, is_all: found.has("final") || until <= self.pts })
    }
}

/// Reads messages by their numbers, those that are there.
struct ByNumber(tl::functions::channels::GetMessages);

impl tl::Serializable for ByNumber {
    fn serialize(&self, buf: &mut impl Extend<u8>) {
        self.0.serialize(buf);
    }
}

impl tl::RemoteCall for ByNumber {
    type Return = tl::enums::messages::Messages;
}

impl Ask for ByNumber {
    type Answer = Vec<Message>;

    const ANSWER_MAX: usize = PAGE_MAX;

    fn read(&self, answer: &[u8]) -> answers::Result<Vec<Message>> {
        let messages = Object::of("messages.Messages", answer)?.objects("messages");
        Ok(messages.take(PAGE as usize).filter_map(|message| Message::read(&message)).collect())
    }
}

/// Where a channel ends.
pub(super) enum Newest {
    /// It holds no other messages than those that were told.
    All,
    /// Nobody tells; some of its messages were told. Of a basic group, none can be looked at.
    Unknown,
    /// It is to be read from its newest message on.
    From(Back),
}

/// A look back through a channel, page by page.
pub(super) struct Back {
    channel: InputChannel,
    /// The next number to read, from the newest on downwards.
    next: i32,
}

impl Newest {
    /// Finds out, and tells the messages that come along, page by page.
    pub(super) async fn of(
        calls: &Calls<'_>,
        peer: &InputPeer,
        mut tell: impl FnMut(Vec<Message>),
    ) -> Result<Self> {
        let InputPeer::Channel(peer) = peer else { return Ok(Self::Unknown) };
        let (channel, mut pts) = (input_channel(peer), BEGINNING);
        for _ in 0..MAX_DIFFERENCES {
            let filter = ChannelMessagesFilter::Empty;
            let (force, limit) = (false, PAGE);
            let ask = tl::functions::updates::GetChannelDifference {
                force,
                channel: channel.clone(),
                filter,
                pts,
                limit,
            };
            match calls.call(&ask).await? {
                Difference::TooLong { newest } => {
                    return Ok(Self::From(Back { channel, next: newest }));
                }
                Difference::Some { messages, until, is_all } => {
                    tell(messages);
                    pts = until;
                    if is_all {
                        return Ok(Self::All);
                    }
                }
            }
        }
        Ok(Self::Unknown)
    }
}

impl Back {
    /// The next older messages; none behind the first one of the channel.
    pub(super) async fn page(&mut self, calls: &Calls<'_>) -> Result<Vec<Message>> {
        if self.next < 1 {
            return Ok(Vec::new());
        }
        let ids = (1..=self.next).rev().take(PAGE as usize);
        let id = ids.map(|id| InputMessage::from(tl::types::InputMessageId { id })).collect();
        self.next -= PAGE;
        let channel = self.channel.clone();
        calls.call(&ByNumber(tl::functions::channels::GetMessages { channel, id })).await
    }
}
