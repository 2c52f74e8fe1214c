use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use telestore_types::{ByteSource, SourceError};

/// How much is read at once of what nobody else reads.
const AT_ONCE: u64 = 1024 * 1024;

/// A file whose SHA-256 is made of what is read of it anyway, as long as that is read from the beginning on. What is left is
/// read by [`sha256`](Self::sha256).
pub struct HashedFile {
    inner: Arc<dyn ByteSource>,
    hashed: Mutex<Hashed>,
}

#[derive(Default)]
struct Hashed {
    hasher: Sha256,
    /// How many bytes are in the hash: the first ones.
    length: u64,
}

impl Hashed {
    /// Takes in what follows the bytes that are in the hash.
    fn take(&mut self, offset: u64, bytes: &[u8]) {
        let known = self.length.checked_sub(offset).and_then(|known| usize::try_from(known).ok());
        if let Some(new) = known.and_then(|known| bytes.get(known..)) {
            self.hasher.update(new);
            self.length += new.len() as u64;
        }
    }
}

impl fmt::Debug for HashedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashedFile({:?}, {} bytes hashed)", self.inner, self.lock().length)
    }
}

impl HashedFile {
    /// The same file.
    pub fn new(inner: Arc<dyn ByteSource>) -> Self {
        Self { inner, hashed: Mutex::default() }
    }

    /// The SHA-256 of the whole file. `read` is called for each piece that had to be read for it.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn sha256(&self, mut read: impl FnMut()) -> Result<[u8; 32], SourceError> {
        loop {
            let at = self.lock().length;
            let left = self.inner.len().saturating_sub(at).min(AT_ONCE);
            if left == 0 {
                return Ok(self.lock().hasher.clone().finalize().into());
            }
            // At most a mebibyte.
            self.read_at(at, left as usize).await?;
            read();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Hashed> {
        self.hashed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ByteSource for HashedFile {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, SourceError> {
        let bytes = self.inner.read_at(offset, length).await?;
        self.lock().take(offset, &bytes);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use telestore_types::BytesSource;

    use super::*;

    const LENGTH: usize = 3 * AT_ONCE as usize + 5;

    #[derive(Debug)]
    struct Counted(BytesSource, AtomicU64);

    #[async_trait]
    impl ByteSource for Counted {
        fn len(&self) -> u64 {
            self.0.len()
        }

        async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, SourceError> {
            self.1.fetch_add(length as u64, Ordering::Relaxed);
            self.0.read_at(offset, length).await
        }
    }

    #[tokio::test]
    async fn only_what_was_not_read_in_order_is_read_again() {
        let bytes: Vec<u8> = (0..LENGTH).map(|at| (at % 251) as u8).collect();
        let expected: [u8; 32] = Sha256::digest(&bytes).into();
        for (reads, again) in [
            (&[][..], LENGTH),
            (&[(0, LENGTH)], 0),
            (&[(0, 10), (10, LENGTH - 10)], 0),
            (&[(0, 10), (5, LENGTH - 5)], 0),
            (&[(0, 20), (0, 10), (10, 10), (20, LENGTH - 20)], 0),
            (&[(10, LENGTH - 10)], LENGTH),
            (&[(0, 10), (11, LENGTH - 11)], LENGTH - 10),
            (&[(0, LENGTH - 1), (LENGTH, 0)], 1),
        ] {
            let source = Arc::new(Counted(BytesSource::new(bytes.clone()), AtomicU64::new(0)));
            let file = HashedFile::new(Arc::<Counted>::clone(&source));
            for (offset, length) in reads {
                file.read_at(*offset as u64, *length).await.unwrap();
            }
            source.1.store(0, Ordering::Relaxed);
            for _ in 0..2 {
                assert_eq!(file.sha256(|| {}).await, Ok(expected), "{reads:?}");
                assert_eq!(source.1.load(Ordering::Relaxed), again as u64, "{reads:?}");
            }
        }
    }
}
