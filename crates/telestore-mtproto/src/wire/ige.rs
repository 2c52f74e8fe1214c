//! AES-256 in IGE mode. Each block needs the one before it, so a processor that could work on several at once waits. Packets know
//! nothing of each other: four side by side take little longer than one.

use aes::cipher::consts::{U16, U32};
use aes::cipher::{
    Array, BlockCipherDecBackend, BlockCipherDecClosure, BlockCipherDecrypt, BlockCipherEncBackend,
    BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit, KeySizeUser,
};
use aes::{Aes256Dec, Aes256Enc};

/// Key and initialisation vector of one packet.
pub(super) type KeyIv = ([u8; 32], [u8; 32]);

/// A packet that is encrypted or decrypted in place, and with what.
pub(super) type Keyed<'d> = (&'d mut [u8], &'d KeyIv);

/// How many packets are taken side by side: a processor begins a round of AES in each cycle or two, and has its result three or
/// four cycles later.
pub(super) const SIDE_BY_SIDE: usize = 4;

/// Encrypts whole blocks of packets in place, each with its own key.
pub(super) fn encrypt_all<'d>(packets: impl IntoIterator<Item = Keyed<'d>>) {
    all::<Aes256Enc>(packets);
}

/// Decrypts whole blocks of packets in place, each with its own key.
pub(super) fn decrypt_all<'d>(packets: impl IntoIterator<Item = Keyed<'d>>) {
    all::<Aes256Dec>(packets);
}

fn all<'d, D: Direction>(packets: impl IntoIterator<Item = Keyed<'d>>) {
    let mut packets = packets.into_iter().fuse();
    loop {
        match std::array::from_fn(|_| packets.next()) {
            [Some(one), Some(two), Some(three), Some(four)] => four_of::<D>([one, two, three, four]),
            [one, two, three, _] => {
                match (one, two) {
                    (Some(one), Some(two)) => two_of::<D>([one, two]),
                    (one, _) => one.into_iter().for_each(one_of::<D>),
                }
                return three.into_iter().for_each(one_of::<D>);
            }
        }
    }
}

fn one_of<D: Direction>((data, (key, iv)): Keyed<'_>) {
    let lane = Lane::new::<D>(data, iv);
    D::new(key.into()).with_backend(One { lane });
}

fn two_of<D: Direction>(packets: [Keyed<'_>; 2]) {
    let ciphers = packets.each_ref().map(|(_, (key, _))| D::new(key.into()));
    let lanes = packets.map(|(data, (_, iv))| Lane::new::<D>(data, iv));
    ciphers[0].with_backend(OneOfTwo { lanes, second: &ciphers[1] });
}

fn four_of<D: Direction>(packets: [Keyed<'_>; 4]) {
    let ciphers = packets.each_ref().map(|(_, (key, _))| D::new(key.into()));
    let lanes = packets.map(|(data, (_, iv))| Lane::new::<D>(data, iv));
    let [first, others @ ..] = &ciphers;
    first.with_backend(OneOfFour { lanes, others });
}

/// AES in one direction.
trait Direction: KeyInit + BlockSizeUser<BlockSize = U16> + KeySizeUser<KeySize = U32> {
    /// Which halves of an initialisation vector stand before the first block of the output and of the input: the first is of the
    /// ciphertext, the second of the plaintext.
    const BEFORE: [usize; 2];

    fn with_backend(&self, way: impl Way);
}

impl Direction for Aes256Enc {
    const BEFORE: [usize; 2] = [0, 1];

    #[inline(always)]
    fn with_backend(&self, way: impl Way) {
        self.encrypt_with_backend(way);
    }
}

impl Direction for Aes256Dec {
    const BEFORE: [usize; 2] = [1, 0];

    #[inline(always)]
    fn with_backend(&self, way: impl Way) {
        self.decrypt_with_backend(way);
    }
}

/// A packet, and the last blocks of its output and its input.
struct Lane<'d> {
    blocks: &'d mut [[u8; 16]],
    output: u128,
    input: u128,
}

impl<'d> Lane<'d> {
    fn new<D: Direction>(data: &'d mut [u8], iv: &[u8; 32]) -> Self {
        let half = |half: usize| u128::from_ne_bytes(std::array::from_fn(|i| iv[16 * half + i]));
        let [output, input] = D::BEFORE.map(half);
        Self { blocks: data.as_chunks_mut().0, output, input }
    }

    #[inline(always)]
    fn block(&mut self, index: usize, cipher: &impl Aes) {
        let input = u128::from_ne_bytes(self.blocks[index]);
        let mut inner = Array((input ^ self.output).to_ne_bytes());
        cipher.block(&mut inner);
        self.output = u128::from_ne_bytes(inner.0) ^ self.input;
        self.input = input;
        self.blocks[index] = self.output.to_ne_bytes();
    }

    /// What is left behind the end of a shorter packet.
    #[inline(always)]
    fn rest(&mut self, index: usize, cipher: &impl Aes) {
        (index..self.blocks.len()).for_each(|index| self.block(index, cipher));
    }
}

/// How many blocks all of these have.
#[inline(always)]
fn common(lanes: &[Lane<'_>]) -> usize {
    lanes.iter().map(|lane| lane.blocks.len()).min().unwrap_or(0)
}

/// A cipher with its round keys at hand, in one direction.
trait Aes {
    fn block(&self, block: &mut Array<u8, U16>);
}

struct Encrypting<'b, B>(&'b B);

impl<B: BlockCipherEncBackend<BlockSize = U16>> Aes for Encrypting<'_, B> {
    #[inline(always)]
    fn block(&self, block: &mut Array<u8, U16>) {
        self.0.encrypt_block_inplace(block);
    }
}

