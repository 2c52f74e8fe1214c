use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use telestore_types::{ByteSource, SourceError};

/// A piece of a file, as a file.
#[derive(Debug)]
pub(super) struct RangeSource {
    whole: Arc<dyn ByteSource>,
    start: u64,
    length: u64,
}

impl RangeSource {
    /// `length` bytes from `start` on.
    pub(super) fn new(whole: Arc<dyn ByteSource>, start: u64, length: u64) -> Self {
        Self { whole, start, length }
    }
}

#[async_trait]
impl ByteSource for RangeSource {
    fn len(&self) -> u64 {
        self.length
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, SourceError> {
        let end = offset.checked_add(length as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(SourceError::OutOfRange { offset, length });
        }
        self.whole.read_at(self.start + offset, length).await
    }
}

#[cfg(test)]
mod tests {
    use telestore_types::BytesSource;

    use super::*;

    #[tokio::test]
    async fn is_a_file_of_its_own() {
        let source = RangeSource::new(Arc::new(BytesSource::new(&b"0123456789"[..])), 3, 4);
        assert_eq!((source.len(), &source.read_at(0, 4).await.unwrap()[..]), (4, &b"3456"[..]));
        assert_eq!(&source.read_at(3, 1).await.unwrap()[..], b"6");
        for (offset, length) in [(0, 5), (4, 1), (u64::MAX, 1)] {
            assert_eq!(
                source.read_at(offset, length).await,
                Err(SourceError::OutOfRange { offset, length }),
                "what lies behind the piece is another's"
            );
        }
    }
}
