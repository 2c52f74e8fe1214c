//! The state of one connection without its socket: what is to be written, what was read, which calls wait.

use std::collections::{HashMap, VecDeque};

use grammers_crypto::DequeBuffer;
use grammers_mtproto::MsgId;
use grammers_mtproto::mtp::{self, BadMessage, Deserialization, Encrypted, Mtp};
use grammers_mtproto::transport::{self, Full, Transport};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::rpc::{CallError, RpcError};
use super::window::Permit;

/// Space in front of a packet for the headers that are put there last.
const HEADERS: usize = mtp::MAX_TRANSPORT_HEADER_LEN
    + mtp::ENCRYPTED_PACKET_HEADER_LEN
    + mtp::PLAIN_PACKET_HEADER_LEN
    + mtp::MESSAGE_CONTAINER_HEADER_LEN;

/// What is allocated for a packet: one part with its headers.
const PACKET: usize = 513 * 1024;

/// The read buffer at first, and the largest answer that is taken.
const READ_MIN: usize = 16 * 1024;
const READ_MAX: usize = 8 * 1024 * 1024;

/// A correct clock needs one correction at most; more than a few mean that corrections do not help.
const MAX_CLOCK_ERRORS: u32 = 4;

/// The answer to a call: the bytes of its result.
pub(crate) type Answer = Result<Vec<u8>, CallError>;

/// A call on its way to the connection.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) body: Vec<u8>,
    pub(crate) answer: oneshot::Sender<Answer>,
    /// The place in the window that the body takes until it is dropped.
    pub(crate) _permit: Option<Permit>,
}

/// A call that has an id and is written, or about to be.
struct Pending {
    request: Request,
    container: MsgId,
    /// When the last of its bytes was handed to the socket.
    written_at: Option<Instant>,
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
}

pub(crate) struct Wire {
    mtp: Encrypted,
    transport: Full,
    queue: VecDeque<Request>,
    pending: HashMap<MsgId, Pending>,
    read: Vec<u8>,
    read_tail: usize,
    write: DequeBuffer<u8>,
    write_head: usize,
    clock_errors: u32,
    /// When the last answer to a call came.
    last_answer: Option<Instant>,
}

impl Wire {
    pub(crate) fn new(auth_key: [u8; 256]) -> Self {
        Self {
            // Files that are worth compressing are so already; trying costs four fifths of the time.
            mtp: Encrypted::build().compression_threshold(None).finish(auth_key),
            transport: Full::new(),
            queue: VecDeque::new(),
            pending: HashMap::new(),
            read: vec![0; READ_MIN],
            read_tail: 0,
            write: DequeBuffer::with_capacity(PACKET, HEADERS),
            write_head: 0,
            clock_errors: 0,
            last_answer: None,
        }
    }

    pub(crate) fn enqueue(&mut self, request: Request) {
        self.queue.push_back(request);
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.queue.is_empty() && self.pending.is_empty()
    }

    /// Forgets the calls that nobody waits for any more; those not yet packed will never be sent.
    pub(crate) fn forget_abandoned(&mut self) {
        self.queue.retain(|request| !request.answer.is_closed());
        self.pending.retain(|_, pending| !pending.request.answer.is_closed());
    }

    /// Packs the next calls, unless the last packet is still being written. Says whether there is a new packet.
    pub(crate) fn pack(&mut self) -> bool {
        if !self.write.is_empty() {
            return false;
        }
        self.forget_abandoned();
        let mut packed = Vec::new();
        while let Some(request) = self.queue.front() {
            let Some(id) = self.mtp.push(&mut self.write, &request.body) else { break };
            packed.extend(self.queue.pop_front().map(|request| (id, request)));
        }
        let Some(container) = self.mtp.finalize(&mut self.write) else { return false };
        self.transport.pack(&mut self.write);
        for (id, request) in packed {
            self.pending.insert(id, Pending { request, container, written_at: None });
        }
        true
    }

    pub(crate) fn unwritten(&self) -> &[u8] {
        &self.write[self.write_head..]
    }

    /// Both halves at once, so that reading and writing can go on at the same time.
    pub(crate) fn buffers(&mut self) -> (&mut [u8], &[u8]) {
        if self.read_tail == self.read.len() {
            self.read.resize((self.read.len() * 2).min(READ_MAX), 0);
        }
        (&mut self.read[self.read_tail..], &self.write[self.write_head..])
    }

    /// Notes that `count` bytes were written.
    pub(crate) fn wrote(&mut self, count: usize, now: Instant) {
        self.write_head += count;
        if self.write_head < self.write.len() {
            return;
        }
        self.write.clear();
        self.write_head = 0;
        for pending in self.pending.values_mut() {
            pending.written_at.get_or_insert(now);
        }
    }

