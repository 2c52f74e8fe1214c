//! The forms, byte by byte.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{KEY_LEN, PastedSession, SessionFault, SessionKind};

/// Data centre, address, port and key.
const TELETHON_V4: usize = 1 + 4 + 2 + KEY_LEN;
const TELETHON_V6: usize = 1 + 16 + 2 + KEY_LEN;

/// Data centre, test flag, key, user id and bot flag, which the newest form has an `api_id` in.
const PYROGRAM_OLDEST: usize = 1 + 1 + KEY_LEN + 4 + 1;
const PYROGRAM_OLD: usize = 1 + 1 + KEY_LEN + 8 + 1;
const PYROGRAM: usize = 1 + 4 + 1 + KEY_LEN + 8 + 1;

/// Data centre, length of the address, port and key.
const GRAMJS_BESIDE_ADDRESS: usize = 1 + 2 + 2 + KEY_LEN;

/// How long an address or a host name is in text.
const ADDRESS_LEN: std::ops::RangeInclusive<usize> = 2..=253;

/// How the IPv6 addresses of Telegram's data centres begin.
const TELEGRAM_V6: [[u8; 4]; 3] =
    [[0x20, 0x01, 0x06, 0x7c], [0x20, 0x01, 0x0b, 0x28], [0x2a, 0x0a, 0xf2, 0x80]];

/// How many digits of base64 so many bytes take.
const fn digits(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

/// How many digits a string may have that begins with these bytes.
pub(super) fn lengths(head: &[u8], marked: bool) -> Vec<usize> {
    if let Some(length) = address_len(head) {
        return vec![digits(GRAMJS_BESIDE_ADDRESS + length)];
    }
    let is_v6 = head.get(1..5).is_some_and(|head| TELEGRAM_V6.iter().any(|start| start == head));
    match marked {
        true if is_v6 => vec![digits(TELETHON_V6)],
        true => vec![digits(TELETHON_V4), digits(TELETHON_V6)],
        false if is_v6 => vec![digits(TELETHON_V6)],
        false => [PYROGRAM_OLDEST, PYROGRAM_OLD, PYROGRAM, TELETHON_V6].map(digits).to_vec(),
    }
}

/// The length that GramJS writes in front of its address, if an address as text stands there.
fn address_len(bytes: &[u8]) -> Option<usize> {
    let length = usize::from(u16::from_be_bytes([*bytes.get(1)?, *bytes.get(2)?]));
    let text = bytes.get(3..bytes.len().min(3 + length))?;
    let is_text = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'-');
    (ADDRESS_LEN.contains(&length) && text.len() >= length.min(8) && text.iter().all(is_text))
        .then_some(length)
}

/// Behind a leading `1`: Telethon's or GramJS's.
pub(super) fn marked(bytes: &[u8]) -> Result<PastedSession, SessionFault> {
    gramjs(bytes).or_else(|| telethon(bytes)).ok_or(SessionFault::Garbled)?
}

/// Pyrogram's, or one that lost its `1`.
pub(super) fn unmarked(bytes: &[u8]) -> Result<PastedSession, SessionFault> {
    if let Some(read) = gramjs(bytes).or_else(|| pyrogram(bytes)) {
        return read;
    }
    // Addresses that begin with 0 or 1 are not Telegram's; that is where Pyrogram has its test flag.
    let is_address = bytes.len() == TELETHON_V6 || bytes.get(1).is_some_and(|first| *first > 1);
    match telethon(bytes).filter(|_| is_address) {
        Some(read) => read,
        None => Err(SessionFault::Garbled),
    }
}

fn telethon(bytes: &[u8]) -> Option<Result<PastedSession, SessionFault>> {
    let (&dc_id, rest) = bytes.split_first()?;
    let (ip, rest): (IpAddr, _) = match bytes.len() {
        TELETHON_V4 => split::<4>(rest).map(|(ip, rest)| (Ipv4Addr::from(ip).into(), rest))?,
        TELETHON_V6 => split::<16>(rest).map(|(ip, rest)| (Ipv6Addr::from(ip).into(), rest))?,
        _ => return None,
    };
    let (port, key) = split::<2>(rest)?;
    let address = SocketAddr::new(ip, u16::from_be_bytes(port));
    let auth_key = key.try_into().ok()?;
    let kind = SessionKind::Telethon;
    Some(plausible(PastedSession {
        kind,
        dc_id,
        test: false,
        address: Some(address),
        api_id: None,
        auth_key,
    }))
}

fn gramjs(bytes: &[u8]) -> Option<Result<PastedSession, SessionFault>> {
    let length = address_len(bytes).filter(|length| bytes.len() == GRAMJS_BESIDE_ADDRESS + length)?;
    let (dc_id, (host, rest)) = (bytes[0], bytes[3..].split_at(length));
    let host = std::str::from_utf8(host).ok()?;
    let (port, key) = split::<2>(rest)?;
    let auth_key = key.try_into().ok()?;
    let ip: Option<IpAddr> = host.parse().ok();
    let address = ip.map(|ip| SocketAddr::new(ip, u16::from_be_bytes(port)));
    // Its web builds name the data centres so, which the number does as well.
    if ip.is_none() && !host.to_ascii_lowercase().ends_with(".web.telegram.org") {
        return Some(Err(SessionFault::HostName));
    }
    Some(plausible(PastedSession {
        kind: SessionKind::GramJs,
        dc_id,
        test: false,
        address,
        api_id: None,
        auth_key,
    }))
}

/// `None` if a flag is no flag.
fn pyrogram(bytes: &[u8]) -> Option<Result<PastedSession, SessionFault>> {
    let (&dc_id, rest) = bytes.split_first()?;
    let (api_id, rest) = match bytes.len() {
        PYROGRAM => split::<4>(rest).map(|(id, rest)| (i32::try_from(u32::from_be_bytes(id)).ok(), rest))?,
        PYROGRAM_OLD | PYROGRAM_OLDEST => (None, rest),
        _ => return None,
    };
    let (&test, &bot) = (rest.first()?, rest.last()?);
    let auth_key = rest.get(1..1 + KEY_LEN)?.try_into().ok()?;
    if test > 1 || bot > 1 {
        return None;
    }
    let kind = SessionKind::Pyrogram;
    Some(plausible(PastedSession { kind, dc_id, test: test == 1, address: None, api_id, auth_key }))
}

/// Telegram has five data centres, and nothing can be dialled at no address or no port.
fn plausible(session: PastedSession) -> Result<PastedSession, SessionFault> {
    if !(1..=5).contains(&session.dc_id) {
        return Err(SessionFault::DataCentre(session.dc_id));
    }
    let is_place = |address: SocketAddr| {
        let ip = address.ip();
        address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast()
    };
    match session.address {
        Some(address) if !is_place(address) => Err(SessionFault::Garbled),
        _ => Ok(session),
    }
}

fn split<const N: usize>(bytes: &[u8]) -> Option<([u8; N], &[u8])> {
    bytes.split_first_chunk::<N>().map(|(head, rest)| (*head, rest))
}
