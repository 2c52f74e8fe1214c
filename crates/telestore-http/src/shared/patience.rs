use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::rt::time::{Instant, Sleep, sleep};
use bytes::Bytes;
use futures_util::Stream;

/// How slowly a client may send a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    /// The longest wait for its next bytes, and the time over which the rate is averaged.
    pub(crate) timeout: Duration,
    /// Bytes a second; 0 for any.
    pub(crate) min_rate: u64,
}

/// A body whose client must not be too slow.
///
/// Only time in which the worker waits for the client counts: not that in which bytes wait for the worker.
pub(crate) struct PatientBody {
    body: Payload,
    patience: Patience,
    /// Ends no later than the wait may. It is set anew only when it ends, since most waits are short.
    alarm: Pin<Box<Sleep>>,
    waits_since: Option<Instant>,
    waited: Duration,
    received: u64,
    /// All that has come, no matter which layer reads it.
    total: Received,
    state: State,
}

/// How many bytes of a request's body have come, in its extensions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received(Rc<Cell<u64>>);

impl Received {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.get()
    }

    fn add(&self, bytes: usize) {
        self.0.set(self.0.get() + bytes as u64);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Ended,
    TooSlow,
}

impl PatientBody {
    pub(crate) fn new(body: Payload, patience: Patience) -> Self {
        Self {
            body,
            patience,
            alarm: Box::pin(sleep(patience.timeout)),
            waits_since: None,
            waited: Duration::ZERO,
            received: 0,
            total: Received::default(),
            state: State::Open,
        }
    }

    /// Counts what comes.
    pub(crate) fn received(&self) -> Received {
        self.total.clone()
    }

    /// Whether more may come.
    pub(crate) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        match self.state {
            State::Open => {}
            State::Ended => return Poll::Ready(None),
            State::TooSlow => return Poll::Ready(Some(Err(too_slow()))),
        }
        let came = match Pin::new(&mut self.body).poll_next(cx) {
            Poll::Ready(came) => came,
            Poll::Pending => {
                ready!(self.poll_alarm(cx));
                return Poll::Ready(Some(self.give_up()));
            }
        };
        if let Some(since) = self.waits_since.take() {
            self.waited += since.elapsed();
        }
        match &came {
            Some(Ok(bytes)) => {
                self.received += bytes.len() as u64;
                self.total.add(bytes.len());
                if self.is_below_rate() {
                    return Poll::Ready(Some(self.give_up()));
                }
            }
            None | Some(Err(_)) => self.state = State::Ended,
        }
        Poll::Ready(came)
    }

    /// Ready when the client was waited for as long as it may be.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let end = *self.waits_since.get_or_insert_with(Instant::now) + self.patience.timeout;
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            if Instant::now() >= end {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(end);
        }
    }

    fn is_below_rate(&mut self) -> bool {
        if self.waited < self.patience.timeout {
            return false;
        }
        let due = self.patience.min_rate as f64 * self.waited.as_secs_f64();
        let below = (self.received as f64) < due;
        (self.waited, self.received) = (Duration::ZERO, 0);
        below
    }

    fn give_up(&mut self) -> Result<Bytes, PayloadError> {
        self.state = State::TooSlow;
        Err(too_slow())
    }
}

fn too_slow() -> PayloadError {
    PayloadError::Io(io::ErrorKind::TimedOut.into())
}

/// Whether a body ended because its client was too slow.
pub(crate) fn is_too_slow(error: &PayloadError) -> bool {
    matches!(error, PayloadError::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::stream;

    use super::*;

    /// A body of `pieces` bytes, each after `pause`.
    fn body(pieces: usize, pause: Duration) -> Payload {
        let body = stream::unfold(0, move |sent| async move {
            if sent == pieces {
                return None;
            }
            sleep(pause).await;
            Some((Ok(Bytes::from_static(b"x")), sent + 1))
        });
        Payload::from(Box::pin(body) as Pin<Box<dyn Stream<Item = _>>>)
    }

    /// How many bytes came, and whether the client was too slow. Between reads the reader is busy.
    async fn read(body: Payload, patience: Patience, busy: Duration) -> (usize, bool) {
        let mut body = PatientBody::new(body, patience);
        let mut count = 0;
        loop {
            match poll_fn(|cx| body.poll_next(cx)).await {
                Some(Ok(bytes)) => count += bytes.len(),
                Some(Err(error)) => return (count, is_too_slow(&error)),
                None => return (count, false),
            }
            sleep(busy).await;
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn patience(seconds: u64, min_rate: u64) -> Patience {
        Patience { timeout: Duration::from_secs(seconds), min_rate }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_client_is_given_up() {
        assert_eq!(read(body(1, SECOND * 9), patience(10, 0), Duration::ZERO).await, (1, false));
        assert_eq!(read(body(1, SECOND * 11), patience(10, 0), Duration::ZERO).await, (0, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_is_given_up_where_there_is_a_rate() {
        assert_eq!(read(body(100, SECOND), patience(10, 0), Duration::ZERO).await, (100, false));
        assert_eq!(read(body(100, SECOND), patience(10, 1), Duration::ZERO).await, (100, false));
        let (count, slow) = read(body(100, SECOND), patience(10, 2), Duration::ZERO).await;
        assert!(slow && count < 11, "{count}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_workers_own_time_does_not_count() {
        let quick = body(30, Duration::from_millis(1));
        assert_eq!(read(quick, patience(10, 100), SECOND * 60).await, (30, false));
    }
}
