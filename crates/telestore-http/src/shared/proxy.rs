use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use actix_web::HttpMessage;
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::shared::client::{ClientAddress, ClientHost, ClientScheme, host_of};

pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The most of a header that is looked at. Nobody needs more hops than fit.
const MOST_BYTES: usize = 4096;

/// Who calls if a trusted proxy names nobody: one for all of them, neither local nor anybody's (RFC 6666). So they
/// share the limits of one address, and what is for local addresses is not for them.
pub const UNKNOWN_CLIENT: IpAddr = IpAddr::V6(Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0));

/// What `loopback` and `private` stand for.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];
const PRIVATE: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// Whose word about a client's address counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl FromStr for TrustedProxies {
    type Err = String;

    /// Addresses, networks, and the words `loopback` and `private`, comma-separated.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut networks = Vec::new();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name {
                "loopback" => {
                    networks.extend(LOOPBACK.iter().filter_map(|network| network.parse::<IpNet>().ok()))
                }
                "private" => {
                    networks.extend(PRIVATE.iter().filter_map(|network| network.parse::<IpNet>().ok()))
                }
                _ => {
                    let network = name.parse::<IpAddr>().map(IpNet::from).or_else(|_| name.parse::<IpNet>());
                    networks.push(network.map_err(|_| {
                        format!("{name} is no address, no network such as 10.0.0.0/8, and neither loopback nor private")
                    })?);
                }
            }
        }
        Ok(Self(networks))
    }
}

impl TrustedProxies {
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Takes down what a trusted proxy says of the client of `request`, for [`client_address`](crate::client_address) and
/// [`is_secure`](crate::is_secure).
pub(crate) fn take_down(request: &ServiceRequest, trusted: &TrustedProxies) {
    let Some(peer) = request.peer_addr().map(|peer| peer.ip()).filter(|peer| trusted.contain(*peer)) else {
        return;
    };
    let headers = request.headers();
    let hops = said(headers);
    let (secure, host) = (is_https(headers, &hops), host(headers));
    let mut extensions = request.extensions_mut();
    if let Some(address) = address_of(peer, headers, trusted) {
        extensions.insert(ClientAddress(address));
    }
    if let Some(secure) = secure {
        extensions.insert(ClientScheme { secure });
    }
    if let Some(host) = host {
        extensions.insert(ClientHost(host));
    }
}

/// The host that the client called, as the last proxy tells it.
fn host(headers: &HeaderMap) -> Option<String> {
    if headers.contains_key(X_FORWARDED_HOST) {
        return host_of(elements(headers, &X_FORWARDED_HOST).first()?);
    }
    let told = elements(headers, &FORWARDED);
    let pairs = pairs(told.first()?)?;
    let mut hosts = pairs.iter().filter_map(|pair| pair.split_once('='));
    let (_, host) = hosts.find(|(name, _)| name.trim().eq_ignore_ascii_case("host"))?;
    host_of(host.trim().trim_matches('"'))
}

/// The client's address, if `peer` is a trusted proxy that says something of it.
pub(crate) fn address_of(peer: IpAddr, headers: &HeaderMap, trusted: &TrustedProxies) -> Option<IpAddr> {
    let told = headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(FORWARDED);
    let told = told && trusted.contain(peer);
    told.then(|| client(&said(headers), trusted).unwrap_or(UNKNOWN_CLIENT))
}

/// One hop of the way that a request took, as a proxy told it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hop {
    address: Option<IpAddr>,
    https: Option<bool>,
}

/// The hops, the latest one first.
fn said(headers: &HeaderMap) -> Vec<Hop> {
    if headers.contains_key(X_FORWARDED_FOR) {
        let hop = |node: &str| Hop { address: node_address(node), https: None };
        return elements(headers, &X_FORWARDED_FOR).iter().map(|node| hop(node)).collect();
    }
    elements(headers, &FORWARDED).iter().map(|element| forwarded_hop(element)).collect()
}

