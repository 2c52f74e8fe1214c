//! How long Telegram asks to wait, in whatever shape it comes: `parameters.retry_after` and texts of the Bot API, the
//! names of MTProto's errors, `Retry-After` of HTTP.
//!
//! All give a [`Duration`]. Zero is a wait that names no time: it is waited for all the same, at least [`LEAST`], and
//! longer each time.

#[cfg(feature = "bot-api")]
mod text;

use std::time::Duration;

#[cfg(feature = "bot-api")]
pub(crate) use text::in_text;

/// The shortest wait: one of no time at all would be a busy loop. TDLib has the same.
/// <https://github.com/tdlib/td/blob/master/td/telegram/net/NetQueryDelayer.cpp>
pub(crate) const LEAST: Duration = Duration::from_secs(1);

/// No wait is longer, whatever is said: a file must not be put off until nobody remembers it.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A wait of so many seconds. Fractions are waited for as a whole; what is no wait names no time.
pub(crate) fn of_seconds(seconds: f64) -> Duration {
    if seconds.is_nan() || seconds <= 0.0 {
        return Duration::ZERO;
    }
    // A float that is too large saturates.
    Duration::from_secs(seconds.ceil() as u64).clamp(LEAST, LONGEST)
}

/// What is said to a person of a wait that cannot be waited out here.
pub(crate) fn words(wait: Duration) -> String {
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
            assert_eq!(of_seconds(said).as_secs(), seconds, "{said}");
        }
    }
}
