//! Who waits for the answer to a call, and what may become of the call until it is there.

use std::any::Any;
use std::fmt;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::event::MsgId;
use super::packet::Body;
use crate::Error;
use crate::answers::Repeat;

/// The longest answer to a ping.
const PONG_MAX: usize = 1024;

/// What a bulk call holds until it is answered, such as its place in a window.
pub(crate) struct Hold(#[allow(dead_code, reason = "it is there to be dropped")] Box<dyn Any + Send>);

impl Hold {
    pub(crate) fn new(held: impl Send + 'static) -> Self {
        Self(Box::new(held))
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hold")
    }
}

/// The answer to a call: the bytes of its result.
pub(crate) type Answer = Result<Vec<u8>, Error>;

/// A call on its way to the connection.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) body: Body,
    pub(crate) caller: Caller,
}

/// Who waits for an answer.
#[derive(Debug)]
pub(crate) struct Caller {
    to: To,
    /// How many bytes it may have.
    pub(super) answer_max: usize,
    /// Whether it carries much data, and what it holds meanwhile.
    bulk: Option<Hold>,
    pub(super) repeat: Repeat,
    /// How often Telegram did not take the call.
    pub(super) refused: u32,
    /// The ids under which it was sent before, and when it was first. Whichever sending is answered is.
    pub(super) earlier: Vec<MsgId>,
    pub(super) first_written: Option<Instant>,
}

/// Where an answer goes.
#[derive(Debug)]
enum To {
    Caller(oneshot::Sender<Answer>),
    /// That there is one says all.
    Ping,
    /// What became of these calls.
    States(Vec<MsgId>),
}

impl Caller {
    pub(crate) fn new(
        answer: oneshot::Sender<Answer>,
        answer_max: usize,
        bulk: Option<Hold>,
        repeat: Repeat,
    ) -> Self {
        Self::of(To::Caller(answer), answer_max, bulk, repeat)
    }

    pub(super) fn ping() -> Self {
        Self::of(To::Ping, PONG_MAX, None, Repeat::Never)
    }

    pub(super) fn states(ids: Vec<MsgId>) -> Self {
        let answer_max = ids.len();
        Self::of(To::States(ids), answer_max, None, Repeat::Never)
    }

    fn of(to: To, answer_max: usize, bulk: Option<Hold>, repeat: Repeat) -> Self {
        Self { to, answer_max, bulk, repeat, refused: 0, earlier: Vec::new(), first_written: None }
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(&self.to, To::Caller(answer) if answer.is_closed())
    }

    pub(super) fn is_call(&self) -> bool {
        matches!(self.to, To::Caller(_))
    }

    /// Whether it carries much data, so that its time says what the line takes.
    pub(super) fn is_bulk(&self) -> bool {
        self.bulk.is_some()
    }

    /// The calls that it asks about.
    pub(super) fn asked(&self) -> Option<&[MsgId]> {
        match &self.to {
            To::States(asked) => Some(asked),
            _ => None,
        }
    }

    pub(super) fn is_question(&self) -> bool {
        self.asked().is_some()
    }

    pub(super) fn tell(self, answer: Answer) {
        if let To::Caller(to) = self.to {
            // The caller may have gone meanwhile.
            let _ = to.send(answer);
        }
    }
}
