//! The façade of files that the engine fetches itself.

use std::sync::Arc;

use telestore_types::UploadId;

use super::{Shared, Telestore};
use crate::fetching::Fetching;
use crate::intake::Intake;
use crate::intake::remote::RemoteFile;
use crate::shared::caller::Caller;
use crate::shared::error::Result;

/// What fetches files, which `intake` takes in.
pub(super) fn room(shared: &Shared, intake: &Intake) -> Fetching {
    Fetching {
        base: Arc::clone(&shared.base),
        backends: Arc::clone(&shared.backends),
        bytes: Arc::clone(&shared.bytes),
        events: Arc::clone(&shared.events),
        sends: Arc::clone(&shared.sends),
        fetches: Arc::clone(&shared.fetches),
        filling: Arc::new(intake.clone()),
    }
}

impl Telestore {
    /// Whether the engine fetches files: whether it has a [fetcher](crate::TelestoreBuilder::fetcher).
    pub fn can_fetch(&self) -> bool {
        self.0.intake.fetches.fetcher.is_some()
    }

    /// Has a file fetched, and then sent as any other. Returns as soon as that is written down: its progress is that of
    /// an upload of this id, which the caller may also cancel.
    ///
    /// It is fetched by the first engine on the stores that has a place for it, and goes on after a restart. If its address cannot
    /// be asked, which may be found out only then, the upload fails, with words.
    ///
    /// # Errors
    /// [`FetchesNothing`](crate::Error::FetchesNothing) without a fetcher, [`Invalid`](crate::Error::Invalid) for an address that may
    /// not be asked; [`OtherRequest`](crate::Error::OtherRequest) if its [key](RemoteFile::key) was used for another file;
    /// [`Unauthorized`](crate::Error::Unauthorized), [`InvalidToken`](crate::Error::InvalidToken),
    /// [`NotConfigured`](crate::Error::NotConfigured), [`BackendUnavailable`](crate::Error::BackendUnavailable),
    /// [`TooManyRequests`](crate::Error::TooManyRequests), [`QuotaFull`](crate::Error::QuotaFull),
    /// [`NoSpace`](crate::Error::NoSpace), [`ShuttingDown`](crate::Error::ShuttingDown), [`Storage`](crate::Error::Storage).
    pub async fn fetch(&self, remote: &RemoteFile, caller: &Caller) -> Result<UploadId> {
        self.0.intake.fetch(remote, caller).await
    }
}
