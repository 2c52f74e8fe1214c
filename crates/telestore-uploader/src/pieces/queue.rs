//! Which sender takes which piece.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use telestore_types::SenderId;
use tokio::sync::watch;

use super::state::Piece;

/// A sender's name; `None` for a backend that needs none.
type Name = Option<SenderId>;

/// The pieces that are no messages yet, and the senders at work.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    /// Pieces that nobody sends.
    waiting: BTreeSet<usize>,
    /// How many are being sent.
    flying: usize,
    /// The senders that still send.
    alive: Vec<Name>,
}

/// What a sender is to do.
#[derive(Debug, PartialEq)]
enum Next {
    Send(usize),
    /// Something may be left over by another sender.
    Wait,
    Nothing,
}

impl Queue {
    /// `alive` are the senders that send in this attempt.
    pub(super) fn new(waiting: BTreeSet<usize>, alive: Vec<Name>) -> Self {
        let state = State { waiting, flying: 0, alive };
        Self { state: Mutex::new(state), changed: watch::channel(()).0 }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next piece for `sender`, once there is one; `None` if none is left for it. `pieces` tells of all as they are now.
    pub(super) async fn next(&self, sender: &Name, pieces: impl Fn() -> Vec<Piece>) -> Option<usize> {
        let mut changes = self.changed.subscribe();
        loop {
            changes.borrow_and_update();
            let next = self.lock().next(sender, &pieces());
            match next {
                Next::Send(index) => return Some(index),
                Next::Nothing => return None,
                // The sender of changes lives as long as this queue.
                Next::Wait => drop(changes.changed().await),
            }
        }
    }

    /// A piece is a message, or, with `back`, for another sender or another attempt.
    pub(super) fn sent(&self, index: usize, back: bool) {
        let mut state = self.lock();
        state.flying = state.flying.saturating_sub(1);
        if back {
            state.waiting.insert(index);
        }
        drop(state);
        self.changed.send_replace(());
    }

    /// A sender has ended.
    pub(super) fn ended(&self, sender: &Name) {
        self.lock().alive.retain(|alive| alive != sender);
        self.changed.send_replace(());
    }
}

impl State {
    fn next(&mut self, sender: &Name, pieces: &[Piece]) -> Next {
        let begun = |index: &usize| pieces[*index].is_begun() && pieces[*index].sender == *sender;
        let first = |fits: &dyn Fn(&usize) -> bool| self.waiting.iter().copied().find(|index| fits(index));
        let picked = first(&begun).or_else(|| first(&|index| self.is_free(&pieces[*index], sender)));
        if let Some(index) = picked {
            self.waiting.remove(&index);
            self.flying += 1;
            return Next::Send(index);
        }
        let of_another = |index: &usize| self.alive.contains(&pieces[*index].sender);
        if self.flying > 0 || self.waiting.iter().any(of_another) { Next::Wait } else { Next::Nothing }
    }

    /// Whether nobody else is to send a piece. What one has begun is for that one as long as it sends; what may be a message
    /// already, for that one alone: another could only make a second message.
    fn is_free(&self, piece: &Piece, sender: &Name) -> bool {
        let left = piece.sender.is_none() || !piece.committed && !self.alive.contains(&piece.sender);
        !piece.is_begun() || piece.sender == *sender || left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(id: &str) -> Name {
        Some(SenderId::new(id))
    }

    fn begun(by: &str, committed: bool) -> Piece {
        Piece { sender: name(by), state: vec![1], committed, ..Piece::default() }
    }

    fn queue(pieces: &[Piece]) -> State {
        State { waiting: (0..pieces.len()).collect(), flying: 0, alive: vec![name("a"), name("b")] }
    }

    #[test]
    fn each_takes_what_it_has_begun_and_then_what_nobody_has() {
        let pieces = [begun("b", false), Piece::default(), begun("a", false), Piece::default()];
        let mut queue = queue(&pieces);
        let mut taken = |by| queue.next(&name(by), &pieces);
        assert_eq!([taken("a"), taken("b"), taken("a"), taken("b")], [2, 0, 1, 3].map(Next::Send));
        assert_eq!(taken("a"), Next::Wait, "another may give one back");
    }

    #[test]
    fn what_one_has_begun_is_for_others_only_once_it_sends_no_more() {
        let pieces = [begun("b", false)];
        let mut queue = queue(&pieces);
        assert_eq!(queue.next(&name("a"), &pieces), Next::Wait);
        queue.alive.pop();
        assert_eq!(queue.next(&name("a"), &pieces), Next::Send(0));
    }

    #[test]
    fn what_may_be_a_message_is_for_nobody_else() {
        let pieces = [begun("b", true)];
        let mut queue = queue(&pieces);
        queue.alive.pop();
        assert_eq!(queue.next(&name("a"), &pieces), Next::Nothing);
        queue.alive.push(name("b"));
        assert_eq!(queue.next(&name("b"), &pieces), Next::Send(0));
    }

    #[tokio::test]
    async fn a_sender_waits_for_what_another_gives_back() {
        let both = vec![name("a"), name("b")];
        let queue = Queue::new(BTreeSet::from([0]), both);
        let pieces = || vec![Piece::default()];
        assert_eq!(queue.next(&name("a"), pieces).await, Some(0));
        let (one, other) = (name("a"), name("b"));
        let (given, ()) = tokio::join!(queue.next(&other, pieces), async {
            queue.sent(0, true);
            queue.ended(&one);
        });
        assert_eq!(given, Some(0));
        queue.sent(0, false);
        assert_eq!(queue.next(&name("b"), pieces).await, None);
    }
}
