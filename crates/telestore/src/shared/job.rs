//! Getting a file ready to go, once for the attempts that count and for early sending: token, credentials, backend, request.

use std::sync::Arc;

use telestore_backend::Error as BackendError;
use telestore_store::Error as StoreError;
use telestore_types::{ByteSource, ResumeState, Secret, TelegramCredentials, Upload, mime_type_of};
use telestore_uploader::{
    Chosen, Error, ErrorKind, Result as UploaderResult, TelegramUploader, UploadRequest, select,
};
use tokio_util::sync::CancellationToken;

use crate::shared::backends::Backends;

/// With what a file goes, and by which backends it may.
pub(crate) struct Job {
    token: Secret,
    pub(crate) credentials: Arc<TelegramCredentials>,
    backends: Vec<Arc<dyn TelegramUploader>>,
}

/// Why a file cannot go.
pub(crate) enum Unready {
    /// The token cannot be read any more.
    TokenLost,
    /// The token is another user's now.
    OtherUser,
    /// What the TeleStore backend said.
    Backend(BackendError),
}

impl Backends {
    /// Finds out what the file of `upload` goes with.
    pub(crate) async fn prepare(&self, upload: &Upload) -> Result<Job, Unready> {
        let token = self.token_of(upload).ok_or(Unready::TokenLost)?;
        let credentials = self.credentials_of(&token).await.map_err(Unready::Backend)?;
        if upload.user_id.as_ref() != Some(&credentials.user_id) {
            return Err(Unready::OtherUser);
        }
        Ok(Job { token, credentials, backends: self.uploaders.clone() })
    }

    /// A send of `job` has failed: what Telegram refused is asked for anew next time.
    pub(crate) async fn note_refusal(&self, job: &Job, error: &Error) {
        if error.kind() == ErrorKind::NotAuthorized {
            self.credentials.forget(&job.token).await;
        }
    }
}

impl Job {
    /// The backend that fits a file of `length` bytes best, and who sends by it.
    pub(crate) fn select(&self, length: u64, resume: Option<&ResumeState>) -> UploaderResult<Chosen> {
        select(&self.backends, length, &self.credentials, resume)
    }

    /// Leaves `backend` out if it found the file too large after all, and says whether another one may take it: a Bot
    /// API server may take less than its backend was told.
    pub(crate) fn rule_out(&mut self, backend: &Arc<dyn TelegramUploader>, why: ErrorKind) -> bool {
        if why != ErrorKind::TooLarge || self.backends.len() < 2 {
            return false;
        }
        self.backends.retain(|other| !Arc::ptr_eq(other, backend));
        true
    }

    /// What a backend is to send of `upload`, and as what.
    pub(crate) fn request(
        &self,
        upload: &Upload,
        source: Arc<dyn ByteSource>,
        cancel: CancellationToken,
    ) -> UploadRequest {
        let credentials = Arc::clone(&self.credentials);
        let request = UploadRequest::new(upload.id.clone(), credentials, upload.file_name.clone(), source);
        let request = request.with_mime_type(mime_type(upload)).resuming(upload.resume.clone());
        let request = request.stopped_by(cancel);
        match &upload.options.caption {
            Some(caption) => request.with_caption(caption),
            None => request,
        }
    }
}

/// The session store did not take a checkpoint.
pub(crate) fn not_written(error: StoreError) -> Error {
    Error::new(ErrorKind::Storage, "could not write down how far the upload is").with_source(error)
}

/// What the client declared if it says something, else what the name says, else bytes.
fn mime_type(upload: &Upload) -> String {
    let declared = upload.mime_type.as_deref().and_then(mime_type_of).map(str::to_owned);
    declared.unwrap_or_else(|| {
        mime_guess::from_path(upload.file_name.as_str()).first_or_octet_stream().essence_str().to_owned()
    })
}
