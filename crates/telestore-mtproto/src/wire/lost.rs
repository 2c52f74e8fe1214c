//! When an answer counts as late, and what is done then.
//!
//! TCP delivers what it was given or breaks, so an answer that does not come was lost behind it: by a server that took the
//! call and forgot it, or by one that did the work and whose answer went astray. Telegram can be asked (`msgs_state_req`),
//! on the same connection, and what it does not have goes again.
//! <https://core.telegram.org/mtproto/service_messages_about_messages#request-for-message-status-information>
//!
//! Two things are told apart. If calls that were written later are answered, one answer is missing, and its call can go
//! again. If nothing is answered, the line or the server stands still, as it may for seconds: then one call is sent as
//! a probe, as TCP does, and the others wait for what becomes of it. What was not certainly read by Telegram (nothing
//! behind it was answered) may lie in the buffers of a slow line and is left alone.

use std::time::Duration;

use tokio::time::Instant;

use crate::answers::Repeat;

/// How much longer than a round trip an answer may take, in parts of [`RoundTrip::slack`]: until it is asked about, and
/// until a connection that answers nothing else counts as standing still.
const ASK: u32 = 2;
const STILL: u32 = 3;

/// What is asked about so little later is asked about together.
const TOGETHER: u32 = 12;

/// The shortest time between a sign that Telegram has read a call and the second sending, in the same parts.
const GRACE: u32 = 6;

/// No call goes again later than so many doublings say.
const DOUBLINGS: u32 = 5;

/// How long answers take: Jacobson's estimate, as TCP has it (RFC 6298).
#[derive(Debug)]
pub(super) struct RoundTrip {
    /// The smoothed round trip, and how far it varies.
    measured: Option<(Duration, Duration)>,
    /// What is added, since Telegram stands still for seconds now and then.
    slack: Duration,
}

impl RoundTrip {
    pub(super) fn new(slack: Duration) -> Self {
        Self { measured: None, slack }
    }

    /// Notes the time that an answer took. Calls that were sent twice tell nothing: either may be answered (Karn).
    pub(super) fn measure(&mut self, took: Duration) {
        self.measured = Some(match self.measured {
            None => (took, took / 2),
            Some((smoothed, varies)) => {
                ((smoothed * 7 + took) / 8, (varies * 3 + smoothed.abs_diff(took)) / 4)
            }
        });
    }

    /// How much too early a call may be asked about together with others.
    pub(super) fn together(&self) -> Duration {
        self.slack / TOGETHER
    }

    /// When an answer is late by the line alone. Before the first one, as RFC 2988 has it: twelve times a short way.
    fn timeout(&self) -> Duration {
        self.measured.map_or(self.slack / 2, |(smoothed, varies)| smoothed + varies * 4)
    }
}

/// What Telegram said of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It does not have it.
    NotReceived,
    /// It does not know, since it was long ago.
    Forgotten,
    /// It has it.
    Working,
    /// It has it, and there is an answer.
    Answered,
}

impl Told {
    /// Reads one byte of `msgs_state_info`: three bits, and flags.
    /// <https://core.telegram.org/mtproto/service_messages_about_messages#informational-message-regarding-status-of-messages>
    pub(super) fn read(state: u8) -> Option<Self> {
        match (state & 7, state & 64) {
            (1, _) => Some(Self::Forgotten),
            (2 | 3, _) => Some(Self::NotReceived),
            (4, 0) => Some(Self::Working),
            (4, _) => Some(Self::Answered),
            _ => None,
        }
    }

    /// Whether it is sent again at once.
    pub(super) fn is_gone(self, repeat: Repeat) -> bool {
        self == Self::NotReceived || self == Self::Forgotten && repeat != Repeat::Never
    }
}

/// What is known of a call that was written and has no answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Track {
    /// When the last of its bytes was handed to the socket.
    pub(super) written: Instant,
    /// Since when something that was written later is answered: it has been read.
    pub(super) passed: Option<Instant>,
    /// Since when a call that was written later is answered.
    pub(super) overtaken: Option<Instant>,
    /// When Telegram was asked, and when it said what.
    pub(super) asked: Option<Instant>,
    pub(super) told: Option<(Instant, Told)>,
    /// How often it was sent.
    pub(super) sendings: u32,
    pub(super) repeat: Repeat,
}

impl Track {
    pub(super) fn new(written: Instant, sendings: u32, repeat: Repeat) -> Self {
        Self { written, passed: None, overtaken: None, asked: None, told: None, sendings, repeat }
    }

    /// From when on it is waited for. Answers to earlier calls put that off, since they are on their way before it; those
    /// to pings do not count.
    fn since(&self, line: &Line<'_>) -> Instant {
        match self.overtaken {
            // Behind a standstill all answers come at once, in any order.
            Some(overtaken) => line.resumed.map_or(overtaken, |resumed| resumed.max(overtaken)),
            None => line.last_answer.map_or(self.written, |answer| answer.max(self.written)),
        }
    }

    /// When Telegram is to be asked about it.
    pub(super) fn ask_at(&self, line: &Line<'_>) -> Option<Instant> {
        let wait = line.round_trip.timeout() + line.round_trip.slack / ASK;
        match (self.asked, self.told) {
            (Some(asked), Some((told, _))) if told >= asked => Some(told + wait * 2),
            // The answer to that is not there.
            (Some(_), _) => None,
            (None, _) => Some(self.since(line) + wait),
        }
    }

