//! Whether the numbers of a Diffie-Hellman exchange are safe, as Telegram's security guidelines demand.

use std::sync::LazyLock;

use grammers_crypto::two_factor_auth::check_p_and_g;
use num_bigint::BigUint;

/// The prime that Telegram's servers use, known to be a good one.
const KNOWN_PRIME: &str = concat!(
    "c71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f",
    "48198a0aa7c14058229493d22530f4dbfa336f6e0ac925139543aed44cce7c37",
    "20fd51f69458705ac68cd4fe6b6b13abdc9746512969328454f18faf8c595f64",
    "2477fe96bb2a941d5bcd1d4ac8cc49880708fa9b378e3c4f3a9060bee67cf9a4",
    "a4a695811051907e162753b56b0f6b410dba74d8a84b2a14b3144e0ef1284754",
    "fd17ed950d5965b4b9dd46582db1178d169c6bc465b0d6ff9ca3928fef5b9ae4",
    "e418fc15e83ebea0f87fa9ff5eed70050ded2849f47bf959d956850ce929851f",
    "0d8115f635b105ee2e4e15d04b2454bf6f4fadf034b10403119cd8e3b92fcc5b",
);

/// The generators that go with it.
const KNOWN_GENERATORS: [i32; 3] = [3, 4, 7];

/// The length of the prime in bytes.
const LEN: usize = 256;

static KNOWN: LazyLock<Option<BigUint>> = LazyLock::new(|| BigUint::parse_bytes(KNOWN_PRIME.as_bytes(), 16));

/// The prime that Telegram's servers use.
#[cfg(test)]
pub(crate) fn known_prime() -> Vec<u8> {
    KNOWN.clone().unwrap_or_default().to_bytes_be()
}

/// Whether `prime` is a safe prime of 2048 bits, and `g` generates the subgroup of prime order. For a prime other than
/// the known one that takes a while.
pub(crate) fn is_good(prime: &[u8], g: i32) -> bool {
    let long = prime.len() == LEN && prime[0] >= 0x80;
    if !long || prime[LEN - 1].is_multiple_of(2) || !(2..=7).contains(&g) {
        return false;
    }
    match KNOWN.as_ref() {
        Some(known) if *known == BigUint::from_bytes_be(prime) => KNOWN_GENERATORS.contains(&g),
        _ => check_p_and_g(prime, &g),
    }
}

/// Whether one side's half is in the range from which nothing can be learned: 2^(2048-64) from both ends.
pub(crate) fn is_in_range(half: &BigUint, prime: &BigUint) -> bool {
    let margin = BigUint::from(1_u8) << (8 * LEN - 64);
    *half > margin && half + margin < *prime
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> BigUint {
        KNOWN.clone().unwrap()
    }

    #[test]
    fn the_known_prime_is_what_it_is_said_to_be() {
        for g in 2..=7 {
            let good = check_p_and_g(&known().to_bytes_be(), &g);
            assert_eq!(KNOWN_GENERATORS.contains(&g), good, "{g}");
            assert_eq!(is_good(&known().to_bytes_be(), g), good, "{g}");
        }
        assert!(!is_good(&known().to_bytes_be(), 1) && !is_good(&known().to_bytes_be(), 8));
    }

    #[test]
    fn other_primes_are_tested() {
        // The group of RFC 3526 with 2048 bits: a safe prime too, with 2 as its generator.
        let other = concat!(
            "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd",
            "ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed",
            "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f",
            "83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b",
            "e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510",
            "15728e5a8aacaa68ffffffffffffffff",
        );
        let other = BigUint::parse_bytes(other.as_bytes(), 16).unwrap().to_bytes_be();
        assert!(is_good(&other, 2) && is_good(&other, 7));
        assert!(!is_good(&other, 1) && !is_good(&other, 8) && !is_good(&other, -3));
    }

    #[test]
    fn bad_primes_are_refused() {
        let prime = known();
        let two = BigUint::from(2_u8);
        for bad in [&prime - &two, &prime - 1_u8, &prime >> 1_u32, &prime << 1_u32, BigUint::from(23_u8)] {
            assert!(!is_good(&bad.to_bytes_be(), 3), "{bad}");
        }
        // Two primes of half the length make a number that is none.
        let half = (BigUint::from(1_u8) << 1024_u32) - 105_u8;
        assert!(!is_good(&(&half * &half).to_bytes_be(), 4));
        assert!(!is_good(&[0; LEN], 3) && !is_good(&[0xff; LEN], 3) && !is_good(&[], 3));
    }

    #[test]
    fn halves_at_the_edges_are_refused() {
        let (prime, margin) = (known(), BigUint::from(1_u8) << 1984_u32);
        let one = BigUint::from(1_u8);
        for bad in
            [BigUint::ZERO, one.clone(), margin.clone(), &prime - &margin, &prime - &one, prime.clone()]
        {
            assert!(!is_in_range(&bad, &prime), "{bad}");
        }
        assert!(is_in_range(&(&margin + 1_u8), &prime));
        assert!(is_in_range(&(&prime - &margin - 1_u8), &prime));
    }
}
