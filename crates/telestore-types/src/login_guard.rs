use std::error::Error;
use std::fmt;
use std::time::Instant;

use async_trait::async_trait;

use crate::SenderId;

/// Says whether this process may connect with a login now.
///
/// Telegram ends a login for good that it sees on two connections at once (`AUTH_KEY_DUPLICATED`). Processes that have the
/// same logins, such as the workers of one service, agree through a store that they share on who uses which.
///
/// ```
/// use std::time::Instant;
///
/// use telestore_types::{LoginBusy, LoginGuard, LoginHold, SenderId};
///
/// /// Everything is this process's, for ever.
/// #[derive(Debug)]
/// struct Alone;
///
/// #[async_trait::async_trait]
/// impl LoginGuard for Alone {
///     async fn take(&self, _login: &SenderId) -> Result<Box<dyn LoginHold>, LoginBusy> {
///         Ok(Box::new(Self))
///     }
/// }
///
/// impl LoginHold for Alone {
///     fn until(&self) -> Option<Instant> {
///         None
///     }
/// }
/// ```
#[async_trait]
pub trait LoginGuard: fmt::Debug + Send + Sync + 'static {
    /// Takes a login for this process. It is asked before each connection opens; the answer is kept as long as the
    /// connection is open, and dropped when it is closed.
    ///
    /// # Errors
    /// [`LoginBusy`] if another process uses the login, or nobody can tell.
    async fn take(&self, login: &SenderId) -> Result<Box<dyn LoginHold>, LoginBusy>;
}

/// Stands for the use of a login by one connection; see [`LoginGuard`].
pub trait LoginHold: fmt::Debug + Send + Sync + 'static {
    /// Until when the connection may be used, as far as is known now; `None` if there is no end. The time may move. When it
    /// is past, the connection writes nothing more and closes.
    fn until(&self) -> Option<Instant>;
}

/// A login that this process must not use now. The text says why, and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginBusy(String);

impl LoginBusy {
    /// One with this reason.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for LoginBusy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for LoginBusy {}
