//! The header of an obfuscated connection, and the ciphers that it agrees on.

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use sha2::{Digest, Sha256};

pub(super) type Cipher = Ctr128BE<Aes256>;

const LENGTH: usize = 64;

/// Beginnings that mean something else: other transports, HTTP, TLS.
const TAKEN: [[u8; 4]; 8] =
    [*b"HEAD", *b"POST", *b"GET ", *b"OPTI", *b"PVrG", [0xdd; 4], [0xee; 4], [0x16, 3, 1, 2]];

/// A connection as it begins.
pub(super) struct Begun {
    /// What goes first.
    pub(super) header: [u8; LENGTH],
    /// For what goes behind the header.
    pub(super) outbound: Cipher,
    pub(super) inbound: Cipher,
}

/// Begins a connection to a data centre by its number, which is negative for files and 10000 more for a test server. `tag`
/// names the transport. `random` gives random bytes.
pub(super) fn begin(
    key: &[u8; 16],
    tag: [u8; 4],
    dc: i16,
    mut random: impl FnMut() -> [u8; LENGTH],
) -> Begun {
    let mut header = random();
    while !is_free(&header) {
        header = random();
    }
    header[56..60].copy_from_slice(&tag);
    header[60..62].copy_from_slice(&dc.to_le_bytes());
    let mut reversed = header;
    reversed[8..56].reverse();
    let mut outbound = cipher(&header, key);
    let mut encrypted = header;
    outbound.apply_keystream(&mut encrypted);
    header[56..].copy_from_slice(&encrypted[56..]);
    Begun { header, outbound, inbound: cipher(&reversed, key) }
}

/// Whether no other protocol begins so.
fn is_free(header: &[u8; LENGTH]) -> bool {
    header[0] != 0xef && !TAKEN.iter().any(|taken| header.starts_with(taken)) && header[4..8] != [0; 4]
}

fn cipher(header: &[u8; LENGTH], key: &[u8; 16]) -> Cipher {
    let mixed: [u8; 32] = Sha256::new().chain_update(&header[8..40]).chain_update(key).finalize().into();
    let mut iv = [0; 16];
    iv.copy_from_slice(&header[40..56]);
    Cipher::new(&mixed.into(), &iv.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_never_looks_like_another_protocol() {
        let with = |first: &[u8]| {
            let mut header = [7; LENGTH];
            header[..first.len()].copy_from_slice(first);
            header
        };
        let wrong =
            [&b"\xef123"[..], b"HEAD", b"POST", b"GET ", b"\x16\x03\x01\x02", &[1, 2, 3, 4, 0, 0, 0, 0]];
        let mut tries = wrong.iter().map(|first| with(first)).chain([[9; LENGTH]]);
        let begun = begin(&[1; 16], [0xdd; 4], 2, || tries.next().unwrap());
        assert_eq!(begun.header[..56], [9; 56]);
        assert!(tries.next().is_none());
    }

    #[test]
    fn the_other_side_finds_tag_data_centre_and_both_keys() {
        let key = [3; 16];
        let mut ours = begin(&key, [0xdd; 4], -4, || std::array::from_fn(|i| i as u8 + 1));
        // The other side's key is made of the same bytes, which are in clear.
        let mut theirs = cipher(&ours.header, &key);
        let mut header = ours.header;
        theirs.apply_keystream(&mut header);
        assert_eq!((&header[56..60], &header[60..62]), (&[0xdd; 4][..], &(-4_i16).to_le_bytes()[..]));
        let mut bytes = *b"what goes behind";
        ours.outbound.apply_keystream(&mut bytes);
        theirs.apply_keystream(&mut bytes);
        assert_eq!(&bytes, b"what goes behind");
        let mut reversed = ours.header;
        reversed[8..56].reverse();
        cipher(&reversed, &key).apply_keystream(&mut bytes);
        ours.inbound.apply_keystream(&mut bytes);
        assert_eq!(&bytes, b"what goes behind");
    }
}
