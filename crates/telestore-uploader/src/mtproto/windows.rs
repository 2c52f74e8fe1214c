use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use telestore_mtproto::Account;
use tokio::sync::Semaphore;

use super::window::Window;

/// How many parts of all accounts together are in flight at most, beside one for each account.
pub(super) const PARTS_IN_FLIGHT: usize = 64;

/// The window of each account: all of its uploads share one.
#[derive(Debug)]
pub(crate) struct Windows {
    places: Arc<Semaphore>,
    /// By the account's place in memory, which nothing else takes as long as there is a `Weak` of it.
    windows: Mutex<HashMap<usize, (Weak<Account>, Window)>>,
}

impl Windows {
    /// Windows that share so many places, beside one for each.
    pub(crate) fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places.max(1))), windows: Mutex::default() }
    }

    /// The window of an account. It grows to `max`, if it is new.
    pub(crate) fn of(&self, account: &Arc<Account>, max: usize) -> Window {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Arc::as_ptr(account).addr();
        if let Some((_, window)) = windows.get(&place) {
            return window.clone();
        }
        windows.retain(|_, (account, _)| account.strong_count() > 0);
        let window = Window::new(max, self.places.clone());
        windows.insert(place, (Arc::downgrade(account), window.clone()));
        window
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use telestore_mtproto::{Client, MtprotoConfig, Session};
    use telestore_types::ApiId;

    use super::*;

    fn account(client: &Client, key: &str) -> Arc<Account> {
        let session = format!("1ApWapzMBu{}{key}", "A".repeat(342 - key.len()));
        let session = Session::read(&session).expect("a session");
        client.account(session, ApiId::new(1).ok()).expect("an account")
    }

    #[tokio::test]
    async fn uploads_of_one_account_share_its_window() {
        let (client, windows) = (Client::new(MtprotoConfig::default()), Windows::new(8));
        let (one, other) = (account(&client, "AAAA"), account(&client, "BBBA"));
        let taken = windows.of(&one, 1).enter().now_or_never().expect("room");
        assert!(windows.of(&one, 1).enter().now_or_never().is_none(), "one place, and it is taken");
        assert!(windows.of(&other, 1).enter().now_or_never().is_some());
        drop(taken);
        assert!(windows.of(&one, 1).enter().now_or_never().is_some());
    }

    #[test]
    fn windows_go_with_their_accounts() {
        let windows = Windows::new(8);
        for _ in 0..3 {
            windows.of(&account(&Client::new(MtprotoConfig::default()), "AAAA"), 1);
        }
        assert_eq!(windows.windows.lock().expect("no panic").len(), 1);
    }
}
