//! Telegram's own addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The networks that Telegram has at RIPE and APNIC.
const TELEGRAM: [IpNet; 12] = [
    v4([149, 154, 160, 0], 20),
    v4([91, 105, 192, 0], 23),
    v4([91, 108, 4, 0], 22),
    v4([91, 108, 8, 0], 22),
    v4([91, 108, 12, 0], 22),
    v4([91, 108, 16, 0], 22),
    v4([91, 108, 20, 0], 22),
    v4([91, 108, 56, 0], 22),
    v4([95, 161, 64, 0], 20),
    v4([185, 76, 151, 0], 24),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xb28, 0xf23c, 0, 0, 0, 0, 0), 46)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0x67c, 0x4e8, 0, 0, 0, 0, 0), 48)),
];

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix))
}

/// Whether an address is one of Telegram's own.
pub(super) fn is_telegrams(address: IpAddr) -> bool {
    let address = address.to_canonical();
    TELEGRAM.iter().any(|network| network.contains(&address))
}
