use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};
use telestore_reader::Content;
use telestore_types::{FileId, IndexedFile, TelegramCredentials};

use crate::files::Files;
use crate::shared::caller::Caller;
use crate::shared::error::{Error, Result};

/// The bytes of a file, as they were uploaded. Clones read the same file.
#[derive(Debug, Clone)]
pub struct FileContent {
    file: Option<IndexedFile>,
    content: Content,
}

impl FileContent {
    /// The file, if the index knows it.
    pub fn file(&self) -> Option<&IndexedFile> {
        self.file.as_ref()
    }

    /// What the file is called: in the index, or else in the channel.
    pub fn file_name(&self) -> Option<String> {
        let indexed = self.file.as_ref().map(|file| file.file_name.as_str().to_owned());
        indexed.or_else(|| self.content.file_name())
    }

    /// Its type of content: as its client said, or else as the channel has it.
    pub fn mime_type(&self) -> Option<String> {
        let indexed = self.file.as_ref().and_then(|file| file.mime_type.clone());
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
        let content = Content::open(&self.backends.readers, &user, file.stored.messages()).await?;
        Ok(FileContent { file: Some(file), content })
    }

    pub(crate) async fn messages(&self, ids: &[i64], caller: &Caller) -> Result<FileContent> {
        let user = self.reads_as(caller).await?;
        let content = Content::look(&self.backends.readers, &user, ids).await?;
        Ok(FileContent { file: None, content })
    }

    /// What the caller's files are read with: where they go now.
    async fn reads_as(&self, caller: &Caller) -> Result<Arc<TelegramCredentials>> {
        let (user, _) = self.user(caller).await?;
        Ok(self.backends.where_it_is(Arc::clone(user)).await)
    }
}