    /// When it is to be sent again, as things stand.
    pub(super) fn again_at(&self, line: &Line<'_>) -> Option<Instant> {
        let answered = matches!(self.told, Some((_, Told::Answered)));
        let may = match self.repeat {
            Repeat::Always => true,
            Repeat::IfAnswered => answered,
            Repeat::Never => false,
        };
        let read = self.passed.filter(|_| may)?;
        let RoundTrip { slack, .. } = *line.round_trip;
        let timeout = line.round_trip.timeout();
        let doubled = 2_u32.pow(self.sendings.saturating_sub(1).min(DOUBLINGS));
        let late = self.since(line) + (timeout + slack) * doubled;
        Some(late.max(read + timeout.max(slack / GRACE)))
    }
}

/// What is known of the connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) round_trip: &'a RoundTrip,
    /// When the last answer to a call came.
    pub(super) last_answer: Option<Instant>,
    /// When the last one came after a standstill.
    pub(super) resumed: Option<Instant>,
}

impl Line<'_> {
    /// Whether calls are being answered. If they are not, one call goes again and not all.
    pub(super) fn is_moving(&self, now: Instant) -> bool {
        let still = self.round_trip.timeout() + self.round_trip.slack / STILL;
        self.last_answer.is_some_and(|at| now < at + still)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const SLACK: Duration = Duration::from_secs(6);

    fn measured(times: &[Duration]) -> RoundTrip {
        let mut round_trip = RoundTrip::new(SLACK);
        times.iter().for_each(|took| round_trip.measure(*took));
        round_trip
    }

    #[test]
    fn the_timeout_is_that_of_tcp() {
        assert_eq!(measured(&[]).timeout(), 3 * SECOND);
        // RFC 6298, 2.2: SRTT = R, RTTVAR = R/2.
        assert_eq!(measured(&[SECOND]).timeout(), 3 * SECOND);
        // 2.3: RTTVAR = 3/4 * 0.5 + 1/4 * 1, SRTT = 7/8 + 2/8.
        assert_eq!(measured(&[SECOND, 2 * SECOND]).timeout(), Duration::from_millis(1125 + 4 * 625));
        let steady = measured(&[SECOND; 50]).timeout();
        assert!((SECOND..SECOND + SECOND / 100).contains(&steady), "{steady:?}");
    }

    #[test]
    fn what_was_not_read_is_never_sent_again() {
        let (round_trip, start) = (measured(&[SECOND / 10; 20]), Instant::now());
        let line = Line { round_trip: &round_trip, last_answer: None, resumed: None };
        let mut track = Track::new(start, 1, Repeat::Always);
        assert_eq!(track.again_at(&line), None, "it may lie in a buffer");
        assert!(track.ask_at(&line).is_some_and(|at| at > start + 3 * SECOND && at < start + 4 * SECOND));
        track.passed = Some(start + 60 * SECOND);
        let again = track.again_at(&line).expect("it has been read");
        assert!(again > start + 60 * SECOND, "the answer is on its way");
    }

    #[test]
    fn an_answer_of_five_seconds_is_waited_for_and_one_of_ten_is_not() {
        for round_trip in [SECOND / 1000, SECOND / 10, SECOND] {
            let (measured, start) = (measured(&[round_trip; 50]), Instant::now());
            let line = Line { round_trip: &measured, last_answer: None, resumed: None };
            let mut track = Track::new(start, 1, Repeat::Always);
            (track.passed, track.overtaken) = (Some(start + round_trip), Some(start + round_trip));
            let again = track.again_at(&line).expect("it has been read") - start;
            assert!((6 * SECOND..10 * SECOND).contains(&again), "{again:?} at {round_trip:?}");
        }
    }

    #[test]
    fn a_long_way_and_each_failure_make_it_more_patient() {
        let start = Instant::now();
        let again = |round_trip: &RoundTrip, sendings| {
            let mut track = Track::new(start, sendings, Repeat::Always);
            (track.passed, track.overtaken) = (Some(start), Some(start));
            track.again_at(&Line { round_trip, last_answer: None, resumed: None }).expect("it has been read")
                - start
        };
        let thin = measured(&[42 * SECOND; 20]);
        assert!(again(&thin, 1) > 48 * SECOND);
        let near = measured(&[SECOND / 10; 20]);
        assert_eq!(again(&near, 2), again(&near, 1) * 2);
        assert_eq!(again(&near, 1000), again(&near, 1) * 32);
    }

    #[test]
    fn what_works_once_is_never_sent_again_unless_telegram_does_not_have_it() {
        let (round_trip, now) = (measured(&[]), Instant::now());
        let line = Line { round_trip: &round_trip, last_answer: None, resumed: None };
        for (repeat, told, again) in [
            (Repeat::Always, None, true),
            (Repeat::Always, Some(Told::Working), true),
            (Repeat::IfAnswered, None, false),
            (Repeat::IfAnswered, Some(Told::Working), false),
            (Repeat::IfAnswered, Some(Told::Answered), true),
            (Repeat::Never, Some(Told::Answered), false),
        ] {
            let mut track = Track::new(now, 1, repeat);
            (track.passed, track.told) = (Some(now), told.map(|told| (now, told)));
            assert_eq!(track.again_at(&line).is_some(), again, "{repeat:?} {told:?}");
        }
        assert!(Told::NotReceived.is_gone(Repeat::Never));
        assert!(!Told::Forgotten.is_gone(Repeat::Never));
        assert!(Told::Forgotten.is_gone(Repeat::IfAnswered));
    }

    #[test]
    fn states_are_three_bits_and_flags() {
        for (state, told) in [
            (1, Some(Told::Forgotten)),
            (2, Some(Told::NotReceived)),
            (3, Some(Told::NotReceived)),
            (4, Some(Told::Working)),
            (4 | 8 | 32, Some(Told::Working)),
            (4 | 32 | 64 | 128, Some(Told::Answered)),
            (0, None),
            (7, None),
        ] {
            assert_eq!(Told::read(state), told, "{state}");
        }
    }
}
