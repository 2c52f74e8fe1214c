//! The calls of one connection: those that are to be sent, and those that wait for their answers.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::event::MsgId;
use super::inbound::Calls;
use super::lost::{Line, RoundTrip, Told, Track};
use super::packet::Packet;
use super::request::{Answer, Caller, Request};
use crate::Error;

/// The most calls that one question is about, as Telegram demands.
/// <https://core.telegram.org/mtproto/service_messages_about_messages#request-for-message-status-information>
pub(super) const ASKED_MAX: usize = 8192;

/// A call that has an id and is written, or about to be.
#[derive(Debug)]
struct Pending {
    caller: Caller,
    written: Option<Written>,
}

/// A call whose last byte was handed to the socket.
#[derive(Debug)]
struct Written {
    track: Track,
    /// The place among all that was written.
    place: u64,
    /// The bytes, should they have to go again.
    packet: Packet,
}

#[derive(Debug)]
pub(super) struct Flight {
    queue: VecDeque<Request>,
    pending: HashMap<MsgId, Pending>,
    /// Former ids of calls that were sent again, and how long their answers may be.
    earlier: HashMap<MsgId, usize>,
    /// How much was written.
    written: u64,
    round_trip: RoundTrip,
    /// When the last answer to a call came, and the last one after a standstill.
    last_answer: Option<Instant>,
    resumed: Option<Instant>,
}

impl Calls for Flight {
    fn answer_max(&self, id: MsgId) -> Option<usize> {
        let pending = self.pending.get(&id).map(|pending| pending.caller.answer_max);
        pending.or_else(|| self.earlier.get(&id).copied())
    }
}

impl Flight {
    pub(super) fn new(slack: Duration) -> Self {
        Self {
            queue: VecDeque::new(),
            pending: HashMap::new(),
            earlier: HashMap::new(),
            written: 0,
            round_trip: RoundTrip::new(slack),
            last_answer: None,
            resumed: None,
        }
    }

    pub(super) fn enqueue(&mut self, request: Request) {
        self.queue.push_back(request);
    }

    /// Has it sent before everything else that waits.
    pub(super) fn enqueue_first(&mut self, request: Request) {
        self.queue.push_front(request);
    }

    /// Whether nobody waits for anything.
    pub(super) fn is_quiet(&self) -> bool {
        self.queue.is_empty() && self.pending.values().all(|pending| pending.caller.is_question())
    }

    /// Takes the next calls that are to be sent.
    pub(super) fn next(&mut self, most: usize) -> Vec<Request> {
        self.forget_abandoned();
        self.queue.drain(..self.queue.len().min(most)).collect()
    }

    /// Notes the id under which a call is sent.
    pub(super) fn sealed(&mut self, id: MsgId, caller: Caller) {
        self.pending.insert(id, Pending { caller, written: None });
    }

    /// Notes that all of a call was written.
    pub(super) fn wrote(&mut self, id: MsgId, packet: Packet, now: Instant) {
        self.written += 1;
        let Some(Pending { caller, written }) = self.pending.get_mut(&id) else { return };
        caller.first_written.get_or_insert(now);
        let track = Track::new(now, caller.earlier.len() as u32 + 1, caller.repeat);
        *written = Some(Written { track, place: self.written, packet });
    }

    /// Forgets the calls that nobody waits for any more; those not yet packed will never be sent.
    pub(super) fn forget_abandoned(&mut self) {
        self.queue.retain(|request| !request.caller.is_gone());
        self.pending.retain(|_, pending| !pending.caller.is_gone());
        if !self.earlier.is_empty() {
            let queued = self.queue.iter().map(|request| &request.caller);
            let callers = queued.chain(self.pending.values().map(|pending| &pending.caller));
            let known: Vec<_> = callers.flat_map(|caller| caller.earlier.iter().copied()).collect();
            self.earlier.retain(|id, _| known.contains(id));
        }
    }

    /// Gives an answer to whom it is for, and what it tells of the states of calls; nothing if nobody waits for it.
    pub(super) fn answer(&mut self, id: MsgId, answer: Answer, now: Instant) -> Option<Vec<(MsgId, Told)>> {
        let caller = match self.pending.remove(&id) {
            Some(pending) => {
                self.note(&pending, now);
                pending.caller
            }
            None => self.take_by_earlier(id)?,
        };
        if caller.is_call() {
            if !self.line().is_moving(now) {
                self.resumed = Some(now);
            }
            self.last_answer = Some(now);
        }
        self.earlier.retain(|id, _| !caller.earlier.contains(id));
        let asked = match caller.asked() {
            Some(asked) => asked.to_vec(),
            None => {
                caller.tell(answer);
                return Some(Vec::new());
            }
        };
        let states = answer.unwrap_or_default();
        let told = asked.into_iter().zip(states);
        Some(told.filter_map(|(id, state)| Some((id, Told::read(state)?))).collect())
    }

    /// What an answer tells of the line, and of what was written before its call.
    fn note(&mut self, answered: &Pending, now: Instant) {
        let Some(written) = &answered.written else { return };
        if answered.caller.is_bulk() && written.track.sendings == 1 {
            self.round_trip.measure(now.saturating_duration_since(written.track.written));
        }
        for before in self.pending.values_mut().filter_map(|pending| pending.written.as_mut()) {
            if before.place < written.place {
                before.track.passed.get_or_insert(now);
                if answered.caller.is_call() {
                    before.track.overtaken.get_or_insert(now);
                }
            }
        }
    }

