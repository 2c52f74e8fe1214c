//! The state of one connection without its socket: what is to be written, what was read, which calls wait.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use grammers_tl_types as tl;
use tokio::time::Instant;

use super::envelope::Envelope;
use super::event::{Event, MsgId};
use super::flight::Flight;
use super::ige;
use super::packet::{Body, Packet};
use super::request::{Answer, Request};
use super::unasked::Unasked;
use crate::Error;
use crate::answers::ANSWER_MAX;
use crate::way::{Frame, Framing, LENGTH};

/// The read buffer at first, and the largest packet that is taken: the longest answer, with what is around it.
const READ_MIN: usize = 16 * 1024;
const READ_MAX: usize = ANSWER_MAX + 64 * 1024;

/// How large it becomes as long as there is more to read: several blocks of a file, with what is around them.
const READ_TOGETHER: usize = 1024 * 1024 + 64 * 1024;

/// A buffer that is larger goes once it is empty and nothing is waited for.
const READ_KEPT: usize = 128 * 1024;

/// How many calls are packed, and packets opened, at a time.
const TOGETHER: usize = ige::SIDE_BY_SIDE;

/// One correction is enough for a call, and some may cross; more mean that corrections do not help.
const MAX_REFUSALS: u32 = 8;

/// What is right when a message is sent again with what was learned: clock, sequence number, salt.
const CURABLE: [i32; 5] = [16, 17, 32, 33, 48];

/// What is being written.
struct Outgoing {
    /// The call that it is, if it is one.
    id: Option<MsgId>,
    packet: Packet,
    head: usize,
}

/// Why a connection cannot go on.
#[derive(Debug, Clone)]
pub(crate) enum Broken {
    Io(String),
    /// Telegram answered with a status instead of a packet.
    Status(u32),
    Protocol(String),
    /// The clock of this machine is wrong, as far as Telegram is concerned.
    Clock,
    /// Another process may use the login.
    TermOver,
}

pub(crate) struct Wire {
    envelope: Envelope,
    pub(super) flight: Flight,
    /// Being written, the first one first.
    outgoing: VecDeque<Outgoing>,
    /// Whether the first packet is still to be written, with the tag of the transport in front.
    untagged: bool,
    read: Vec<u8>,
    read_tail: usize,
    unasked: Unasked,
}

impl Wire {
    /// The state of a new connection; answers that are late by `slack` are looked after.
    pub(crate) fn new(auth_key: [u8; 256], slack: Duration, framing: Framing, tagged: bool) -> Self {
        Self {
            envelope: Envelope::new(auth_key, framing),
            flight: Flight::new(slack),
            outgoing: VecDeque::new(),
            untagged: !tagged,
            read: vec![0; READ_MIN],
            read_tail: 0,
            unasked: Unasked::new(Instant::now()),
        }
    }

    /// How far Telegram's clock is ahead, kept up to date.
    pub(crate) fn told_ahead(&self) -> Arc<AtomicI64> {
        self.envelope.told_ahead()
    }

    /// Packs the next calls, unless a packet is still being written. Says whether there is a new packet.
    pub(crate) fn pack(&mut self) -> bool {
        if self.is_writing() {
            return false;
        }
        let next = self.flight.next(TOGETHER);
        let service = self.envelope.service(!next.is_empty());
        self.outgoing.extend(service.map(|packet| Outgoing { id: None, packet, head: 0 }));
        let (calls, callers): (Vec<_>, Vec<_>) =
            next.into_iter().map(|Request { body, caller }| (body, caller)).unzip();
        for ((id, packet), caller) in self.envelope.seal(calls).into_iter().zip(callers) {
            self.flight.sealed(id, caller);
            self.outgoing.push_back(Outgoing { id: Some(id), packet, head: 0 });
        }
        self.is_writing()
    }

    pub(crate) fn is_writing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Both halves at once, so that reading and writing can go on at the same time.
    pub(crate) fn buffers(&mut self) -> (&mut [u8], &[u8]) {
        if self.read_tail == self.read.len() {
            self.read.resize((self.read.len() * 2).min(READ_MAX), 0);
        }
        let unwritten = self.outgoing.front().map_or(&[][..], |outgoing| outgoing.unwritten(self.untagged));
        (&mut self.read[self.read_tail..], unwritten)
    }

