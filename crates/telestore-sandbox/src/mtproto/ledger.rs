//! What a session remembers of its messages: which calls came and what became of them, and the answers that the client
//! has not acknowledged. <https://core.telegram.org/mtproto/service_messages_about_messages>

use std::collections::BTreeMap;

/// How many calls, and how many answers, are remembered.
const REMEMBERED: usize = 1024;

/// Flags of a state in `msgs_state_info`.
const FORGOTTEN: u8 = 1;
const NOT_RECEIVED: u8 = 2;
const ID_TOO_HIGH: u8 = 3;
const RECEIVED: u8 = 4;
const WORKED_ON: u8 = 32;
const ANSWERED: u8 = 64;

/// An answer as it was, or would have been, sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) msg_id: i64,
    pub(crate) seqno: i32,
    pub(crate) body: Vec<u8>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// It says something about messages, and is no call.
    Service,
    WorkedOn,
    /// By this message.
    Answered(i64),
}

/// What a client that sends a message twice is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Twice {
    /// It is worked on.
    Working,
    /// It was answered so.
    Answered(Kept),
    /// It was answered, and the client has said that it has the answer.
    Acknowledged,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    calls: BTreeMap<i64, Fate>,
    answers: BTreeMap<i64, Kept>,
}

impl Ledger {
    /// Notes that a message came; says so if it had come before.
    pub(crate) fn receive(&mut self, msg_id: i64, call: bool) -> Result<(), Twice> {
        if let Some(fate) = self.calls.get(&msg_id) {
            return Err(match fate {
                Fate::Service | Fate::WorkedOn => Twice::Working,
                Fate::Answered(answer) => {
                    self.answers.get(answer).cloned().map_or(Twice::Acknowledged, Twice::Answered)
                }
            });
        }
        self.calls.insert(msg_id, if call { Fate::WorkedOn } else { Fate::Service });
        if self.calls.len() > REMEMBERED {
            self.calls.pop_first();
        }
        Ok(())
    }

    /// The message never came, as far as anybody can tell.
    pub(crate) fn lose(&mut self, msg_id: i64) {
        self.calls.remove(&msg_id);
    }

    /// Notes the answer to a call.
    pub(crate) fn answer(&mut self, to: i64, answer: Kept) {
        if let Some(fate) = self.calls.get_mut(&to) {
            *fate = Fate::Answered(answer.msg_id);
        }
        self.answers.insert(answer.msg_id, answer);
        if self.answers.len() > REMEMBERED {
            self.answers.pop_first();
        }
    }

    /// The client has these.
    pub(crate) fn acknowledge(&mut self, answers: &[i64]) {
        answers.iter().for_each(|id| drop(self.answers.remove(id)));
    }

    /// An answer that the client may ask for once more.
    pub(crate) fn kept(&self, msg_id: i64) -> Option<Kept> {
        self.answers.get(&msg_id).cloned()
    }

    /// The bytes of `msgs_state_info`, one for each message.
    pub(crate) fn states(&self, asked: &[i64]) -> Vec<u8> {
        asked.iter().map(|id| self.state(*id)).collect()
    }

    fn state(&self, msg_id: i64) -> u8 {
        let (first, last) = (self.calls.keys().next(), self.calls.keys().next_back());
        match self.calls.get(&msg_id) {
            Some(Fate::Service) => RECEIVED,
            Some(Fate::WorkedOn) => RECEIVED | WORKED_ON,
            Some(Fate::Answered(_)) => RECEIVED | WORKED_ON | ANSWERED,
            None if last.is_none_or(|last| msg_id > *last) => ID_TOO_HIGH,
            None if self.calls.len() >= REMEMBERED && first.is_some_and(|first| msg_id < *first) => FORGOTTEN,
            None => NOT_RECEIVED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(msg_id: i64) -> Kept {
        Kept { msg_id, seqno: 1, body: vec![1, 2] }
    }

    #[test]
    fn states_say_what_became_of_a_call() {
        let mut ledger = Ledger::default();
        for id in [4, 12, 16] {
            assert_eq!(ledger.receive(id, true), Ok(()));
        }
        ledger.receive(20, false).expect("new");
        ledger.answer(12, kept(13));
        assert_eq!(ledger.states(&[4, 8, 12, 20, 24]), [36, 2, 100, 4, 3]);
        ledger.lose(16);
        assert_eq!(ledger.states(&[16]), [2]);
        for id in 0..REMEMBERED as i64 {
            ledger.receive(100 + id * 4, true).expect("new");
        }
        assert_eq!(ledger.states(&[4]), [1], "it is long ago");
    }

    #[test]
    fn a_message_that_comes_twice_is_not_new() {
        let mut ledger = Ledger::default();
        ledger.receive(4, true).expect("new");
        assert_eq!(ledger.receive(4, true), Err(Twice::Working));
        ledger.answer(4, kept(5));
        assert_eq!(ledger.receive(4, true), Err(Twice::Answered(kept(5))));
        assert_eq!(ledger.kept(5), Some(kept(5)));
        ledger.acknowledge(&[5]);
        assert_eq!(ledger.receive(4, true), Err(Twice::Acknowledged));
        assert_eq!(ledger.kept(5), None);
    }
}
