//! The task that owns a socket. Calls come over a channel; each has its own way back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use grammers_tl_types as tl;
use telestore_types::LoginHold;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::envelope::since_epoch;
use super::packet::Body;
use super::request::{Answer, Caller, Hold, Request};
use super::state::{Broken, Wire};
use super::term::Term;
use crate::Error;
use crate::answers::Ask;
use crate::answers::Repeat;
use crate::way::Stream;

/// How long Telegram may take to end its half of a connection that we closed.
const CLOSING: Duration = Duration::from_millis(500);

/// The times that a connection keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) call: Duration,
    pub(crate) idle: Duration,
    pub(crate) ping: Duration,
    /// How much longer than a round trip an answer may take.
    pub(crate) lost: Duration,
}

/// An open connection. Its task ends when the last handle is dropped, when it breaks, or when it was idle.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    calls: mpsc::UnboundedSender<Request>,
    abandoned: Arc<Notify>,
    stop: CancellationToken,
    ended: watch::Receiver<bool>,
    ahead: Arc<AtomicI64>,
}

/// Wakes the connection if a caller goes away, so that what it wanted to send is dropped at once.
struct Waiting {
    answer: oneshot::Receiver<Answer>,
    abandoned: Arc<Notify>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.answer.close();
        self.abandoned.notify_one();
    }
}

