//! Signing in and out: by a code and a password, by a QR code, as a bot; and taking a login from one data centre to another.

mod bots;
mod codes;
mod moving;
mod passwords;
mod qr;
mod srp;

use std::sync::{Mutex, PoisonError};

use grammers_tl_types::{Deserializable, Identifiable, Serializable, enums, functions as f, types};

use super::dispatch::{Context, parse};
use super::link::Caller;
use super::rpc_error::RpcError;
use super::tl_types;
use crate::keys::KeyState;
use crate::logins::SignInRules;
use crate::shared::Shared;
use crate::users::Account;

pub(crate) use moving::export;
pub(crate) use qr::accept;

type Answer = Result<Vec<u8>, RpcError>;

/// What is known of those who are signing in.
#[derive(Default)]
pub(crate) struct SignIns {
    rules: Mutex<SignInRules>,
    pub(crate) codes: codes::Codes,
    pub(crate) tokens: qr::LoginTokens,
    passwords: passwords::Passwords,
    bots: bots::BotSignIns,
}

impl SignIns {
    pub(crate) fn rules(&self) -> SignInRules {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_rules(&self, rules: SignInRules) {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = rules;
    }
}

/// Executes a call that needs no login; `None` for any other call.
pub(crate) async fn without_login(caller: &Caller, id: u32, body: &[u8]) -> Option<Answer> {
    let answer = match id {
        f::help::GetConfig::CONSTRUCTOR_ID => {
            Ok(tl_types::config(&caller.link.shared, caller.link.dc).to_bytes())
        }
        f::auth::SendCode::CONSTRUCTOR_ID => call(caller, body, codes::send),
        f::auth::ResendCode::CONSTRUCTOR_ID => call(caller, body, codes::resend),
        f::auth::CancelCode::CONSTRUCTOR_ID => call(caller, body, codes::cancel),
        f::auth::SignIn::CONSTRUCTOR_ID => call(caller, body, codes::sign_in),
        f::account::GetPassword::CONSTRUCTOR_ID => passwords::get(caller).await,
        f::auth::CheckPassword::CONSTRUCTOR_ID => match parse(body) {
            Ok(call) => passwords::check(caller, call).await,
            Err(error) => Err(error),
        },
        f::auth::ExportLoginToken::CONSTRUCTOR_ID => call(caller, body, qr::export),
        f::auth::ImportLoginToken::CONSTRUCTOR_ID => call(caller, body, qr::import),
        f::auth::ImportBotAuthorization::CONSTRUCTOR_ID => call(caller, body, bots::sign_in),
        f::auth::ImportAuthorization::CONSTRUCTOR_ID => call(caller, body, moving::import),
        _ => return None,
    };
    Some(answer)
}

fn call<F: Deserializable>(caller: &Caller, body: &[u8], execute: fn(&Caller, &F) -> Answer) -> Answer {
    execute(caller, &parse(body)?)
}

pub(crate) fn log_out(context: &Context) -> Answer {
    context.key.set_state(KeyState::unregistered());
    let gone = types::auth::LoggedOut { future_auth_token: None };
    Ok(enums::auth::LoggedOut::Out(gone).to_bytes())
}

/// Whether there is such an application. Telegram knows millions, and the sandbox those of its users.
fn check_application(shared: &Shared, api_id: i32, api_hash: &str) -> Result<(), RpcError> {
    let known =
        |account: &Account| (account.user.api_id, account.user.api_hash.as_str()) == (api_id, api_hash);
    shared.users.find(known).map(drop).ok_or_else(|| RpcError::bad_request("API_ID_INVALID"))
}

/// Signs a person in with the caller's key, unless the account has a password: that is asked for first.
fn admit(caller: &Caller, account: &Account) -> Result<enums::auth::Authorization, RpcError> {
    if account.user.password.is_some() {
        caller.key.set_state(KeyState::PasswordNeeded(account.user.user_id.clone()));
        return Err(password_needed());
    }
    Ok(enter(caller, account))
}

/// What a key answers that has come as far as the password.
pub(crate) fn password_needed() -> RpcError {
    RpcError::new(401, "SESSION_PASSWORD_NEEDED")
}

/// Signs a person in with the caller's key.
fn enter(caller: &Caller, account: &Account) -> enums::auth::Authorization {
    let user_id = &account.user.user_id;
    caller.link.shared.stats.sign_in(user_id);
    caller.sign_in(user_id, KeyState::User(user_id.clone()));
    authorization(account, false)
}

fn authorization(account: &Account, bot: bool) -> enums::auth::Authorization {
    enums::auth::Authorization::Authorization(types::auth::Authorization {
        setup_password_required: false,
        otherwise_relogin_days: None,
        tmp_sessions: None,
        future_auth_token: None,
        user: tl_types::user(account, bot),
    })
}
