//! `TELESTORE_MTPROTO_ADDRESSES`: where the worker may be led by a user's session string.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use telestore::types::pasted;
use telestore::uploader::AllowedAddresses;

use crate::cli::Settings;
use crate::config::{ConfigError, bad};

/// What the settings allow.
pub(crate) fn allowed(settings: &Settings) -> Result<AllowedAddresses, ConfigError> {
    let text = settings.mtproto_addresses.as_deref().unwrap_or("auto");
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| allowed_by(word, settings))
        .try_fold(AllowedAddresses::none(), |all, word| Ok(all.or(word?)))
}

fn allowed_by(word: &str, settings: &Settings) -> Result<AllowedAddresses, ConfigError> {
    let network = || {
        let one = word.parse::<IpAddr>().map(IpNet::from).ok();
        one.or_else(|| word.parse().ok()).map(|network| AllowedAddresses::none().and(network))
    };
    match word {
        "auto" => Ok(auto(settings)),
        "public" => Ok(AllowedAddresses::public()),
        "any" => Ok(AllowedAddresses::any()),
        _ => network().ok_or_else(|| {
            bad("TELESTORE_MTPROTO_ADDRESSES", "must be auto, public, any, or networks such as 10.0.0.0/8")
        }),
    }
}

/// The internet, and where the operator's own settings lead anyway: a sandbox, or a test server.
fn auto(settings: &Settings) -> AllowedAddresses {
    if settings.backend_url.is_none() {
        // The session string is the operator's own.
        return AllowedAddresses::any();
    }
    let hosts =
        [&settings.backend_url, &settings.bot_api_url].into_iter().flatten().filter_map(|url| host(url));
    let hosts = hosts.chain(settings.mtproto_dc.map(|address| address.ip()));
    hosts.fold(AllowedAddresses::public(), |allowed, host| match host.to_canonical() {
        host if host.is_loopback() => loopback().into_iter().fold(allowed, AllowedAddresses::and),
        host => allowed.and(host.into()),
    })
}

/// The address that a URL names in digits. Names are not looked up: what they lead to may change.
fn host(url: &str) -> Option<IpAddr> {
    let url = reqwest::Url::parse(&pasted::base_url(url).ok()?).ok()?;
    match url.host_str()? {
        "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
        host => host.trim_start_matches('[').trim_end_matches(']').parse().ok(),
    }
}

fn loopback() -> [IpNet; 2] {
    let v4 = Ipv4Net::new_assert([127, 0, 0, 0].into(), 8);
    [v4.into(), Ipv6Net::from(std::net::Ipv6Addr::LOCALHOST).into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(backend: &str, words: Option<&str>) -> Result<AllowedAddresses, ConfigError> {
        allowed(&Settings {
            backend_url: Some(backend.to_owned()),
            mtproto_addresses: words.map(str::to_owned),
            ..Settings::default()
        })
    }

    fn allows(allowed: &AllowedAddresses, addresses: [&str; 4]) -> [bool; 4] {
        addresses.map(|address| allowed.allows(address.parse().unwrap()))
    }

    const ADDRESSES: [&str; 4] = ["149.154.167.51", "127.0.0.1", "10.0.0.5", "::ffff:169.254.169.254"];

    #[test]
    fn what_the_settings_lead_to_is_allowed_and_nothing_else_of_the_network() {
        for (backend, expected) in [
            ("https://backend.example", [true, false, false, false]),
            ("http://127.0.0.1:8000/api", [true, true, false, false]),
            ("http://localhost:8000", [true, true, false, false]),
            ("http://[::1]:8000", [true, true, false, false]),
            ("http://10.0.0.5", [true, false, true, false]),
            ("http://10.0.0.6", [true, false, false, false]),
        ] {
            assert_eq!(allows(&of(backend, None).unwrap(), ADDRESSES), expected, "{backend}");
        }
        assert_eq!(allows(&allowed(&Settings::default()).unwrap(), ADDRESSES), [true; 4], "stand-alone");
    }

    #[test]
    fn words_say_otherwise() {
        let local = "http://127.0.0.1:8000";
        for (words, expected) in [
            ("public", [true, false, false, false]),
            ("any", [true; 4]),
            ("10.0.0.0/8, 169.254.169.254", [false, false, true, true]),
            ("auto,10.0.0.5", [true, true, true, false]),
        ] {
            assert_eq!(allows(&of(local, Some(words)).unwrap(), ADDRESSES), expected, "{words}");
        }
        let error = of(local, Some("10.0.0.0/99")).unwrap_err().to_string();
        assert!(error.starts_with("TELESTORE_MTPROTO_ADDRESSES: "), "{error}");
    }
}
