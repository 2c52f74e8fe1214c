//! The parts, each through the suite that its trait has.

use std::sync::Arc;

use async_trait::async_trait;
use embedder::folder::{CHANNEL, FolderUploader};
use telestore::types::{ChatId, StoredFile, TelegramCredentials, UserId};
use telestore::uploader::TelegramUploader;
use telestore_uploader::testsuite::{Received, Subject, conformance, sha256};

/// Shows the suite what lies in the folder.
struct Tested {
    uploader: Arc<FolderUploader>,
    folder: tempfile::TempDir,
}

#[async_trait]
impl Subject for Tested {
    fn uploader(&self) -> Arc<dyn TelegramUploader> {
        self.uploader.clone()
    }

    fn credentials(&self) -> TelegramCredentials {
        TelegramCredentials::new(UserId::new("somebody"), ChatId::new(CHANNEL).expect("a chat"))
    }

    async fn received(&self, stored: &StoredFile) -> Option<Received> {
        let path = self.uploader.path(stored.message_id());
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
        let files = std::fs::read_dir(self.folder.path()).expect("a folder").flatten();
        files.filter(|file| file.path().extension().is_some_and(|extension| extension == "txt")).count()
    }
}

#[tokio::test]
async fn the_folder_keeps_to_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    let uploader = Arc::new(FolderUploader::new(folder.path()));
    conformance(&Tested { uploader, folder }).await;
}
