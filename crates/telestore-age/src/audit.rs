//! For tests of whoever encrypts: that no key and nonce are ever used for two plain texts.
//!
//! It sees what was sent, or written, or only made: whole files and pieces of them, of attempts that were killed, too. Two
//! bytes that differ in the same place of a chunk under one key and nonce are two plain texts, since the key stream there is the same.

use std::collections::HashMap;

use crate::chunks::{SEALED_CHUNK, nonce};
use crate::{Header, Identity, Parsed, Payload};

/// Which chunk: its payload key and its nonce.
type Block = ([u8; 32], [u8; 12]);

/// What was seen of all chunks until now.
#[derive(Default)]
pub struct Audit {
    seen: HashMap<Block, Vec<Option<u8>>>,
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Audit({} chunks)", self.seen.len())
    }
}

impl Audit {
    /// How many chunks were seen.
    pub fn chunks(&self) -> usize {
        self.seen.len()
    }

    /// Looks at `bytes`, which lie at `offset` of a file of `encrypted_len` bytes.
    ///
    /// # Panics
    /// If a chunk had other bytes before.
    pub fn look(&mut self, payload: &Payload, encrypted_len: u64, offset: u64, bytes: &[u8]) {
        let early = payload.start().saturating_sub(offset).min(bytes.len() as u64);
        let (mut at, mut bytes) = (offset + early, &bytes[early as usize..]);
        while !bytes.is_empty() {
            let (index, within) = (
                (at - payload.start()) / SEALED_CHUNK as u64,
                (at - payload.start()) as usize % SEALED_CHUNK,
            );
            let (piece, rest) = bytes.split_at(bytes.len().min(SEALED_CHUNK - within));
            self.look_at_block(
                (*payload.key(), nonce(index, payload.is_last(index, encrypted_len))),
                within,
                piece,
            );
            at += piece.len() as u64;
            bytes = rest;
        }
    }

    /// Looks at all that is there of a file of `encrypted_len` bytes: `pieces` with their offsets, of which the first has the header.
    /// What no identity opens was not encrypted by the keys in question, and is an error.
    ///
    /// # Panics
    /// If a chunk had other bytes before, or the header is not whole, or nobody's.
    pub fn look_at_file(&mut self, identities: &[Identity], encrypted_len: u64, pieces: &[(u64, &[u8])]) {
        let (_, head) = pieces.iter().find(|(offset, _)| *offset == 0).expect("no piece has the header");
        let Parsed::Whole(header) = Header::parse(head).expect("no age file") else {
            panic!("the header is not whole")
        };
        let payload = header.open(identities).expect("the file does not open");
        for (offset, bytes) in pieces {
            self.look(&payload, encrypted_len, *offset, bytes);
        }
    }

    fn look_at_block(&mut self, block: Block, within: usize, piece: &[u8]) {
        let seen = self.seen.entry(block).or_default();
        seen.resize(seen.len().max(within + piece.len()), None);
        for (place, (before, now)) in seen[within..].iter_mut().zip(piece).enumerate() {
            assert!(
                before.is_none_or(|before| before == *now),
                "two plain texts under one key and nonce {:02x?}: they differ at byte {} of the chunk",
                block.1,
                within + place
            );
            *before = Some(*now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use telestore_types::{ByteSource, BytesSource};

    use super::*;
    use crate::{Encrypted, Sealing};

    fn file(plain: &[u8], sealing: &Arc<Sealing>) -> Encrypted {
        Encrypted::new(Arc::new(BytesSource::new(plain.to_vec())), sealing.clone())
    }

    fn drawn(me: &Identity) -> Arc<Sealing> {
        Arc::new(Sealing::draw(&[me.recipient()]).unwrap())
    }

    fn fails(audit: &mut Audit, payload: &Payload, whole: u64, offset: u64, bytes: &[u8]) -> bool {
        catch_unwind(AssertUnwindSafe(|| audit.look(payload, whole, offset, bytes))).is_err()
    }

    #[tokio::test]
    async fn interleaved_reads_and_restarts_use_each_nonce_for_one_plain_text() {
        let (me, mut audit) = (Identity::generate().unwrap(), Audit::default());
        for size in [0_usize, 1, 65_536, 65_537, 700_000] {
            let mut plain: Vec<u8> = (0..size).map(|at| (at / 7) as u8).collect();
            // The plain text changes between uploads, and each has a key of its own.
            for round in 0..3 {
                let mut sealing = drawn(&me);
                let mut source = file(&plain, &sealing);
                for read in 0..60 {
                    if read % 7 == 0 {
                        // Killed, and begun again with what was kept.
                        sealing = Arc::new(Sealing::from_bytes(&sealing.to_bytes()).unwrap());
                        source = file(&plain, &sealing);
                    }
                    let offset = rand::random_range(0..source.len());
                    let length = (source.len() - offset).min(rand::random_range(1..300_000)) as usize;
                    let bytes = source.read_at(offset, length).await.unwrap();
                    audit.look(sealing.payload(), source.len(), offset, &bytes);
                }
                if let Some(byte) = plain.get_mut(size / 2) {
                    *byte ^= 1 << round;
                }
            }
        }
        assert!(audit.chunks() > 3 * (1 + 1 + 1 + 2 + 8), "{audit:?}");
    }

    #[tokio::test]
    async fn another_plain_text_under_the_same_key_is_found() {
        let me = Identity::generate().unwrap();
        let sealing = drawn(&me);
        let (mut audit, plain) = (Audit::default(), vec![3; 100_000]);
        let source = file(&plain, &sealing);
        let whole = source.read_at(0, source.len() as usize).await.unwrap();
        audit.look_at_file(std::slice::from_ref(&me), source.len(), &[(0, &whole[..])]);
        audit.look_at_file(
            std::slice::from_ref(&me),
            source.len(),
            &[(0, &whole[..300]), (90_000, &whole[90_000..])],
        );
        for changed in [0, 65_535, 65_536, 99_999] {
            let mut other = plain.clone();
            other[changed] ^= 4;
            let source = file(&other, &sealing);
            let bytes = source.read_at(0, source.len() as usize).await.unwrap();
            assert!(fails(&mut audit, sealing.payload(), source.len(), 0, &bytes), "{changed}");
        }
        // A file that has grown: its first chunk is another one's last now, and its nonce another one, too; so are the bytes.
        let longer = file(&[3; 200_000], &sealing);
        let bytes = longer.read_at(0, longer.len() as usize).await.unwrap();
        audit.look(sealing.payload(), longer.len(), 0, &bytes);
        // But not if it was shortened within its last chunk.
        let shorter = file(&[3; 199_000], &sealing);
        let bytes = shorter.read_at(0, shorter.len() as usize).await.unwrap();
        assert!(fails(&mut audit, sealing.payload(), shorter.len(), 0, &bytes));
    }
}
