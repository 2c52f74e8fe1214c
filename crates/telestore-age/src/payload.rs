use std::fmt;
use std::ops::Range;

use bytes::BytesMut;
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{ChaCha20Poly1305, Tag};
use zeroize::Zeroizing;

use crate::keys::{FileKey, NONCE, TAG, cipher};
use crate::{Error, Result, chunks};

/// The bytes of plain text in each chunk but the last one.
pub const CHUNK: usize = chunks::CHUNK;

/// The bytes of such a chunk in the file.
pub const SEALED_CHUNK: usize = chunks::SEALED_CHUNK;

/// What is behind a header: chunks, each of which can be decrypted alone, by who has the key.
///
/// ```
/// use bytes::BytesMut;
/// use telestore_age::{Identity, Sealing};
///
/// # futures_util::FutureExt::now_or_never(async {
/// use std::sync::Arc;
/// use telestore_age::{Encrypted, Header, Parsed};
/// use telestore_types::{ByteSource, BytesSource};
///
/// let me = Identity::generate().unwrap();
/// let sealing = Arc::new(Sealing::draw(&[me.recipient()]).unwrap());
/// let file = Encrypted::new(Arc::new(BytesSource::new(vec![7; 100_000])), sealing);
/// let bytes = file.read_at(0, file.len() as usize).await.unwrap();
///
/// let Parsed::Whole(header) = Header::parse(&bytes).unwrap() else { panic!("it is whole") };
/// let payload = header.open(&[me]).unwrap();
/// assert_eq!(payload.plain_len(file.len()).unwrap(), 100_000);
/// // The byte at 70,000 is in the second chunk, which is the last one.
/// let index = payload.chunk_at(70_000);
/// assert!(payload.is_last(index, file.len()));
/// let range = payload.chunk_range(index, file.len());
/// let mut chunk = BytesMut::from(&bytes[range.start as usize..range.end as usize]);
/// payload.decrypt_chunk(index, true, &mut chunk).unwrap();
/// assert_eq!(&chunk[..], &[7; 100_000 - 65_536]);
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Payload {
    key: Zeroizing<[u8; 32]>,
    cipher: ChaCha20Poly1305,
    start: u64,
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").field("start", &self.start).finish_non_exhaustive()
    }
}

impl Payload {
    pub(crate) fn new(key: &FileKey, nonce: &[u8; NONCE], start: u64) -> Self {
        let key = key.payload_key(nonce);
        Self { cipher: cipher(&key), key, start }
    }

    /// Where the first chunk begins in the file.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// How many bytes of plain text a file of `encrypted_len` bytes has. That it was not cut off between two chunks is known only
    /// once its last chunk was decrypted as the last one.
    ///
    /// # Errors
    /// [`Error::Length`] if no age file with this header is so long.
    pub fn plain_len(&self, encrypted_len: u64) -> Result<u64> {
        let sealed = encrypted_len.checked_sub(self.start).ok_or(Error::Length)?;
        let chunks = sealed.div_ceil(SEALED_CHUNK as u64);
        let last = sealed - chunks.saturating_sub(1) * SEALED_CHUNK as u64;
        // Only a file without plain text has an empty chunk.
        let least = if chunks == 1 { TAG } else { TAG + 1 };
        if last < least as u64 {
            return Err(Error::Length);
        }
        Ok(sealed - chunks * TAG as u64)
    }

    /// The number of the chunk that has the byte at `plain_offset` of the plain text.
    pub fn chunk_at(&self, plain_offset: u64) -> u64 {
        plain_offset / CHUNK as u64
    }

    /// Whether a chunk is the last one of a file of `encrypted_len` bytes.
    pub fn is_last(&self, index: u64, encrypted_len: u64) -> bool {
        self.chunk_begin(index + 1) >= encrypted_len
    }

    /// Where a chunk lies in a file of `encrypted_len` bytes.
    pub fn chunk_range(&self, index: u64, encrypted_len: u64) -> Range<u64> {
        self.chunk_begin(index).min(encrypted_len)..self.chunk_begin(index + 1).min(encrypted_len)
    }

    fn chunk_begin(&self, index: u64) -> u64 {
        self.start.saturating_add(index.saturating_mul(SEALED_CHUNK as u64))
    }

