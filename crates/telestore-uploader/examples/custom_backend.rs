//! A backend of one's own: it keeps files in a folder that stands for a channel, and proves itself with the suite.
//!
//! Run it with `cargo run -p telestore-uploader --example custom_backend --features testsuite`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use telestore_types::{
    BytesSource, ChatId, ResumeState, Stage, StoredAs, StoredFile, StoredMessage, TelegramCredentials, UserId,
};
use telestore_uploader::testsuite::{Received, Subject, conformance, request, sha256};
use telestore_uploader::{
    Capability, Error, ErrorKind, ProgressSink, Requirement, Result, TelegramUploader, UploadRequest,
};

const CHANNEL: &str = "-1001234567890";
const PIECE: usize = 256 * 1024;

/// Each message is a file `<number>` and a file `<number>.txt` with name, content type and caption.
#[derive(Debug)]
struct FolderUploader {
    folder: PathBuf,
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
        // Dropping the copy drops its file, so whatever ends it early leaves no message behind.
        tokio::select! {
            biased;
            () = request.cancel.cancelled() => Err(Error::cancelled()),
            stored = self.copy(&request, progress.as_ref()) => stored,
        }
    }
}

impl FolderUploader {
    async fn copy(&self, request: &UploadRequest, progress: &dyn ProgressSink) -> Result<StoredFile> {
        progress.stage(Stage::Sending);
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).map_err(storage)?;
        let (mut offset, length) = (0, request.source.len());
        while offset < length {
            let piece = (length - offset).min(PIECE as u64);
            let bytes = request.source.read_at(offset, piece as usize).await?;
            std::io::Write::write_all(&mut file, &bytes).map_err(storage)?;
            offset += piece;
            progress.acknowledged(offset);
        }
        progress.stage(Stage::Finishing);
        // Cut off behind this, nobody could tell whether the file was published, and copying it again might be a second one.
        progress.commit(None).await?;
        let message_id = self.publish(file, request)?;
        let stored_as = StoredAs::Other { kind: "folder".to_owned(), file_id: message_id.to_string() };
        let message = StoredMessage::new(message_id, stored_as, request.source.len());
        Ok(StoredFile::new(message.in_chat(request.credentials.chat_id.clone())))
    }

    /// Gives the file the next free number. No two uploads can get the same.
    fn publish(&self, mut file: tempfile::NamedTempFile, request: &UploadRequest) -> Result<i64> {
        let about = format!("{}\n{}\n{}", request.file_name, request.mime_type, request.caption);
        for number in 1.. {
            match file.persist_noclobber(self.folder.join(number.to_string())) {
                Ok(_) => {
                    std::fs::write(self.folder.join(format!("{number}.txt")), about).map_err(storage)?;
                    return Ok(number);
                }
                Err(taken) if taken.error.kind() == std::io::ErrorKind::AlreadyExists => file = taken.file,
                Err(failed) => return Err(storage(failed.error)),
            }
        }
        Err(Error::new(ErrorKind::Storage, "the channel is full"))
    }
}

fn storage(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Storage, "the folder cannot be written").with_source(error)
}

/// Shows the suite what lies in the folder.
struct Tested(Arc<FolderUploader>);

#[async_trait]
impl Subject for Tested {
    fn uploader(&self) -> Arc<dyn TelegramUploader> {
        self.0.clone()
    }

    fn credentials(&self) -> TelegramCredentials {
        TelegramCredentials::new(UserId::new("somebody"), ChatId::new(CHANNEL).expect("a chat id"))
    }

    async fn received(&self, stored: &StoredFile) -> Option<Received> {
        let path = self.0.folder.join(stored.message_id().to_string());
        let (bytes, about) =
            (std::fs::read(&path).ok()?, std::fs::read_to_string(path.with_extension("txt")).ok()?);
        let mut lines = about.splitn(3, '\n').map(str::to_owned);
        Some(Received {
            length: bytes.len() as u64,
            sha256: sha256(&bytes),
            file_name: lines.next()?,
            mime_type: lines.next()?,
            caption: lines.next()?,
        })
    }

    async fn message_count(&self) -> usize {
        count(&self.0.folder)
    }
}

fn count(folder: &Path) -> usize {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter(|file| file.path().extension().is_some_and(|extension| extension == "txt")).count()
}

/// A listener that prints.
#[derive(Debug)]
struct Printed;

#[async_trait]
impl ProgressSink for Printed {
    fn stage(&self, stage: Stage) {
        println!("stage {stage:?}");
    }

    fn acknowledged(&self, bytes: u64) {
        println!("{bytes} bytes are there");
    }

    fn flood_wait(&self, wait: Duration) {
        println!("asked to wait {wait:?}");
    }

    async fn checkpoint(&self, _: ResumeState) -> Result<()> {
        Ok(())
    }
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let subject = Tested(Arc::new(FolderUploader { folder: folder.path().to_owned() }));

    let source = Arc::new(BytesSource::new(vec![7; 600_000]));
    let stored = subject.uploader().upload(request(&subject, "seven.bin", source), Arc::new(Printed)).await;
    println!("stored as message {}", stored.expect("the file is kept").message_id());

    conformance(&subject).await;
    println!("the backend conforms");
}
