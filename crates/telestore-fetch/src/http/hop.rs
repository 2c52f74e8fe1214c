//! One address on the way to a file: the one that was named, or one that a server redirects to.

use std::error::Error as _;
use std::net::IpAddr;

use reqwest::header::LOCATION;
use reqwest::{Response, StatusCode, Url};

use super::config::FetchConfig;
use super::names::{NotAllowed, may_dial};
use crate::{Error, ErrorKind, Result};

/// The longest address, in bytes.
const LONGEST: usize = 8 * 1024;

fn bad(words: impl Into<String>) -> Error {
    Error::new(ErrorKind::Address, words)
}

/// Reads an address.
pub(super) fn read(text: &str) -> Result<Url> {
    if text.len() > LONGEST {
        return Err(bad(format!("the address is longer than {LONGEST} bytes")));
    }
    let url = Url::parse(text.trim());
    fit(url.map_err(|error| {
        bad(format!("the address is malformed ({error}): it must be http:// or https://"))
    })?)
}

fn fit(mut url: Url) -> Result<Url> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("the address must be http:// or https://"));
    }
    if url.host_str().is_none_or(str::is_empty) || url.port_or_known_default() == Some(0) {
        return Err(bad("the address names no host"));
    }
    url.set_fragment(None);
    Ok(url)
}

/// Refuses an address in digits that must not be asked; the connection would be made to it as it is. Hosts with names are looked
/// at where they are looked up.
pub(super) fn check(url: &Url, config: &FetchConfig) -> Result<()> {
    match in_digits(url) {
        Some(address) if !may_dial(&config.allowed, address) => Err(not_allowed(config)),
        _ => Ok(()),
    }
}

/// The address that stands in digits in place of a host. `0x7f.1` and `2130706433` were read as such already.
fn in_digits(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn not_allowed(config: &FetchConfig) -> Error {
    let by = config
        .allowed_by
        .as_ref()
        .map(|by| format!("; its operator may allow it with {by}"))
        .unwrap_or_default();
    bad(format!("the address leads to where the worker makes no connections{by}"))
}

/// Where an answer sends on, if it does.
pub(super) fn next(from: &Url, answer: &Response) -> Result<Option<Url>> {
    const SENDS_ON: [StatusCode; 5] = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    if !SENDS_ON.contains(&answer.status()) {
        return Ok(None);
    }
    let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok());
    let nowhere = || Error::new(ErrorKind::Refused, "the server redirects to no address");
    follow(from, to.ok_or_else(nowhere)?).map(Some)
}

fn follow(from: &Url, to: &str) -> Result<Url> {
    let refused = |words: &str| Error::new(ErrorKind::Refused, words);
    if to.len() > LONGEST {
        return Err(refused("the server redirects to an address that is too long"));
    }
    let to = from.join(to).map_err(|_| refused("the server redirects to what is no address"))?;
    let to = fit(to)
        .map_err(|_| refused("the server redirects to an address that is neither http:// nor https://"))?;
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(refused("the server redirects from https:// to http://, which is not followed"));
    }
    Ok(to)
}

/// What went wrong with a question, without the address.
pub(super) fn failure(error: reqwest::Error, config: &FetchConfig) -> Error {
    let mut cause = error.source();
    while let Some(found) = cause {
        if found.is::<NotAllowed>() {
            return not_allowed(config);
        }
        cause = found.source();
    }
    let words = if error.is_timeout() {
        "the server of the address did not answer in time"
    } else if error.is_connect() {
        "no connection to the server of the address could be made"
    } else {
        "the connection to the server of the address broke before it answered"
    };
    Error::new(ErrorKind::Passing, words)
}

#[cfg(test)]
mod tests {
    use telestore_net::AllowedAddresses;

    use super::*;

    #[test]
    fn addresses_are_http_and_name_a_host() {
        for good in
            ["http://a", " https://a.example:8443/b?c#d ", "https://user:pass@a/", "HTTP://[2001:db8::1]/"]
        {
            assert!(read(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            "/a",
            "ftp://a/b",
            "file:///etc/passwd",
            "http://",
            "http://a:0/",
            "gopher://a",
            "data:,a",
        ] {
            let error = read(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Address, "{bad}");
            assert!(error.to_string().contains("address"), "{error}");
        }
        assert!(read(&format!("http://a/{}", "a".repeat(LONGEST))).is_err());
        assert_eq!(read("http://a/b#c").unwrap().as_str(), "http://a/b");
    }

    #[test]
    fn hosts_in_digits_are_looked_at_in_every_spelling() {
        let config = FetchConfig { allowed_by: Some("A_SETTING".to_owned()), ..FetchConfig::default() };
        for inside in [
            "127.0.0.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "127.1",
            "0",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[64:ff9b::7f00:1]",
            "169.254.169.254",
            "10.0.0.1",
            "192.168.0.1",
            "[fe80::1]",
            "[fd00::1]",
            "100.64.0.1",
            "127.0.0.1.",
        ] {
            let url = read(&format!("http://{inside}:8080/secret")).unwrap();
            let said = check(&url, &config).unwrap_err().to_string();
            assert!(
                said.contains("A_SETTING") && !said.contains("secret") && !said.contains("127"),
                "{said}"
            );
        }
        assert!(check(&read("http://149.154.167.51/").unwrap(), &config).is_ok());
        let any = FetchConfig { allowed: AllowedAddresses::any(), ..config };
        assert!(check(&read("http://127.0.0.1/").unwrap(), &any).is_ok());
    }

    #[test]
    fn a_redirect_is_read_as_an_address_is_and_never_leaves_tls() {
        let from = read("https://a.example/b/c?d").unwrap();
        let to = |to: &str| follow(&from, to).map(|url| url.to_string()).map_err(|error| error.to_string());
        assert_eq!(to("e").as_deref(), Ok("https://a.example/b/e"));
        assert_eq!(to("//b.example/").as_deref(), Ok("https://b.example/"));
        assert!(to("http://a.example/").unwrap_err().contains("https:// to http://"));
        for bad in ["file:///etc/passwd", "ftp://a", "javascript:1", "http://[", &"a".repeat(LONGEST + 1)] {
            assert!(to(bad).unwrap_err().contains("redirects"), "{bad}");
        }
        let plain = read("http://a.example/").unwrap();
        assert!(follow(&plain, "https://a.example/").is_ok());
    }
}
