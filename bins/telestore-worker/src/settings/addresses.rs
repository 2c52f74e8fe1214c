//! `TELESTORE_MTPROTO_ADDRESSES`: where the worker may be led by a user's session string.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use telestore::uploader::AllowedAddresses;

use super::Settings;

/// Which addresses MTProto connections may go to, as the operator wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MtprotoAddresses(Vec<Word>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Auto,
    Public,
    Any,
    Network(IpNet),
}

impl FromStr for MtprotoAddresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        words.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Word {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let network = || {
            let one = word.parse::<IpAddr>().map(IpNet::from).ok();
            one.or_else(|| word.parse().ok())
        };
        match word {
            "auto" => Ok(Self::Auto),
            "public" => Ok(Self::Public),
            "any" => Ok(Self::Any),
            _ => network()
                .map(Self::Network)
                .ok_or_else(|| "must be auto, public, any, or networks such as 10.0.0.0/8".to_owned()),
        }
    }
}

/// What the settings allow.
pub(crate) fn allowed(settings: &Settings) -> AllowedAddresses {
    let MtprotoAddresses(words) = &settings.sending.mtproto_addresses;
    words.iter().fold(AllowedAddresses::none(), |all, word| match word {
        Word::Auto => all.or(auto(settings)),
        Word::Public => all.or(AllowedAddresses::public()),
        Word::Any => all.or(AllowedAddresses::any()),
        Word::Network(network) => all.and(*network),
    })
}

/// The internet, and where the operator's own settings lead anyway: a sandbox, or a test server.
fn auto(settings: &Settings) -> AllowedAddresses {
    if settings.users.backend_url.is_none() {
        // The session string is the operator's own.
        return AllowedAddresses::any();
    }
    let hosts = [&settings.users.backend_url, &settings.sending.bot_api_url];
    let hosts = hosts.into_iter().flatten().filter_map(|url| host(url));
    let hosts = hosts.chain(settings.sending.mtproto_dc.map(|address| address.ip()));
    hosts.fold(AllowedAddresses::public(), |allowed, host| match host.to_canonical() {
        host if host.is_loopback() => loopback().into_iter().fold(allowed, AllowedAddresses::and),
        host => allowed.and(host.into()),
    })
}

/// The address that a URL names in digits. Names are not looked up: what they lead to may change.
fn host(url: &str) -> Option<IpAddr> {
    let url = reqwest::Url::parse(url).ok()?;
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
    use crate::settings::testing::{settings, wrong};

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
            let allowed = allowed(&settings(&[("backend_url", backend)]));
            assert_eq!(allows(&allowed, ADDRESSES), expected, "{backend}");
        }
        assert_eq!(allows(&allowed(&settings(&[])), ADDRESSES), [true; 4], "stand-alone");
    }

    #[test]
    fn words_say_otherwise() {
        let local = ("backend_url", "http://127.0.0.1:8000");
        for (words, expected) in [
            ("public", [true, false, false, false]),
            ("any", [true; 4]),
            ("10.0.0.0/8, 169.254.169.254", [false, false, true, true]),
            ("auto,10.0.0.5", [true, true, true, false]),
        ] {
            let allowed = allowed(&settings(&[local, ("mtproto_addresses", words)]));
            assert_eq!(allows(&allowed, ADDRESSES), expected, "{words}");
        }
        let error = wrong(&[local, ("mtproto_addresses", "10.0.0.0/99")]);
        assert!(error.starts_with("TELESTORE_MTPROTO_ADDRESSES: must be auto"), "{error}");
    }
}
