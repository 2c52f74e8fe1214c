//! The server's RSA key, and what Telegram's padding hides under it.
//!
//! The key pair is fixed and public: it protects a test server on loopback, and nothing else. Making one at each start
//! would cost a second and gain nothing.

use std::sync::LazyLock;

use grammers_tl_types::{Cursor, Deserializable, Serializable};
use num_bigint::BigUint;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::ige;

/// The public key in the form in which Telegram publishes its own.
pub(crate) const PUBLIC_PEM: &str = "\
-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEAl5xgmooFn+fSfxeEBum3gNsWNm33I5S8YtyMbHxNXWrZyRKanu7v
yPCtxmZjoXymcTZcnjfLqQSLMHE9GGQD54ts4sLkzXSJaa8Z2k0FzGnLZ0HkzVT1
36Q1whN/If/2R3/XRv2yt3AF5FEQAKDImWgTbHO1uWevdiUbTw1ytdoKnwN6Z/bE
rUJASxfzXj1Rmk5b4Ff3SdUB7HYPhNJZl5OveQkcVpPSSfENkkB8XSoVD5IECaTK
SwqRdsdwYK8+7qzPhAIX8K2sY3q5I6EbnGpaYSN1DNrGQvyVcdg2MDNo5FJA3Dyg
qoMFeCeNI3Vlb5xGupDYBBkutvHwY0ml/QIDAQAB
-----END RSA PUBLIC KEY-----
";

const MODULUS: &str = concat!(
    "979c609a8a059fe7d27f178406e9b780db16366df72394bc62dc8c6c7c4d5d6a",
    "d9c9129a9eeeefc8f0adc66663a17ca671365c9e37cba9048b30713d186403e7",
    "8b6ce2c2e4cd748969af19da4d05cc69cb6741e4cd54f5dfa435c2137f21fff6",
    "477fd746fdb2b77005e4511000a0c89968136c73b5b967af76251b4f0d72b5da",
    "0a9f037a67f6c4ad42404b17f35e3d519a4e5be057f749d501ec760f84d25997",
    "93af79091c5693d249f10d92407c5d2a150f920409a4ca4b0a9176c77060af3e",
    "eeaccf840217f0adac637ab923a11b9c6a5a6123750cdac642fc9571d8363033",
    "68e45240dc3ca0aa830578278d2375656f9c46ba90d804192eb6f1f06349a5fd",
);

const PRIVATE_EXPONENT: &str = concat!(
    "3825cac510de9a64d1590e0d703df81eb984956dce3c1826587a936acdf21ce9",
    "a87445f68b6bb3d3f80673569209494f9ed7e21f1a4ccb708a57cb6833f33e5a",
    "ef10c93e225c508f5f5b60b8af13b9ab688ffa205146e8b4056d7f4d9724b155",
    "b50f0c5c1732abaaca13cf4d9cddeecc9975b0117e3886c4bd7d6a8ab1514d35",
    "3baa2bdd38ef99abbd4d3750e970a89cf82ed5f046d1d0ebdb55d237cf2212bf",
    "ad9855752843562c8775e7205238d5f8e0d8309579da119ded3e5856956e891c",
    "89cec87402f9a38097a14c6395384706bddc9028fb56a329bca5900ca9030031",
    "c164c418317f5371a9f60376c2465ab5112f52542e1a77571fb0a4773e827ca5",
);

const PUBLIC_EXPONENT: [u8; 3] = [1, 0, 1];

/// The length of the modulus, and of everything encrypted under it.
const LEN: usize = 256;

/// The bytes that Telegram's padding leaves for the data.
const ROOM: usize = 192;

static KEY: LazyLock<(BigUint, BigUint)> = LazyLock::new(|| (number(MODULUS), number(PRIVATE_EXPONENT)));

/// A number that stands in this program as hexadecimal digits.
pub(crate) fn number(digits: &str) -> BigUint {
    BigUint::parse_bytes(digits.as_bytes(), 16).unwrap_or_default()
}

/// A number as exactly `N` big-endian bytes; the lowest ones if it is longer.
pub(crate) fn padded<const N: usize>(number: &BigUint) -> [u8; N] {
    let (mut bytes, digits) = ([0; N], number.to_bytes_le());
    bytes.iter_mut().rev().zip(digits).for_each(|(byte, digit)| *byte = digit);
    bytes
}

