//! What is known of those who send: how many files each sends now, and who cannot send for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use telestore_types::{ChatId, Sender};
use tokio::time::Instant;

use crate::{Error, ErrorKind};

/// How many senders, and how many chats of each, are remembered.
const MAX_SENDERS: usize = 4096;
const MAX_CHATS: usize = 64;

/// How long a sender is left alone that may not post in a chat: rights are believed for as long.
const NO_RIGHTS: Duration = Duration::from_secs(60);

/// How long one is left alone whose login is refused. Somebody has to put that right.
const NO_LOGIN: Duration = Duration::from_secs(10 * 60);

/// How long one is left alone that another process uses.
const BUSY: Duration = Duration::from_secs(2);

/// How long a wait is that names no time.
const UNSAID: Duration = Duration::from_secs(5);

/// What is known of senders, over all users and files of a process: the load of each, the waits that Telegram has asked of it,
/// and the rights and logins that were refused. [`select`](crate::select) asks it, and whoever sends tells it how that ended.
///
/// It is in memory only, and bounded. A process that has just started knows nothing, and learns it again. Senders are told
/// apart by all of their secret: whoever brings the number of somebody's bot with another token says nothing about that bot.
/// Clones are the same pool.
///
/// ```
/// use telestore_types::{ChatId, Secret, Sender};
/// use telestore_uploader::Pool;
///
/// let (pool, chat) = (Pool::default(), ChatId::new("-1001")?);
/// let bots = ["1:a", "2:b"].map(|token| Sender::bot(Secret::new(token)));
/// let sending = pool.begin(&bots[0]);
/// assert_eq!(pool.choose(&bots, &chat), Some(&bots[1]), "the first one sends a file already");
/// # Ok::<(), telestore_types::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    patience: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<[u8; 32], Known>,
    /// How often anybody has begun.
    turns: u64,
}

/// What is known of one sender.
#[derive(Debug, Default)]
struct Known {
    is_bot: bool,
    sending: u32,
    /// The turn that it was begun with last.
    turn: u64,
    /// Until when it is closed, and why: for all chats, and for one.
    closed: Option<Closed>,
    chats: HashMap<ChatId, Closed>,
}

/// Why a sender cannot send for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// Telegram has asked it to wait.
    Flood,
    /// It may not post in the chat.
    Rights,
    /// Its token or session is refused.
    Login,
    /// Another process uses it.
    Busy,
}

impl Why {
    /// The reason in one word, for log lines and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Flood => "flood",
            Self::Rights => "rights",
            Self::Login => "login",
            Self::Busy => "busy",
        }
    }

    /// What an error says of the sender that met it; `None` if it says something of the file, or of the way to Telegram.
    pub fn of(error: &Error) -> Option<Self> {
        match error.kind() {
            ErrorKind::FloodWait(_) => Some(Self::Flood),
            ErrorKind::ChannelUnresolved => Some(Self::Rights),
            ErrorKind::NotAuthorized => Some(Self::Login),
            ErrorKind::LoginBusy => Some(Self::Busy),
            _ => None,
        }
    }

    /// Whether it passes by itself.
    const fn passes(self) -> bool {
        matches!(self, Self::Flood | Self::Busy)
    }
}

/// Until when a sender is closed.
#[derive(Debug, Clone, Copy)]
struct Closed {
    why: Why,
    until: Instant,
}

/// A sender that cannot send now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closure {
    /// Why.
    pub why: Why,
    /// For how much longer, as far as is known.
    pub left: Duration,
}

/// How many bots a pool knows that are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Those that send nothing now, and could.
    pub free: usize,
    /// Those that send.
    pub busy: usize,
    /// Those that Telegram has asked to wait, or that another process uses.
    pub waiting: usize,
    /// Those whose token is refused, or that may not post in some chat.
    pub refused: usize,
}

impl Default for Pool {
    fn default() -> Self {
        Self::new(Duration::from_secs(30))
    }
}

impl Pool {
    /// A pool that knows nothing yet. A file of which parts were sent waits up to `patience` for the sender that has sent them;
    /// if that one must wait for longer, another one begins it anew.
    pub fn new(patience: Duration) -> Self {
        Self(Arc::new(Inner { patience, state: Mutex::default() }))
    }

