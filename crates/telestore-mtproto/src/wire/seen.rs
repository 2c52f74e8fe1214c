//! Which packets of a connection came already, and whether the next one can be new.
//! <https://core.telegram.org/mtproto/security_guidelines#checking-msg-id>

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::event::MsgId;

/// How many ids are remembered. What is older than all of them is not taken.
const REMEMBERED: usize = 512;

/// How far the time of a packet, in seconds, may be from what it should be. The documentation says 300 s back and 30 s
/// ahead of the clock; ours may be wrong, so Telegram's own counts, as the first packet told it, and time goes on from
/// there.
const TOLERANCE: i64 = 300;

/// The packets of one connection. Its session is new, so none is left from before.
#[derive(Debug, Default)]
pub(super) struct Seen {
    ids: BTreeSet<MsgId>,
    /// The time of the first packet by Telegram's clock, in seconds, and by ours.
    began: Option<(i64, Instant)>,
}

impl Seen {
    /// Notes a packet; says whether it is to be read. An error ends the connection.
    pub(super) fn admit(&mut self, id: MsgId, now: Instant) -> Result<bool, String> {
        if id % 2 == 0 {
            return Err("a packet is numbered as if it were ours".to_owned());
        }
        let time = id >> 32;
        let (first, at) = *self.began.get_or_insert((time, now));
        let passed = now.saturating_duration_since(at).as_secs().cast_signed();
        let off = time.saturating_sub(first.saturating_add(passed));
        if off > TOLERANCE {
            // If this machine slept, a new connection finds the time again.
            return Err("a packet is from the future".to_owned());
        }
        let full = self.ids.len() >= REMEMBERED;
        let too_old = off < -TOLERANCE || (full && self.ids.first().is_some_and(|oldest| id < *oldest));
        if too_old || !self.ids.insert(id) {
            return Ok(false);
        }
        if full {
            self.ids.pop_first();
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Nowhere near the time of the machine.
    const NOON: i64 = 1_000_000;

    fn at(seconds: i64, number: i64) -> MsgId {
        (NOON + seconds) << 32 | number << 2 | 1
    }

    #[test]
    fn a_packet_is_taken_once() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        for number in [5, 3, 9, 1] {
            assert_eq!(seen.admit(at(0, number), now), Ok(true), "they may overtake each other");
            assert_eq!(seen.admit(at(0, number), now), Ok(false));
        }
        for number in 10..10 + 2 * REMEMBERED as i64 {
            assert_eq!(seen.admit(at(0, number), now), Ok(true));
        }
        assert_eq!(seen.ids.len(), REMEMBERED);
        for number in [1, 2, 5] {
            assert_eq!(seen.admit(at(0, number), now), Ok(false), "what is forgotten is too old");
        }
    }

    #[test]
    fn time_goes_on_from_the_first_packet() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        assert_eq!(seen.admit(at(0, 1), start), Ok(true));
        let later = start + Duration::from_secs(1000);
        assert_eq!(seen.admit(at(1000, 1), later), Ok(true));
        assert_eq!(seen.admit(at(1299, 1), later), Ok(true));
        assert_eq!(seen.admit(at(701, 1), later), Ok(true));
        assert_eq!(seen.admit(at(699, 1), later), Ok(false));
        assert!(seen.admit(at(1301, 1), later).is_err());
        assert!(seen.admit(at(1000, 2) & !1, later).is_err(), "even numbers are the client's");
        assert!(seen.admit(i64::MAX, later).is_err());
        assert_eq!(seen.admit(i64::MIN + 1, later), Ok(false));
    }
}
