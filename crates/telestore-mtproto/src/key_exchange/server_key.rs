use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use grammers_crypto::rsa;
use grammers_tl_types::Serializable;
use num_bigint::BigUint;
use sha1::{Digest, Sha1};

/// Telegram's key, and that of its test servers.
const TELEGRAM: [&str; 2] = [
    concat!(
        "e8bb3305c0b52c6cf2afdf7637313489e63e05268e5badb601af417786472e5f",
        "93b85438968e20e6729a301c0afc121bf7151f834436f7fda680847a66bf64ac",
        "cec78ee21c0b316f0edafe2f41908da7bd1f4a5107638eeb67040ace472a14f9",
        "0d9f7c2b7def99688ba3073adb5750bb02964902a359fe745d8170e36876d4fd",
        "8a5d41b2a76cbff9a13267eb9580b2d06d10357448d20d9da2191cb5d8c93982",
        "961cdfdeda629e37f1fb09a0722027696032fe61ed663db7a37f6f263d370f69",
        "db53a0dc0a1748bdaaff6209d5645485e6e001d1953255757e4b8e42813347b1",
        "1da6ab500fd0ace7e6dfa3736199ccaf9397ed0745a427dcfa6cd67bcb1acff3",
    ),
    concat!(
        "c8c11d635691fac091dd9489aedced2932aa8a0bcefef05fa800892d9b52ed03",
        "200865c9e97211cb2ee6c7ae96d3fb0e15aeffd66019b44a08a240cfdd2868a8",
        "5e1f54d6fa5deaa041f6941ddf302690d61dc476385c2fa655142353cb4e4b59",
        "f6e5b6584db76fe8b1370263246c010c93d011014113ebdf987d093f9d37c2be",
        "48352d69a1683f8f6e6c2167983c761e3ab169fde5daaa12123fa1beab621e4d",
        "a5935e9c198f82f35eae583a99386d8110ea6bd1abb0f568759f62694419ea5f",
        "69847c43462abef858b4cb5edc84e7b9226cd7bd7e183aa974a712c079dde85b",
        "9dc063b8a5c08e8f859c0ee5dcd824c7807f20153361a7f63cfd2a433a1be7f5",
    ),
];

/// What all of Telegram's keys have as exponent.
const EXPONENT: u32 = 65_537;

/// The length of a modulus in bits; `RSA_PAD` works with no other.
const BITS: u64 = 2048;

/// The public RSA key of an MTProto server: what proves to a client that it speaks with that server.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerKey {
    modulus: BigUint,
    exponent: BigUint,
    fingerprint: i64,
}

/// The text is no key that a server could have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an RSA key of 2048 bits in PEM, from BEGIN RSA PUBLIC KEY to END RSA PUBLIC KEY")]
pub struct BadServerKey;

impl ServerKey {
    fn new(modulus: BigUint, exponent: BigUint) -> Option<Self> {
        if modulus.bits() != BITS || exponent <= BigUint::from(1_u8) {
            return None;
        }
        let mut key = modulus.to_bytes_be().to_bytes();
        exponent.to_bytes_be().serialize(&mut key);
        let fingerprint = i64::from_le_bytes(*Sha1::digest(key).last_chunk()?);
        Some(Self { modulus, exponent, fingerprint })
    }

    /// The keys that Telegram publishes.
    pub(crate) fn telegram() -> Vec<Self> {
        let key =
            |digits: &str| Self::new(BigUint::parse_bytes(digits.as_bytes(), 16)?, BigUint::from(EXPONENT));
        TELEGRAM.into_iter().filter_map(key).collect()
    }

    /// What a server names the key by.
    pub(crate) fn fingerprint(&self) -> i64 {
        self.fingerprint
    }

    /// Encrypts for the server, padded as Telegram demands. At most 144 bytes.
    pub(crate) fn encrypt(&self, data: &[u8], random: &[u8; 224]) -> Option<Vec<u8>> {
        let key = rsa::Key::new(&self.modulus.to_string(), &self.exponent.to_string())?;
        Some(rsa::encrypt_hashed(data, &key, random))
    }
}

impl FromStr for ServerKey {
    type Err = BadServerKey;

    /// Reads PEM, the form in which Telegram publishes its keys. Where the line breaks are does not matter.
    fn from_str(text: &str) -> Result<Self, BadServerKey> {
        let body = text
            .trim()
            .strip_prefix("-----BEGIN RSA PUBLIC KEY-----")
            .and_then(|rest| rest.strip_suffix("-----END RSA PUBLIC KEY-----"))
            .ok_or(BadServerKey)?;
        let body: String = body.split_whitespace().collect();
        let der = STANDARD.decode(body).map_err(|_| BadServerKey)?;
        parse(&der).ok_or(BadServerKey)
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerKey({:016x})", self.fingerprint)
    }
}

/// PKCS #1: a sequence of modulus and exponent.
fn parse(der: &[u8]) -> Option<ServerKey> {
    const SEQUENCE: u8 = 0x30;
    const INTEGER: u8 = 0x02;
    let (body, []) = field(SEQUENCE, der)? else { return None };
    let (modulus, rest) = field(INTEGER, body)?;
    let (exponent, []) = field(INTEGER, rest)? else { return None };
    ServerKey::new(BigUint::from_bytes_be(modulus), BigUint::from_bytes_be(exponent))
}

/// The content of a field with this tag, and what follows it.
fn field(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk()?;
    let (length, rest) = match first {
        0x80.. => {
            let (digits, rest) =
                rest.split_at_checked(usize::from(first & 0x7f)).filter(|(digits, _)| digits.len() <= 2)?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        short => (usize::from(short), rest),
    };
    rest.split_at_checked(length).filter(|_| found == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of Telegram's, as PEM.
    fn pem(key: &ServerKey) -> String {
        let modulus = [&[0x02, 0x82, 1, 1, 0][..], &key.modulus.to_bytes_be()].concat();
        let body = [&modulus[..], &[0x02, 3, 1, 0, 1]].concat();
        let der = [&[0x30, 0x82, 1, 10][..], &body].concat();
        format!("-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----\n", STANDARD.encode(der))
    }

    #[test]
    fn telegrams_keys_have_the_fingerprints_that_its_servers_name() {
        let fingerprints: Vec<_> = ServerKey::telegram().iter().map(ServerKey::fingerprint).collect();
        assert_eq!(fingerprints, [-3_414_540_481_677_951_611, -5_595_554_452_916_591_101]);
    }

    #[test]
    fn reads_pem_wherever_its_lines_end() {
        for key in ServerKey::telegram() {
            let text = pem(&key);
            assert_eq!(text.parse(), Ok(key.clone()));
            assert_eq!(text.replace('\n', " ").parse(), Ok(key));
        }
    }

    #[test]
    fn refuses_what_is_no_key_and_never_panics() {
        let good = pem(&ServerKey::telegram()[0]);
        for end in 0..good.len() - 1 {
            assert_eq!(good[..end].parse::<ServerKey>(), Err(BadServerKey), "{end}");
        }
        let short = ServerKey { modulus: BigUint::from(35_u8), ..ServerKey::telegram()[0].clone() };
        assert_eq!(pem(&short).parse::<ServerKey>(), Err(BadServerKey));
        for byte in 0..=255 {
            for length in 0..8 {
                let _ = parse(&vec![byte; length]);
                let _ = parse(&[&[0x30, byte][..], &vec![byte; length]].concat());
            }
        }
    }
}
