use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};
use telestore_reader::{Content, Error as ReadError};
use telestore_types::{Encoded, FileId, IndexedFile, TelegramCredentials, Verdict};

use crate::files::Files;
use crate::shared::caller::Caller;
use crate::shared::error::{Error, Result};

const NO_IDENTITY: &str = "the file is encrypted, and this worker has no age identity to read it with: give it one, or download what the channel \
                           has (raw) and open it with age -d";

const OTHER_LENGTH: &str = "what is in the channel is not the file that was uploaded: it has another length";

#[cfg(feature = "zstd")]
async fn decompressed(content: Content) -> std::result::Result<Content, ReadError> {
    content.decompressed().await
}

#[cfg(not(feature = "zstd"))]
#[expect(clippy::unused_async, reason = "the same as with the feature")]
async fn decompressed(_: Content) -> std::result::Result<Content, ReadError> {
    let why = "the file is compressed, and this worker is built without zstd: download what the channel has (raw) and open it with zstd -d";
    Err(ReadError::new(telestore_reader::ErrorKind::Refused, why))
}

/// What was read, unless it is not what its name says.
fn if_it_can(
    decoded: std::result::Result<Content, ReadError>,
    content: Content,
) -> std::result::Result<Content, ReadError> {
    match decoded {
        Err(error) if error.verdict() == Verdict::Permanent => Ok(content),
        decoded => decoded,
    }
}

/// The bytes of a file, as they were uploaded. Clones read the same file.
#[derive(Debug, Clone)]
pub struct FileContent {
    file: Option<IndexedFile>,
    content: Content,
    /// Whether it is what lies in the channel, and that is another form of the file.
    raw: bool,
}

impl FileContent {
    /// The file, if the index knows it.
    pub fn file(&self) -> Option<&IndexedFile> {
        self.file.as_ref()
    }

    /// Whether these are other bytes than were uploaded: encrypted or compressed, as they lie in the channel.
    pub fn is_raw(&self) -> bool {
        self.raw
    }

    /// What the file is called: in the index, or else in the channel.
    pub fn file_name(&self) -> Option<String> {
        let indexed = self.file.as_ref().filter(|_| !self.raw).map(|file| file.file_name.as_str().to_owned());
        indexed.or_else(|| self.content.file_name())
    }

    /// Its type of content: as its client said, or else as the channel has it.
    pub fn mime_type(&self) -> Option<String> {
        let indexed = self.file.as_ref().filter(|_| !self.raw).and_then(|file| file.mime_type.clone());
        indexed.or_else(|| self.content.mime_type())
    }

    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        self.content.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.content.is_empty()
    }

    /// Reads a range; what lies behind the end is left out. Nothing is asked of Telegram before the stream is polled, and
    /// nothing more once it is dropped. What breaks on the way goes on by itself where that is of use; a stream that ends with an
    /// error has brought the right bytes until then.
    pub fn read(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
        self.content.read(range).map_err(Error::from).boxed()
    }
}

impl Files {
    pub(crate) async fn content(&self, id: &FileId, caller: &Caller) -> Result<FileContent> {
        let file = self.find(id, caller).await?;
        let user = self.reads_as(caller).await?;
        let stored = Content::open(&self.backends.readers, &user, file.stored.messages()).await?;
        let content = self.decoded(stored, file.encoded).await?;
        if content.len() != file.size {
            // Whoever reads the channel cannot see how long it was, but somebody who writes there may have made another one.
            return Err(Error::FileGone(OTHER_LENGTH.to_owned()));
        }
        Ok(FileContent { file: Some(file), content, raw: false })
    }

    /// The same as it lies in the channel: encrypted or compressed, if it is.
    pub(crate) async fn raw_content(&self, id: &FileId, caller: &Caller) -> Result<FileContent> {
        let file = self.find(id, caller).await?;
        let user = self.reads_as(caller).await?;
        let content = Content::open(&self.backends.readers, &user, file.stored.messages()).await?;
        let raw = file.encoded != Encoded::default();
        Ok(FileContent { file: Some(file), content, raw })
    }

    pub(crate) async fn messages(&self, ids: &[i64], caller: &Caller) -> Result<FileContent> {
        let user = self.reads_as(caller).await?;
        let content = Content::look(&self.backends.readers, &user, ids).await?;
        Ok(FileContent { file: None, content: self.decoded_by_name(content).await?, raw: false })
    }

    /// What was uploaded, of what is in the channel.
    async fn decoded(&self, mut content: Content, encoded: Encoded) -> Result<Content> {
        if encoded.encrypted {
            let identities = &self.base.config.encoding.identities;
            if identities.is_empty() {
                return Err(Error::Unreadable(NO_IDENTITY.to_owned()));
            }
            content = content.decrypted(identities).await?;
        }
        if encoded.compressed {
            content = decompressed(content).await?;
        }
        Ok(content)
    }

    /// The same of messages of which nobody knows how they were made: by their names, and if this worker can. What it cannot read is
    /// given as it is.
    async fn decoded_by_name(&self, content: Content) -> Result<Content> {
        let ends_in = |content: &Content, extension: &str| {
            let name = content.file_name().unwrap_or_default().to_ascii_lowercase();
            name.ends_with(extension) || name.ends_with(&format!("{extension}.001"))
        };
        let mut content = content;
        if ends_in(&content, ".age") && !self.base.config.encoding.identities.is_empty() {
            content =
                if_it_can(content.clone().decrypted(&self.base.config.encoding.identities).await, content)?;
        }
        if ends_in(&content, ".zst") {
            content = if_it_can(decompressed(content.clone()).await, content)?;
        }
        Ok(content)
    }

    /// What the caller's files are read with: where they go now.
    async fn reads_as(&self, caller: &Caller) -> Result<Arc<TelegramCredentials>> {
        let (user, _) = self.user(caller).await?;
        Ok(self.backends.where_it_is(Arc::clone(user)).await)
    }
}
