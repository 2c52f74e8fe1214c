//! Puts in order what workers leave behind.

use telestore_types::{Timestamp, UploadState};

use super::PostgresSessionStore;
use super::again::transact;
use super::tx::Ending;
use crate::rules::{self, Answer, Whose};
use crate::{Change, Released, Result};

impl PostgresSessionStore {
    /// Ends what these workers had in hand, and tells of what is queued again.
    pub(super) async fn release_of(
        &self,
        whose: Whose<'_>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Released>> {
        let released = transact!(self, Ending::PLAIN, Some(now), |tx| {
            let now = tx.now();
            let answer = rules::release(tx, whose, now, limit).await;
            if let Ok(Answer::Changed(released)) = &answer
                && released.iter().any(|one| one.upload.state == UploadState::Queued)
            {
                tx.tell(Change::Queued);
            }
            answer
        })?;
        Ok(self.skew.told(released))
    }
}
