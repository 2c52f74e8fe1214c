//! A `ClientHello` as browsers send it, of 517 bytes, which is what proxies know it by.
//! <https://www.rfc-editor.org/rfc/rfc8446#section-4.1.2>

use std::ops::Range;

use num_bigint::BigUint;

/// Where its random stands.
pub(super) const RANDOM: Range<usize> = 11..43;

/// How long it is, with the head of its record.
const LENGTH: usize = 517;

/// What stands in front of the random: a handshake of 512 bytes in a record of TLS 1.0, and in it a hello of TLS 1.2.
const BEGINNING: [u8; 11] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];

/// The ciphers that are offered, but for a first one that means nothing.
const CIPHERS: [u8; 30] = [
    0x13, 0x01, 0x13, 0x02, 0x13, 0x03, 0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30, 0xcc, 0xa9, 0xcc,
    0xa8, 0xc0, 0x13, 0xc0, 0x14, 0x00, 0x9c, 0x00, 0x9d, 0x00, 0x2f, 0x00, 0x35,
];

/// The extensions between the server's name and the groups: the extended master secret, and no renegotiation.
const FIRST: [u8; 9] = [0x00, 0x17, 0, 0, 0xff, 0x01, 0, 1, 0];

/// Those behind the groups: point formats, session ticket, `h2` and `http/1.1`, status request, signature algorithms,
/// certificate timestamps.
const MIDDLE: [u8; 63] = [
    0x00, 0x0b, 0, 2, 1, 0, 0x00, 0x23, 0, 0, 0x00, 0x10, 0, 14, 0, 12, 2, b'h', b'2', 8, b'h', b't', b't',
    b'p', b'/', b'1', b'.', b'1', 0x00, 0x05, 0, 5, 1, 0, 0, 0, 0, 0x00, 0x0d, 0, 18, 0, 16, 4, 3, 8, 4, 4,
    1, 5, 3, 8, 5, 5, 1, 8, 6, 6, 1, 0x00, 0x12, 0, 0,
];

/// Makes one for a host, with zeros for its random.
pub(super) fn client_hello(domain: &str) -> Vec<u8> {
    let grease = grease();
    let mut hello = Vec::with_capacity(LENGTH);
    hello.extend(BEGINNING);
    hello.extend([0; 32]);
    hello.push(32);
    hello.extend(rand::random::<[u8; 32]>());
    hello.extend([0, 32, grease[0], grease[0]]);
    hello.extend(CIPHERS);
    hello.extend([1, 0]);
    let extensions = extensions(domain, &grease, LENGTH - hello.len() - 2);
    hello.extend((extensions.len() as u16).to_be_bytes());
    hello.extend(extensions);
    hello
}

/// The extensions, padded to `length` bytes.
fn extensions(domain: &str, grease: &[u8; 4], length: usize) -> Vec<u8> {
    let mut all = vec![grease[1], grease[1], 0, 0];
    let name = domain.as_bytes();
    extend(&mut all, 0x00, &[&sized(name.len() + 3), &[0][..], &sized(name.len()), name].concat());
    all.extend(FIRST);
    extend(&mut all, 0x0a, &[0, 8, grease[2], grease[2], 0, 0x1d, 0, 0x17, 0, 0x18]);
    all.extend(MIDDLE);
    let share = [&[0, 41, grease[2], grease[2], 0, 1, 0, 0, 0x1d, 0, 32][..], &public_key()].concat();
    extend(&mut all, 0x33, &share);
    extend(&mut all, 0x2d, &[1, 1]);
    extend(&mut all, 0x2b, &[10, grease[3], grease[3], 3, 4, 3, 3, 3, 2, 3, 1]);
    // How a certificate may be compressed; and one more that means nothing.
    extend(&mut all, 0x1b, &[2, 0, 2]);
    all.extend([grease[1] ^ 0x10, grease[1] ^ 0x10, 0, 1, 0]);
    let padding = length.saturating_sub(all.len() + 4);
    extend(&mut all, 0x15, &vec![0; padding]);
    all
}

fn extend(all: &mut Vec<u8>, kind: u8, data: &[u8]) {
    all.extend([0, kind]);
    all.extend(sized(data.len()));
    all.extend(data);
}

fn sized(length: usize) -> [u8; 2] {
    (length as u16).to_be_bytes()
}

/// Values that mean nothing, as browsers mix them in. <https://www.rfc-editor.org/rfc/rfc8701>
fn grease() -> [u8; 4] {
    let mut grease = rand::random::<[u8; 4]>().map(|byte| byte & 0xf0 | 0x0a);
    if grease[3] == grease[2] {
        grease[3] ^= 0x10;
    }
    grease
}

/// Bytes that can be a public key of X25519, which only every second number is: somebody who watches could look.
fn public_key() -> [u8; 32] {
    let prime = (BigUint::from(1_u8) << 255_u32) - 19_u8;
    let half = (&prime - 1_u8) >> 1_u32;
    loop {
        let mut key: [u8; 32] = rand::random();
        key[31] &= 0x7f;
        let x = BigUint::from_bytes_le(&key);
        let right = (&x * &x * &x + &x * &x * 486_662_u32 + &x) % &prime;
        if right.modpow(&half, &prime) == BigUint::from(1_u8) {
            return key;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The extensions of a hello, by their numbers.
    fn read(hello: &[u8]) -> Vec<(u16, Vec<u8>)> {
        // Session id, ciphers, compression.
        let mut at = RANDOM.end;
        at += 1 + usize::from(hello[at]);
        at += 2 + usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
        at += 1 + usize::from(hello[at]);
        let length = usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
        let mut rest = &hello[at + 2..];
        assert_eq!(rest.len(), length);
        let mut found = Vec::new();
        while let Some((head, behind)) = rest.split_first_chunk::<4>() {
            let (data, next) = behind.split_at(u16::from_be_bytes([head[2], head[3]]).into());
            found.push((u16::from_be_bytes([head[0], head[1]]), data.to_vec()));
            rest = next;
        }
        found
    }

    #[test]
    fn it_has_the_length_that_proxies_know_and_names_the_host() {
        for domain in ["a.example".to_owned(), "x".repeat(182)] {
            let hello = client_hello(&domain);
            assert_eq!(hello.len(), LENGTH);
            let found = read(&hello);
            let (_, name) = found.iter().find(|(kind, _)| *kind == 0).unwrap();
            assert!(name.ends_with(domain.as_bytes()) && name.len() == domain.len() + 5);
            let mut kinds: Vec<u16> = found.iter().map(|(kind, _)| *kind).collect();
            kinds.sort_unstable();
            kinds.dedup();
            assert_eq!(kinds.len(), found.len(), "no extension stands there twice");
            for wanted in [0x0a, 0x0d, 0x10, 0x15, 0x2b, 0x33] {
                assert!(kinds.contains(&wanted), "{wanted}");
            }
        }
    }

    #[test]
    fn no_two_are_alike() {
        let key = |hello: &[u8]| read(hello).into_iter().find(|(kind, _)| *kind == 0x33).unwrap().1;
        let (one, other) = (client_hello("a.example"), client_hello("a.example"));
        assert_ne!(key(&one), key(&other));
        assert_ne!(one[44..76], other[44..76], "the session's id");
    }
}
