use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use telestore_types::{StoredMessage, TelegramCredentials};

use crate::Result;

/// Bytes as they come. The stream ends behind the last one, or with an error: what came before that is right.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// One way to read files back. The engine asks the first one that [takes](Self::takes) all messages of a file.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait TelegramReader: fmt::Debug + Send + Sync + 'static {
    /// Its name, for logs.
    fn name(&self) -> &'static str;

    /// Whether it may be able to read this message with these credentials. Telegram is not asked.
    fn takes(&self, credentials: &TelegramCredentials, message: &StoredMessage) -> bool;

    /// Finds the bytes of a message, and sees that they are those that were stored.
    ///
    /// # Errors
    /// Why they cannot be read.
    async fn open(
        &self,
        credentials: &TelegramCredentials,
        message: &StoredMessage,
    ) -> Result<Arc<dyn MessageBytes>>;

    /// Whether it may be able to read messages that nobody has stored, by their numbers alone.
    fn looks(&self, credentials: &TelegramCredentials) -> bool;

    /// Finds the bytes of any message in the chat of the credentials by its number.
    ///
    /// # Errors
    /// Why they cannot be read; [`ErrorKind::Gone`](crate::ErrorKind::Gone) if there is no such message, or it has no file.
    async fn look(&self, credentials: &TelegramCredentials, message_id: i64)
    -> Result<Arc<dyn MessageBytes>>;
}

/// The bytes of one message. Any number of readers may read at a time.
pub trait MessageBytes: fmt::Debug + Send + Sync + 'static {
    /// How many there are.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name that the file was sent with, if the reader knows it.
    fn file_name(&self) -> Option<String> {
        None
    }

    /// The type of content that the file was sent with, if the reader knows it.
    fn mime_type(&self) -> Option<String> {
        None
    }

    /// Reads a range, which must be inside. Nothing is asked for before the stream is polled, and nothing more once it is
    /// dropped.
    fn read(self: Arc<Self>, range: Range<u64>) -> ByteStream;
}