    /// Notes that `count` bytes were written.
    pub(crate) fn wrote(&mut self, count: usize, now: Instant) {
        let Some(outgoing) = self.outgoing.front_mut() else { return };
        outgoing.head += count;
        if !outgoing.unwritten(self.untagged).is_empty() {
            return;
        }
        self.untagged = false;
        let Some(Outgoing { id: Some(id), packet, .. }) = self.outgoing.pop_front() else { return };
        self.flight.wrote(id, packet, now);
    }

    /// Takes `count` bytes that were read, and answers the calls they speak of.
    pub(crate) fn received(&mut self, count: usize, now: Instant) -> Result<(), Broken> {
        if count == 0 {
            return Err(Broken::Io("Telegram closed the connection".to_owned()));
        }
        self.read_tail += count;
        let filled = self.read_tail == self.read.len();
        let mut read = std::mem::take(&mut self.read);
        let taken = self.take_all(&mut read[..self.read_tail], now);
        self.read = read;
        let taken = taken?;
        self.read.copy_within(taken..self.read_tail, 0);
        self.read_tail -= taken;
        self.fit(filled);
        Ok(())
    }

    /// Takes the packets of which all was read, and says how many bytes they have.
    fn take_all(&mut self, read: &mut [u8], now: Instant) -> Result<usize, Broken> {
        let mut taken = 0;
        loop {
            match self.take_some(&mut read[taken..], now)? {
                0 => return Ok(taken),
                more => taken += more,
            }
        }
    }

    /// The same of as many packets as are decrypted at a time.
    fn take_some(&mut self, mut read: &mut [u8], now: Instant) -> Result<usize, Broken> {
        let framing = self.envelope.framing();
        let (mut lengths, mut packets) = (Vec::new(), Vec::new());
        while packets.len() < TOGETHER {
            match Frame::of(read, framing) {
                Frame::Packet(length) => {
                    let (frame, behind) = read.split_at_mut(LENGTH + length);
                    packets.push(&mut frame[LENGTH..][..framing.packet(length)]);
                    lengths.push(length);
                    read = behind;
                }
                // Its turn comes when those before it are taken.
                _ if !packets.is_empty() => break,
                Frame::Status(status) => return Err(Broken::Status(status)),
                Frame::Partial(Some(length)) if length > READ_MAX - LENGTH => {
                    return Err(Broken::Protocol("an answer is too large".to_owned()));
                }
                Frame::Partial(_) => return Ok(0),
            }
        }
        let opened = self.envelope.open(packets);
        for (plaintext, length) in opened.into_iter().zip(&lengths) {
            let plaintext = plaintext.map_err(|why| Broken::Protocol(why.to_owned()))?;
            self.take(plaintext, *length, now)?;
        }
        Ok(lengths.iter().map(|length| LENGTH + length).sum())
    }

    /// Answers the calls that a packet of so many bytes speaks of.
    fn take(&mut self, plaintext: &[u8], length: usize, now: Instant) -> Result<(), Broken> {
        let events = self.envelope.take(plaintext, &self.flight).map_err(Broken::Protocol)?;
        let mut asked = false;
        for event in events {
            asked |= self.handle(event, now)?;
        }
        match self.unasked.count(length, asked, now) {
            true => Ok(()),
            false => Err(Broken::Protocol("it says too much that nobody asked for".to_owned())),
        }
    }

    /// Makes the buffer larger if what there was to read `filled` it, so that packets come together; and small again once nothing is
    /// waited for.
    fn fit(&mut self, filled: bool) {
        let length = self.read.len();
        if self.read_tail == 0 && length > READ_KEPT && self.flight.is_quiet() {
            self.read = vec![0; READ_MIN];
        } else if filled && length < READ_TOGETHER {
            self.read.resize((length * 2).min(READ_TOGETHER), 0);
        }
    }

    /// Says whether somebody waited for it.
    fn handle(&mut self, event: Event, now: Instant) -> Result<bool, Broken> {
        match event {
            Event::Answer(id, body) => Ok(self.answer(id, Ok(body), now)),
            Event::Failed(id, error) => Ok(self.answer(id, Err(Error::from(error)), now)),
            Event::Unreadable(id, why) => {
                let error = Error::lost(format!("the answer cannot be read: {why}"));
                Ok(self.answer(id, Err(error), now))
            }
            Event::NotTaken(id, code) => self.send_again(id, code),
        }
    }

