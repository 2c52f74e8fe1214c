//! MTProto sessions: salts, message ids and sequence numbers.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use grammers_tl_types as tl;

use super::ledger::{Kept, Ledger};
use crate::channel::unix_time;

/// How many salts an auth key has; each may be used at any time.
const SALTS: i64 = 64;

/// One session of an auth key. It outlives its connections.
pub(crate) struct Session {
    pub(crate) id: i64,
    layer: AtomicI32,
    numbers: Mutex<Numbers>,
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Numbers {
    last_msg_id: i64,
    content_related: i32,
}

impl Session {
    fn new(id: i64) -> Self {
        Self { id, layer: AtomicI32::new(0), numbers: Mutex::default(), ledger: Mutex::default() }
    }

    /// The layer of its last `invokeWithLayer`; 0 before that.
    pub(crate) fn layer(&self) -> i32 {
        self.layer.load(Ordering::Relaxed)
    }

    pub(crate) fn set_layer(&self, layer: i32) {
        self.layer.store(layer, Ordering::Relaxed);
    }

    /// What is remembered of its messages.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the answer to a call its number, and keeps it until the client acknowledges it.
    pub(crate) fn keep(&self, to: i64, body: Vec<u8>, clock_ahead: i64) -> Kept {
        let (msg_id, seqno) = self.number(clock_ahead, true, true);
        let kept = Kept { msg_id, seqno, body };
        self.ledger().answer(to, kept.clone());
        kept
    }

    /// The next `msg_id`, 1 mod 4 for an answer and 3 mod 4 for anything else, and its `seqno`.
    pub(crate) fn number(&self, clock_ahead: i64, answer: bool, content_related: bool) -> (i64, i32) {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let now = msg_time() + (clock_ahead << 32);
        let msg_id = now.max(numbers.last_msg_id + 4) & !3 | if answer { 1 } else { 3 };
        numbers.last_msg_id = msg_id;
        let seqno = numbers.content_related * 2 + i32::from(content_related);
        numbers.content_related += i32::from(content_related);
        (msg_id, seqno)
    }
}

/// The message id of an answer to a client without a key.
pub(crate) fn plain_msg_id() -> i64 {
    msg_time() | 1
}

/// The time as message ids have it.
fn msg_time() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    (now.as_secs() << 32 | u64::from(now.subsec_nanos()) << 2) as i64
}

/// The sessions of an auth key, and what belongs to all of them.
pub(crate) struct Sessions {
    first_salt: AtomicI64,
    open: Mutex<HashMap<i64, Arc<Session>>>,
    /// The connections at the main address that sent a call.
    senders: Mutex<HashSet<u64>>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self::new(rand::random())
    }
}

impl Sessions {
    pub(crate) fn new(first_salt: i64) -> Self {
        Self { first_salt: AtomicI64::new(first_salt), open: Mutex::default(), senders: Mutex::default() }
    }

    /// The session of that id, and whether it is new.
    pub(crate) fn open(&self, id: i64) -> (Arc<Session>, bool) {
        let mut open = self.lock();
        let fresh = !open.contains_key(&id);
        (Arc::clone(open.entry(id).or_insert_with(|| Arc::new(Session::new(id)))), fresh)
    }

    /// Forgets a session; says whether there was one.
    pub(crate) fn destroy(&self, id: i64) -> bool {
        self.lock().remove(&id).is_some()
    }

    pub(crate) fn salt(&self) -> i64 {
        self.first_salt.load(Ordering::Relaxed)
    }

    /// From now on only other salts are taken.
    pub(crate) fn change_salts(&self) {
        self.first_salt.fetch_add(SALTS, Ordering::Relaxed);
    }

    pub(crate) fn is_salt(&self, salt: i64) -> bool {
        (0..SALTS).contains(&salt.wrapping_sub(self.salt()))
    }

    pub(crate) fn future_salts(&self, count: i32) -> Vec<tl::types::FutureSalt> {
        let now = unix_time() as i32;
        let salt = |i: i64| tl::types::FutureSalt {
            valid_since: now + i as i32 * 1800,
            valid_until: now + (i as i32 + 2) * 1800,
            salt: self.salt().wrapping_add(i),
        };
        (0..i64::from(count).clamp(1, SALTS)).map(salt).collect()
    }

    /// Notes that a connection sends; says whether it is the only one.
    pub(crate) fn sends_alone(&self, connection: u64) -> bool {
        let mut senders = self.senders();
        senders.insert(connection);
        senders.len() == 1
    }

    pub(crate) fn disconnected(&self, connection: u64) {
        self.senders().remove(&connection);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn senders(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_increase_and_tell_answers_apart() {
        let session = Session::new(1);
        let numbers: Vec<_> = (0..100).map(|i| session.number(0, i % 2 == 0, i % 3 == 0)).collect();
        assert!(numbers.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(numbers.iter().enumerate().all(|(i, (id, _))| id & 3 == if i % 2 == 0 { 1 } else { 3 }));
        assert_eq!(numbers[..4].iter().map(|(_, seqno)| *seqno).collect::<Vec<_>>(), [1, 2, 2, 3]);
    }
}
