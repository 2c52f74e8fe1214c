//! Data centres beside the one that every account begins in.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::keys::KeyState;
use crate::mtproto::{self, Place};
use crate::shared::Shared;

/// The data centre of all session strings.
pub(crate) const HOME: i32 = 2;

/// A data centre, as the control API and `help.getConfig` name it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct DataCentre {
    pub(crate) id: i32,
    pub(crate) address: SocketAddr,
}

/// The data centres that were added, and the logins on their way between them.
#[derive(Default)]
pub(crate) struct DataCentres {
    open: Mutex<BTreeMap<i32, Running>>,
    exported: Mutex<HashMap<Vec<u8>, Exported>>,
    tasks: TaskTracker,
}

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    ended: CancellationToken,
}

/// A login that one data centre gave out for another.
struct Exported {
    id: i64,
    dc: i32,
    state: KeyState,
}

impl DataCentres {
    /// All but the first one, by their ids.
    pub(crate) fn all(&self) -> Vec<DataCentre> {
        self.open().iter().map(|(id, running)| DataCentre { id: *id, address: running.address }).collect()
    }

    /// Gives a login out; `None` for a data centre that does not exist.
    pub(crate) fn export(&self, id: i64, dc: i32, state: KeyState) -> Option<Vec<u8>> {
        if dc != HOME && !self.open().contains_key(&dc) {
            return None;
        }
        let bytes = rand::random::<[u8; 32]>().to_vec();
        self.exported().insert(bytes.clone(), Exported { id, dc, state });
        Some(bytes)
    }

    /// Takes a login in, once.
    pub(crate) fn import(&self, id: i64, dc: i32, bytes: &[u8]) -> Option<KeyState> {
        let exported = self.exported().remove(bytes)?;
        ((exported.id, exported.dc) == (id, dc)).then_some(exported.state)
    }

    /// Closes the port of a data centre and waits until it is closed. It stays in the lists.
    pub(crate) async fn stop(&self, id: i32) {
        let ended = self.open().get(&id).map(|running| {
            running.stop.cancel();
            running.ended.clone()
        });
        if let Some(ended) = ended {
            ended.cancelled().await;
        }
    }

    /// Waits until all of them have ended; somebody else tells them to.
    pub(crate) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<i32, Running>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn exported(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Exported>> {
        self.exported.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Opens a data centre on a port of its own; one that was there before keeps its address.
    pub(crate) async fn add_data_centre(self: &Arc<Self>, id: i32) -> std::io::Result<SocketAddr> {
        if id == HOME {
            return Ok(self.addresses.mtproto);
        }
        if let Some(running) = self.data_centres.open().get(&id) {
            return Ok(running.address);
        }
        let listener = TcpListener::bind((self.addresses.mtproto.ip(), 0)).await?;
        let address = listener.local_addr()?;
        let (stop, ended) = (self.stop.child_token(), CancellationToken::new());
        let running = Running { address, stop: stop.clone(), ended: ended.clone() };
        self.data_centres.open().insert(id, running);
        let shared = Arc::clone(self);
        self.data_centres.tasks.spawn(async move {
            mtproto::serve(shared, listener, Place { dc: id, media: false }, stop).await;
            ended.cancel();
        });
        Ok(address)
    }

    /// Moves an account; says whether there is such a user. Its calls at other data centres answer `USER_MIGRATE_X`.
    pub(crate) fn move_account(&self, user_id: &str, dc: i32) -> bool {
        let account = self.users.by_id(user_id);
        account.inspect(|account| account.set_home(dc)).is_some()
    }
}
