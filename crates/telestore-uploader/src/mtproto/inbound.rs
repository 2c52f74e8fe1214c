//! Reads what Telegram sends. Nothing of it is taken for granted: what does not fit is an error, not a panic.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::GzDecoder;
use grammers_tl_types::{Deserializable, Identifiable, enums, types};

use super::envelope::{Event, MsgId};

/// `rpc_result`, `msg_container` and `gzip_packed`: the schema describes them in words only.
/// <https://core.telegram.org/mtproto/service_messages>
const RPC_RESULT: u32 = 0xf35c_6d01;
const CONTAINER: u32 = 0x73f1_f8dc;
const GZIP_PACKED: u32 = 0x3072_cfa1;

/// What all compressed answers of a packet may grow to together.
const INFLATED_MAX: u64 = 8 * 1024 * 1024;

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

/// Reads a decrypted packet: salt, session, and a message with its padding.
pub(super) fn read(plaintext: &[u8], session_id: i64) -> Result<Vec<Notice>> {
    let mut rest = plaintext;
    let _salt = number(&mut rest)?;
    if number(&mut rest)? != session_id {
        return Err("a packet is of another session".to_owned());
    }
    let mut notices = Vec::new();
    let message = Message::take(&mut rest)?;
    if rest.len() > PADDING_MAX {
        return Err("a packet has too much padding".to_owned());
    }
    let mut budget = INFLATED_MAX;
    message.read(&mut notices, &mut budget)?;
    Ok(notices)
}

struct Message<'p> {
    id: MsgId,
    sequence: u32,
    body: &'p [u8],
}

impl<'p> Message<'p> {
    fn take(from: &mut &'p [u8]) -> Result<Self> {
        let (id, sequence, length) = (number(from)?, word(from)?, word(from)?);
        let (body, rest) = from.split_at_checked(length as usize).ok_or("a message is cut off")?;
        *from = rest;
        Ok(Self { id, sequence, body })
    }

    /// The message, or those in it: a container holds no containers.
    fn read(&self, notices: &mut Vec<Notice>, budget: &mut u64) -> Result {
        let body = inflated(self.body, budget)?;
        let mut rest = &*body;
        if word(&mut rest)? != CONTAINER {
            return self.heed(&body, notices, budget);
        }
        for _ in 0..word(&mut rest)? {
            let message = Message::take(&mut rest)?;
            message.heed(&inflated(message.body, budget)?, notices, budget)?;
        }
        Ok(())
    }

    /// Updates, and whatever else nobody asked for, say nothing.
    fn heed(&self, body: &[u8], notices: &mut Vec<Notice>, budget: &mut u64) -> Result {
        if notices.len() > NOTICES_MAX {
            return Err("a packet says too much".to_owned());
        }
        // <https://core.telegram.org/mtproto/description#content-related-message>
        if self.sequence % 2 == 1 {
            notices.push(Notice::Ack(self.id));
        }
        let notice = match word(&mut &*body)? {
            RPC_RESULT => Notice::Event(result(&body[4..], budget)?),
            types::Pong::CONSTRUCTOR_ID => {
                let enums::Pong::Pong(pong) = object(body)?;
                Notice::Event(Event::Answer(pong.msg_id, body.to_vec()))
            }
            types::BadMsgNotification::CONSTRUCTOR_ID | types::BadServerSalt::CONSTRUCTOR_ID => {
                let bad = object(body)?;
                if let enums::BadMsgNotification::BadServerSalt(bad) = &bad {
                    notices.push(Notice::Salt(bad.new_server_salt));
                }
                Notice::NotTaken { id: bad.bad_msg_id(), code: bad.error_code(), told_in: self.id }
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
        notices.push(notice);
        Ok(())
    }
}

/// `rpc_result`, behind its constructor.
fn result(mut body: &[u8], budget: &mut u64) -> Result<Event> {
    let id = number(&mut body)?;
    let answer = match inflated(body, budget) {
        Ok(answer) => answer,
        Err(why) => return Ok(Event::Unreadable(id, why)),
    };
    if word(&mut &*answer) != Ok(types::RpcError::CONSTRUCTOR_ID) {
        return Ok(Event::Answer(id, answer.into_owned()));
    }
    Ok(match object(&answer) {
        Ok(enums::RpcError::Error(error)) => Event::Failed(id, error),
        Err(why) => Event::Unreadable(id, why),
    })
}

/// Takes `gzip_packed` away, where it is, as far as `budget` goes.
fn inflated<'b>(body: &'b [u8], budget: &mut u64) -> Result<Cow<'b, [u8]>> {
    let mut rest = body;
    if word(&mut rest) != Ok(GZIP_PACKED) {
        return Ok(Cow::Borrowed(body));
    }
    let packed: Vec<u8> = object(rest)?;
    let mut inflated = Vec::new();
    GzDecoder::new(&packed[..])
        .take(*budget + 1)
        .read_to_end(&mut inflated)
        .map_err(|error| format!("it cannot be unpacked: {error}"))?;
    *budget = budget
        .checked_sub(inflated.len() as u64)
        .ok_or_else(|| "it is too large when unpacked".to_owned())?;
    Ok(Cow::Owned(inflated))
}

