//! Messages that nobody wants any more: those of pieces whose upload is cancelled, gone, or begun anew, and those that may come
//! of a cancelled upload.

use telestore_types::{StoredFile, Timestamp, Upload};

use super::{Rows, token};
use crate::{NewEvent, Recall, Result, Withdrawal};

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

/// The message that may come of an upload after a cancel.
pub(super) struct Coming {
    recall: Recall,
    sealed_token: Option<Vec<u8>>,
}

impl Coming {
    /// What may come of `upload` as it is before the cancel.
    pub(super) fn of(upload: &Upload) -> Option<Self> {
        Some(Self { recall: Recall::of(upload)?, sealed_token: upload.sealed_token.clone() })
    }

    /// Has it looked for and taken back.
    pub(super) async fn recall(self, rows: &mut dyn Rows, upload: &Upload, now: Timestamp) -> Result<()> {
        let event = NewEvent::recall(token(), self.recall.to_json())
            .of_user(upload.user_id.clone(), self.sealed_token);
        rows.add_event(&upload.id, &event, now).await
    }
}