    /// The best of `senders` for a file to `chat`: of those that can send now, the one that sends the fewest files, and of
    /// several the one that was begun with longest ago. If none can, the one that can again first.
    pub fn choose<'a>(
        &self,
        senders: impl IntoIterator<Item = &'a Sender>,
        chat: &ChatId,
    ) -> Option<&'a Sender> {
        let (now, state) = (Instant::now(), self.lock());
        let rank = |sender: &&Sender| {
            let known = state.known.get(&sender.digest());
            let left = known.and_then(|known| known.closed(chat, now)).map(|closed| closed.left);
            (left, known.map_or((0, 0), |known| (known.sending, known.turn)))
        };
        senders.into_iter().min_by_key(rank)
    }

    /// A sender begins a file, or a piece of one; it has one more to send for as long as what this gives is kept.
    #[must_use = "it counts only as long as it is kept"]
    pub fn begin(&self, sender: &Sender) -> Sending {
        let key = sender.digest();
        let mut state = self.lock();
        state.turns += 1;
        let turn = state.turns;
        let known = state.of(key, sender);
        (known.sending, known.turn) = (known.sending + 1, turn);
        drop(state);
        Sending(Arc::new(Begun { pool: self.clone(), key }))
    }

    /// What a sender met at `chat`: an error, or none.
    pub fn note(&self, sender: &Sender, chat: &ChatId, error: Option<&Error>) {
        let mut state = self.lock();
        let known = state.of(sender.digest(), sender);
        let Some(error) = error else {
            known.closed = None;
            known.chats.remove(chat);
            return;
        };
        let Some(why) = Why::of(error) else { return };
        let length = match (why, error.retry_after().unwrap_or_default()) {
            (Why::Flood, Duration::ZERO) => UNSAID,
            (Why::Flood, wait) => wait,
            (Why::Rights, _) => NO_RIGHTS,
            (Why::Login, _) => NO_LOGIN,
            (Why::Busy, _) => BUSY,
        };
        let now = Instant::now();
        // A wait of ages counts as one of a day.
        let closed = Closed { why, until: now + length.min(Duration::from_secs(24 * 60 * 60)) };
        match why {
            Why::Rights => {
                if known.chats.len() >= MAX_CHATS {
                    known.chats.retain(|_, closed| closed.until > now);
                }
                if known.chats.len() < MAX_CHATS {
                    known.chats.insert(chat.clone(), closed);
                }
            }
            _ => known.closed = Some(closed),
        }
    }

    /// Why a sender cannot send to `chat` now, and for how long; `None` if nothing is known against it.
    pub fn closure(&self, sender: &Sender, chat: &ChatId) -> Option<Closure> {
        self.lock().known.get(&sender.digest())?.closed(chat, Instant::now())
    }

    /// Whether what `sender` has begun is to wait for it: it can go on, or soon.
    pub(crate) fn waits_for(&self, sender: &Sender, chat: &ChatId) -> bool {
        self.closure(sender, chat)
            .is_none_or(|closure| closure.why.passes() && closure.left <= self.0.patience)
    }

    /// How long it takes until one of `senders` can send to `chat` again; `None` if that is not only a matter of time.
    pub fn opens_in<'a>(
        &self,
        senders: impl IntoIterator<Item = &'a Sender>,
        chat: &ChatId,
    ) -> Option<Duration> {
        let closures = senders.into_iter().map(|sender| self.closure(sender, chat));
        closures.filter_map(|closure| closure.map_or(Some(Duration::ZERO), passing)).min()
    }

    /// How many bots are in which state. Bots that were never chosen are not known.
    pub fn bots(&self) -> Counts {
        let (now, state) = (Instant::now(), self.lock());
        let mut counts = Counts::default();
        for known in state.known.values().filter(|known| known.is_bot) {
            *match known.standing(now) {
                Some(why) if why.passes() => &mut counts.waiting,
                Some(_) => &mut counts.refused,
                None if known.sending > 0 => &mut counts.busy,
                None => &mut counts.free,
            } += 1;
        }
        counts
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn passing(closure: Closure) -> Option<Duration> {
    closure.why.passes().then_some(closure.left)
}

impl State {
    /// What is known of a sender. If there are too many, those go that nobody needs to know of now.
    fn of(&mut self, key: [u8; 32], sender: &Sender) -> &mut Known {
        if self.known.len() >= MAX_SENDERS && !self.known.contains_key(&key) {
            let now = Instant::now();
            self.known.retain(|_, known| known.sending > 0 || known.standing(now).is_some());
            if self.known.len() >= MAX_SENDERS {
                self.known.retain(|_, known| known.sending > 0);
            }
        }
        let is_bot = sender.bot_token().is_some();
        self.known.entry(key).or_insert_with(|| Known { is_bot, ..Known::default() })
    }
}

impl Known {
    fn closed(&self, chat: &ChatId, now: Instant) -> Option<Closure> {
        let closed = self.closed.iter().chain(self.chats.get(chat)).filter(|closed| closed.until > now);
        let last = closed.max_by_key(|closed| closed.until)?;
        Some(Closure { why: last.why, left: last.until - now })
    }

    /// Why it cannot send, to any chat or to some.
    fn standing(&self, now: Instant) -> Option<Why> {
        let closed = self.closed.iter().chain(self.chats.values());
        closed.filter(|closed| closed.until > now).map(|closed| closed.why).next()
    }
}

/// A file, or a piece of one, that a sender sends: it counts until all clones of this are gone.
#[derive(Debug, Clone)]
pub struct Sending(#[expect(dead_code, reason = "it counts by being there")] Arc<Begun>);

#[derive(Debug)]
struct Begun {
    pool: Pool,
    key: [u8; 32],
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(known) = self.pool.lock().known.get_mut(&self.key) {
            known.sending = known.sending.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests;
