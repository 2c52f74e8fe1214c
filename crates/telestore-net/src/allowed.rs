use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Which addresses may be connected to that a stranger has named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedAddresses {
    public: bool,
    networks: Vec<IpNet>,
}

impl Default for AllowedAddresses {
    fn default() -> Self {
        Self::public()
    }
}

impl AllowedAddresses {
    /// Those on the internet. Loopback, private, link-local, multicast, unspecified and reserved addresses are none, and
    /// where connections are made those of this machine's own interfaces are none either.
    pub fn public() -> Self {
        Self { public: true, networks: Vec::new() }
    }

    /// Every address.
    pub fn any() -> Self {
        Self::none().and(IpNet::V4(Ipv4Net::default())).and(IpNet::V6(Ipv6Net::default()))
    }

    /// No address, to add some.
    pub fn none() -> Self {
        Self { public: false, networks: Vec::new() }
    }

    /// The same, and those of `network`.
    #[must_use]
    pub fn and(mut self, network: IpNet) -> Self {
        self.networks.push(network);
        self
    }

    /// The same, and all that `other` allows.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.public |= other.public;
        self.networks.extend(other.networks);
        self
    }

    /// Whether `address` is one of them. IPv4 in IPv6 form counts as IPv4.
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        (self.public && is_public(address)) || self.named(address)
    }

    /// The same at the moment of a connection: a public address of this machine itself is not the internet.
    pub fn allows_now(&self, address: SocketAddr) -> bool {
        self.named(address.ip().to_canonical()) || (self.allows(address.ip()) && !is_own(address))
    }

    fn named(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// Whether an address is of this machine: it would be called from itself. Nothing is sent to find that out.
fn is_own(address: SocketAddr) -> bool {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let from = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(address)?;
        socket.local_addr()
    };
    from().is_ok_and(|from: SocketAddr| from.ip().to_canonical() == address.ip().to_canonical())
}

/// Whether an address is on the internet.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let special = match (first, second, third) {
        // This network; shared by a provider's customers; protocol assignments; benchmarks.
        (0, ..) | (100, 64..=127, _) | (192, 0, 0) | (198, 18..=19, _) => true,
        // Reserved, and the broadcast address.
        (240.., ..) => true,
        _ => false,
    };
    !(special
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // An IPv4 address behind a translator (64:ff9b::/96) or in a tunnel (2002::/16).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            is_public_v4(Ipv4Addr::new(a, b, c, d))
        }
        // What is assigned to be reached from everywhere is in 2000::/3; in it, documentation.
        [0x2001, 0xdb8, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_addresses_on_the_internet_are_public() {
        let public = AllowedAddresses::default();
        for address in
            ["149.154.167.51", "::ffff:149.154.167.51", "2001:67c:4e8:f002::a", "64:ff9b::959a:a733"]
        {
            assert!(public.allows(ip(address)), "{address}");
        }
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "239.1.1.1",
            "255.255.255.255",
            "240.0.0.1",
            "198.18.0.1",
            "192.0.2.1",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
        ] {
            assert!(!public.allows(ip(address)), "{address}");
        }
    }

    #[test]
    fn addresses_of_this_machine_are_known() {
        assert!(is_own("127.0.0.1:443".parse().unwrap()));
        let named = AllowedAddresses::public().and("127.0.0.0/8".parse().unwrap());
        assert!(named.allows_now("127.0.0.1:443".parse().unwrap()), "what is named is meant");
        assert!(!AllowedAddresses::public().allows_now("127.0.0.1:443".parse().unwrap()));
    }

    #[test]
    fn networks_are_allowed_by_name() {
        let allowed =
            AllowedAddresses::none().and("127.0.0.0/8".parse().unwrap()).and("fd00::/8".parse().unwrap());
        for address in ["127.0.0.1", "::ffff:127.0.0.1", "fd12::1"] {
            assert!(allowed.allows(ip(address)), "{address}");
        }
        for address in ["149.154.167.51", "10.0.0.1", "::1"] {
            assert!(!allowed.allows(ip(address)), "{address}");
        }
        let both = AllowedAddresses::public().or(allowed);
        assert!(both.allows(ip("149.154.167.51")) && both.allows(ip("127.0.0.1")));
        for address in ["127.0.0.1", "::1", "0.0.0.0", "149.154.167.51"] {
            assert!(AllowedAddresses::any().allows(ip(address)), "{address}");
        }
    }
}