fn object<T: Deserializable>(bytes: &[u8]) -> Result<T> {
    T::from_bytes(bytes).map_err(|error| error.to_string())
}

fn number(from: &mut &[u8]) -> Result<i64> {
    take(from).map(i64::from_le_bytes)
}

fn word(from: &mut &[u8]) -> Result<u32> {
    take(from).map(u32::from_le_bytes)
}

fn take<const N: usize>(from: &mut &[u8]) -> Result<[u8; N]> {
    let (taken, rest) = from.split_first_chunk().ok_or("a message is cut off")?;
    *from = rest;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use grammers_tl_types::Serializable;

    use super::*;

    const SESSION: i64 = 77;

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
        let error = types::RpcError { error_code: 420, error_message: "FLOOD_WAIT_3".into() };
        let inner = [
            message(5, 1, &rpc_result(4, &yes)),
            message(9, 3, &gzip(&rpc_result(8, &yes))),
            message(13, 4, &rpc_result(12, &gzip(&enums::RpcError::from(error.clone()).to_bytes()))),
        ];
        let notices = read(&packet(&message(17, 6, &container(&inner))), SESSION).expect("readable");
        let expected = [
            Notice::Ack(5),
            Notice::Event(Event::Answer(4, yes.clone())),
            Notice::Ack(9),
            Notice::Event(Event::Answer(8, yes)),
            Notice::Event(Event::Failed(12, error)),
        ];
        assert_eq!(notices, expected);
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
        let bomb = gzip(&vec![0; INFLATED_MAX as usize + 1]);
        assert!(read(&packet(&message(5, 1, &bomb)), SESSION).is_err());
        assert!(read(&[&whole[..], &[0; PADDING_MAX]].concat(), SESSION).is_err());
        let much = message(9, 1, &true.to_bytes());
        let many = container(&vec![much; NOTICES_MAX + 2]);
        assert!(read(&packet(&message(5, 0, &many)), SESSION).is_err());
    }

    #[test]
    fn compressed_answers_of_a_packet_share_what_they_may_grow_to() {
        let half = gzip(&vec![0; INFLATED_MAX as usize / 2 + 1]);
        let inner = [message(5, 0, &rpc_result(4, &half)), message(9, 0, &rpc_result(8, &half))];
        let notices = read(&packet(&message(13, 0, &container(&inner))), SESSION).expect("readable");
        let [Notice::Event(Event::Answer(4, _)), Notice::Event(Event::Unreadable(8, _))] = &notices[..]
        else {
            panic!("{} notices", notices.len());
        };
    }
}