    /// Takes `count` bytes that were read, and answers the calls they speak of.
    pub(crate) fn received(&mut self, count: usize, now: Instant) -> Result<(), Broken> {
        if count == 0 {
            return Err(Broken::Io("Telegram closed the connection".to_owned()));
        }
        self.read_tail += count;
        let mut from = 0;
        while from < self.read_tail {
            let packet = match self.transport.unpack(&mut self.read[from..self.read_tail]) {
                Ok(packet) => packet,
                Err(transport::Error::MissingBytes) => break,
                Err(transport::Error::BadStatus { status }) => return Err(Broken::Status(status)),
                Err(error) => return Err(Broken::Protocol(error.to_string())),
            };
            let payload = &mut self.read[from..][packet.data_range];
            // A status comes in place of a packet, or as the whole of one.
            if let Ok(status) = <[u8; 4]>::try_from(&*payload) {
                return Err(Broken::Status(i32::from_le_bytes(status).unsigned_abs()));
            }
            let events =
                self.mtp.deserialize(payload).map_err(|error| Broken::Protocol(error.to_string()))?;
            from += packet.next_offset;
            self.handle(events, now)?;
        }
        self.read.copy_within(from..self.read_tail, 0);
        self.read_tail -= from;
        if self.read_tail == READ_MAX {
            return Err(Broken::Protocol("an answer is too large".to_owned()));
        }
        Ok(())
    }

    fn handle(&mut self, events: Vec<Deserialization>, now: Instant) -> Result<(), Broken> {
        for event in events {
            match event {
                Deserialization::RpcResult(result) => self.answer(result.msg_id, Ok(result.body), now),
                Deserialization::RpcError(error) => {
                    self.answer(error.msg_id, Err(CallError::Rpc(RpcError::from(error.error))), now);
                }
                Deserialization::Failure(failure) => {
                    let why = format!("the answer cannot be read: {}", failure.error);
                    self.answer(failure.msg_id, Err(CallError::Lost(why)), now);
                }
                Deserialization::BadMessage(bad) => self.refused(&bad)?,
                // The answer itself comes as a result too, and other updates are nobody's business here.
                Deserialization::OwnUpdate { .. } | Deserialization::Update(_) => {}
            }
        }
        Ok(())
    }

    fn answer(&mut self, id: MsgId, answer: Answer, now: Instant) {
        self.last_answer = Some(now);
        self.clock_errors = 0;
        if let Some(pending) = self.pending.remove(&id) {
            // The caller may have gone meanwhile.
            let _ = pending.request.answer.send(answer);
        }
    }

    /// Sends again what Telegram did not take because of its envelope: it was not carried out.
    fn refused(&mut self, bad: &BadMessage) -> Result<(), Broken> {
        if matches!(bad.code, 16 | 17) {
            self.clock_errors += 1;
            if self.clock_errors > MAX_CLOCK_ERRORS {
                return Err(Broken::Clock);
            }
        }
        tracing::debug!(code = bad.code, reason = bad.description(), "telegram refused a message");
        if bad.fatal() {
            return Err(Broken::Protocol(bad.description().to_owned()));
        }
        let concerned =
            |id: &MsgId, pending: &mut Pending| *id == bad.msg_id || pending.container == bad.msg_id;
        let mut again: Vec<_> = self.pending.extract_if(concerned).collect();
        again.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
        for (_, pending) in again {
            self.queue.push_front(pending.request);
        }
        Ok(())
    }

    /// When the first call has waited too long, as things stand. Slow answers to other calls put it off, up to a limit:
    /// over a thin line a full window takes a while.
    pub(crate) fn deadline(&self, patience: std::time::Duration) -> Option<Instant> {
        let oldest = self.pending.values().filter_map(|pending| pending.written_at).min()?;
        let since = self.last_answer.map_or(oldest, |answer| answer.max(oldest));
        Some((since + patience).min(oldest + patience * 4))
    }

    /// Ends every call. Those that were (at least partly) written may have been carried out.
    pub(crate) fn fail(&mut self, why: &Broken) {
        for (_, pending) in self.pending.drain() {
            let _ = pending.request.answer.send(Err(why.error(true)));
        }
        for request in self.queue.drain(..) {
            let _ = request.answer.send(Err(why.error(false)));
        }
    }
}

impl Broken {
    pub(crate) fn error(&self, written: bool) -> CallError {
        let why = match self {
            Self::Status(404) => return CallError::UnknownKey,
            Self::Status(429) => "Telegram refuses more connections from this address for now".to_owned(),
            Self::Status(status) => format!("Telegram refused the connection with status {status}"),
            Self::Io(why) => format!("the connection to Telegram was lost: {why}"),
            Self::Protocol(why) => format!("the connection to Telegram was lost: {why}"),
            Self::Clock => {
                return CallError::NotSent(
                    "Telegram refuses the time of this machine: its clock may be wrong".to_owned(),
                );
            }
        };
        if written { CallError::Lost(why) } else { CallError::NotSent(why) }
    }
}
