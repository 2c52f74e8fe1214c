use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use telestore_types::{ByteSource, SourceError, StoredMessage, TelegramCredentials, Verdict};

use crate::{ByteStream, Error, ErrorKind, MessageBytes, Result, TelegramReader};

/// The bytes of a file: those of its messages, one behind the other. Clones read the same file.
#[derive(Debug, Clone)]
pub struct Content {
    messages: Arc<[Arc<dyn MessageBytes>]>,
    length: u64,
}

impl Content {
    /// Joins messages in their order.
    pub fn of(messages: impl Into<Arc<[Arc<dyn MessageBytes>]>>) -> Self {
        let messages = messages.into();
        let length = messages.iter().map(|message| message.len()).sum();
        Self { messages, length }
    }

    /// Opens the messages of a file with the first of these readers that can read all of them.
    ///
    /// # Errors
    /// That of the reader; [`ErrorKind::Refused`] if none takes them.
    pub async fn open(
        readers: &[Arc<dyn TelegramReader>],
        credentials: &TelegramCredentials,
        messages: &[StoredMessage],
    ) -> Result<Self> {
        let takes =
            |reader: &dyn TelegramReader| messages.iter().all(|message| reader.takes(credentials, message));
        let open = async |reader: &dyn TelegramReader| {
            let mut opened = Vec::new();
            // In turn: the first one shows whether the channel can be read at all.
            for message in messages {
                opened.push(reader.open(credentials, message).await?);
            }
            Ok(Self::of(opened))
        };
        first_of(readers, takes, open).await
    }

    /// Opens any messages in the chat of the credentials, by their numbers, with the first of these readers that can read them.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`ErrorKind::Gone`] if there is no such message, or it has no file.
    pub async fn look(
        readers: &[Arc<dyn TelegramReader>],
        credentials: &TelegramCredentials,
        message_ids: &[i64],
    ) -> Result<Self> {
        let looks = |reader: &dyn TelegramReader| reader.looks(credentials);
        let look = async |reader: &dyn TelegramReader| {
            let mut found = Vec::new();
            for message_id in message_ids {
                found.push(reader.look(credentials, *message_id).await?);
            }
            Ok(Self::of(found))
        };
        first_of(readers, looks, look).await
    }

    /// The name that the file was sent with: that of the first message.
    pub fn file_name(&self) -> Option<String> {
        self.messages.first().and_then(|message| message.file_name())
    }

    /// The type of content that the file was sent with: that of the first message.
    pub fn mime_type(&self) -> Option<String> {
        self.messages.first().and_then(|message| message.mime_type())
    }

    /// How many bytes there are.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Reads a range; what lies behind the end is left out.
    pub fn read(&self, range: Range<u64>) -> ByteStream {
        let mut begin = 0;
        let mut parts = Vec::new();
        for message in &*self.messages {
            let end = begin + message.len();
            let part = range.start.max(begin)..range.end.min(end);
            if part.start < part.end {
                parts.push((Arc::clone(message), part.start - begin..part.end - begin));
            }
            begin = end;
        }
        stream::iter(parts).flat_map(|(message, part)| message.read(part)).boxed()
    }
}

async fn first_of(
    readers: &[Arc<dyn TelegramReader>],
    may: impl Fn(&dyn TelegramReader) -> bool,
    open: impl AsyncFn(&dyn TelegramReader) -> Result<Content>,
) -> Result<Content> {
    let mut failed = None;
    for reader in readers.iter().map(AsRef::as_ref).filter(|reader| may(*reader)) {
        match open(reader).await {
            Ok(content) => return Ok(content),
            Err(error) => {
                tracing::debug!(reader = reader.name(), %error, "cannot be read this way");
                failed = Some(better(failed, error));
            }
        }
    }
    Err(failed.unwrap_or_else(|| {
        let text = "it cannot be read with these Telegram credentials: that needs a Telegram session, or a bot with an api_id \
                    and api_hash. With a token alone, a bot reads files of up to 20 MB that it has sent by the Bot API";
        Error::new(ErrorKind::Refused, text)
    }))
}

/// The one of two failures that says more: what may pass is worth another try.
pub(crate) fn better(before: Option<Error>, now: Error) -> Error {
    match before {
        Some(before) if before.verdict() == Verdict::Temporary => before,
        // That it is gone was seen, whatever else others may not see.
        Some(before) if before.kind() == ErrorKind::Gone && now.verdict() != Verdict::Temporary => before,
        _ => now,
    }
}

#[async_trait]
impl ByteSource for Content {
    fn len(&self) -> u64 {
        self.length
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, SourceError> {
        let outside = SourceError::OutOfRange { offset, length };
        let end = offset.checked_add(length as u64).filter(|end| *end <= self.length).ok_or(outside)?;
        let mut pieces = self.read(offset..end);
        let mut read = BytesMut::new();
        while let Some(piece) = pieces.try_next().await.map_err(failed)? {
            // Most often it is all in one.
            if piece.len() == length {
                return Ok(piece);
            }
            read.extend_from_slice(&piece);
        }
        Ok(read.freeze())
    }
}

fn failed(error: Error) -> SourceError {
    match error.verdict() {
        Verdict::Permanent => SourceError::Damaged(error.to_string()),
        _ => SourceError::Io(error.to_string()),
    }
}