    fn answer(&mut self, id: MsgId, answer: Answer, now: Instant) -> bool {
        let Some(states) = self.flight.answer(id, answer, now) else { return false };
        for (id, told) in states {
            if self.flight.told(id, told, now) {
                tracing::debug!(?told, "telegram does not have a call, sending it again");
                self.repeat(id);
            }
        }
        true
    }

    /// Does what is to be done about answers that are late: asks what became of their calls, or sends those again.
    pub(crate) fn look_after(&mut self, now: Instant) {
        if let Some((msg_ids, caller)) = self.flight.question(now) {
            tracing::debug!(calls = msg_ids.len(), "answers are late, asking telegram");
            let body = Body::of(&tl::enums::MsgsStateReq::from(tl::types::MsgsStateReq { msg_ids }));
            self.flight.first(Request { body, caller });
        }
        while let Some(id) = self.flight.again(now) {
            tracing::debug!("an answer does not come, sending its call again");
            self.repeat(id);
        }
    }

    fn repeat(&mut self, id: MsgId) {
        if let Some((caller, packet)) = self.flight.take(id) {
            self.flight.first(Request { body: self.envelope.unseal(packet), caller });
        }
    }

    /// Sends again what Telegram did not take because of its envelope: it was not carried out. Says whether there is such
    /// a call.
    fn send_again(&mut self, id: MsgId, code: i32) -> Result<bool, Broken> {
        tracing::debug!(code, "telegram did not take a message");
        if !CURABLE.contains(&code) {
            return Err(Broken::Protocol(format!("Telegram did not take a message, code {code}")));
        }
        let Some((mut caller, packet)) = self.flight.not_taken(id) else { return Ok(false) };
        let Some(packet) = packet else {
            return Err(Broken::Protocol("Telegram speaks of a message that it cannot have".to_owned()));
        };
        caller.refused += 1;
        let refused = caller.refused;
        self.flight.first(Request { body: self.envelope.unseal(packet), caller });
        match code {
            _ if refused <= MAX_REFUSALS => Ok(true),
            16 | 17 => Err(Broken::Clock),
            _ => Err(Broken::Protocol(format!("Telegram goes on not taking a message, code {code}"))),
        }
    }

    /// Ends every call.
    pub(crate) fn fail(&mut self, why: &Broken) {
        self.flight.fail(|written| why.error(written));
    }
}

impl Outgoing {
    fn unwritten(&self, untagged: bool) -> &[u8] {
        let bytes = if untagged { self.packet.with_tag() } else { self.packet.without_tag() };
        &bytes[self.head..]
    }
}

impl Broken {
    pub(crate) fn error(&self, written: bool) -> Error {
        let why = match self {
            Self::Status(404) => return Error::unknown_key(),
            Self::Status(429) => "Telegram refuses more connections from this address for now".to_owned(),
            Self::Status(status) => format!("Telegram refused the connection with status {status}"),
            Self::TermOver => "another process may use the login now".to_owned(),
            Self::Io(why) => format!("the connection to Telegram was lost: {why}"),
            Self::Protocol(why) => format!("the connection to Telegram was lost: {why}"),
            Self::Clock => "Telegram refuses the time of this machine: its clock may be wrong".to_owned(),
        };
        if written { Error::lost(why) } else { Error::not_sent(why) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives bytes as a socket does: as many as there is room for.
    fn give(wire: &mut Wire, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (room, _) = wire.buffers();
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
            wire.received(count, Instant::now()).unwrap();
            bytes = &bytes[count..];
        }
    }

    #[test]
    fn memory_follows_what_came_and_not_what_was_promised() {
        let mut wire = Wire::new([7; 256], Duration::from_secs(60), Framing::Intermediate, true);
        give(&mut wire, &(READ_MAX as u32 - 4).to_le_bytes());
        assert_eq!(wire.read.len(), READ_MIN);
        for came in [READ_MIN, READ_TOGETHER / 2, READ_TOGETHER, READ_MAX - 1] {
            let more = came - wire.read_tail;
            give(&mut wire, &vec![0; more]);
            assert!(wire.read.len() <= (2 * came).min(READ_MAX), "{came}");
        }
        wire.buffers().0[0] = 0;
        assert!(
            matches!(wire.received(1, Instant::now()), Err(Broken::Protocol(_))),
            "it is nobody's packet"
        );
    }
}
