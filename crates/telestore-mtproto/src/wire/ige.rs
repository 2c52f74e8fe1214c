//! AES-256 in IGE mode. Each block needs the one before it, so a processor that could work on several at once waits. Packets know
//! nothing of each other: four side by side take little longer than one.

use aes::cipher::consts::U16;
use aes::cipher::{
    Array, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockModeDecrypt, BlockSizeUser,
    KeyInit, KeyIvInit,
};
use aes::{Aes256Dec, Aes256Enc};

/// Key and initialisation vector of one packet.
pub(super) type KeyIv = ([u8; 32], [u8; 32]);

/// A packet that is encrypted in place, and with what.
pub(super) type Sealed<'d> = (&'d mut [u8], &'d KeyIv);

/// How many packets are encrypted side by side: a processor begins a round of AES in each cycle or two, and has its result three or
/// four cycles later.
pub(super) const SIDE_BY_SIDE: usize = 4;

/// Encrypts whole blocks of packets in place, each with its own key.
pub(super) fn encrypt_all<'d>(packets: impl IntoIterator<Item = Sealed<'d>>) {
    let mut packets = packets.into_iter().fuse();
    loop {
        match std::array::from_fn(|_| packets.next()) {
            [Some(one), Some(two), Some(three), Some(four)] => encrypt_four([one, two, three, four]),
            [one, two, three, _] => {
                match (one, two) {
                    (Some(one), Some(two)) => encrypt_two([one, two]),
                    (one, _) => one.into_iter().for_each(encrypt_one),
                }
                return three.into_iter().for_each(encrypt_one);
            }
        }
    }
}

fn encrypt_one((data, (key, iv)): Sealed<'_>) {
    let lane = Lane::new(data, iv);
    Aes256Enc::new(key.into()).encrypt_with_backend(One { lane });
}

fn encrypt_two(packets: [Sealed<'_>; 2]) {
    let ciphers = packets.each_ref().map(|(_, (key, _))| Aes256Enc::new(key.into()));
    let lanes = packets.map(|(data, (_, iv))| Lane::new(data, iv));
    ciphers[0].encrypt_with_backend(OneOfTwo { lanes, second: &ciphers[1] });
}

fn encrypt_four(packets: [Sealed<'_>; 4]) {
    let ciphers = packets.each_ref().map(|(_, (key, _))| Aes256Enc::new(key.into()));
    let lanes = packets.map(|(data, (_, iv))| Lane::new(data, iv));
    let [first, others @ ..] = &ciphers;
    first.encrypt_with_backend(OneOfFour { lanes, others });
}

/// Decrypts whole blocks in place.
pub(super) fn decrypt(data: &mut [u8], (key, iv): &KeyIv) {
    let mut cipher = ::ige::Decryptor::<Aes256Dec>::new(key.into(), iv.into());
    cipher.decrypt_blocks(Array::slice_as_chunks_mut(data).0);
}

/// A packet, and its last ciphertext and plaintext blocks.
struct Lane<'d> {
    blocks: &'d mut [[u8; 16]],
    ciphertext: u128,
    plaintext: u128,
}

impl<'d> Lane<'d> {
    fn new(data: &'d mut [u8], iv: &[u8; 32]) -> Self {
        let half = |from: usize| u128::from_ne_bytes(std::array::from_fn(|i| iv[from + i]));
        Self { blocks: data.as_chunks_mut().0, ciphertext: half(0), plaintext: half(16) }
    }

    #[inline(always)]
    fn encrypt_block(&mut self, index: usize, cipher: &impl Aes) {
        let plaintext = u128::from_ne_bytes(self.blocks[index]);
        let mut inner = Array((plaintext ^ self.ciphertext).to_ne_bytes());
        cipher.encrypt_block_inplace(&mut inner);
        self.ciphertext = u128::from_ne_bytes(inner.0) ^ self.plaintext;
        self.plaintext = plaintext;
        self.blocks[index] = self.ciphertext.to_ne_bytes();
    }

    /// What is left behind the end of a shorter packet.
    #[inline(always)]
    fn encrypt_from(&mut self, index: usize, cipher: &impl Aes) {
        (index..self.blocks.len()).for_each(|index| self.encrypt_block(index, cipher));
    }
}

/// How many blocks all of these have.
#[inline(always)]
fn common(lanes: &[Lane<'_>]) -> usize {
    lanes.iter().map(|lane| lane.blocks.len()).min().unwrap_or(0)
}

/// A cipher with its round keys at hand.
trait Aes: BlockCipherEncBackend<BlockSize = U16> {}

impl<C: BlockCipherEncBackend<BlockSize = U16>> Aes for C {}

/// The way into several ciphers at once: each gives itself to a closure, which hands it on to the next.
macro_rules! way {
    ($way:ident [$($known:ident: $Known:ident),*] { $($field:ident: $Field:ty),* }, |$self:ident, $next:ident| $call:expr) => {
        struct $way<'a, $($Known),*> {
            $($field: $Field,)*
            $($known: &'a $Known,)*
        }

        impl<$($Known),*> BlockSizeUser for $way<'_, $($Known),*> {
            type BlockSize = U16;
        }

        impl<$($Known: Aes),*> BlockCipherEncClosure for $way<'_, $($Known),*> {
            #[inline(always)]
            fn call<N: BlockCipherEncBackend<BlockSize = U16>>(self, $next: &N) {
                let $self = self;
                $call
            }
        }
    };
}

