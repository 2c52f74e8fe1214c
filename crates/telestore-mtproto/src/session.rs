use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use sha2::{Digest, Sha256};
use telestore_types::pasted::{self, PastedSession, SessionFault};
use telestore_types::{ApiId, Secret, SenderId};

/// The length of an authorisation key in bytes.
const KEY_LEN: usize = 256;

/// The main addresses of Telegram's five data centres, for session strings that name a data centre only.
const DATA_CENTRES: [Ipv4Addr; 5] = [
    Ipv4Addr::new(149, 154, 175, 53),
    Ipv4Addr::new(149, 154, 167, 41),
    Ipv4Addr::new(149, 154, 175, 100),
    Ipv4Addr::new(149, 154, 167, 92),
    Ipv4Addr::new(91, 108, 56, 104),
];

/// The same of its three test servers, which know other accounts.
const TEST_CENTRES: [Ipv4Addr; 3] =
    [Ipv4Addr::new(149, 154, 175, 10), Ipv4Addr::new(149, 154, 167, 40), Ipv4Addr::new(149, 154, 175, 117)];

/// Further addresses of each of them, IPv4 and IPv6.
const FURTHER: [&[IpAddr]; 5] = [
    &[v4(149, 154, 175, 50), v6(0x2001, 0xb28, 0xf23d, 0xf001, 0xa)],
    &[v4(149, 154, 167, 51), v4(95, 161, 76, 100), v6(0x2001, 0x67c, 0x4e8, 0xf002, 0xa)],
    &[v6(0x2001, 0xb28, 0xf23d, 0xf003, 0xa)],
    &[v4(149, 154, 167, 91), v6(0x2001, 0x67c, 0x4e8, 0xf004, 0xa)],
    &[v4(149, 154, 171, 5), v6(0x2001, 0xb28, 0xf23f, 0xf005, 0xa)],
];

/// And of the test servers.
const FURTHER_TEST: [&[IpAddr]; 3] = [
    &[v6(0x2001, 0xb28, 0xf23d, 0xf001, 0xe)],
    &[v6(0x2001, 0x67c, 0x4e8, 0xf002, 0xe)],
    &[v6(0x2001, 0xb28, 0xf23d, 0xf003, 0xe)],
];

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6(a: u16, b: u16, c: u16, d: u16, last: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, last))
}

/// The port that every data centre serves.
const PORT: u16 = 443;

/// What a session string holds: a data centre, and the authorisation key that stands for a login there.
///
/// Session strings of Telethon, GramJS and Pyrogram are read. The key never shows: not in `Debug`, and not in errors.
///
/// ```
/// use telestore_mtproto::Session;
///
/// let session = Session::read(&format!("1ApWapzMBuw{}", "A".repeat(341)))?;
/// assert_eq!((session.dc_id(), session.address().to_string().as_str()), (2, "149.154.167.51:443"));
/// assert!(Session::read("12345").unwrap_err().to_string().contains("login code"));
/// # Ok::<(), telestore_types::pasted::SessionFault>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// The data centre that the account lives in.
    pub(crate) dc_id: u8,
    /// Whether it is one of the test servers.
    pub(crate) test: bool,
    /// Where to connect to: the string's own address, else the known one of its data centre.
    pub(crate) address: SocketAddr,
    /// Whether the string itself names the address.
    pub(crate) names_address: bool,
    /// The application that made it, if the string says so.
    api_id: Option<ApiId>,
    /// The key that stands for the login.
    pub(crate) auth_key: [u8; KEY_LEN],
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("dc_id", &self.dc_id)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Reads what a user gave for a session string; see [`pasted::session`].
    ///
    /// # Errors
    /// [`SessionFault`] says what it is instead, or what is wrong with it.
    pub fn read(text: &str) -> Result<Self, SessionFault> {
        let read = pasted::session(text)?;
        let known = || known(read.dc_id.into(), read.test).first().copied();
        let address = read.address.or_else(known).ok_or(SessionFault::DataCentre(read.dc_id))?;
        let PastedSession { dc_id, test, address: named, api_id, auth_key, .. } = read;
        let api_id = api_id.and_then(|id| ApiId::new(id).ok());
        Ok(Self { dc_id, test, address, names_address: named.is_some(), api_id, auth_key })
    }

    /// A session of its parts: the data centre, where that is, and the key.
    pub fn new(dc_id: u8, address: SocketAddr, auth_key: [u8; KEY_LEN]) -> Self {
        Self { dc_id, test: false, address, names_address: true, api_id: None, auth_key }
    }

    /// The session string, as Telethon writes and reads it: 353 characters for an IPv4 address, 369 for IPv6.
    ///
    /// ```
    /// use telestore_mtproto::Session;
    ///
    /// let session = Session::new(2, "149.154.167.51:443".parse()?, [7; 256]);
    /// let text = session.to_telethon();
    /// assert_eq!(text.expose().len(), 353);
    /// assert_eq!(Session::read(text.expose())?, session);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_telethon(&self) -> Secret {
        let mut packed = vec![self.dc_id];
        match self.address.ip() {
            IpAddr::V4(ip) => packed.extend(ip.octets()),
            IpAddr::V6(ip) => packed.extend(ip.octets()),
        }
        packed.extend(self.address.port().to_be_bytes());
        packed.extend(self.auth_key);
        Secret::new(format!("1{}", URL_SAFE.encode(packed)))
    }

    /// The key that stands for the login: 256 bytes. Who has it has the account.
    pub fn expose_key(&self) -> &[u8; KEY_LEN] {
        &self.auth_key
    }

    /// The number of the data centre that the account lives in.
    pub fn dc_id(&self) -> u8 {
        self.dc_id
    }

    /// Where its connection goes, unless the client's [`address`](crate::MtprotoConfig::address) says otherwise.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The application that made the session, if the string names one.
    pub fn api_id(&self) -> Option<ApiId> {
        self.api_id
    }

    #[cfg(test)]
    pub(crate) fn for_tests(dc_id: u8, address: SocketAddr) -> Self {
        Self::new(dc_id, address, [1; KEY_LEN])
    }

    /// The name of the login, which is no secret.
    pub(crate) fn sender_id(&self) -> SenderId {
        SenderId::of_auth_key(&self.auth_key)
    }

    /// What stands for the account in memory; the key cannot be found from it.
    pub(crate) fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.auth_key).into()
    }
}

