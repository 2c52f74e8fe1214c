//! Reads what Telegram sends. Nothing of it is taken for granted: what does not fit is an error, not a panic. What nobody
//! asked for is not unpacked, and of an answer no more than its call allows.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::GzDecoder;
use grammers_tl_types::{Deserializable, Identifiable, enums, types};

use super::event::{Event, MsgId};
use crate::RpcError;
use crate::answers::{self, ANSWER_MAX, take_text};

/// `rpc_result`, `msg_container` and `gzip_packed`: the schema describes them in words only.
/// <https://core.telegram.org/mtproto/service_messages>
const RPC_RESULT: u32 = 0xf35c_6d01;
const CONTAINER: u32 = 0x73f1_f8dc;
const GZIP_PACKED: u32 = 0x3072_cfa1;

/// What a packet may say: a container has 1020 messages at most, each with an acknowledgement and what it says.
const NOTICES_MAX: usize = 4096;

/// The padding that a packet may have. <https://core.telegram.org/mtproto/description#encrypted-message-encrypted-data>
const PADDING_MAX: usize = 1024;

/// What one message says.
#[derive(Debug, PartialEq)]
pub(crate) enum Notice {
    /// It wants an acknowledgement.
    Ack(MsgId),
    /// Telegram has an answer that it did not send.
    HeldBack(MsgId),
    /// What to put into messages from now on.
    Salt(i64),
    /// A message of ours was not taken.
    NotTaken { id: MsgId, code: i32, told_in: MsgId },
    /// What the callers wait for.
    Event(Event),
}

type Result<T = (), E = String> = std::result::Result<T, E>;

/// The calls that wait for an answer.
pub(crate) trait Calls {
    /// How long the answer to this one may be; `None` if nobody waits for it.
    fn answer_max(&self, id: MsgId) -> Option<usize>;
}

impl<F: Fn(MsgId) -> Option<usize>> Calls for F {
    fn answer_max(&self, id: MsgId) -> Option<usize> {
        self(id)
    }
}

/// Takes a decrypted packet apart: salt, session, and a message with its padding.
pub(crate) fn message(plaintext: &[u8], session_id: i64) -> Result<Message<'_>> {
    let mut rest = plaintext;
    let _salt = number(&mut rest)?;
    if number(&mut rest)? != session_id {
        return Err("a packet is of another session".to_owned());
    }
    let message = Message::take(&mut rest)?;
    if rest.len() > PADDING_MAX {
        return Err("a packet has too much padding".to_owned());
    }
    Ok(message)
}

pub(crate) struct Message<'p> {
    pub(crate) id: MsgId,
    sequence: u32,
    body: &'p [u8],
}

/// What messages say, as they are read.
struct Reading<'c, C> {
    calls: &'c C,
    notices: Vec<Notice>,
    /// What all compressed answers of the packet may still grow to together.
    budget: usize,
}

impl<'p> Message<'p> {
    fn take(from: &mut &'p [u8]) -> Result<Self> {
        let (id, sequence, length) = (number(from)?, word(from)?, word(from)?);
        let (body, rest) = from.split_at_checked(length as usize).ok_or("a message is cut off")?;
        *from = rest;
        Ok(Self { id, sequence, body })
    }

    /// What it says, or the messages in it: a container holds no containers.
    pub(crate) fn notices(&self, calls: &impl Calls) -> Result<Vec<Notice>> {
        let mut reading = Reading { calls, notices: Vec::new(), budget: ANSWER_MAX };
        let mut rest = self.body;
        if word(&mut rest)? != CONTAINER {
            reading.heed(self)?;
            return Ok(reading.notices);
        }
        for _ in 0..word(&mut rest)? {
            reading.heed(&Message::take(&mut rest)?)?;
        }
        Ok(reading.notices)
    }
}

