//! Where a data centre may be reached. An account's own address comes first; the others are tried if that is blocked or
//! down, as Telegram's own clients do.

use std::net::{IpAddr, SocketAddr};

use grammers_tl_types as tl;
use telestore_net::is_public;

use crate::allowed::is_telegrams;
use crate::session;

/// How many addresses are tried at the port that they name, and of how many the further ports are.
const NAMED_MAX: usize = 5;
const FURTHER_MAX: usize = 2;

/// Where Telegram's data centres listen, too, if they do at 443.
const FURTHER_PORTS: [u16; 2] = [80, 5222];

/// The addresses of a data centre to try: the one that is known to be meant, those that Telegram's configuration names, those
/// that are known, and the first of them at further ports. An account that is not at Telegram's own addresses is led to none
/// of those, and one behind a relay to nothing else.
pub(crate) fn candidates(
    (dc, test): (i32, bool),
    meant: SocketAddr,
    options: &[tl::types::DcOption],
    relay: Option<SocketAddr>,
) -> Vec<SocketAddr> {
    if relay == Some(meant) {
        return vec![meant];
    }
    let known = if is_telegrams(meant.ip()) { session::known(dc, test) } else { Vec::new() };
    let mut all: Vec<SocketAddr> = Vec::new();
    for address in [meant].into_iter().chain(named(dc, false, options, meant)).chain(known) {
        if all.len() < NAMED_MAX && !all.contains(&address) {
            all.push(address);
        }
    }
    let at_443 =
        |address: &&SocketAddr| address.port() == 443 && address.is_ipv4() && is_public(address.ip());
    let only: Vec<IpAddr> = options.iter().filter(|option| option.this_port_only).filter_map(ip).collect();
    let movable: Vec<IpAddr> = all
        .iter()
        .filter(at_443)
        .map(SocketAddr::ip)
        .filter(|ip| !only.contains(ip))
        .take(FURTHER_MAX)
        .collect();
    let further = FURTHER_PORTS.iter().flat_map(|port| movable.iter().map(|ip| SocketAddr::new(*ip, *port)));
    all.extend(further);
    all
}

/// The address of a data centre for somebody who is at `from`: the one that Telegram's configuration names (`options`, of
/// `help.getConfig`), or else the known one. An account of a test server, or behind a relay on this machine, is never led to
/// Telegram itself.
pub fn address_of(dc: i32, options: &[tl::types::DcOption], from: SocketAddr) -> Option<SocketAddr> {
    let known = || session::known_address(dc).filter(|_| is_public(from.ip()));
    named(dc, false, options, from).into_iter().next().or_else(known)
}

/// The addresses of a data centre that are for files only, if Telegram's configuration names some.
pub(crate) fn media_addresses_of(
    dc: i32,
    options: &[tl::types::DcOption],
    from: SocketAddr,
) -> Vec<SocketAddr> {
    let mut named = named(dc, true, options, from);
    named.truncate(NAMED_MAX);
    named
}

/// What the configuration names: first the family that works from here, and otherwise IPv4.
fn named(dc: i32, media_only: bool, options: &[tl::types::DcOption], from: SocketAddr) -> Vec<SocketAddr> {
    let usable = |option: &&tl::types::DcOption| {
        let kind = option.id == dc && option.media_only == media_only;
        kind && !option.cdn && !option.tcpo_only && option.secret.is_none()
    };
    let fits = |address: &SocketAddr| (address.is_ipv4() != from.is_ipv4(), !address.is_ipv4());
    let mut named: Vec<_> = options.iter().filter(usable).filter_map(address).collect();
    named.sort_by_key(fits);
    named
}

fn address(option: &tl::types::DcOption) -> Option<SocketAddr> {
    Some(SocketAddr::new(ip(option)?, u16::try_from(option.port).ok()?))
}

