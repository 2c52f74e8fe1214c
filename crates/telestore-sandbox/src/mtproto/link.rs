//! What the tasks of one connection share: its way back to the client.

use std::sync::{Arc, OnceLock};

use grammers_tl_types::{Identifiable, Serializable};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::session::Session;
use crate::shared::Shared;
use crate::users::Account;

/// A message to the client, or a transport error.
pub(crate) enum Outgoing {
    Message {
        account: Arc<Account>,
        session: Arc<Session>,
        body: Vec<u8>,
        answer: bool,
        content_related: bool,
    },
    TransportError(i32),
}

/// One connection.
pub(crate) struct Link {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: u64,
    pub(crate) media: bool,
    pub(crate) close: CancellationToken,
    account: OnceLock<Arc<Account>>,
    outgoing: UnboundedSender<Outgoing>,
}

impl Link {
    pub(crate) fn new(
        shared: Arc<Shared>,
        media: bool,
        close: CancellationToken,
    ) -> (Arc<Self>, UnboundedReceiver<Outgoing>) {
        let (outgoing, receiver) = unbounded_channel();
        let id = rand::random();
        (Arc::new(Self { shared, id, media, close, account: OnceLock::new(), outgoing }), receiver)
    }

    /// The account whose key the connection's first message had; `None` for an unknown key, or a second one.
    pub(crate) fn account(&self, key_id: &[u8]) -> Option<Arc<Account>> {
        let known = self.account.get();
        let account = match known {
            Some(account) => Arc::clone(account),
            None => self.shared.users.find(|account| account.auth_key.id() == key_id)?,
        };
        if known.is_none() {
            self.shared.stats.connected(&account.user.user_id);
            let _ = self.account.set(Arc::clone(&account));
        }
        (account.auth_key.id() == key_id).then_some(account)
    }

    /// Queues a message; a connection that is gone takes it silently.
    pub(crate) fn send(&self, message: Outgoing) {
        let _ = self.outgoing.send(message);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close.cancel();
    }
}

/// Ends what a connection counted for, when its reader ends.
pub(crate) struct Registration(pub(crate) Arc<Link>);

impl Drop for Registration {
    fn drop(&mut self) {
        let link = &self.0;
        link.close.cancel();
        if let Some(account) = link.account.get() {
            account.sessions.disconnected(link.id);
            link.shared.stats.disconnected(&account.user.user_id);
        }
    }
}

/// A connection as seen by the calls of one session on it.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) link: Arc<Link>,
    pub(crate) account: Arc<Account>,
    pub(crate) session: Arc<Session>,
}

impl Caller {
    /// A message that no acknowledgement is expected for.
    pub(crate) fn notify(&self, message: &(impl Serializable + Identifiable)) {
        self.post(boxed(message), false, false);
    }

    /// An answer that is no RPC result, delayed as long as it travels.
    pub(crate) fn answer(&self, message: &(impl Serializable + Identifiable)) {
        let (body, caller) = (boxed(message), self.clone());
        if self.link.shared.network.round_trip().is_zero() {
            return self.post(body, true, false);
        }
        tokio::spawn(async move {
            caller.link.shared.network.travel().await;
            caller.post(body, true, false);
        });
    }

    pub(crate) fn post(&self, body: Vec<u8>, answer: bool, content_related: bool) {
        self.link.send(Outgoing::Message {
            account: Arc::clone(&self.account),
            session: Arc::clone(&self.session),
            body,
            answer,
            content_related,
        });
    }
}

/// A bare type with its constructor in front.
pub(crate) fn boxed<T: Serializable + Identifiable>(value: &T) -> Vec<u8> {
    let mut body = T::CONSTRUCTOR_ID.to_le_bytes().to_vec();
    value.serialize(&mut body);
    body
}