impl<C: Calls> Reading<'_, C> {
    /// Updates, and whatever else nobody asked for, say nothing. That goes for compressed messages, too: Telegram packs
    /// answers inside of their message.
    fn heed(&mut self, message: &Message<'_>) -> Result {
        let body = message.body;
        if self.notices.len() > NOTICES_MAX {
            return Err("a packet says too much".to_owned());
        }
        // <https://core.telegram.org/mtproto/description#content-related-message>
        if message.sequence % 2 == 1 {
            self.notices.push(Notice::Ack(message.id));
        }
        let notice = match word(&mut &*body)? {
            RPC_RESULT => match self.result(&body[4..])? {
                Some(event) => Notice::Event(event),
                None => return Ok(()),
            },
            types::Pong::CONSTRUCTOR_ID => {
                let enums::Pong::Pong(pong) = object(body)?;
                Notice::Event(Event::Answer(pong.msg_id, Vec::new()))
            }
            types::MsgsStateInfo::CONSTRUCTOR_ID => match self.states(body)? {
                Some(event) => Notice::Event(event),
                None => return Ok(()),
            },
            types::BadMsgNotification::CONSTRUCTOR_ID | types::BadServerSalt::CONSTRUCTOR_ID => {
                let bad = object(body)?;
                if let enums::BadMsgNotification::BadServerSalt(bad) = &bad {
                    self.notices.push(Notice::Salt(bad.new_server_salt));
                }
                Notice::NotTaken { id: bad.bad_msg_id(), code: bad.error_code(), told_in: message.id }
            }
            types::NewSessionCreated::CONSTRUCTOR_ID => {
                let enums::NewSession::Created(new) = object(body)?;
                Notice::Salt(new.server_salt)
            }
            types::MsgDetailedInfo::CONSTRUCTOR_ID | types::MsgNewDetailedInfo::CONSTRUCTOR_ID => {
                Notice::HeldBack(object::<enums::MsgDetailedInfo>(body)?.answer_msg_id())
            }
            _ => return Ok(()),
        };
        self.notices.push(notice);
        Ok(())
    }

    /// `msgs_state_info`: a byte for each message that was asked about.
    fn states(&self, body: &[u8]) -> Result<Option<Event>> {
        let mut fields = &body[4..];
        let id = number(&mut fields)?;
        let info = take_text(&mut fields)?;
        let asked = self.calls.answer_max(id).filter(|max| info.len() <= *max);
        Ok(asked.map(|_| Event::Answer(id, info.to_vec())))
    }

    /// `rpc_result`, behind its constructor; nothing if nobody waits for it.
    fn result(&mut self, mut body: &[u8]) -> Result<Option<Event>> {
        let id = number(&mut body)?;
        let Some(answer_max) = self.calls.answer_max(id) else { return Ok(None) };
        Ok(Some(self.answer(id, body, answer_max).unwrap_or_else(|why| Event::Unreadable(id, why))))
    }

    fn answer(&mut self, id: MsgId, body: &[u8], answer_max: usize) -> Result<Event> {
        let answer = inflated(body, answer_max.min(self.budget))?;
        if let Cow::Owned(inflated) = &answer {
            self.budget -= inflated.len();
        }
        if answer.len() > answer_max {
            return Err("it is too large".to_owned());
        }
        Ok(match RpcError::read(&answer)? {
            Some(error) => Event::Failed(id, error),
            None => Event::Answer(id, answer.into_owned()),
        })
    }
}

/// Takes `gzip_packed` away, if it is there and what is in it is not longer than `max`. What is packed twice stays packed.
fn inflated(body: &[u8], max: usize) -> Result<Cow<'_, [u8]>> {
    let mut rest = body;
    if word(&mut rest) != Ok(GZIP_PACKED) {
        return Ok(Cow::Borrowed(body));
    }
    let mut inflated = Vec::new();
    GzDecoder::new(take_text(&mut rest)?)
        .take(max as u64 + 1)
        .read_to_end(&mut inflated)
        .map_err(|error| format!("it cannot be unpacked: {error}"))?;
    if inflated.len() > max {
        Err("it is too large when unpacked".to_owned())
    } else {
        Ok(Cow::Owned(inflated))
    }
}

/// Reads a service message: none of them holds others.
fn object<T: Deserializable>(bytes: &[u8]) -> Result<T> {
    T::from_bytes(bytes).map_err(|error| error.to_string())
}

fn number(from: &mut &[u8]) -> Result<i64> {
    answers::number(from).map_err(|_| "a message is cut off".to_owned())
}

fn word(from: &mut &[u8]) -> Result<u32> {
    answers::word(from).map_err(|_| "a message is cut off".to_owned())
}

#[cfg(test)]
mod tests;