/// The main address of one of Telegram's five data centres, as it has been for years.
pub fn known_address(id: i32) -> Option<SocketAddr> {
    place(&DATA_CENTRES, id)
}

/// All known addresses of a data centre.
pub(crate) fn known(id: i32, test: bool) -> Vec<SocketAddr> {
    let (main, further): (&[_], &[&[_]]) =
        if test { (&TEST_CENTRES, &FURTHER_TEST) } else { (&DATA_CENTRES, &FURTHER) };
    let index = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
    let further = index.and_then(|index| further.get(index)).copied().unwrap_or_default();
    place(main, id).into_iter().chain(further.iter().map(|ip| SocketAddr::new(*ip, PORT))).collect()
}

fn place(of: &[Ipv4Addr], id: i32) -> Option<SocketAddr> {
    let index = usize::try_from(id).ok()?.checked_sub(1)?;
    of.get(index).map(|ip| SocketAddr::new((*ip).into(), PORT))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn pyrogram(dc: u8, test: u8) -> String {
        let bytes =
            [&[dc][..], &77_u32.to_be_bytes(), &[test], &[7; KEY_LEN], &9_u64.to_be_bytes(), &[0]].concat();
        URL_SAFE_NO_PAD.encode(bytes)
    }

    #[test]
    fn a_string_that_names_an_address_leads_there() {
        let bytes = [&[2][..], &[127, 0, 0, 1], &443_u16.to_be_bytes(), &[7; KEY_LEN]].concat();
        let session = Session::read(&format!("1{}", URL_SAFE.encode(bytes))).unwrap();
        assert_eq!((session.dc_id, session.address.to_string()), (2, "127.0.0.1:443".to_owned()));
        assert!(session.names_address);
        assert!(!format!("{session:?}").contains("auth_key"), "{session:?}");
    }

    #[test]
    fn one_that_names_a_data_centre_leads_to_its_known_address() {
        let session = Session::read(&pyrogram(4, 0)).unwrap();
        assert_eq!(
            (session.address.to_string().as_str(), session.api_id().map(ApiId::get)),
            ("149.154.167.92:443", Some(77))
        );
        assert!(!session.names_address);
        let test = Session::read(&pyrogram(2, 1)).unwrap();
        assert_eq!(test.address.to_string(), "149.154.167.40:443", "a test account is not known elsewhere");
        assert_eq!(Session::read(&pyrogram(4, 1)), Err(SessionFault::DataCentre(4)));
    }
}
