//! What grammers' client remembers of a login: where to connect to, and the key. It is told both, and changes neither.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use grammers_session::storages::{MemorySession, MemorySessionError};
use grammers_session::types::{DcOption, PeerId, PeerInfo, UpdateState, UpdatesState};
use grammers_session::{BoxFuture, Session};

/// A session in memory, for one data centre at a time.
///
/// grammers would write the addresses of Telegram's configuration into a session, and dial them at the next connection: past
/// the operator's proxy. It would also write a new key over one that a server does not know.
pub(super) struct Store {
    others: MemorySession,
    here: Mutex<DcOption>,
    key_was_replaced: AtomicBool,
}

impl Store {
    pub(super) fn new(dc: i32, address: SocketAddr, auth_key: [u8; 256]) -> Self {
        let here = Mutex::new(option(dc, address, auth_key));
        Self { others: MemorySession::default(), here, key_was_replaced: AtomicBool::new(false) }
    }

    /// From now on this data centre.
    pub(super) fn move_to(&self, dc: i32, address: SocketAddr, auth_key: [u8; 256]) {
        *self.here() = option(dc, address, auth_key);
    }

    /// Whether a server did not know the key, so that the user signed in with another.
    pub(super) fn key_was_replaced(&self) -> bool {
        self.key_was_replaced.load(Ordering::Relaxed)
    }

    fn here(&self) -> MutexGuard<'_, DcOption> {
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A data centre as grammers keeps it. The family of addresses that is not used stays without one.
fn option(id: i32, address: SocketAddr, auth_key: [u8; 256]) -> DcOption {
    let mut ipv4 = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
    let mut ipv6 = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0);
    match address {
        SocketAddr::V4(address) => ipv4 = address,
        SocketAddr::V6(address) => ipv6 = address,
    }
    DcOption { id, ipv4, ipv6, auth_key: Some(auth_key) }
}

impl Session for Store {
    type Error = MemorySessionError;

    fn home_dc_id(&self) -> Result<i32, Self::Error> {
        Ok(self.here().id)
    }

    fn set_home_dc_id(&self, _: i32) -> BoxFuture<'_, Result<(), Self::Error>> {
        Box::pin(async { Ok(()) })
    }

    fn dc_option(&self, dc_id: i32) -> Result<Option<DcOption>, Self::Error> {
        let here = self.here();
        Ok((here.id == dc_id).then(|| here.clone()))
    }

    fn set_dc_option(&self, told: &DcOption) -> BoxFuture<'_, Result<(), Self::Error>> {
        let here = self.here();
        if told.id == here.id && told.auth_key.is_some_and(|key| Some(key) != here.auth_key) {
            self.key_was_replaced.store(true, Ordering::Relaxed);
        }
        Box::pin(async { Ok(()) })
    }

    fn peer(&self, peer: PeerId) -> BoxFuture<'_, Result<Option<PeerInfo>, Self::Error>> {
        self.others.peer(peer)
    }

    fn cache_peer(&self, peer: PeerInfo) -> BoxFuture<'_, Result<(), Self::Error>> {
        self.others.cache_peer(peer)
    }

    fn updates_state(&self) -> BoxFuture<'_, Result<UpdatesState, Self::Error>> {
        self.others.updates_state()
    }

    fn set_update_state(&self, update: UpdateState) -> BoxFuture<'_, Result<(), Self::Error>> {
        self.others.set_update_state(update)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn neither_address_nor_key_is_changed_by_what_a_server_says() {
        let relay = "127.0.0.1:4000".parse().unwrap();
        let store = Store::new(2, relay, [1; 256]);
        let telegrams = option(2, "149.154.167.51:443".parse().unwrap(), [1; 256]);
        store.set_dc_option(&telegrams).await.unwrap();
        store.set_dc_option(&option(4, "149.154.167.92:443".parse().unwrap(), [4; 256])).await.unwrap();
        let kept = store.dc_option(2).unwrap().unwrap();
        assert_eq!((SocketAddr::from(kept.ipv4), kept.auth_key), (relay, Some([1; 256])));
        assert!(store.dc_option(4).unwrap().is_none() && !store.key_was_replaced());
        store.set_dc_option(&option(2, relay, [2; 256])).await.unwrap();
        assert!(store.key_was_replaced());
        store.move_to(4, relay, [4; 256]);
        assert_eq!((store.home_dc_id().unwrap(), store.dc_option(2).unwrap().is_none()), (4, true));
    }
}