fn ip(option: &tl::types::DcOption) -> Option<IpAddr> {
    option.ip_address.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(id: i32, ip: &str, port: i32) -> tl::types::DcOption {
        tl::types::DcOption {
            ipv6: ip.contains(':'),
            media_only: false,
            tcpo_only: false,
            cdn: false,
            r#static: false,
            this_port_only: false,
            id,
            ip_address: ip.to_owned(),
            port,
            secret: None,
        }
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn shown(addresses: Vec<SocketAddr>) -> Vec<String> {
        addresses.iter().map(SocketAddr::to_string).collect()
    }

    #[test]
    fn picks_an_address_for_calls_of_the_family_that_works() {
        let from = at("149.154.167.51:443");
        let options = [
            option(2, "10.0.0.2", 1),
            tl::types::DcOption { media_only: true, ..option(4, "10.0.0.3", 2) },
            tl::types::DcOption { cdn: true, ..option(4, "10.0.0.4", 3) },
            tl::types::DcOption { tcpo_only: true, ..option(4, "10.0.0.5", 4) },
            tl::types::DcOption { secret: Some(vec![1]), ..option(4, "10.0.0.6", 5) },
            option(4, "2001:db8::1", 6),
            option(4, "not an address", 7),
            option(4, "10.0.0.7", 8),
            option(4, "10.0.0.8", 9),
        ];
        let pick = |from: SocketAddr| address_of(4, &options, from).unwrap().to_string();
        assert_eq!(pick(from), "10.0.0.7:8");
        assert_eq!(pick(at("[2001:db8::2]:443")), "[2001:db8::1]:6");
        assert_eq!(shown(media_addresses_of(4, &options, from)), ["10.0.0.3:2"]);
        assert!(media_addresses_of(2, &options, from).is_empty());
    }

    #[test]
    fn falls_back_to_the_known_addresses_unless_the_account_is_a_test_servers() {
        let known = address_of(4, &[], at("149.154.167.51:443"));
        assert_eq!(known.unwrap().to_string(), "149.154.167.92:443");
        for test in ["127.0.0.1:443", "10.1.2.3:443", "192.168.0.1:443", "[::1]:443", "[fd00::1]:1"] {
            assert_eq!(address_of(4, &[], at(test)), None, "{test}");
        }
        assert_eq!(address_of(6, &[], at("149.154.167.51:443")), None);
    }

    #[test]
    fn all_addresses_of_a_data_centre_are_tried_and_then_its_other_ports() {
        let meant = at("149.154.167.51:443");
        let tried = candidates((2, false), meant, &[], None);
        assert_eq!(
            shown(tried),
            [
                "149.154.167.51:443",
                "149.154.167.41:443",
                "95.161.76.100:443",
                "[2001:67c:4e8:f002::a]:443",
                "149.154.167.51:80",
                "149.154.167.41:80",
                "149.154.167.51:5222",
                "149.154.167.41:5222",
            ]
        );
        let named = [
            option(2, "2001:67c:4e8:f002::b", 443),
            tl::types::DcOption { this_port_only: true, ..option(2, "149.154.167.51", 443) },
            option(4, "149.154.167.91", 443),
        ];
        let tried = shown(candidates((2, false), meant, &named, None));
        assert_eq!(tried[1], "[2001:67c:4e8:f002::b]:443", "what it named itself comes before what is known");
        assert!(!tried.contains(&"149.154.167.51:80".to_owned()), "{tried:?}");
        assert_eq!(
            shown(candidates((2, true), at("149.154.167.40:443"), &[], None))[1],
            "[2001:67c:4e8:f002::e]:443"
        );
    }

    #[test]
    fn nobody_is_led_from_elsewhere_to_telegram() {
        for elsewhere in ["127.0.0.1:443", "203.0.114.7:4430", "[fd00::1]:443"] {
            assert_eq!(shown(candidates((2, false), at(elsewhere), &[], None)), [elsewhere]);
        }
        let meant = at("127.0.0.1:443");
        let options = [option(2, "127.0.0.1", 444), option(2, "149.154.167.51", 443)];
        assert_eq!(candidates((2, false), meant, &options, None).len(), 5, "what its server names is tried");
        assert_eq!(
            candidates((2, false), meant, &options, Some(meant)),
            [meant],
            "a relay is there to be used"
        );
    }
}
