use telestore_store::{Cursor, KnownWorker, Listing};
use telestore_types::{Outcome, Upload, UploadId, UploadKind, UploadState};

use crate::engine::Telestore;
use crate::shared::error::{Conflict, Error, Result};
use crate::shared::tasks::detached;

/// How many uploads are read at a time.
const PAGE: u32 = 500;

/// What the operator of a worker may do: no token is asked for, and every user's uploads are seen. It is not for the
/// network.
///
/// It works through the session store, so another process may be at work on the same data. That one hears of a retry
/// with its next look into the store, and of a cancel when it next writes down how far it is: the send stops then, and a
/// message that was made meanwhile is taken back.
#[derive(Debug, Clone, Copy)]
pub struct Operator<'a>(&'a Telestore);

impl Telestore {
    /// The operator's calls.
    pub fn operator(&self) -> Operator<'_> {
        Operator(self)
    }
}

impl Operator<'_> {
    /// Uploads, those first whose state changed last.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn list(&self, listing: &Listing) -> Result<Vec<Upload>> {
        Ok(self.0.0.shared.base.sessions.list(listing).await?)
    }

    /// One upload.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Storage`].
    pub async fn show(&self, id: &UploadId) -> Result<Upload> {
        self.0.0.shared.base.sessions.get(id).await?.ok_or(Error::NotFound)
    }

    /// The workers that share the stores: those that are alive, and those that ended within a day without a word.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn workers(&self) -> Result<Vec<KnownWorker>> {
        let base = &self.0.0.shared.base;
        base.read_clock().await?;
        Ok(base.sessions.workers(base.now()).await?)
    }

    /// What workers have in hand: uploads that are sent, and those that are sent while they still arrive. A worker of which
    /// [`workers`](Self::workers) tells nothing holds some that another one takes over soon.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn in_hand(&self) -> Result<Vec<Upload>> {
        let mut held = Vec::new();
        for state in [UploadState::Sending, UploadState::Receiving] {
            let mut page = Listing::first(PAGE).in_state(state);
            loop {
                let uploads = self.list(&page).await?;
                let Some(last) = uploads.last().map(Cursor::of) else { break };
                let is_held = |upload: &Upload| state == UploadState::Sending || upload.early;
                held.extend(uploads.into_iter().filter(|upload| upload.worker.is_some() && is_held(upload)));
                page = Listing::first(PAGE).in_state(state).after(last);
            }
        }
        Ok(held)
    }

    /// Queues a failed upload again, as its client could by completing it again, and gives it as it is then.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it has not failed, nothing of it is left, or it may be in the
    /// channel already and this is not to be done `anyway`;
    /// [`Error::MissingChunks`] and the other errors of [`Telestore::complete`]; [`Error::Storage`].
    pub async fn retry(&self, id: &UploadId, anyway: bool) -> Result<Upload> {
        let upload = self.show(id).await?;
        let conflict = |why: &str| Err(Error::Conflict(Conflict::State(format!("upload {id} {why}"))));
        match upload.state {
            UploadState::Failed if upload.kind == UploadKind::Direct => conflict(
                "was sent in one request, and its bytes went with its failure: its client must send it again",
            ),
            UploadState::Failed if upload.outcome == Some(Outcome::Ambiguous) && !anyway => {
                conflict("may be in the channel already: look there, and force the retry where it is not")
            }
            UploadState::Failed => {
                self.0.0.shared.base.read_clock().await?;
                self.0.0.intake.complete_now(&upload).await?;
                self.show(id).await
            }
            UploadState::Receiving => conflict("still receives chunks: its client completes it"),
            UploadState::Queued => conflict("waits for its turn already"),
            UploadState::Sending => conflict("is being sent already"),
            UploadState::Completed => conflict("is completed: the file is in the channel"),
            UploadState::Cancelled => conflict("was cancelled: its client starts again with a new id"),
        }
    }

    /// Stops an upload and deletes its chunks, and gives it as it is then: cancelled, or completed if it was too
    /// late.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Storage`].
    pub async fn cancel(&self, id: &UploadId) -> Result<Upload> {
        let (intake, upload) = (self.0.0.intake.clone(), self.show(id).await?);
        self.0.0.shared.base.read_clock().await?;
        detached(async move { intake.cancel_now(&upload).await }).await?;
        self.show(id).await
    }
}
