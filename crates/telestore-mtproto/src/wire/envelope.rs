//! What MTProto puts around a message: ids, sequence numbers, salts and acknowledgements, of one session.
//! <https://core.telegram.org/mtproto/description#session>
//!
//! Each packet is one message. Containers would save headers of some ten bytes for calls that are few or half a mebibyte.
//! `grammers_mtproto` has the same for several messages at once, in a buffer of its own that is copied into, and with the
//! slower encryption; it panics for some of what a server may send.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use grammers_tl_types::{enums, types};
use tokio::time::Instant;

use super::cipher::Cipher;
use super::event::{Event, MsgId};
use super::inbound::{self, Calls, Notice};
use super::packet::{Body, MESSAGE_HEADER, Packet, Unsealed};
use super::seen::Seen;
use crate::way::Framing;

/// How many acknowledgements wait for a call to go with before they go alone.
const MANY_ACKS: usize = 16;

/// The most that one message acknowledges or asks for, as Telegram demands.
/// <https://core.telegram.org/mtproto/service_messages_about_messages#acknowledgment-of-receipt>
const ACKS_MAX: usize = 8192;

/// How many may wait. They wait only as long as nothing can be written.
const UNSAID_MAX: usize = 64 * 1024;

pub(crate) struct Envelope {
    cipher: Cipher,
    framing: Framing,
    session_id: i64,
    salt: i64,
    /// Twice the number of calls so far.
    sequence: i32,
    last_id: MsgId,
    /// How far Telegram's clock is ahead of ours, in seconds.
    clock_ahead: i64,
    /// The same as its packets tell, which nothing of ours goes by.
    told_ahead: Arc<AtomicI64>,
    /// The packets that came.
    seen: Seen,
    acks: Vec<MsgId>,
    /// Answers that Telegram has and did not send.
    held_back: Vec<MsgId>,
}

impl Envelope {
    /// How packets are framed.
    pub(super) fn framing(&self) -> Framing {
        self.framing
    }

    pub(crate) fn new(auth_key: [u8; 256], framing: Framing) -> Self {
        Self {
            cipher: Cipher::new(auth_key),
            framing,
            session_id: rand::random(),
            // Telegram tells the right one with the answer to the first message.
            salt: 0,
            sequence: 0,
            last_id: 0,
            clock_ahead: 0,
            told_ahead: Arc::default(),
            seen: Seen::default(),
            acks: Vec::new(),
            held_back: Vec::new(),
        }
    }

    /// How far Telegram's clock is ahead of this machine's, in seconds, as its last packet told.
    pub(crate) fn told_ahead(&self) -> Arc<AtomicI64> {
        self.told_ahead.clone()
    }

    /// Makes calls packets; for two at a time that costs less than for each.
    pub(crate) fn seal(&mut self, calls: Vec<Body>) -> Vec<(MsgId, Packet)> {
        let number = |call| {
            let sequence = self.sequence.wrapping_add(1);
            self.sequence = self.sequence.wrapping_add(2);
            self.message(call, sequence)
        };
        let (ids, messages): (Vec<_>, Vec<_>) = calls.into_iter().map(number).unzip();
        ids.into_iter().zip(self.packets(messages)).collect()
    }

    /// The call that a packet holds: Telegram did not take it.
    pub(crate) fn unseal(&self, packet: Packet) -> Body {
        packet.into_body(|packet| self.cipher.unseal(packet))
    }

    /// What is to be said beside calls, if anything: with the next call, or at once if there is much of it.
    pub(crate) fn service(&mut self, call_follows: bool) -> Option<Packet> {
        let body = if !self.held_back.is_empty() {
            let some = self.held_back.len().min(ACKS_MAX);
            let msg_ids = self.held_back.drain(..some).collect();
            Body::of(&enums::MsgResendReq::from(types::MsgResendReq { msg_ids }))
        } else if self.acks.len() >= MANY_ACKS || call_follows && !self.acks.is_empty() {
            let some = self.acks.len().min(ACKS_MAX);
            let msg_ids = self.acks.drain(..some).collect();
            Body::of(&enums::MsgsAck::from(types::MsgsAck { msg_ids }))
        } else {
            return None;
        };
        let (_, message) = self.message(body, self.sequence);
        self.packets(vec![message]).pop()
    }

