//! The password behind the code.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use grammers_tl_types::{Serializable, enums, functions as f, types};
use tokio::task::spawn_blocking;

use super::super::link::Caller;
use super::super::rpc_error::RpcError;
use super::srp::{Half, Verifier};
use super::{Answer, enter};
use crate::keys::KeyState;
use crate::users::Account;

/// What is known of passwords, by `user_id`, and the tries under way, by the id of the key that makes them.
#[derive(Default)]
pub(super) struct Passwords(Mutex<Book>);

#[derive(Default)]
struct Book {
    verifiers: HashMap<String, Arc<Verifier>>,
    tries: HashMap<[u8; 8], Try>,
}

/// One try: it can be used once, and a new one ends it.
struct Try {
    id: i64,
    half: Half,
}

impl Passwords {
    /// What the server keeps of the account's password.
    async fn of(&self, account: &Account) -> Option<Arc<Verifier>> {
        let password = account.user.password.clone()?;
        let known = self.lock().verifiers.get(&account.user.user_id).cloned();
        if known.is_some() {
            return known;
        }
        let made = spawn_blocking(move || Arc::new(Verifier::of(&password))).await.ok()?;
        Some(Arc::clone(self.lock().verifiers.entry(account.user.user_id.clone()).or_insert(made)))
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The account that the caller's key is on its way to, or at.
fn account(caller: &Caller) -> Result<Arc<Account>, RpcError> {
    let found = match caller.key.state() {
        KeyState::PasswordNeeded(user_id) | KeyState::User(user_id) => {
            caller.link.shared.users.by_id(&user_id)
        }
        KeyState::Bot(_) => return Err(RpcError::bad_request("BOT_METHOD_INVALID")),
        KeyState::Unregistered(name) => return Err(RpcError::new(401, name)),
    };
    found.ok_or_else(|| RpcError::new(401, "AUTH_KEY_UNREGISTERED"))
}

pub(super) async fn get(caller: &Caller) -> Answer {
    let account = account(caller)?;
    let passwords = &caller.link.shared.sign_ins.passwords;
    let salt = || rand::random::<[u8; 8]>().to_vec();
    let mut password = types::account::Password {
        has_recovery: false,
        has_secure_values: false,
        has_password: false,
        current_algo: None,
        srp_b: None,
        srp_id: None,
        hint: None,
        email_unconfirmed_pattern: None,
        new_algo: enums::PasswordKdfAlgo::Unknown,
        new_secure_algo: types::SecurePasswordKdfAlgoSha512 { salt: salt() }.into(),
        secure_random: [salt(), salt()].concat(),
        pending_reset_date: None,
        login_email_pattern: None,
    };
    if let Some(verifier) = passwords.of(&account).await {
        let (id, half) = (rand::random(), verifier.half());
        password.has_password = true;
        (password.srp_b, password.srp_id) = (Some(half.g_b.to_vec()), Some(id));
        password.current_algo = Some(verifier.algorithm());
        password.hint = Some(format!("what {} says to the door", account.user.name));
        passwords.lock().tries.insert(caller.key.cipher.id(), Try { id, half });
    }
    Ok(enums::account::Password::Password(password).to_bytes())
}

pub(super) async fn check(caller: &Caller, call: f::auth::CheckPassword) -> Answer {
    let account = account(caller)?;
    let passwords = &caller.link.shared.sign_ins.passwords;
    let enums::InputCheckPasswordSrp::Srp(given) = call.password else {
        return Err(RpcError::bad_request("PASSWORD_HASH_INVALID"));
    };
    let begun = passwords.lock().tries.remove(&caller.key.cipher.id());
    let half = begun.filter(|begun| begun.id == given.srp_id).map(|begun| begun.half);
    let half = half.ok_or_else(|| RpcError::bad_request("SRP_ID_INVALID"))?;
    let verifier = passwords.of(&account).await.ok_or_else(|| RpcError::bad_request("SRP_ID_INVALID"))?;
    match verifier.is_proved(&half, &given.a, &given.m1) {
        true => Ok(enter(caller, &account).to_bytes()),
        false => Err(RpcError::bad_request("PASSWORD_HASH_INVALID")),
    }
}