    /// Decrypts a chunk in its place: what is left in `chunk` is its plain text, or nothing if it is not what it should be.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it was changed, stands in another place, or is not whole.
    pub fn decrypt_chunk(&self, index: u64, is_last: bool, chunk: &mut BytesMut) -> Result<()> {
        let opened = self.opened(index, is_last, chunk);
        if opened.is_none() {
            chunk.clear();
        }
        opened.ok_or(Error::Damaged { chunk: index })
    }

    fn opened(&self, index: u64, is_last: bool, chunk: &mut BytesMut) -> Option<()> {
        let plain = chunk.len().checked_sub(TAG)?;
        let fits = if is_last { plain <= CHUNK && (plain > 0 || index == 0) } else { plain == CHUNK };
        if !fits {
            return None;
        }
        let mut tag = Tag::default();
        tag.copy_from_slice(&chunk[plain..]);
        chunk.truncate(plain);
        let nonce = chunks::nonce(index, is_last).into();
        self.cipher.decrypt_inout_detached(&nonce, b"", InOutBuf::from(&mut chunk[..]), &tag).ok()
    }

    /// Encrypts `plain` in its place, and gives the tag that belongs behind it.
    pub(crate) fn encrypt_chunk(&self, index: u64, is_last: bool, plain: &mut [u8]) -> [u8; TAG] {
        debug_assert!(plain.len() == CHUNK || is_last && plain.len() < CHUNK);
        let nonce = chunks::nonce(index, is_last).into();
        let tag = self.cipher.encrypt_inout_detached(&nonce, b"", InOutBuf::from(plain));
        tag.expect("a chunk is shorter than what the cipher can take").into()
    }

    /// What makes two payloads one: never to be shown.
    pub(crate) fn key(&self) -> &[u8; 32] {
        &self.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload() -> Payload {
        Payload::new(&FileKey::new([1; 16]), &[2; 16], 184)
    }

    #[test]
    fn lengths_that_no_file_has_are_refused() {
        let payload = payload();
        for (sealed, plain) in [
            (0, None),
            (15, None),
            (16, Some(0)),
            (17, Some(1)),
            (65_552, Some(65_536)),
            (65_553, None),
            (65_552 + 16, None),
            (65_552 + 17, Some(65_537)),
            (2 * 65_552, Some(131_072)),
            (2 * 65_552 + 16, None),
        ] {
            assert_eq!(payload.plain_len(184 + sealed).ok(), plain, "{sealed}");
        }
        assert_eq!(payload.plain_len(183), Err(Error::Length));
    }

    #[test]
    fn chunks_have_their_places() {
        let (payload, whole) = (payload(), 184 + 2 * 65_552 + 100);
        assert_eq!(payload.chunk_range(0, whole), 184..184 + 65_552);
        assert_eq!(payload.chunk_range(2, whole), 184 + 2 * 65_552..whole);
        assert_eq!(
            (0..3).map(|index| payload.is_last(index, whole)).collect::<Vec<_>>(),
            [false, false, true]
        );
        assert!(payload.is_last(0, 184 + 65_552) && !payload.is_last(0, 184 + 65_553));
        assert_eq!([0, 65_535, 65_536].map(|at| payload.chunk_at(at)), [0, 0, 1]);
    }

    #[test]
    fn a_chunk_opens_in_its_place_only() {
        let payload = payload();
        let mut sealed = BytesMut::from(&[5; CHUNK][..]);
        let tag = payload.encrypt_chunk(3, false, &mut sealed);
        sealed.extend_from_slice(&tag);
        let open = |index, is_last, change: &dyn Fn(&mut BytesMut)| {
            let mut chunk = sealed.clone();
            change(&mut chunk);
            let opened = payload.decrypt_chunk(index, is_last, &mut chunk);
            assert!(opened.is_ok() || chunk.is_empty(), "bytes were left that nobody has checked");
            opened.map(|()| chunk)
        };
        assert_eq!(open(3, false, &|_| {}).unwrap()[..], [5; CHUNK]);
        for (index, is_last) in [(2, false), (4, false), (3, true), (3 << 32, false)] {
            assert_eq!(open(index, is_last, &|_| {}), Err(Error::Damaged { chunk: index }));
        }
        assert!(open(3, false, &|chunk| chunk[0] ^= 1).is_err());
        assert!(open(3, false, &|chunk| chunk[CHUNK + 15] ^= 128).is_err());
        assert!(open(3, false, &|chunk| chunk.truncate(CHUNK)).is_err());
        assert!(open(3, false, &|chunk| chunk.truncate(3)).is_err());
        assert!(open(3, false, &|chunk| chunk.extend_from_slice(b"x")).is_err());
    }
}