/// The rightmost address that is not a trusted proxy's; if all are, the leftmost. If a proxy names none, the client
/// is not known: it is whom the proxy had before it, and not the proxy.
fn client(hops: &[Hop], trusted: &TrustedProxies) -> Option<IpAddr> {
    let mut client = None;
    for hop in hops {
        client = Some(hop.address?);
        if hop.address.is_some_and(|address| !trusted.contain(address)) {
            break;
        }
    }
    client
}

fn is_https(headers: &HeaderMap, hops: &[Hop]) -> Option<bool> {
    let named = elements(headers, &X_FORWARDED_PROTO);
    named.first().and_then(|scheme| scheme_is_https(scheme)).or_else(|| hops.first()?.https)
}

fn scheme_is_https(scheme: &str) -> Option<bool> {
    match scheme.trim() {
        scheme if scheme.eq_ignore_ascii_case("https") => Some(true),
        scheme if scheme.eq_ignore_ascii_case("http") => Some(false),
        _ => None,
    }
}

/// The elements of a list header, over all of its lines, the last one first: proxies append. Of a header that is longer
/// than any honest one, the end.
///
/// A comma always ends an element, also between quotes: those may be a client's, to hide in them what the proxy appends.
/// No address has a comma in it.
fn elements(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines: Vec<_> = headers.get_all(name).collect();
    let (mut found, mut left) = (Vec::new(), MOST_BYTES);
    for line in lines.iter().rev() {
        let bytes = line.as_bytes();
        let tail = &bytes[bytes.len().saturating_sub(left)..];
        left -= tail.len();
        found.extend(String::from_utf8_lossy(tail).rsplit(',').map(str::to_owned));
        if left == 0 {
            // It was cut off anywhere.
            found.pop();
            break;
        }
    }
    // Of a list, empty elements are none.
    found.retain(|element| !element.trim().is_empty());
    found
}