struct Decrypting<'b, B>(&'b B);

impl<B: BlockCipherDecBackend<BlockSize = U16>> Aes for Decrypting<'_, B> {
    #[inline(always)]
    fn block(&self, block: &mut Array<u8, U16>) {
        self.0.decrypt_block_inplace(block);
    }
}

/// A step of the way into several ciphers at once.
trait Way: BlockCipherEncClosure<BlockSize = U16> + BlockCipherDecClosure<BlockSize = U16> {}

impl<W: BlockCipherEncClosure<BlockSize = U16> + BlockCipherDecClosure<BlockSize = U16>> Way for W {}

/// The way into several ciphers at once: each gives itself to a closure, which hands it on to the next.
macro_rules! way {
    ($way:ident <$($Known:ident: $Bound:ident),*> { $($field:ident: $Field:ty),* }, |$self:ident, $next:ident| $call:expr) => {
        struct $way<'a, $($Known),*> {
            $($field: $Field),*
        }

        impl<$($Known: $Bound),*> $way<'_, $($Known),*> {
            #[inline(always)]
            fn go(self, $next: &impl Aes) {
                let $self = self;
                $call
            }
        }

        impl<$($Known: $Bound),*> BlockSizeUser for $way<'_, $($Known),*> {
            type BlockSize = U16;
        }

        impl<$($Known: $Bound),*> BlockCipherEncClosure for $way<'_, $($Known),*> {
            #[inline(always)]
            fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
                self.go(&Encrypting(backend));
            }
        }

        impl<$($Known: $Bound),*> BlockCipherDecClosure for $way<'_, $($Known),*> {
            #[inline(always)]
            fn call<B: BlockCipherDecBackend<BlockSize = U16>>(self, backend: &B) {
                self.go(&Decrypting(backend));
            }
        }
    };
}

way!(One<> { lane: Lane<'a> }, |way, one| {
    let mut lane = way.lane;
    lane.rest(0, one);
});
way!(OneOfTwo<D: Direction> { lanes: [Lane<'a>; 2], second: &'a D }, |way, one| {
    way.second.with_backend(BothOfTwo { lanes: way.lanes, one });
});
way!(BothOfTwo<A: Aes> { lanes: [Lane<'a>; 2], one: &'a A }, |way, two| {
    let (all, [mut a, mut b]) = (common(&way.lanes), way.lanes);
    for index in 0..all {
        a.block(index, way.one);
        b.block(index, two);
    }
    a.rest(all, way.one);
    b.rest(all, two);
});
way!(OneOfFour<D: Direction> { lanes: [Lane<'a>; 4], others: &'a [D; 3] }, |way, one| {
    way.others[0].with_backend(TwoOfFour { lanes: way.lanes, others: way.others, one });
});
way!(TwoOfFour<D: Direction, A: Aes> { lanes: [Lane<'a>; 4], others: &'a [D; 3], one: &'a A }, |way, two| {
    let next = ThreeOfFour { lanes: way.lanes, others: way.others, one: way.one, two };
    way.others[1].with_backend(next);
});
way!(ThreeOfFour<D: Direction, A: Aes, E: Aes> { lanes: [Lane<'a>; 4], others: &'a [D; 3], one: &'a A, two: &'a E }, |way, three| {
    let next = AllOfFour { lanes: way.lanes, one: way.one, two: way.two, three };
    way.others[2].with_backend(next);
});
way!(AllOfFour<A: Aes, E: Aes, C: Aes> { lanes: [Lane<'a>; 4], one: &'a A, two: &'a E, three: &'a C }, |way, four| {
    let (all, [mut a, mut b, mut c, mut d]) = (common(&way.lanes), way.lanes);
    for index in 0..all {
        a.block(index, way.one);
        b.block(index, way.two);
        c.block(index, way.three);
        d.block(index, four);
    }
    a.rest(all, way.one);
    b.rest(all, way.two);
    c.rest(all, way.three);
    d.rest(all, four);
});

#[cfg(test)]
mod tests {
    use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
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
    fn encrypted_in_turn(data: &mut [u8], (key, iv): &KeyIv) {
        let mut cipher = ::ige::Encryptor::<Aes256Enc>::new(key.into(), iv.into());
        cipher.encrypt_blocks(Array::slice_as_chunks_mut(data).0);
    }

    fn decrypted_in_turn(data: &mut [u8], (key, iv): &KeyIv) {
        let mut cipher = ::ige::Decryptor::<Aes256Dec>::new(key.into(), iv.into());
        cipher.decrypt_blocks(Array::slice_as_chunks_mut(data).0);
    }

    #[test]
    fn is_what_grammers_does() {
        let (key_iv, plaintext) = (key_iv(1), plaintext(100, 2));
        let (mut ours, mut theirs) = (plaintext.clone(), plaintext.clone());
        encrypt_all([(&mut ours[..], &key_iv)]);
        ige_encrypt(&mut theirs, &key_iv.0, &key_iv.1);
        assert_eq!(ours, theirs);
        decrypt_all([(&mut ours[..], &key_iv)]);
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
                alone.iter_mut().zip(&keys).for_each(|(data, key_iv)| encrypted_in_turn(data, key_iv));
                assert_eq!(together, alone, "{count} of up to {longest} blocks, {keys:?}");
                decrypt_all(together.iter_mut().map(Vec::as_mut_slice).zip(&keys));
                alone.iter_mut().zip(&keys).for_each(|(data, key_iv)| decrypted_in_turn(data, key_iv));
                assert_eq!(together, alone, "{count} of up to {longest} blocks, {keys:?}");
            }
        }
    }
}
