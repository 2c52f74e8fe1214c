//! Reads what Telegram sends. Nothing of it is taken for granted: what does not fit is an error, not a panic. What nobody
//! asked for is not unpacked, and of an answer no more than its call allows.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::GzDecoder;
use grammers_tl_types::{Deserializable, Identifiable, enums, types};

use super::answers::{self, ANSWER_MAX, take_text};
use super::envelope::{Event, MsgId};
use super::rpc::RpcError;

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
pub(super) enum Notice {
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
pub(super) trait Calls {
    /// How long the answer to this one may be; `None` where nobody waits for it.
    fn answer_max(&self, id: MsgId) -> Option<usize>;
}

impl<F: Fn(MsgId) -> Option<usize>> Calls for F {
    fn answer_max(&self, id: MsgId) -> Option<usize> {
        self(id)
    }
}

/// Takes a decrypted packet apart: salt, session, and a message with its padding.
pub(super) fn message(plaintext: &[u8], session_id: i64) -> Result<Message<'_>> {
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

pub(super) struct Message<'p> {
    pub(super) id: MsgId,
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
    pub(super) fn notices(&self, calls: &impl Calls) -> Result<Vec<Notice>> {
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

    /// `rpc_result`, behind its constructor; nothing where nobody waits for it.
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

/// Takes `gzip_packed` away, where it is, if what is in it is not longer than `max`. What is packed twice stays packed.
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
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use grammers_tl_types::Serializable;

    use super::*;

    const SESSION: i64 = 77;

    fn read(plaintext: &[u8], session_id: i64) -> Result<Vec<Notice>> {
        super::message(plaintext, session_id)?.notices(&|id| (id < 100).then_some(ANSWER_MAX))
    }

    fn message(id: i64, sequence: i32, body: &[u8]) -> Vec<u8> {
        [&id.to_le_bytes()[..], &sequence.to_le_bytes(), &(body.len() as u32).to_le_bytes(), body].concat()
    }

    fn packet(message: &[u8]) -> Vec<u8> {
        [&1_i64.to_le_bytes()[..], &SESSION.to_le_bytes(), message, &[0; 12]].concat()
    }

    fn rpc_result(id: i64, result: &[u8]) -> Vec<u8> {
        [&RPC_RESULT.to_le_bytes()[..], &id.to_le_bytes(), result].concat()
    }

    fn container(messages: &[Vec<u8>]) -> Vec<u8> {
        let count = messages.len() as u32;
        [&CONTAINER.to_le_bytes()[..], &count.to_le_bytes(), &messages.concat()].concat()
    }

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(GZIP_PACKED.to_le_bytes().to_vec(), Compression::fast());
        encoder.write_all(body).expect("memory");
        let all = encoder.finish().expect("memory");
        [&all[..4], &all[4..].to_vec().to_bytes()].concat()
    }

    #[test]
    fn reads_answers_in_a_container_packed_or_not() {
        let yes = true.to_bytes();
        let text = "FLOOD_WAIT_3";
        let error = types::RpcError { error_code: 420, error_message: text.into() };
        let inner = [
            message(5, 1, &rpc_result(4, &yes)),
            message(9, 3, &rpc_result(8, &gzip(&yes))),
            message(13, 4, &rpc_result(12, &gzip(&enums::RpcError::from(error).to_bytes()))),
        ];
        let notices = read(&packet(&message(17, 6, &container(&inner))), SESSION).expect("readable");
        let expected = [
            Notice::Ack(5),
            Notice::Event(Event::Answer(4, yes.clone())),
            Notice::Ack(9),
            Notice::Event(Event::Answer(8, yes)),
            Notice::Event(Event::Failed(12, RpcError::new(420, text.as_bytes()))),
        ];
        assert_eq!(notices, expected);
    }

    #[test]
    fn what_nobody_asked_for_is_not_unpacked() {
        let junk = [&GZIP_PACKED.to_le_bytes()[..], &b"no gzip".to_vec().to_bytes()].concat();
        let inner = [
            message(5, 1, &rpc_result(100, &junk)),
            message(9, 3, &junk),
            message(13, 5, &gzip(&rpc_result(8, &true.to_bytes()))),
        ];
        let notices = read(&packet(&message(17, 6, &container(&inner))), SESSION).expect("readable");
        assert_eq!(notices, [5, 9, 13].map(Notice::Ack));
    }

    #[test]
    fn what_is_packed_twice_is_unpacked_once() {
        let twice = gzip(&gzip(&vec![0; ANSWER_MAX]));
        let notices = read(&packet(&message(5, 0, &rpc_result(4, &twice))), SESSION).expect("readable");
        let [Notice::Event(Event::Answer(4, answer))] = &notices[..] else { panic!("{notices:?}") };
        assert!(answer.len() < 64 * 1024);
    }

    #[test]
    fn reads_what_is_wrong_with_a_message() {
        let bad =
            types::BadServerSalt { bad_msg_id: 4, bad_msg_seqno: 1, error_code: 48, new_server_salt: 99 };
        let bad = enums::BadMsgNotification::from(bad).to_bytes();
        let notices = read(&packet(&message(5, 0, &bad)), SESSION).expect("readable");
        assert_eq!(notices, [Notice::Salt(99), Notice::NotTaken { id: 4, code: 48, told_in: 5 }]);
    }

    #[test]
    fn an_answer_that_cannot_be_unpacked_is_told_to_its_caller() {
        let body = [&GZIP_PACKED.to_le_bytes()[..], &b"no gzip".to_vec().to_bytes()].concat();
        let notices = read(&packet(&message(5, 0, &rpc_result(4, &body))), SESSION).expect("readable");
        assert!(matches!(notices[..], [Notice::Event(Event::Unreadable(4, _))]), "{notices:?}");
    }

    #[test]
    fn what_is_cut_off_or_foreign_or_grows_too_large_is_an_error() {
        let whole = packet(&message(5, 1, &container(&[message(9, 1, &rpc_result(4, &true.to_bytes()))])));
        for length in 0..whole.len() - 12 {
            assert!(read(&whole[..length], SESSION).is_err(), "{length}");
        }
        assert!(read(&whole, SESSION + 1).is_err());
        for bomb in [gzip(&vec![0; ANSWER_MAX + 1]), vec![0; ANSWER_MAX + 1]] {
            let notices = read(&packet(&message(5, 0, &rpc_result(4, &bomb))), SESSION).expect("readable");
            assert!(matches!(notices[..], [Notice::Event(Event::Unreadable(4, _))]));
        }
        assert!(read(&[&whole[..], &[0; PADDING_MAX]].concat(), SESSION).is_err());
        let much = message(9, 1, &true.to_bytes());
        let many = container(&vec![much; NOTICES_MAX + 2]);
        assert!(read(&packet(&message(5, 0, &many)), SESSION).is_err());
    }

    #[test]
    fn compressed_answers_of_a_packet_share_what_they_may_grow_to() {
        let half = gzip(&vec![0; ANSWER_MAX / 2 + 1]);
        let inner = [message(5, 0, &rpc_result(4, &half)), message(9, 0, &rpc_result(8, &half))];
        let notices = read(&packet(&message(13, 0, &container(&inner))), SESSION).expect("readable");
        let [Notice::Event(Event::Answer(4, _)), Notice::Event(Event::Unreadable(8, _))] = &notices[..]
        else {
            panic!("{} notices", notices.len());
        };
    }
}