/// Splits at semicolons outside of quotes. `None` if the quotes are not of this text alone, so that it is a piece of
/// something else.
fn pairs(element: &str) -> Option<Vec<&str>> {
    let (mut pairs, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in element.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '\\' => return None,
            '"' => quoted = !quoted,
            ';' if !quoted => {
                pairs.push(&element[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    pairs.push(&element[start..]);
    (!quoted).then_some(pairs)
}

/// An element of `Forwarded` (RFC 7239): `for=192.0.2.60;proto=http;by=203.0.113.43`. What says twice whom it is for
/// does not say it.
fn forwarded_hop(element: &str) -> Hop {
    let (mut nodes, mut https) = (Vec::new(), None);
    for pair in pairs(element).unwrap_or_default() {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let value = value.trim().trim_matches('"');
        match name.trim() {
            name if name.eq_ignore_ascii_case("for") => nodes.push(value),
            name if name.eq_ignore_ascii_case("proto") => https = scheme_is_https(value),
            _ => {}
        }
    }
    let address = if let [node] = nodes[..] { node_address(node) } else { None };
    Hop { address, https }
}

/// The address of a node, with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn node_address(node: &str) -> Option<IpAddr> {
    let node = node.trim();
    let bare = node.strip_prefix('[').and_then(|node| node.strip_suffix(']')).unwrap_or(node);
    let address = bare.parse::<IpAddr>().or_else(|_| node.parse::<SocketAddr>().map(|node| node.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// For fuzzers: the client's address that these headers of a trusted proxy name.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn client_named_by(headers: &HeaderMap, trusted: &TrustedProxies) -> Option<IpAddr> {
    let said = said(headers);
    let _ = is_https(headers, &said);
    client(&said, trusted)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn trusted() -> TrustedProxies {
        "loopback, private,198.51.100.7, 2001:db8:ffff::/48".parse().unwrap()
    }

    fn named(headers: &[(&'static str, &str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        client_named_by(&map, &trusted()).map(|address| address.to_string())
    }

    fn by_x(value: &str) -> Option<String> {
        named(&[("x-forwarded-for", value)])
    }

    #[test]
    fn proxies_are_addresses_networks_and_two_words() {
        let trusted = trusted();
        for address in [
            "127.9.9.9",
            "::1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.0.1",
            "fd00::1",
            "198.51.100.7",
            "2001:db8:ffff::5",
            "::ffff:10.0.0.1",
        ] {
            assert!(trusted.contain(address.parse().unwrap()), "{address}");
        }
        for address in ["198.51.100.8", "172.32.0.1", "8.8.8.8", "2001:db8::1", "fe80::1"] {
            assert!(!trusted.contain(address.parse().unwrap()), "{address}");
        }
        for text in ["somewhere", "10.0.0.0/33", "10.0.0", "loopback private"] {
            assert!(text.parse::<TrustedProxies>().is_err(), "{text}");
        }
        assert_eq!("".parse::<TrustedProxies>().unwrap(), TrustedProxies::default());
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxys_is_the_clients() {
        for (value, expected) in [
            ("203.0.113.9", "203.0.113.9"),
            ("1.1.1.1, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
            ("1.1.1.1,203.0.113.9:4711 , 198.51.100.7:80", "203.0.113.9"),
            ("10.0.0.2, 10.0.0.1", "10.0.0.2"),
            ("2001:db8::9", "2001:db8::9"),
            ("[2001:db8::9]", "2001:db8::9"),
            ("evil, [2001:db8::9]:4711", "2001:db8::9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("\", 203.0.113.9", "203.0.113.9"),
            ("\"\\, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
            (", 203.0.113.9,, 10.0.0.1", "203.0.113.9"),
        ] {
            assert_eq!(by_x(value).as_deref(), Some(expected), "{value}");
        }
        let lines = [("x-forwarded-for", "1.1.1.1, 203.0.113.9"), ("x-forwarded-for", "10.0.0.1")];
        assert_eq!(named(&lines).as_deref(), Some("203.0.113.9"));
    }

    #[test]
    fn garbage_names_nobody() {
        for value in [
            "",
            ",",
            "unknown",
            "unknown, 10.0.0.1",
            "203.0.113.9, \", 10.0.0.1",
            "_hidden",
            "999.1.1.1",
            "1.1.1.1:99999",
            "[::1",
            "localhost",
            "\"1.1.1.1\"",
            "é",
        ] {
            assert_eq!(by_x(value), None, "{value}");
        }
        assert_eq!(named(&[]), None);
    }

    #[test]
    fn forwarded_is_read_where_the_other_is_not_there() {
        for (value, expected) in [
            ("for=203.0.113.9", Some("203.0.113.9")),
            ("For=\"[2001:db8::9]:4711\";proto=https;by=10.0.0.1", Some("2001:db8::9")),
            ("for=1.1.1.1, for=203.0.113.9;proto=http, for=10.0.0.1", Some("203.0.113.9")),
            ("for=\"unended, for=203.0.113.9", Some("203.0.113.9")),
            ("for=203.0.113.9;host=\"a;for=10.0.0.1\"", Some("203.0.113.9")),
            ("for=203.0.113.9;host=\"a, for=10.0.0.1\"", None),
            ("for=203.0.113.9;host=\"a\\\", for=10.0.0.1;a=\\\"\"", None),
            ("for=203.0.113.9;host=a;for=10.0.0.1", None),
            ("for=\"a, for=1.1.1.1\", for=10.0.0.1", None),
            ("for=_hidden", None),
            ("by=10.0.0.1", None),
        ] {
            assert_eq!(named(&[("forwarded", value)]).as_deref(), expected, "{value}");
        }
        let both = [("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(named(&both).as_deref(), Some("203.0.113.9"));
    }

    #[test]
    fn of_a_long_header_only_the_end_is_read() {
        let many = vec!["10.0.0.1"; 5000].join(", ");
        assert_eq!(by_x(&format!("203.0.113.9, {many}")).as_deref(), Some("10.0.0.1"));
        assert_eq!(by_x(&format!("{many}, 203.0.113.9, 10.0.0.1")).as_deref(), Some("203.0.113.9"));
        // What is cut in two could be another address.
        let cut = format!("203.0.113.9{}", ", 10.0.0.1".repeat(409));
        assert_eq!(by_x(&cut).as_deref(), Some("10.0.0.1"));
    }
}
