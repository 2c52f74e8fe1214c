//! Messages that nobody wants any more: those of pieces whose upload is cancelled, gone, or begun anew.

use telestore_types::{StoredFile, Timestamp, Upload};

use super::{Rows, token};
use crate::{NewEvent, Result, Withdrawal};

/// The messages that an upload has before a transition.
pub(super) struct Made {
    stored: StoredFile,
    backend: String,
    sealed_token: Option<Vec<u8>>,
}

impl Made {
    /// What `upload` has; `None` if there is nothing that could become unwanted.
    pub(super) fn of(upload: &Upload) -> Option<Self> {
        let stored = upload.stored.clone().filter(|_| upload.result().is_none())?;
        let backend = upload.resume.as_ref().map(|resume| resume.backend.clone()).unwrap_or_default();
        Some(Self { stored, backend, sealed_token: upload.sealed_token.clone() })
    }

    /// Has those messages taken back that `upload` does not name any more.
    pub(super) async fn withdraw(self, rows: &mut dyn Rows, upload: &Upload, now: Timestamp) -> Result<()> {
        let Some(stored) = self.stored.without(upload.stored.as_ref()) else { return Ok(()) };
        let withdrawal = Withdrawal::new(self.backend, upload.key.clone(), stored);
        let event = NewEvent::withdrawal(token(), withdrawal.to_json())
            .of_user(upload.user_id.clone(), self.sealed_token);
        rows.add_event(&upload.id, &event, now).await
    }
}
