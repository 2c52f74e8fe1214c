//! The secret of an MTProxy. <https://core.telegram.org/mtproto/mtproto-transports#transport-obfuscation>

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::fault::{MtproxySecretFault, ProxyFault};
use crate::{Disguise, MtproxySecret};

/// The longest name that fits into the greeting that a connection is disguised with, in bytes, as in Telegram's own clients.
const DOMAIN_MAX: usize = 182;

/// People cut the padding off, and the last bits with it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Reads a secret in hexadecimal digits or in Base64 of either alphabet.
pub(super) fn read(text: &str) -> Result<MtproxySecret, ProxyFault> {
    let bytes = decode(text).ok_or(ProxyFault::Secret(MtproxySecretFault::Alphabet))?;
    of_bytes(&bytes).map_err(ProxyFault::Secret)
}

/// What could be both is hexadecimal digits, as Telegram's clients read it.
fn decode(text: &str) -> Option<Vec<u8>> {
    hex::decode(text).ok().or_else(|| LENIENT.decode(text.replace('+', "-").replace('/', "_")).ok())
}

fn of_bytes(bytes: &[u8]) -> Result<MtproxySecret, MtproxySecretFault> {
    if let Ok(key) = bytes.try_into() {
        return Ok(MtproxySecret::new(key, Disguise::Random));
    }
    let (Some((kind, rest)), true) = (bytes.split_first(), bytes.len() > 16) else {
        return Err(MtproxySecretFault::Length(bytes.len()));
    };
    let (key, domain) = rest.split_first_chunk().ok_or(MtproxySecretFault::Length(bytes.len()))?;
    match (kind, domain) {
        (0xdd, []) => Ok(MtproxySecret::new(*key, Disguise::Padded)),
        (0xdd, _) | (0xee, []) => Err(MtproxySecretFault::Length(bytes.len())),
        (0xee, domain) => Ok(MtproxySecret::new(*key, Disguise::Tls(read_domain(domain)?))),
        _ => Err(MtproxySecretFault::Kind),
    }
}

fn read_domain(bytes: &[u8]) -> Result<String, MtproxySecretFault> {
    let fits = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let name =
        std::str::from_utf8(bytes).ok().filter(|_| bytes.len() <= DOMAIN_MAX && bytes.iter().all(fits));
    name.map(str::to_owned).ok_or(MtproxySecretFault::Domain)
}