impl Connection {
    /// Begins to speak on a stream. Nothing is sent yet. It lasts as long as `hold` lets it, if there is one.
    pub(crate) fn over(
        stream: Stream,
        auth_key: [u8; 256],
        timing: Timing,
        hold: Option<Box<dyn LoginHold>>,
    ) -> Self {
        let (calls, inbox) = mpsc::unbounded_channel();
        let (end, ended) = watch::channel(false);
        let (abandoned, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let wire = Wire::new(auth_key, timing.lost, stream.framing(), stream.is_tagged());
        let ahead = wire.told_ahead();
        let (abandoned_too, stop_too, term) = (abandoned.clone(), stop.clone(), Term::new(hold));
        let task = Task { stream, wire, inbox, abandoned: abandoned_too, stop: stop_too, timing, term };
        tokio::spawn(async move {
            task.run().await;
            drop(end);
        });
        Self { calls, abandoned, stop, ended, ahead }
    }

    /// Whether calls still go out.
    pub(crate) fn is_open(&self) -> bool {
        !self.calls.is_closed()
    }

    /// What time it is at Telegram, in seconds since 1970; some moments ago rather than in the future.
    pub(crate) fn time(&self) -> i64 {
        since_epoch().0 + self.ahead.load(Ordering::Relaxed)
    }

    /// Sends a call and waits for its answer of at most so many bytes. The connection itself sees to it that this ends.
    /// A bulk call may go twice.
    pub(crate) async fn call(&self, body: Body, answer_max: usize, bulk: Option<Hold>) -> Answer {
        let repeat = if bulk.is_some() { Repeat::Always } else { Repeat::IfAnswered };
        self.make(body, answer_max, bulk, repeat).await
    }

    async fn make(&self, body: Body, answer_max: usize, bulk: Option<Hold>, repeat: Repeat) -> Answer {
        let (answer, receiver) = oneshot::channel();
        let closed = || "the connection to Telegram was closed".to_owned();
        self.calls
            .send(Request { body, caller: Caller::new(answer, answer_max, bulk, repeat) })
            .map_err(|_| Error::not_sent(closed()))?;
        let mut waiting = Waiting { answer: receiver, abandoned: self.abandoned.clone() };
        // The task answers whatever it took, unless it panicked.
        (&mut waiting.answer).await.unwrap_or_else(|_| Err(Error::lost(closed())))
    }

    /// Calls `request`, and reads its answer.
    pub(crate) async fn ask<R: Ask>(&self, request: &R) -> Result<R::Answer, Error> {
        let answer = self.make(Body::of(request), R::ANSWER_MAX, None, R::REPEAT).await?;
        request.read(&answer).map_err(|why| Error::lost(format!("an answer cannot be read: {why}")))
    }

    /// Ends it, and waits until its socket is closed: the next connection of this account must not overlap with it.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        let mut ended = self.ended.clone();
        // The sender says nothing and goes away with the task.
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

struct Task {
    stream: Stream,
    wire: Wire,
    inbox: mpsc::UnboundedReceiver<Request>,
    abandoned: Arc<Notify>,
    stop: CancellationToken,
    timing: Timing,
    term: Term,
}

/// When things are due.
struct Schedule {
    ping: Instant,
    /// Nothing was heard since.
    heard: Instant,
    /// No byte of the packet could be written since.
    wrote: Instant,
    /// No call since.
    used: Instant,
    /// Whether there was a call at all.
    greeted: bool,
}

impl Task {
    async fn run(mut self) {
        let ended = self.serve().await;
        self.inbox.close();
        while let Ok(request) = self.inbox.try_recv() {
            self.wire.flight.enqueue(request);
        }
        if let Some(why) = ended {
            tracing::debug!(reason = ?why, "connection to telegram ended");
            // What lies in the socket's buffers must not go on arriving while the next connection speaks already.
            self.stream.forget_unsent();
            self.wire.fail(&why);
            return;
        }
        self.wire.fail(&Broken::Io("it was closed".to_owned()));
        // Wait for the other side, so that it never sees two connections of one account.
        if self.stream.shutdown().await.is_ok() {
            let mut rest = [0; 4096];
            let drained = async { while self.stream.read(&mut rest).await.is_ok_and(|count| count > 0) {} };
            if timeout(CLOSING, drained).await.is_err() {
                self.stream.forget_unsent();
            }
        }
    }

    /// Works until the connection breaks (`Some`) or is not needed any more (`None`).
    async fn serve(&mut self) -> Option<Broken> {
        let now = Instant::now();
        let ping = now + self.timing.ping;
        let mut schedule = Schedule { ping, heard: now, wrote: now, used: now, greeted: false };
        let mut answered = false;
        loop {
            if self.term.is_over() {
                return Some(Broken::TermOver);
            }
            if !self.wire.is_writing() {
                self.gather(&mut answered, &mut schedule).await;
            }
            if self.wire.pack() {
                schedule.wrote = Instant::now();
            }
            let due = self.due(&schedule);
            let (mut reader, mut writer) = self.stream.split();
            let (spare, unwritten) = self.wire.buffers();
            let pending = !unwritten.is_empty();
            tokio::select! {
                read = reader.read(spare) => {
                    schedule.heard = Instant::now();
                    answered = true;
                    let taken = match read {
                        Ok(count) => self.wire.received(count, schedule.heard),
                        Err(error) => Err(Broken::Io(error.kind().to_string())),
                    };
                    if let Err(why) = taken {
                        return Some(why);
                    }
                }
                written = self.term.write(&mut writer, unwritten), if pending => match written {
                    Ok(count) => {
                        schedule.wrote = Instant::now();
                        self.wire.wrote(count, schedule.wrote);
                    }
                    Err(_) if self.term.is_over() => return Some(Broken::TermOver),
                    Err(error) => return Some(Broken::Io(error.kind().to_string())),
                },
                request = self.inbox.recv() => match request {
                    Some(request) => self.enqueue(request, &mut schedule),
                    None => return None,
                },
                () = self.stop.cancelled() => return None,
                () = self.abandoned.notified() => self.wire.flight.forget_abandoned(),
                () = sleep_until(due) => {
                    if let Some(end) = self.overdue(&mut schedule) {
                        return end;
                    }
                }
            }
        }
    }

    /// Takes the calls that wait to be sent, since packets cost less if several are sealed at a time. Who got an answer has
    /// its next call ready at once, if it is given its turn.
    async fn gather(&mut self, answered: &mut bool, schedule: &mut Schedule) {
        if std::mem::take(answered) {
            yield_now().await;
        }
        while let Ok(request) = self.inbox.try_recv() {
            self.enqueue(request, schedule);
        }
    }

    fn enqueue(&mut self, request: Request, schedule: &mut Schedule) {
        schedule.used = Instant::now();
        self.wire.flight.enqueue(request);
        if !std::mem::replace(&mut schedule.greeted, true) && self.term.left().is_some() {
            // Telegram is told how long the connection lasts before it is asked anything: this process may stand still from then on.
            self.ping(schedule);
        }
    }

    /// When to look at the clock next.
    fn due(&self, schedule: &Schedule) -> Instant {
        let mut due = schedule.ping;
        due = due.min(self.wire.flight.deadline(self.timing.call).unwrap_or(due));
        due = due.min(self.wire.flight.late().unwrap_or(due));
        if self.wire.is_writing() {
            due = due.min(schedule.wrote + self.timing.call);
        }
        if self.wire.flight.is_quiet() {
            due = due.min(schedule.used + self.timing.idle);
        }
        due = due.min(self.term.end().unwrap_or(due));
        due.min(schedule.heard + self.silence())
    }

    /// How long nothing at all may be heard: a ping is answered even if there is nothing else to say.
    fn silence(&self) -> Duration {
        self.timing.ping + self.timing.call
    }

    fn overdue(&mut self, schedule: &mut Schedule) -> Option<Option<Broken>> {
        let now = Instant::now();
        let past = |due: Instant| due <= now;
        let broken = |why: &str| Some(Some(Broken::Io(why.to_owned())));
        if self.wire.flight.deadline(self.timing.call).is_some_and(past) {
            return broken("it did not answer in time");
        }
        if self.wire.is_writing() && past(schedule.wrote + self.timing.call) {
            return broken("it took no more bytes");
        }
        if past(schedule.heard + self.silence()) {
            return broken("nothing was heard from it");
        }
        if self.wire.flight.is_quiet() && past(schedule.used + self.timing.idle) {
            return Some(None);
        }
        if past(schedule.ping) {
            self.ping(schedule);
        }
        self.wire.look_after(now);
        None
    }

    fn ping(&mut self, schedule: &mut Schedule) {
        schedule.ping = Instant::now() + self.term.ping_every(self.timing.ping);
        let patience = self.silence() + CLOSING;
        // A process that stands still, or lost its network, cannot close the connection itself.
        let patience = self.term.left().map_or(patience, |left| left.min(patience));
        let disconnect_delay = i32::try_from(patience.as_secs().max(1)).unwrap_or(i32::MAX);
        let ping = tl::functions::PingDelayDisconnect { ping_id: rand::random(), disconnect_delay };
        self.wire.flight.enqueue_first(Request { body: Body::of(&ping), caller: Caller::ping() });
    }
}

#[cfg(test)]
mod tests {
    use grammers_tl_types::Identifiable;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::wire::ige::SIDE_BY_SIDE;

    const TIMING: Timing = Timing {
        call: Duration::from_secs(60),
        idle: Duration::from_secs(60),
        ping: Duration::from_secs(60),
        lost: Duration::from_secs(60),
    };

    /// A task whose other side says nothing, its way in, and the other side.
    async fn task() -> (Task, mpsc::UnboundedSender<Request>, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = Stream::plain(TcpStream::connect(address).await.unwrap(), address);
        let wire = Wire::new([7; 256], TIMING.lost, stream.framing(), stream.is_tagged());
        let (calls, inbox) = mpsc::unbounded_channel();
        let (abandoned, stop, term) = (Arc::default(), CancellationToken::new(), Term::new(None));
        (Task { stream, wire, inbox, abandoned, stop, timing: TIMING, term }, calls, listener)
    }

    fn schedule() -> Schedule {
        let now = Instant::now();
        Schedule { ping: now, heard: now, wrote: now, used: now, greeted: false }
    }

    #[derive(Debug)]
    struct Minute;

    impl LoginHold for Minute {
        fn until(&self) -> Option<std::time::Instant> {
            Some(std::time::Instant::now() + Duration::from_secs(60))
        }
    }

    /// Makes a call, which goes if its answer is not waited for.
    fn call(calls: &mpsc::UnboundedSender<Request>) -> oneshot::Receiver<Answer> {
        let (answer, waiting) = oneshot::channel();
        let body = Body::of(&tl::functions::Ping { ping_id: 1 });
        calls.send(Request { body, caller: Caller::new(answer, 99, None, Repeat::Always) }).unwrap();
        waiting
    }

    /// How many packets are sealed together; they are taken for written.
    fn sealed(wire: &mut Wire) -> usize {
        wire.pack();
        let mut packets = 0;
        while let left @ 1.. = wire.buffers().1.len() {
            wire.wrote(left, Instant::now());
            packets += 1;
        }
        packets
    }

    #[tokio::test]
    async fn telegram_hears_how_long_the_connection_lasts_before_the_first_call() {
        for (hold, pings) in [(None, 0), (Some(Box::new(Minute) as Box<dyn LoginHold>), 1)] {
            let (mut task, calls, _other) = task().await;
            task.term = Term::new(hold);
            let mut schedule = schedule();
            for pings in [pings, 0] {
                let _waiting = call(&calls);
                task.gather(&mut false, &mut schedule).await;
                let sent = task.wire.flight.next(9);
                let is_ping = |sent: &Request| {
                    sent.body
                        .bytes()
                        .starts_with(&tl::functions::PingDelayDisconnect::CONSTRUCTOR_ID.to_le_bytes())
                };
                let found: Vec<_> = sent.iter().map(is_ping).collect();
                assert_eq!(found, [vec![true; pings], vec![false]].concat());
            }
        }
    }

    #[tokio::test]
    async fn calls_that_wait_are_sealed_side_by_side() {
        let (mut task, calls, _other) = task().await;
        let _waiting: Vec<_> = (0..SIDE_BY_SIDE + 2).map(|_| call(&calls)).collect();
        task.gather(&mut false, &mut schedule()).await;
        assert_eq!(sealed(&mut task.wire), SIDE_BY_SIDE);
        assert_eq!(sealed(&mut task.wire), 2, "they were taken, too");
    }

    #[tokio::test]
    async fn who_got_an_answer_has_its_turn_before_packets_are_sealed() {
        for (mut answered, together) in [(false, 1), (true, 3)] {
            let (mut task, calls, _other) = task().await;
            let _waiting = call(&calls);
            let next = |_| {
                let calls = calls.clone();
                tokio::spawn(async move { call(&calls).await })
            };
            let _next: Vec<_> = (0..2).map(next).collect();
            task.gather(&mut answered, &mut schedule()).await;
            assert!(!answered, "once for each answer");
            assert_eq!(sealed(&mut task.wire), together);
        }
    }
}
