use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::MtprotoConfig;
use super::account::Account;
use super::session::Session;
use super::window::Window;

/// How many accounts are kept before those without a connection are forgotten.
const MAX_ACCOUNTS: usize = 1024;

/// The accounts in use, by a digest of their key: whoever brings the same session shares its one connection. One that comes
/// with another address or application, such as a session string that was put right, takes the old one's place once no
/// upload uses that any more.
#[derive(Debug)]
pub(crate) struct AccountPool {
    config: Arc<MtprotoConfig>,
    /// The parts that may be in flight, over all accounts.
    places: Arc<Semaphore>,
    accounts: Mutex<HashMap<[u8; 32], Arc<Account>>>,
}

impl AccountPool {
    pub(crate) fn new(config: Arc<MtprotoConfig>) -> Self {
        let places = Arc::new(Semaphore::new(config.max_parts_in_flight.max(1)));
        Self { config, places, accounts: Mutex::default() }
    }

    /// The account of a session. It connects by itself when the first call is made.
    pub(crate) fn account(&self, session: Session, api_id: i32) -> Arc<Account> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= MAX_ACCOUNTS {
            accounts.retain(|_, account| Arc::strong_count(account) > 1 || account.is_connected());
        }
        let digest = session.digest();
        let old = accounts.get(&digest);
        // Only the pool makes further handles, and it is locked: what nobody holds now stays unused.
        let keep = |old: &&Arc<Account>| old.is_for(&session, api_id) || Arc::strong_count(old) > 1;
        if let Some(account) = old.filter(keep) {
            return account.clone();
        }
        let predecessor = old.filter(|old| old.is_connected()).cloned();
        let window = Window::new(self.config.window, self.places.clone());
        let account = Arc::new(Account::new(self.config.clone(), session, api_id, window, predecessor));
        accounts.insert(digest, account.clone());
        account
    }
}
