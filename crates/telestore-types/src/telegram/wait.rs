//! How long Telegram asks to wait, in whatever shape it comes: `parameters.retry_after` and texts of the Bot API, the
//! names of MTProto's errors, `Retry-After` of HTTP.
//!
//! All give a [`Duration`]. Zero is a wait that names no time: it is waited for all the same, at least [`LEAST_WAIT`], and
//! longer each time.

use std::time::Duration;

/// The shortest wait: one of no time at all would be a busy loop. TDLib has the same.
/// <https://github.com/tdlib/td/blob/master/td/telegram/net/NetQueryDelayer.cpp>
pub const LEAST_WAIT: Duration = Duration::from_secs(1);

/// No wait is longer, whatever is said: a file must not be put off until nobody remembers it.
pub const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The wait that Telegram asks for with a number of seconds, bounded by [`LEAST_WAIT`] and [`LONGEST_WAIT`]. Fractions count
/// as a whole second; a number that is not above zero names no time and gives [`Duration::ZERO`].
///
/// ```
/// use std::time::Duration;
/// use telestore_types::telegram::wait_of_seconds;
///
/// assert_eq!(wait_of_seconds(2.5), Duration::from_secs(3));
/// assert_eq!(wait_of_seconds(-1.0), Duration::ZERO);
/// ```
pub fn wait_of_seconds(seconds: f64) -> Duration {
    if seconds.is_nan() || seconds <= 0.0 {
        return Duration::ZERO;
    }
    // A float that is too large saturates.
    Duration::from_secs(seconds.ceil() as u64).clamp(LEAST_WAIT, LONGEST_WAIT)
}

/// A sentence about a wait, for the person whose file waits.
pub fn wait_words(wait: Duration) -> String {
    match wait.as_secs() {
        0 => "Telegram asked to wait, and did not say how long".to_owned(),
        seconds => format!("Telegram asked to wait {seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_bounded_and_fractions_are_kept_to() {
        for (said, seconds) in [
            (7.0, 7),
            (2.5, 3),
            (0.2, 1),
            (0.0, 0),
            (-5.0, 0),
            (f64::NAN, 0),
            (f64::INFINITY, 86_400),
            (1e300, 86_400),
        ] {
            assert_eq!(wait_of_seconds(said).as_secs(), seconds, "{said}");
        }
    }
}
