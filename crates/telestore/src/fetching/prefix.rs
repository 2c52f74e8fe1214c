//! A file that comes from its beginning again, of which bytes are there already.

use bytes::Bytes;
use telestore_store::{ChunkRecord, Digest};

/// Compares the bytes that come with those that are there, and lets pass what is behind them.
pub(super) struct Prefix {
    /// What is there and has not come again yet, the last first.
    left: Vec<(u64, u32)>,
    digest: Digest,
}

/// The file is another one than before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OtherFile;

impl Prefix {
    /// Nothing is there, or what is there does not come again.
    pub(super) fn none() -> Self {
        Self { left: Vec::new(), digest: Digest::default() }
    }

    /// These are there.
    pub(super) fn of(records: &[ChunkRecord]) -> Self {
        let there = records.iter().rev().map(|record| (record.length, record.crc32c));
        Self { left: there.filter(|(length, _)| *length > 0).collect(), digest: Digest::default() }
    }

    /// Gives what of the next bytes is new.
    pub(super) fn pass(&mut self, mut bytes: Bytes) -> Result<Bytes, OtherFile> {
        while let Some((length, crc32c)) = self.left.last_mut() {
            if bytes.is_empty() {
                break;
            }
            let again = bytes.split_to(bytes.len().min(usize::try_from(*length).unwrap_or(usize::MAX)));
            self.digest.update(&again);
            *length -= again.len() as u64;
            if *length > 0 {
                break;
            }
            if self.digest.value() != *crc32c {
                return Err(OtherFile);
            }
            self.left.pop();
            self.digest = Digest::default();
        }
        Ok(bytes)
    }

    /// Whether all that is there has come again.
    pub(super) fn is_through(&self) -> bool {
        self.left.is_empty()
    }

    /// All has come. It is another file if that is less than there is.
    pub(super) fn end(&self) -> Result<(), OtherFile> {
        if self.is_through() { Ok(()) } else { Err(OtherFile) }
    }
}

#[cfg(test)]
mod tests {
    use telestore_store::BlobName;
    use telestore_types::ChunkIndex;

    use super::*;

    fn prefix(pieces: &[&[u8]]) -> Prefix {
        let record = |(at, piece): (usize, &&[u8])| {
            let index = ChunkIndex::new(at as u32, 9).unwrap();
            ChunkRecord::new(index, piece.len() as u64, Digest::of(piece), BlobName::new("a"))
        };
        Prefix::of(&pieces.iter().enumerate().map(record).collect::<Vec<_>>())
    }

    /// What passes of `file`, in pieces of this length.
    fn passed(mut prefix: Prefix, file: &[u8], length: usize) -> Result<Vec<u8>, OtherFile> {
        let mut passed = Vec::new();
        for piece in file.chunks(length) {
            passed.extend_from_slice(&prefix.pass(Bytes::copy_from_slice(piece))?);
        }
        prefix.end().map(|()| passed)
    }

    #[test]
    fn what_is_there_is_compared_and_what_is_behind_it_passes() {
        for length in 1..12 {
            let there: [&[u8]; 3] = [b"hel", b"", b"lo t"];
            assert_eq!(
                passed(prefix(&there), b"hello telegram", length),
                Ok(b"elegram".to_vec()),
                "{length}"
            );
            assert_eq!(passed(prefix(&there), b"hello t", length), Ok(Vec::new()), "{length}");
            for other in [&b"hallo telegram"[..], b"hello Telegram", b"hello"] {
                assert_eq!(passed(prefix(&there), other, length), Err(OtherFile), "{length}");
            }
            assert_eq!(passed(Prefix::none(), b"hello", length), Ok(b"hello".to_vec()));
        }
    }
}
