/// How many steps one try takes at most: several times what the largest number needs.
const STEPS: usize = 1 << 19;

/// How many steps are taken before the divisor is looked for.
const BATCH: usize = 128;

/// The two factors of `pq`, the smaller one first; `None` if it has no two.
///
/// Pollard's rho. Written here because `grammers_crypto::factorize` panics, or never ends, for numbers that a server
/// should not send.
pub(crate) fn factorise(pq: u64) -> Option<(u64, u64)> {
    if pq < 4 {
        return None;
    }
    let divisor = if pq.is_multiple_of(2) { Some(2) } else { (1..=4).find_map(|add| rho(pq, add)) };
    divisor.map(|divisor| (divisor.min(pq / divisor), divisor.max(pq / divisor)))
}

fn rho(n: u64, add: u64) -> Option<u64> {
    let step = |x: u64| ((u128::from(x) * u128::from(x) + u128::from(add)) % u128::from(n)) as u64;
    let (mut slow, mut fast) = (2, 2);
    for _ in 0..STEPS / BATCH {
        let before = (slow, fast);
        let mut product = 1;
        for _ in 0..BATCH {
            (slow, fast) = (step(slow), step(step(fast)));
            product = (u128::from(product) * u128::from(slow.abs_diff(fast)) % u128::from(n)) as u64;
        }
        if gcd(product, n) == 1 {
            continue;
        }
        // There is one among these: look step by step.
        (slow, fast) = before;
        for _ in 0..BATCH {
            (slow, fast) = (step(slow), step(step(fast)));
            match gcd(slow.abs_diff(fast), n) {
                1 => {}
                all if all == n => return None,
                divisor => return Some(divisor),
            }
        }
    }
    None
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_factors_of_what_telegram_sends() {
        assert_eq!(factorise(0x17ED_4894_1A08_F981), Some((0x494C_553B, 0x5391_1073)));
        for (p, q) in
            [(2, 2_147_483_647), (3, 5), (1_073_741_789, 2_147_483_647), (1_500_450_271, 2_000_000_011)]
        {
            assert_eq!(factorise(p * q), Some((p, q)));
        }
    }

    #[test]
    fn numbers_without_factors_end_too() {
        for hopeless in [0, 1, 2, 3, 5, 2_147_483_647, 18_446_744_073_709_551_557] {
            assert_eq!(factorise(hopeless), None, "{hopeless}");
        }
    }
}
