//! A backend of one's own: a folder stands for the channel, and a file in it for a message.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use telestore::types::{ChatId, Stage, StoredAs, StoredFile, StoredMessage, TelegramCredentials};
use telestore::uploader::{
    Capability, Error, ErrorKind, ProgressSink, Requirement, Result, TelegramUploader, UploadRequest,
};

/// The only channel there is.
pub const CHANNEL: &str = "-1001234567890";

const PIECE: u64 = 256 * 1024;

/// Each message is a file `<number>`, and a file `<number>.txt` with its name, content type and caption.
#[derive(Debug)]
pub struct FolderUploader {
    folder: PathBuf,
}

impl FolderUploader {
    /// Sends to this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where the file of a message lies.
    pub fn path(&self, message_id: i64) -> PathBuf {
        self.folder.join(message_id.to_string())
    }

    async fn copy(&self, request: &UploadRequest, progress: &dyn ProgressSink) -> Result<StoredFile> {
        progress.stage(Stage::Sending);
        // Dropped before it is published, it goes.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).map_err(storage)?;
        let (mut offset, length) = (0, request.source.len());
        while offset < length {
            let piece = (length - offset).min(PIECE);
            let bytes = request.source.read_at(offset, piece as usize).await?;
            std::io::Write::write_all(&mut file, &bytes).map_err(storage)?;
            offset += piece;
            progress.acknowledged(offset);
        }
        progress.stage(Stage::Finishing);
        // Cut off behind this, nobody could tell whether the file was published.
        progress.commit(None).await?;
        let number = self.publish(file, request)?;
        let stored_as = StoredAs::Other { kind: "folder".to_owned(), file_id: format!("folder:{number}") };
        let message = StoredMessage::new(number, stored_as, length);
        Ok(StoredFile::new(message.in_chat(request.credentials.chat_id.clone())))
    }

    /// Gives the file the next free number.
    fn publish(&self, mut file: tempfile::NamedTempFile, request: &UploadRequest) -> Result<i64> {
        let about = format!("{}\n{}\n{}", request.file_name, request.mime_type, request.caption);
        for number in 1.. {
            match file.persist_noclobber(self.path(number)) {
                Ok(_) => {
                    std::fs::write(self.path(number).with_extension("txt"), about).map_err(storage)?;
                    return Ok(number);
                }
                Err(taken) if taken.error.kind() == std::io::ErrorKind::AlreadyExists => file = taken.file,
                Err(failed) => return Err(storage(failed.error)),
            }
        }
        Err(Error::new(ErrorKind::Storage, "the channel is full"))
    }
}

#[async_trait]
impl TelegramUploader for FolderUploader {
    fn name(&self) -> &'static str {
        "folder"
    }

    fn capability(&self) -> Capability {
        Capability::new(u64::MAX, Requirement::Nothing).in_parts(PIECE as u32)
    }

    async fn upload(&self, request: UploadRequest, progress: Arc<dyn ProgressSink>) -> Result<StoredFile> {
        progress.stage(Stage::Connecting);
        if request.credentials.chat_id.as_str() != CHANNEL {
            return Err(Error::channel_unresolved());
        }
        tokio::select! {
            biased;
            () = request.cancel.cancelled() => Err(Error::cancelled()),
            stored = self.copy(&request, progress.as_ref()) => stored,
        }
    }

    /// Each message in the chat that it names: a user whose channel is another one by now keeps what lies there.
    async fn withdraw(&self, _: &TelegramCredentials, stored: &StoredFile) -> Result<bool> {
        let ours = |chat: &ChatId| chat.as_str() == CHANNEL;
        for message in stored.messages().iter().filter(|message| message.chat_id.as_ref().is_some_and(ours)) {
            remove(&self.path(message.message_id).with_extension("txt"))?;
            remove(&self.path(message.message_id))?;
        }
        Ok(true)
    }
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(storage(error)),
        _ => Ok(()),
    }
}

fn storage(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Storage, "the folder cannot be used").with_source(error)
}