/// What a client recognises the key by: the last 64 bits of the SHA-1 of modulus and exponent.
pub(crate) fn fingerprint() -> i64 {
    let mut key = KEY.0.to_bytes_be().to_bytes();
    PUBLIC_EXPONENT.to_vec().serialize(&mut key);
    let mut last = [0; 8];
    last.copy_from_slice(&Sha1::digest(key)[12..]);
    i64::from_le_bytes(last)
}

/// Reads what was encrypted. `None` if it was not made for this key.
pub(crate) fn decrypt<T: Deserializable>(encrypted: &[u8]) -> Option<T> {
    let (modulus, exponent) = &*KEY;
    let encrypted = Some(BigUint::from_bytes_be(encrypted)).filter(|number| number < modulus)?;
    let padded: [u8; LEN] = padded(&encrypted.modpow(exponent, modulus));
    match without_rsa_pad(padded) {
        Some(data) => T::deserialize(&mut Cursor::from_slice(&data)).ok(),
        None => without_old_padding(&padded),
    }
}

/// Takes `RSA_PAD` away; random bytes stay behind the data.
fn without_rsa_pad(mut padded: [u8; LEN]) -> Option<[u8; ROOM]> {
    let (key, data) = padded.split_first_chunk_mut::<32>()?;
    key.iter_mut().zip(Sha256::digest(&*data)).for_each(|(byte, mask)| *byte ^= mask);
    ige::decrypt(data, key, &[0; 32]);
    let (reversed, hash) = data.split_first_chunk_mut::<ROOM>()?;
    reversed.reverse();
    let expected = Sha256::new().chain_update(*key).chain_update(*reversed).finalize();
    (*hash == expected[..]).then_some(*reversed)
}

/// The padding from before, which Telegram still takes and Telethon still uses: a zero, SHA-1, data, random bytes.
fn without_old_padding<T: Deserializable>(padded: &[u8; LEN]) -> Option<T> {
    let (hash, data) = padded.strip_prefix(&[0])?.split_first_chunk::<20>()?;
    let mut cursor = Cursor::from_slice(data);
    let parsed = T::deserialize(&mut cursor).ok()?;
    (*hash == Sha1::digest(&data[..cursor.pos()])[..]).then_some(parsed)
}

#[cfg(test)]
mod tests {
    use grammers_crypto::rsa;

    use super::*;

    #[test]
    fn reads_what_a_client_encrypted() {
        let key = rsa::Key::new(&KEY.0.to_string(), "65537").expect("a key");
        for seed in 0..20_u8 {
            let random = std::array::from_fn(|i| (i as u8).wrapping_mul(31) ^ seed);
            let data = vec![seed; 100];
            let mut encrypted = rsa::encrypt_hashed(&data.to_bytes(), &key, &random);
            assert_eq!(decrypt(&encrypted), Some(data));
            encrypted[200] ^= 1;
            assert_eq!(decrypt::<Vec<u8>>(&encrypted), None);
        }
    }

    #[test]
    fn reads_the_padding_of_older_clients() {
        let encrypt = |flipped: usize| {
            let data = vec![8_u8; 100].to_bytes();
            let mut padded = [&Sha1::digest(&data)[..], &data[..]].concat();
            padded.resize(LEN - 1, 7);
            padded[flipped] ^= 1;
            BigUint::from_bytes_be(&padded).modpow(&65_537_u32.into(), &KEY.0).to_bytes_be()
        };
        assert_eq!(decrypt(&encrypt(LEN - 2)), Some(vec![8_u8; 100]));
        assert_eq!(decrypt::<Vec<u8>>(&encrypt(60)), None);
    }

    #[test]
    fn the_published_key_is_the_one_that_is_used() {
        use base64::Engine;
        let base64: String = PUBLIC_PEM.lines().filter(|line| !line.starts_with('-')).collect();
        let der = base64::engine::general_purpose::STANDARD.decode(base64).expect("base64");
        let modulus = KEY.0.to_bytes_be();
        assert!(der.windows(LEN).any(|window| window == modulus));
    }
}
