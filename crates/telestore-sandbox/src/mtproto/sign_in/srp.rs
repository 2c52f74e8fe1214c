//! The server's side of a password that is never sent: <https://core.telegram.org/api/srp>.

use grammers_tl_types::{enums, types};
use hmac::Hmac;
use num_bigint::BigUint;
use sha2::{Digest, Sha256, Sha512};

use super::super::handshake::{DH_PRIME, G};
use super::super::rsa::padded;

/// How often the password is hashed, as the name of the algorithm says.
const ROUNDS: u32 = 100_000;

/// What the server keeps of a password.
pub(super) struct Verifier {
    salt1: [u8; 40],
    salt2: [u8; 16],
    v: BigUint,
}

/// The server's half of one try.
pub(super) struct Half {
    b: BigUint,
    /// What the client gets of it.
    pub(super) g_b: [u8; 256],
}

fn hash(pieces: &[&[u8]]) -> [u8; 32] {
    pieces.iter().fold(Sha256::new(), |hash, piece| hash.chain_update(piece)).finalize().into()
}

fn g() -> BigUint {
    BigUint::from(G.unsigned_abs())
}

impl Verifier {
    /// Takes a while.
    pub(super) fn of(password: &str) -> Self {
        let (salt1, salt2) = (rand::random::<[u8; 40]>(), rand::random::<[u8; 16]>());
        let salted = |data: &[u8], salt: &[u8]| hash(&[salt, data, salt]);
        let first = salted(&salted(password.as_bytes(), &salt1), &salt2);
        let mut slow = [0; 64];
        pbkdf2::pbkdf2::<Hmac<Sha512>>(&first, &salt1, ROUNDS, &mut slow).expect("any key is long enough");
        let x = BigUint::from_bytes_be(&salted(&slow, &salt2));
        Self { salt1, salt2, v: g().modpow(&x, &DH_PRIME) }
    }

    /// How the client is to hash.
    pub(super) fn algorithm(&self) -> enums::PasswordKdfAlgo {
        let (salt1, salt2) = (self.salt1.to_vec(), self.salt2.to_vec());
        types::PasswordKdfAlgoSha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow {
            salt1,
            salt2,
            g: G,
            p: DH_PRIME.to_bytes_be(),
        }
        .into()
    }

    /// The server's half of a new try.
    pub(super) fn half(&self) -> Half {
        let b = BigUint::from_bytes_be(&rand::random::<[u8; 256]>());
        let k = hash(&[&DH_PRIME.to_bytes_be(), &padded::<256>(&g())]);
        let masked = BigUint::from_bytes_be(&k) * &self.v + g().modpow(&b, &DH_PRIME);
        Half { b, g_b: padded(&(masked % &*DH_PRIME)) }
    }

    /// Whether who sends this knows the password.
    pub(super) fn is_proved(&self, half: &Half, a: &[u8], m1: &[u8]) -> bool {
        let g_a = BigUint::from_bytes_be(a);
        if &g_a % &*DH_PRIME == BigUint::ZERO {
            return false;
        }
        let (prime, a) = (DH_PRIME.to_bytes_be(), padded::<256>(&g_a));
        let u = BigUint::from_bytes_be(&hash(&[&a, &half.g_b]));
        let shared = (g_a * self.v.modpow(&u, &DH_PRIME)).modpow(&half.b, &DH_PRIME);
        let key = hash(&[&padded::<256>(&shared)]);
        let mut group = hash(&[&prime]);
        group.iter_mut().zip(hash(&[&padded::<256>(&g())])).for_each(|(byte, other)| *byte ^= other);
        let salts = (hash(&[&self.salt1]), hash(&[&self.salt2]));
        hash(&[&group, &salts.0, &salts.1, &a, &half.g_b, &key]) == m1
    }
}

#[cfg(test)]
mod tests {
    use grammers_crypto::two_factor_auth::calculate_2fa;

    use super::*;

    #[test]
    fn an_independent_client_proves_the_right_password_and_no_other() {
        let verifier = Verifier::of("open sesame");
        let half = verifier.half();
        let prove = |half: &Half, password: &str| {
            let prime = DH_PRIME.to_bytes_be();
            let (salt1, salt2) = (&verifier.salt1[..], &verifier.salt2[..]);
            calculate_2fa(salt1, salt2, &prime, &G, half.g_b.to_vec(), vec![7; 256], password)
        };
        let (m1, a) = prove(&half, "open sesame");
        assert!(verifier.is_proved(&half, &a, &m1));
        assert!(!verifier.is_proved(&verifier.half(), &a, &m1), "it is good for one half");
        let (m1, a) = prove(&half, "Open sesame");
        assert!(!verifier.is_proved(&half, &a, &m1));
        assert!(!verifier.is_proved(&half, &[0; 256], &m1));
        assert!(!verifier.is_proved(&half, &prime_bytes(), &m1));
    }

    fn prime_bytes() -> Vec<u8> {
        DH_PRIME.to_bytes_be()
    }
}
