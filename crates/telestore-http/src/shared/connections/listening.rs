use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Connection, Shared, leave};

/// A place among the listeners, until this is dropped.
#[derive(Debug)]
pub(crate) struct Listening {
    shared: Arc<Shared>,
    /// Without a valid token, and from there.
    stranger: Option<Option<IpAddr>>,
}

impl Connection {
    /// A request becomes a listener, if there is a place. A caller that shows no valid token is one of those from
    /// `address`, if that is limited.
    pub(crate) fn listen(&self, known: bool, address: Option<IpAddr>) -> Option<Listening> {
        let (shared, limits) = (&self.shared, &self.shared.limits);
        let before = shared.listeners.fetch_add(1, Ordering::AcqRel);
        // Dropped, it gives back what it has.
        let mut listening = Listening { shared: Arc::clone(shared), stranger: None };
        if before >= limits.max_listeners {
            return None;
        }
        if !known {
            let strangers = shared.strangers.fetch_add(1, Ordering::AcqRel);
            let of_address = address.map_or(0, |address| {
                let mut open = shared.open();
                let count = open.listening.entry(address).or_default();
                *count += 1;
                *count
            });
            listening.stranger = Some(address);
            let crowd = limits.address_connections > 0 && of_address > limits.address_connections;
            if crowd || strangers >= limits.max_listeners.div_ceil(2) {
                return None;
            }
        }
        Some(listening)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.shared.listeners.fetch_sub(1, Ordering::AcqRel);
        let Some(address) = self.stranger else { return };
        self.shared.strangers.fetch_sub(1, Ordering::AcqRel);
        if let Some(address) = address {
            leave(&mut self.shared.open().listening, address);
        }
    }
}
