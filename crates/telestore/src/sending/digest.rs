//! Whether a file is the one that its client meant, which is looked at before its message can be.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use telestore_merger::HashedFile;
use telestore_types::{Caption, ChatId, FileDigest, ResumeState, Stage};
use telestore_uploader::{Error, ErrorKind, ProgressSink, Result};
use tokio_util::sync::CancellationToken;

/// The digest that a file must have, and the file, which is hashed while it is read.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) digest: FileDigest,
    pub(super) file: Arc<HashedFile>,
}

impl Expected {
    /// Reads what was not read yet, and compares.
    async fn check(&self, read: impl FnMut()) -> Result<()> {
        let found = FileDigest::from(self.file.sha256(read).await?);
        if found == self.digest {
            return Ok(());
        }
        let text = format!(
            "the file has the SHA-256 {found}, and not the one that was named ({}): it was not sent; send the bytes that were \
             meant, or use a new upload",
            self.digest
        );
        Err(Error::new(ErrorKind::Rejected, text))
    }

    /// Compares before anything is sent, for a file of which a backend does not read all any more. That can take long, so it
    /// counts as work.
    pub(super) async fn check_first(&self, sink: &dyn ProgressSink, stop: &CancellationToken) -> Result<()> {
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(Error::cancelled()),
            checked = self.check(|| sink.stage(Stage::Connecting)) => checked,
        }
    }
}

/// A sink that compares before the message can be made.
#[derive(Debug)]
pub(super) struct DigestSink {
    pub(super) inner: Arc<dyn ProgressSink>,
    pub(super) expected: Expected,
}

#[async_trait]
impl ProgressSink for DigestSink {
    fn stage(&self, stage: Stage) {
        self.inner.stage(stage);
    }

    fn acknowledged(&self, bytes: u64) {
        self.inner.acknowledged(bytes);
    }

    fn flood_wait(&self, wait: Duration) {
        self.inner.flood_wait(wait);
    }

    async fn moved(&self, from: &ChatId, to: &ChatId) {
        self.inner.moved(from, to).await;
    }

    async fn checkpoint(&self, state: ResumeState) -> Result<()> {
        self.inner.checkpoint(state).await
    }

    async fn commit(&self, resume: Option<ResumeState>) -> Result<()> {
        self.expected.check(|| {}).await?;
        self.inner.commit(resume).await
    }

    async fn hand_over(&self, chat: &ChatId, caption: &Caption) -> Result<()> {
        self.expected.check(|| {}).await?;
        self.inner.hand_over(chat, caption).await
    }
}
