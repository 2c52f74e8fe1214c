use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use telestore_types::{Secret, TelegramCredentials, UploadId, UserId};
use tokio::sync::OnceCell;
use tracing::Span;
use tracing::field::display;

/// Who calls: a token, if one was sent, and an address, if the limits of addresses hold for it.
///
/// Make one for each call, at the door, and hand it to every method that the call needs: whose the token is, is asked
/// for once and remembered here. [`Telestore::caller`](crate::Telestore::caller) makes one and says at once that it may
/// not come in; a `&Secret` makes one, too, and [`Caller::nobody`] is a caller without a token. Clones are the same
/// caller. A caller belongs to the engine that it was shown to first, and should not outlive its call: a token that is
/// no longer good stays good for it.
///
/// ```
/// use telestore::Caller;
/// use telestore::types::Secret;
///
/// let caller = Caller::from(&Secret::new("a token of the backend"));
/// assert!(caller.token().is_some() && caller.user().is_none(), "nobody was asked yet");
/// assert!(Caller::nobody().token().is_none());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Caller(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    token: Option<Secret>,
    address: Option<IpAddr>,
    /// Whose the token is, by an answer that lets its user in.
    user: OnceCell<Arc<TelegramCredentials>>,
    /// Whose it was when somebody was asked last, which lets nobody in.
    known: OnceCell<Option<Arc<TelegramCredentials>>>,
    /// The upload that the call is about.
    upload: OnceLock<UploadId>,
}

impl Caller {
    /// A caller with these.
    pub fn new(token: Option<Secret>, address: Option<IpAddr>) -> Self {
        Self(Arc::new(Inner { token, address, ..Inner::default() }))
    }

    /// A caller without a token, whose address is not limited.
    pub fn nobody() -> Self {
        Self::default()
    }

    /// The auth token, if one was sent.
    pub fn token(&self) -> Option<&Secret> {
        self.0.token.as_ref()
    }

    /// Where the call comes from, if the limits of addresses hold for it.
    pub fn address(&self) -> Option<IpAddr> {
        self.0.address
    }

    /// The token's user, once the engine knows.
    pub fn user(&self) -> Option<&UserId> {
        self.credentials().map(|user| &user.user_id)
    }

    /// What the token's user sends with, once that was asked for.
    pub(crate) fn credentials(&self) -> Option<&Arc<TelegramCredentials>> {
        self.0.user.get()
    }

    pub(crate) fn user_cell(&self) -> &OnceCell<Arc<TelegramCredentials>> {
        &self.0.user
    }

    /// Names the upload in the span of the call, if that has a field for it: once, since a span keeps whatever it is told, also
    /// what it has already.
    pub(crate) fn concerns(&self, id: &UploadId) {
        self.0.upload.get_or_init(|| {
            Span::current().record("upload", display(id));
            id.clone()
        });
    }

    pub(crate) fn known_cell(&self) -> &OnceCell<Option<Arc<TelegramCredentials>>> {
        &self.0.known
    }
}

impl From<&Secret> for Caller {
    fn from(token: &Secret) -> Self {
        Self::new(Some(token.clone()), None)
    }
}

impl From<Secret> for Caller {
    fn from(token: Secret) -> Self {
        Self::new(Some(token), None)
    }
}
