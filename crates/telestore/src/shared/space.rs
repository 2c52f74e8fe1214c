use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use telestore_types::Timestamp;

use crate::{Error, Result, Telestore};

/// How long a look at the disk counts. Within that time a fast client can write a few hundred MB more than allowed,
/// which is what the limit is there to absorb.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The last look at the data disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    at: Timestamp,
    enough: bool,
}

impl Telestore {
    /// Refuses new bytes while the data disk is nearly full: to be asked again and again while they come, since bodies
    /// that began when there was space may be more than it holds.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::Storage`].
    pub async fn check_space(&self) -> Result<()> {
        let now = self.now();
        let last = *self.space();
        let enough = match last {
            Some(look) if now >= look.at && now.since(look.at) < LOOK_EVERY => look.enough,
            _ => {
                let free = self.0.chunks.free_bytes().await?;
                let enough = free.is_none_or(|free| free >= self.config().min_free_bytes);
                if !enough && last.is_none_or(|look| look.enough) {
                    tracing::warn!(
                        free,
                        limit = self.config().min_free_bytes,
                        "data disk is nearly full; refusing new bytes"
                    );
                }
                *self.space() = Some(Look { at: now, enough });
                enough
            }
        };
        if enough { Ok(()) } else { Err(Error::NoSpace) }
    }

    /// How many bytes may still come before new ones are refused, where the data disk tells.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn spare_bytes(&self) -> Result<Option<u64>> {
        let free = self.0.chunks.free_bytes().await?;
        Ok(free.map(|free| free.saturating_sub(self.config().min_free_bytes)))
    }

    fn space(&self) -> MutexGuard<'_, Option<Look>> {
        self.0.space.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
