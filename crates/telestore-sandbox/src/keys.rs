//! Auth keys: those in the session strings, and those made by a key exchange.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use crate::mtproto::{ServerKey, Sessions};

/// What a key that nobody signed in with answers.
const UNREGISTERED: &str = "AUTH_KEY_UNREGISTERED";

/// Who an auth key speaks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum KeyState {
    /// The account of a user, by its `user_id`.
    User(String),
    /// A bot, by its owner's `user_id`.
    Bot(String),
    /// Nobody yet: the account of this `user_id` as soon as its password is proved.
    PasswordNeeded(String),
    /// Nobody; the name of the 401 (or 406) error.
    Unregistered(String),
}

impl KeyState {
    pub(crate) fn unregistered() -> Self {
        Self::Unregistered(UNREGISTERED.to_owned())
    }
}

/// An auth key. It is good for one data centre.
pub(crate) struct AuthKey {
    pub(crate) cipher: ServerKey,
    pub(crate) dc: i32,
    pub(crate) sessions: Sessions,
    /// Whose key it is, by `user_id`; nobody's until somebody signs in with it.
    owner: OnceLock<String>,
    state: Mutex<KeyState>,
    /// Whether the servers say that they do not know it.
    unknown: AtomicBool,
}

impl AuthKey {
    /// The key of a user's session strings.
    pub(crate) fn shared_beforehand(data: [u8; 256], dc: i32, user_id: &str, state: KeyState) -> Self {
        let owner = OnceLock::from(user_id.to_owned());
        let cipher = ServerKey::new(data);
        Self {
            cipher,
            dc,
            sessions: Sessions::default(),
            owner,
            state: Mutex::new(state),
            unknown: AtomicBool::default(),
        }
    }

    /// A key that was just agreed on. Its first salt comes out of the exchange too.
    pub(crate) fn exchanged(data: [u8; 256], salt: i64, dc: i32) -> Self {
        let state = Mutex::new(KeyState::unregistered());
        let cipher = ServerKey::new(data);
        let (owner, unknown) = (OnceLock::new(), AtomicBool::default());
        Self { cipher, dc, sessions: Sessions::new(salt), owner, state, unknown }
    }

    pub(crate) fn owner(&self) -> Option<&str> {
        self.owner.get().map(String::as_str)
    }

    /// Signs a user in, who owns the key from now on unless somebody does.
    pub(crate) fn sign_in(&self, user_id: &str, state: KeyState) {
        self.owner.get_or_init(|| user_id.to_owned());
        self.set_state(state);
    }

    pub(crate) fn state(&self) -> KeyState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_known(&self, known: bool) {
        self.unknown.store(!known, Ordering::Relaxed);
    }

    pub(crate) fn set_state(&self, state: KeyState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// All auth keys, by their ids.
#[derive(Default)]
pub(crate) struct Keys(RwLock<HashMap<[u8; 8], Arc<AuthKey>>>);

impl Keys {
    pub(crate) fn add(&self, key: AuthKey) -> Arc<AuthKey> {
        let key = Arc::new(key);
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key.cipher.id(), Arc::clone(&key));
        key
    }

    /// The key of that id; `None` too if it is another data centre's.
    pub(crate) fn find(&self, id: &[u8], dc: i32) -> Option<Arc<AuthKey>> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        keys.get(id).filter(|key| key.dc == dc && !key.unknown.load(Ordering::Relaxed)).cloned()
    }

    /// Every key of a user, at every data centre.
    pub(crate) fn of(&self, user_id: &str) -> Vec<Arc<AuthKey>> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        keys.values().filter(|key| key.owner() == Some(user_id)).cloned().collect()
    }
}