    /// The caller of a call that was sent again meanwhile.
    fn take_by_earlier(&mut self, id: MsgId) -> Option<Caller> {
        self.earlier.remove(&id)?;
        let was = |caller: &Caller| caller.earlier.contains(&id);
        if let Some(at) = self.queue.iter().position(|request| was(&request.caller)) {
            return Some(self.queue.remove(at)?.caller);
        }
        let now = *self.pending.iter().find(|(_, pending)| was(&pending.caller))?.0;
        Some(self.pending.remove(&now)?.caller)
    }

    /// Takes a call out that Telegram did not take; nothing if there is none, and no packet if it was not written.
    pub(super) fn not_taken(&mut self, id: MsgId) -> Option<(Caller, Option<Packet>)> {
        let Pending { caller, written } = self.pending.remove(&id)?;
        Some((caller, written.map(|written| written.packet)))
    }

    /// Sends a call before all others.
    pub(super) fn first(&mut self, request: Request) {
        self.queue.push_front(request);
    }

    /// When something is to be done about answers that do not come.
    pub(super) fn late(&self) -> Option<Instant> {
        self.question_due().into_iter().chain(self.again_due().map(|(at, _)| at)).min()
    }

    fn line(&self) -> Line<'_> {
        Line { round_trip: &self.round_trip, last_answer: self.last_answer, resumed: self.resumed }
    }

    fn tracks(&self) -> impl Iterator<Item = (MsgId, &Written)> {
        let calls = self.pending.iter().filter(|(_, pending)| pending.caller.is_call());
        calls.filter_map(|(id, pending)| Some((*id, pending.written.as_ref()?)))
    }

    fn question_due(&self) -> Option<Instant> {
        // One question at a time. If it is not answered, others would not be either.
        let callers = self.queue.iter().map(|request| &request.caller);
        let mut callers = callers.chain(self.pending.values().map(|pending| &pending.caller));
        if callers.any(Caller::is_question) {
            return None;
        }
        let line = self.line();
        self.tracks().filter_map(|(_, written)| written.track.ask_at(&line)).min()
    }

    /// The calls that Telegram is to be asked about now, with the caller that hears of them. Those that are late soon
    /// are asked about in one go.
    pub(super) fn question(&mut self, now: Instant) -> Option<(Vec<MsgId>, Caller)> {
        self.question_due().filter(|due| *due <= now)?;
        let line = self.line();
        let late = |(id, written): (MsgId, &Written)| {
            written.track.ask_at(&line).filter(|due| *due <= now + self.round_trip.together()).map(|_| id)
        };
        let asked: Vec<_> = self.tracks().filter_map(late).take(ASKED_MAX).collect();
        for id in &asked {
            if let Some(written) = self.pending.get_mut(id).and_then(|pending| pending.written.as_mut()) {
                written.track.asked = Some(now);
            }
        }
        Some((asked.clone(), Caller::states(asked)))
    }

    /// Notes what Telegram said of a call; says whether it is to be sent again at once.
    pub(super) fn told(&mut self, id: MsgId, told: Told, now: Instant) -> bool {
        let Some(Pending { caller, written: Some(written) }) = self.pending.get_mut(&id) else {
            return false;
        };
        written.track.told = Some((now, told));
        told.is_gone(caller.repeat)
    }

    /// The next call that is to be sent again since its answer is late, and when.
    fn again_due(&self) -> Option<(Instant, MsgId)> {
        let line = self.line();
        let due =
            |(id, written): (MsgId, &Written)| Some((written.track.again_at(&line)?, written.place, id));
        let (at, _, id) = self.tracks().filter_map(due).min()?;
        (line.is_moving(at) || !self.is_probing()).then_some((at, id))
    }

    /// Whether a call is out that was sent again.
    fn is_probing(&self) -> bool {
        let queued = self.queue.iter().map(|request| &request.caller);
        let mut callers = queued.chain(self.pending.values().map(|pending| &pending.caller));
        callers.any(|caller| !caller.earlier.is_empty())
    }

    /// The next call that is to be sent again now since its answer is late.
    pub(super) fn again(&self, now: Instant) -> Option<MsgId> {
        self.again_due().filter(|(at, _)| *at <= now).map(|(_, id)| id)
    }

    /// Takes a call that was written out, to be sent again under another id.
    pub(super) fn take(&mut self, id: MsgId) -> Option<(Caller, Packet)> {
        self.pending.get(&id)?.written.as_ref()?;
        let Pending { mut caller, written } = self.pending.remove(&id)?;
        caller.earlier.push(id);
        self.earlier.insert(id, caller.answer_max);
        Some((caller, written?.packet))
    }

    /// When the first call has waited too long, as things stand. Slow answers to other calls put it off, up to a limit:
    /// over a thin line a full window takes a while. So does Telegram's word that it works on the call; answers to pings
    /// do not.
    pub(super) fn deadline(&self, patience: Duration) -> Option<Instant> {
        let waiting = self.pending.values().filter(|pending| !pending.caller.is_question());
        let due = |pending: &Pending| {
            let track = pending.written.as_ref()?.track;
            let first = pending.caller.first_written?;
            let told = track.told.filter(|(_, told)| *told == Told::Working).map(|(at, _)| at);
            let since = [self.last_answer, told].into_iter().flatten().fold(track.written, Instant::max);
            Some((since + patience).min(first + patience * 4))
        };
        waiting.filter_map(due).min()
    }

    /// Ends every call. Those that were (at least partly) written may have been carried out.
    pub(super) fn fail(&mut self, why: impl Fn(bool) -> Error) {
        for (_, pending) in self.pending.drain() {
            pending.caller.tell(Err(why(true)));
        }
        for request in self.queue.drain(..) {
            // One that is to go again was sent before.
            let written = !request.caller.earlier.is_empty();
            request.caller.tell(Err(why(written)));
        }
        self.earlier.clear();
    }
}
