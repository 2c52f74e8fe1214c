//! Random changes of real answers. The same number makes the same ones.

use super::answers;

/// Words that mean something: vectors, compression, answers, true, and numbers at an edge.
const WORDS: [u32; 10] = [
    0x1cb5_c415,
    0x3072_cfa1,
    0xf35c_6d01,
    0x73f1_f8dc,
    0x2144_ca19,
    0x9972_75b5,
    0,
    1,
    0x7fff_ffff,
    0xffff_ffff,
];

/// The most that an answer grows to.
const MOST: usize = 5 * 512 * 1024;

/// `bytes`, changed in one to eight places.
pub(crate) fn change(mut bytes: Vec<u8>, seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed | 1);
    for _ in 0..=dice.below(7) {
        bytes = once(bytes, &mut dice);
        bytes.truncate(MOST);
    }
    bytes
}

fn once(mut bytes: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    let length = bytes.len();
    let at = dice.below(length) & !3;
    match dice.below(9) {
        0 | 1 if length > 0 => bytes[dice.below(length)] ^= 1 << dice.below(8),
        2 | 3 if at + 4 <= length => {
            bytes[at..at + 4].copy_from_slice(&WORDS[dice.below(WORDS.len())].to_le_bytes());
        }
        4 => bytes.truncate(dice.below(length + 1)),
        5 => drop(bytes.splice(at..at, WORDS[dice.below(WORDS.len())].to_le_bytes())),
        // What is there, many times.
        6 => {
            let piece = bytes[at..length.min(at + 4 + dice.below(64))].repeat(1 << dice.below(15));
            drop(bytes.splice(at..at, piece));
        }
        7 => {
            let end = (at + 4 * (1 + dice.below(8))).min(length);
            bytes.drain(at..end);
        }
        8 => return answers::packed(&bytes),
        _ => {}
    }
    bytes
}

/// Xorshift.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_makes_the_same_changes() {
        let bytes: Vec<u8> = (0..200).collect();
        let changed: Vec<_> = (0..1000).map(|seed| change(bytes.clone(), seed)).collect();
        assert!((0..).zip(&changed).all(|(seed, changed)| *changed == change(bytes.clone(), seed)));
        assert!(changed.iter().filter(|changed| **changed != bytes).count() > 900);
        for seed in 0..100 {
            change(Vec::new(), seed);
        }
    }
}
