use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest, Sha256};

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

/// The port that every data centre serves.
const PORT: u16 = 443;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What a session string holds.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Session {
    /// The data centre that the account lives in.
    pub(crate) dc_id: u8,
    /// Where to connect to: the string's own address, else the known one of its data centre.
    pub(crate) address: SocketAddr,
    /// Whether the string itself names the address.
    pub(crate) names_address: bool,
    /// The application that made it, where the string says so.
    pub(crate) api_id: Option<i32>,
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
    /// Reads a Telethon string, or one of the three forms of Pyrogram; `None` for anything else.
    ///
    /// Telethon writes `1` and then the URL-safe base64 of data centre, address (4 or 16 bytes), port and key. Pyrogram
    /// writes URL-safe base64 without padding of data centre, API id (newer versions), test mode, key, user id and
    /// whether it is a bot; it names no address.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text: String = text.split_whitespace().collect();
        text.strip_prefix('1').and_then(Self::telethon).or_else(|| Self::pyrogram(&text))
    }

    fn telethon(text: &str) -> Option<Self> {
        let bytes = LENIENT.decode(text).ok()?;
        let (&dc_id, rest) = bytes.split_first()?;
        let (ip, rest): (IpAddr, _) = match rest.len().checked_sub(2 + KEY_LEN)? {
            4 => split::<4>(rest).map(|(ip, rest)| (Ipv4Addr::from(ip).into(), rest))?,
            16 => split::<16>(rest).map(|(ip, rest)| (Ipv6Addr::from(ip).into(), rest))?,
            _ => return None,
        };
        let (port, key) = split::<2>(rest)?;
        let address = SocketAddr::new(ip, u16::from_be_bytes(port));
        Some(Self { dc_id, address, names_address: true, api_id: None, auth_key: key.try_into().ok()? })
    }

    fn pyrogram(text: &str) -> Option<Self> {
        // Behind the key come the user id, 8 bytes or 4 in the oldest form, and the bot flag.
        const NEW: usize = 1 + 4 + 1 + KEY_LEN + 8 + 1;
        const OLD: usize = 1 + 1 + KEY_LEN + 8 + 1;
        const OLDEST: usize = 1 + 1 + KEY_LEN + 4 + 1;
        let bytes = LENIENT.decode(text).ok()?;
        let (&dc_id, rest) = bytes.split_first()?;
        let (api_id, rest) = match bytes.len() {
            NEW => split::<4>(rest).map(|(id, rest)| (i32::try_from(u32::from_be_bytes(id)).ok(), rest))?,
            OLD | OLDEST => (None, rest),
            _ => return None,
        };
        let auth_key = rest.get(1..1 + KEY_LEN)?.try_into().ok()?;
        let address = data_centre(i32::from(dc_id))?;
        Some(Self { dc_id, address, names_address: false, api_id, auth_key })
    }

    /// What stands for the account in memory; the key cannot be found from it.
    pub(crate) fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.auth_key).into()
    }
}

/// The known address of a data centre.
pub(crate) fn data_centre(id: i32) -> Option<SocketAddr> {
    let index = usize::try_from(id).ok()?.checked_sub(1)?;
    DATA_CENTRES.get(index).map(|ip| SocketAddr::new((*ip).into(), PORT))
}

fn split<const N: usize>(bytes: &[u8]) -> Option<([u8; N], &[u8])> {
    bytes.split_first_chunk::<N>().map(|(head, rest)| (*head, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> [u8; KEY_LEN] {
        std::array::from_fn(|i| (i * 7) as u8)
    }

    fn telethon(ip: &[u8]) -> String {
        let bytes = [&[2][..], ip, &443_u16.to_be_bytes(), &key()].concat();
        format!("1{}", base64::engine::general_purpose::URL_SAFE.encode(bytes))
    }

    #[test]
    fn telethon_strings_name_address_and_key() {
        let session = Session::parse(&telethon(&[127, 0, 0, 1])).unwrap();
        assert_eq!((session.dc_id, session.address.to_string()), (2, "127.0.0.1:443".to_owned()));
        assert!(session.names_address);
        assert_eq!(session.auth_key, key());
        let session = Session::parse(&telethon(&Ipv6Addr::LOCALHOST.octets())).unwrap();
        assert_eq!(session.address.to_string(), "[::1]:443");
    }

    #[test]
    fn spaces_line_ends_and_padding_do_not_matter() {
        let text = telethon(&[127, 0, 0, 1]);
        let wrapped = format!("  {}\r\n{} ", &text[..40], text[40..].trim_end_matches('='));
        assert_eq!(Session::parse(&wrapped), Session::parse(&text));
    }

    #[test]
    fn pyrogram_strings_name_a_data_centre() {
        let new = [&[4][..], &77_u32.to_be_bytes(), &[0], &key(), &9_u64.to_be_bytes(), &[1]].concat();
        let old = [&[4][..], &[0], &key(), &9_u64.to_be_bytes(), &[1]].concat();
        let oldest = [&[4][..], &[0], &key(), &9_u32.to_be_bytes(), &[1]].concat();
        for (bytes, api_id) in [(new, Some(77)), (old, None), (oldest, None)] {
            let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
            let session = Session::parse(&text).unwrap();
            assert_eq!((session.dc_id, session.api_id, session.auth_key), (4, api_id, key()));
            assert_eq!((session.address.port(), session.names_address), (PORT, false));
        }
    }

    #[test]
    fn garbage_is_refused_and_never_panics() {
        let good = telethon(&[127, 0, 0, 1]);
        for end in 0..good.len() - 4 {
            if good.is_char_boundary(end) {
                assert_eq!(Session::parse(&good[..end]), None, "{end}");
            }
        }
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for length in 0..600 {
            let text: String = (0..length)
                .map(|_| {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    char::from_u32((state >> 40) as u32 % 0x250).unwrap_or('A')
                })
                .collect();
            let _ = Session::parse(&text);
            let _ = Session::parse(&format!("1{}", "A".repeat(length)));
            let _ = Session::parse(&"_".repeat(length));
        }
    }

    #[test]
    fn debug_hides_the_key() {
        let text = format!("{:?}", Session::parse(&telethon(&[127, 0, 0, 1])).unwrap());
        assert!(!text.contains("auth_key") && !text.contains("28, 35"), "{text}");
    }
}
