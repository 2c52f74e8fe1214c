//! Whom to ask before a connection opens.

use std::sync::{Arc, Mutex, PoisonError};

use telestore_types::{LoginGuard, LoginHold, SenderId};

use crate::{Error, Result};

/// The guard of a client's logins, if it has one. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard(Arc<Mutex<Option<Arc<dyn LoginGuard>>>>);

impl Guard {
    pub(crate) fn set(&self, guard: Arc<dyn LoginGuard>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(guard);
    }

    /// Takes a login for a connection; `None` if nobody else has it.
    pub(crate) async fn take(&self, login: &SenderId) -> Result<Option<Box<dyn LoginHold>>> {
        let guard = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(guard) = guard else { return Ok(None) };
        guard.take(login).await.map(Some).map_err(Error::login_busy)
    }
}
