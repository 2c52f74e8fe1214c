//! What the tasks of one connection share: its way back to the client.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use grammers_tl_types::{Identifiable, Serializable};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::Place;
use super::ledger::Kept;
use super::session::Session;
use crate::keys::{AuthKey, KeyState};
use crate::shared::Shared;

/// How a message gets to the client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Delivery {
    Once,
    /// The same packet so many times.
    Times(u32),
    /// A byte after the other.
    Slowly(Duration),
    /// As the beginning of a packet of so many bytes, whose rest never comes.
    Unending(u32),
}

/// How a message is numbered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    /// When it is sent.
    New { answer: bool, content_related: bool },
    /// When it is sent, and it is kept as the answer to this call.
    AnswerTo(i64),
    /// It has its `msg_id` and `seqno` already.
    Given(i64, i32),
}

/// A message to the client, or a transport error.
pub(crate) enum Outgoing {
    Message {
        key: Arc<AuthKey>,
        session: Arc<Session>,
        body: Vec<u8>,
        number: Number,
        delivery: Delivery,
    },
    /// A message of the key exchange, with its header.
    Plain(Vec<u8>),
    TransportError(i32),
}

/// One connection.
pub(crate) struct Link {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: u64,
    pub(crate) dc: i32,
    pub(crate) media: bool,
    pub(crate) close: CancellationToken,
    key: OnceLock<Arc<AuthKey>>,
    /// Whose connection it counts as.
    user: OnceLock<String>,
    /// Ends the connection unless the client pings again.
    lapse: Mutex<Option<AbortOnDropHandle<()>>>,
    outgoing: UnboundedSender<Outgoing>,
}

impl Link {
    pub(crate) fn new(
        shared: Arc<Shared>,
        Place { dc, media }: Place,
        close: CancellationToken,
    ) -> (Arc<Self>, UnboundedReceiver<Outgoing>) {
        let (outgoing, receiver) = unbounded_channel();
        let id = rand::random();
        let (key, user, lapse) = (OnceLock::new(), OnceLock::new(), Mutex::default());
        (Arc::new(Self { shared, id, dc, media, close, key, user, lapse, outgoing }), receiver)
    }

    /// The key that the connection's first message had; `None` for an unknown key, or a second one.
    pub(crate) fn key(&self, key_id: &[u8]) -> Option<Arc<AuthKey>> {
        let key = match self.key.get() {
            Some(key) => Arc::clone(key),
            None => {
                let key = self.shared.keys.find(key_id, self.dc)?;
                key.owner().into_iter().for_each(|user_id| self.count_for(user_id));
                Arc::clone(self.key.get_or_init(|| key))
            }
        };
        (key.cipher.id() == key_id).then_some(key)
    }

    /// Counts as a connection of this user from now on, unless it is somebody's already.
    fn count_for(&self, user_id: &str) {
        if self.user.set(user_id.to_owned()).is_ok() {
            self.shared.stats.connected(user_id);
        }
    }

    /// Closes the connection after that time, unless this is asked again before.
    /// <https://core.telegram.org/mtproto/service_messages#deferred-connection-closure--ping>
    pub(crate) fn close_after(&self, delay: Duration) {
        let close = self.close.clone();
        let lapse = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            tracing::debug!(?delay, "no ping came, connection closed");
            close.cancel();
        });
        *self.lapse.lock().unwrap_or_else(PoisonError::into_inner) = Some(AbortOnDropHandle::new(lapse));
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
        if let Some(key) = link.key.get() {
            key.sessions.disconnected(link.id);
        }
        if let Some(user_id) = link.user.get() {
            link.shared.stats.disconnected(user_id);
        }
    }
}

/// A connection as seen by the calls of one session on it.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) link: Arc<Link>,
    pub(crate) key: Arc<AuthKey>,
    pub(crate) session: Arc<Session>,
}

impl Caller {
    /// Signs a user in with the key.
    pub(crate) fn sign_in(&self, user_id: &str, state: KeyState) {
        self.key.sign_in(user_id, state);
        self.link.count_for(self.key.owner().unwrap_or(user_id));
    }

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
        self.deliver(body, Number::New { answer, content_related }, Delivery::Once);
    }

    /// Sends an answer once more, as it was.
    pub(crate) fn resend(&self, kept: Kept) {
        self.deliver(kept.body, Number::Given(kept.msg_id, kept.seqno), Delivery::Once);
    }

    pub(crate) fn deliver(&self, body: Vec<u8>, number: Number, delivery: Delivery) {
        self.link.send(Outgoing::Message {
            key: Arc::clone(&self.key),
            session: Arc::clone(&self.session),
            body,
            number,
            delivery,
        });
    }
}

/// A bare type with its constructor in front.
pub(crate) fn boxed<T: Serializable + Identifiable>(value: &T) -> Vec<u8> {
    let mut body = T::CONSTRUCTOR_ID.to_le_bytes().to_vec();
    value.serialize(&mut body);
    body
}