    fn packets(&self, mut messages: Vec<Unsealed>) -> Vec<Packet> {
        self.cipher.seal(&mut messages);
        messages.into_iter().map(|message| message.into_packet(self.framing)).collect()
    }

    /// Decrypts packets from Telegram in place; for several at a time that costs less than for each.
    pub(crate) fn open<'p>(&self, packets: Vec<&'p mut [u8]>) -> Vec<Result<&'p [u8], &'static str>> {
        self.cipher.open(packets)
    }

    /// Takes a decrypted packet. `calls` says which calls wait for an answer, and how long it may be.
    pub(crate) fn take(&mut self, plaintext: &[u8], calls: &impl Calls) -> Result<Vec<Event>, String> {
        let message = inbound::message(plaintext, self.session_id)?;
        if !self.seen.admit(message.id, Instant::now())? {
            return Ok(Vec::new());
        }
        self.told_ahead.store((message.id >> 32) - since_epoch().0, Ordering::Relaxed);
        let notices = message.notices(calls)?;
        if self.acks.len() + self.held_back.len() > UNSAID_MAX {
            return Err("Telegram takes no acknowledgements".to_owned());
        }
        Ok(notices.into_iter().filter_map(|notice| self.heed(notice)).collect())
    }

    fn heed(&mut self, notice: Notice) -> Option<Event> {
        match notice {
            Notice::Ack(id) => self.acks.push(id),
            Notice::HeldBack(id) => self.held_back.push(id),
            Notice::Salt(salt) => self.salt = salt,
            Notice::NotTaken { id, code, told_in } => {
                self.correct(code, told_in);
                return Some(Event::NotTaken(id, code));
            }
            Notice::Event(event) => return Some(event),
        }
        None
    }

    /// <https://core.telegram.org/mtproto/service_messages_about_messages#notice-of-ignored-error-message>
    fn correct(&mut self, code: i32, told_in: MsgId) {
        match code {
            // The id was too low or too high: ids are times, and Telegram's own tells what time it is there.
            16 | 17 => {
                self.clock_ahead = (told_in >> 32) - since_epoch().0;
                self.last_id = 0;
            }
            // The sequence number was too low, or too high. By how much is not said.
            32 => self.sequence = self.sequence.wrapping_add(64),
            33 => self.sequence = self.sequence.saturating_sub(16).max(0),
            _ => {}
        }
    }

    fn message(&mut self, body: Body, sequence: i32) -> (MsgId, Unsealed) {
        let id = self.next_id();
        let mut header = [0; MESSAGE_HEADER];
        header[..8].copy_from_slice(&self.salt.to_le_bytes());
        header[8..16].copy_from_slice(&self.session_id.to_le_bytes());
        header[16..24].copy_from_slice(&id.to_le_bytes());
        header[24..28].copy_from_slice(&sequence.to_le_bytes());
        header[28..].copy_from_slice(&(body.bytes().len() as u32).to_le_bytes());
        (id, body.with_header(&header))
    }

    /// Unix time times 2^32, divisible by four, and higher than the last one.
    fn next_id(&mut self) -> MsgId {
        let (seconds, nanos) = since_epoch();
        let now = (seconds + self.clock_ahead) << 32 | i64::from(nanos) << 2;
        self.last_id = now.max(self.last_id + 4);
        self.last_id
    }
}

/// The time of this machine: seconds since 1970, and nanoseconds.
pub(super) fn since_epoch() -> (i64, u32) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_secs() as i64, now.subsec_nanos())
}
