//! How single values are written, in flags, variables and the file alike. What is wrong is said without the value: it may be
//! a secret that was put into the wrong place.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use telestore::types::Secret;

/// Without blanks around it, and without the quotes that `docker --env-file` and systemd's `docker.env` pass on.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let unquoted = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    unquoted('"').or_else(|| unquoted('\'')).unwrap_or(text).trim()
}

/// One of a few words, in small letters.
pub(crate) fn word(text: &str) -> String {
    bare(text).to_ascii_lowercase()
}

fn read<T: FromStr>(text: &str, expected: &str) -> Result<T, String> {
    bare(text).parse().map_err(|_| expected.to_owned())
}

/// A port.
pub(super) fn port(text: &str) -> Result<u16, String> {
    read(text, "expected a port, a number from 0 to 65535")
}

/// How many of something.
pub(super) fn count(text: &str) -> Result<usize, String> {
    read(text, "expected a whole number")
}

/// How many bytes.
pub(super) fn size(text: &str) -> Result<ByteSize, String> {
    read(text, "expected a size, such as 50 MiB or a number of bytes")
}

/// An address with a port.
pub(super) fn socket(text: &str) -> Result<SocketAddr, String> {
    read(text, "expected an address with a port, such as 149.154.167.50:443")
}

#[expect(clippy::unnecessary_wraps, reason = "clap's signature")]
pub(super) fn secret(text: &str) -> Result<Secret, String> {
    Ok(Secret::new(text))
}

/// A length of time: `90s`, `24h`, `7d`, or whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

/// The longest time that can be set: clocks count no further than some hundreds of years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = bare(text);
        let seconds = text.parse().map(Duration::from_secs).ok();
        match seconds.map_or_else(|| humantime::parse_duration(text), Ok) {
            Ok(span) if span > LONGEST => Err("must be 100 years at most".to_owned()),
            Ok(span) => Ok(Self(span)),
            Err(_) => Err("expected a time, such as 90s, 24h or 7d".to_owned()),
        }
    }
}

/// How much or how many may be: a number, for bytes with a unit such as `10 GiB` if wanted; `off` and 0 are no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) u64);

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match word(text).as_str() {
            "off" => Ok(Self(0)),
            _ => read::<ByteSize>(text, "expected a number, or off").map(|size| Self(size.as_u64())),
        }
    }
}

/// `on` or `off`, also in other words for the same.
pub(crate) fn is_on(text: &str) -> Option<bool> {
    match word(text).as_str() {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_blanks_around_a_value_are_nothing() {
        for text in ["8080", " 8080 ", "\"8080\"", "'8080'", "\" 8080\""] {
            assert_eq!(port(text), Ok(8080), "{text}");
        }
        assert_eq!(size("\"1 KiB\"").map(|size| size.as_u64()), Ok(1024));
        assert_eq!("'90s'".parse(), Ok(Span(Duration::from_secs(90))));
        assert_eq!("\"Off\"".parse(), Ok(Limit(0)));
        assert_eq!((word(" 'Strict' "), word("")), ("strict".to_owned(), String::new()));
        assert_eq!((is_on("TRUE"), is_on("'off'"), is_on("maybe")), (Some(true), Some(false), None));
        for text in ["", "\"", "\"8080'", "80 80", "65536", "-1", "http"] {
            assert!(port(text).unwrap_err().contains("0 to 65535"), "{text}");
        }
    }

    #[test]
    fn no_time_is_longer_than_clocks_can_count() {
        assert_eq!("36500d".parse(), Ok(Span(LONGEST)));
        for text in ["18446744073709551615", "500000000000y", "101y"] {
            assert_eq!(text.parse::<Span>(), Err("must be 100 years at most".to_owned()), "{text}");
        }
    }
}
