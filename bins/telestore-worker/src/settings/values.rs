//! How single values are written, in flags, variables and the file alike. Errors do not quote the value: it may be a secret
//! that was put into the wrong place.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use telestore::types::pasted;

/// Takes blanks off, and the quotes that `docker --env-file` and systemd's `docker.env` pass on.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let unquoted = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    unquoted('"').or_else(|| unquoted('\'')).unwrap_or(text).trim()
}

/// The text as a word: in small letters, without blanks and quotes.
fn word(text: &str) -> String {
    bare(text).to_ascii_lowercase()
}

fn read<T: FromStr>(text: &str, expected: &str) -> Result<T, String> {
    bare(text).parse().map_err(|_| expected.to_owned())
}

/// A port.
pub(super) fn port(text: &str) -> Result<u16, String> {
    read(text, "expected a port, a number from 0 to 65535")
}

/// A reader of numbers in `range`.
pub(super) fn count(range: RangeInclusive<usize>) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| match read(text, "expected a whole number")? {
        count if count < *range.start() => Err(format!("must be at least {}", range.start())),
        count if count > *range.end() => Err(format!("must be {} at most", range.end())),
        count => Ok(count),
    }
}

/// How many bytes.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    read(text, "expected a size, such as 50 MiB or a number of bytes").map(|size: ByteSize| size.as_u64())
}

/// How many bytes, more than none.
pub(super) fn some_size(text: &str) -> Result<u64, String> {
    match size(text)? {
        0 => Err("must be at least 1".to_owned()),
        size => Ok(size),
    }
}

/// A reader of sizes of `least` bytes or more.
pub(super) fn size_of_at_least(least: u64) -> impl Fn(&str) -> Result<u64, String> + Clone {
    move |text| match size(text)? {
        size if size < least => Err(format!("must be at least {}", ByteSize(least))),
        size => Ok(size),
    }
}

/// An address with a port.
pub(super) fn socket(text: &str) -> Result<SocketAddr, String> {
    read(text, "expected an address with a port, such as 149.154.167.50:443")
}

/// The URL of a server, without what people paste behind it.
pub(super) fn http_url(text: &str) -> Result<String, String> {
    let url = pasted::base_url(text).map_err(|fault| fault.to_string())?;
    let good = reqwest::Url::parse(&url).is_ok_and(|url| url.has_host());
    if good { Ok(url) } else { Err("must be a URL such as https://backend.example".to_owned()) }
}

/// The longest time that can be set: clocks count no further than some hundreds of years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A length of time: `90s`, `24h`, `7d`, or whole seconds.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let text = bare(text);
    let seconds = text.parse().map(Duration::from_secs).ok();
    match seconds.map_or_else(|| humantime::parse_duration(text), Ok) {
        Ok(time) if time > LONGEST => Err("must be 100 years at most".to_owned()),
        Ok(time) => Ok(time),
        Err(_) => Err("expected a time, such as 90s, 24h or 7d".to_owned()),
    }
}

/// A length of time, more than none.
pub(super) fn some_time(text: &str) -> Result<Duration, String> {
    match time(text)? {
        Duration::ZERO => Err("must be more than 0".to_owned()),
        time => Ok(time),
    }
}

/// A reader of times of `least` or more; `why` tells those who want less.
pub(super) fn time_of_at_least(
    least: Duration,
    why: &'static str,
) -> impl Fn(&str) -> Result<Duration, String> + Clone {
    move |text| match time(text)? {
        time if time < least => Err(format!("must be at least {}: {why}", humantime::format_duration(least))),
        time => Ok(time),
    }
}

/// How much or how many may be: a number, or for bytes a number with a unit such as `10 GiB`. `off` and 0 are no limit,
/// and are read as 0.
pub(super) fn limit(text: &str) -> Result<u64, String> {
    match word(text).as_str() {
        "off" => Ok(0),
        _ => read(text, "expected a number, or off").map(|size: ByteSize| size.as_u64()),
    }
}

/// `on` or `off`, also in other words for the same.
pub(super) fn on_or_off(text: &str) -> Result<bool, String> {
    match word(text).as_str() {
        "on" | "true" | "yes" | "1" => Ok(true),
        "off" | "false" | "no" | "0" => Ok(false),
        _ => Err("must be on or off".to_owned()),
    }
}

/// A reader of a few words, each with what it means.
pub(super) fn one_of<T: Copy, const N: usize>(
    words: [(&'static str, T); N],
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let text = word(text);
        let meant = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        meant.ok_or_else(|| format!("must be {}", listed(&words.map(|(word, _)| word))))
    }
}

/// `a, b or c`.
fn listed(words: &[&str]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        words => words.concat(),
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
        assert_eq!(size("\"1 KiB\""), Ok(1024));
        assert_eq!(time("'90s'"), Ok(Duration::from_secs(90)));
        assert_eq!(limit("\"Off\""), Ok(0));
        assert_eq!((on_or_off("TRUE"), on_or_off("'off'")), (Ok(true), Ok(false)));
        assert_eq!(one_of([("strict", 1)])(" 'Strict' "), Ok(1));
        for text in ["", "\"", "\"8080'", "80 80", "65536", "-1", "http"] {
            assert!(port(text).unwrap_err().contains("0 to 65535"), "{text}");
        }
    }

    #[test]
    fn no_time_is_longer_than_clocks_can_count() {
        assert_eq!(time("36500d"), Ok(LONGEST));
        for text in ["18446744073709551615", "500000000000y", "101y"] {
            assert_eq!(time(text), Err("must be 100 years at most".to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_told_with_the_bound() {
        let threads = count(1..=512);
        assert_eq!((threads("1"), threads("512")), (Ok(1), Ok(512)));
        let hour = time_of_at_least(Duration::from_secs(3600), "clients poll");
        for (read, expected) in [
            (threads("0").map(drop), "must be at least 1"),
            (threads("513").map(drop), "must be 512 at most"),
            (some_size("0").map(drop), "must be at least 1"),
            (some_time("0").map(drop), "must be more than 0"),
            (hour("59m").map(drop), "must be at least 1h: clients poll"),
            (on_or_off("maybe").map(drop), "must be on or off"),
            (one_of([("off", 1), ("refused", 2), ("all", 3)])("x").map(drop), "must be off, refused or all"),
        ] {
            assert_eq!(read, Err(expected.to_owned()));
        }
    }
}