way!(One [] { lane: Lane<'a> }, |way, one| {
    let mut lane = way.lane;
    lane.encrypt_from(0, one);
});
way!(OneOfTwo [] { lanes: [Lane<'a>; 2], second: &'a Aes256Enc }, |way, one| {
    way.second.encrypt_with_backend(BothOfTwo { lanes: way.lanes, one });
});
way!(BothOfTwo [one: A] { lanes: [Lane<'a>; 2] }, |way, two| {
    let (all, [mut a, mut b]) = (common(&way.lanes), way.lanes);
    for index in 0..all {
        a.encrypt_block(index, way.one);
        b.encrypt_block(index, two);
    }
    a.encrypt_from(all, way.one);
    b.encrypt_from(all, two);
});
way!(OneOfFour [] { lanes: [Lane<'a>; 4], others: &'a [Aes256Enc; 3] }, |way, one| {
    way.others[0].encrypt_with_backend(TwoOfFour { lanes: way.lanes, others: way.others, one });
});
way!(TwoOfFour [one: A] { lanes: [Lane<'a>; 4], others: &'a [Aes256Enc; 3] }, |way, two| {
    let next = ThreeOfFour { lanes: way.lanes, others: way.others, one: way.one, two };
    way.others[1].encrypt_with_backend(next);
});
way!(ThreeOfFour [one: A, two: B] { lanes: [Lane<'a>; 4], others: &'a [Aes256Enc; 3] }, |way, three| {
    let next = AllOfFour { lanes: way.lanes, one: way.one, two: way.two, three };
    way.others[2].encrypt_with_backend(next);
});
way!(AllOfFour [one: A, two: B, three: C] { lanes: [Lane<'a>; 4] }, |way, four| {
    let (all, [mut a, mut b, mut c, mut d]) = (common(&way.lanes), way.lanes);
    for index in 0..all {
        a.encrypt_block(index, way.one);
        b.encrypt_block(index, way.two);
        c.encrypt_block(index, way.three);
        d.encrypt_block(index, four);
    }
    a.encrypt_from(all, way.one);
    b.encrypt_from(all, way.two);
    c.encrypt_from(all, way.three);
    d.encrypt_from(all, four);
});

#[cfg(test)]
mod tests {
    use aes::cipher::BlockModeEncrypt;
    use grammers_crypto::aes::{ige_decrypt, ige_encrypt};
    use rand::RngExt;

    use super::*;

    fn key_iv(seed: u8) -> KeyIv {
        (
            std::array::from_fn(|i| (i as u8 * 3).wrapping_add(seed)),
            std::array::from_fn(|i| (i as u8 * 5) ^ seed),
        )
    }

    fn plaintext(blocks: usize, seed: u8) -> Vec<u8> {
        (0..16 * blocks).map(|i| (i * i) as u8 ^ seed).collect()
    }

    /// By the crate, block after block.
    fn in_turn(data: &mut [u8], (key, iv): &KeyIv) {
        let mut cipher = ::ige::Encryptor::<Aes256Enc>::new(key.into(), iv.into());
        cipher.encrypt_blocks(Array::slice_as_chunks_mut(data).0);
    }

    #[test]
    fn is_what_grammers_does() {
        let (key_iv, plaintext) = (key_iv(1), plaintext(100, 2));
        let (mut ours, mut theirs) = (plaintext.clone(), plaintext.clone());
        encrypt_one((&mut ours, &key_iv));
        ige_encrypt(&mut theirs, &key_iv.0, &key_iv.1);
        assert_eq!(ours, theirs);
        decrypt(&mut ours, &key_iv);
        ige_decrypt(&mut theirs, &key_iv.0, &key_iv.1);
        assert_eq!((ours, theirs), (plaintext.clone(), plaintext));
    }

    #[test]
    fn many_side_by_side_are_what_each_is_alone() {
        let mut random = rand::rng();
        for count in 0..=3 * SIDE_BY_SIDE {
            for longest in [0, 1, 5, 40] {
                let keys: Vec<KeyIv> = (0..count).map(|_| (random.random(), random.random())).collect();
                let mut alone: Vec<_> =
                    (0..count).map(|seed| plaintext(random.random_range(0..=longest), seed as u8)).collect();
                let mut together = alone.clone();
                encrypt_all(together.iter_mut().map(Vec::as_mut_slice).zip(&keys));
                alone.iter_mut().zip(&keys).for_each(|(data, key_iv)| in_turn(data, key_iv));
                assert_eq!(together, alone, "{count} of up to {longest} blocks, {keys:?}");
            }
        }
    }
}
