//! A file whose message shows a document that is in the channel already.

use async_trait::async_trait;
use bytes::Bytes;
use telestore_types::{ByteSource, SourceError};

/// A file of this length, whose bytes Telegram has, and nobody else.
#[derive(Debug)]
pub(super) struct AtTelegram(pub(super) u64);

#[async_trait]
impl ByteSource for AtTelegram {
    fn len(&self) -> u64 {
        self.0
    }

    async fn read_at(&self, _: u64, _: usize) -> Result<Bytes, SourceError> {
        Err(SourceError::Damaged("the file is in the channel, and its bytes were not sent again".to_owned()))
    }
}
