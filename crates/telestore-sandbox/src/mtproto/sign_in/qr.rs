//! Signing in by a QR code that a signed-in device scans: <https://core.telegram.org/api/qr-login>.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grammers_tl_types::{Serializable, enums, functions as f, types};

use super::super::dispatch::Context;
use super::super::link::{Caller, Link};
use super::super::rpc_error::RpcError;
use super::super::session::Session;
use super::{Answer, admit, authorization, check_application};
use crate::channel::unix_time;
use crate::keys::{AuthKey, KeyState};
use crate::shared::Shared;

/// What stands before the token in a QR code.
const PREFIX: &str = "tg://login?token=";

/// The tokens that were given out and not used yet.
#[derive(Default)]
pub(crate) struct LoginTokens(Mutex<Vec<Token>>);

struct Token {
    bytes: Vec<u8>,
    expires: Instant,
    /// Who let it in, by `user_id`.
    accepted: Option<String>,
    by: Asker,
}

/// Who asked for a token, and hears of what becomes of it.
struct Asker {
    link: Weak<Link>,
    key: Arc<AuthKey>,
    session: Arc<Session>,
}

impl Asker {
    fn is(&self, caller: &Caller) -> bool {
        self.key.cipher.id() == caller.key.cipher.id()
    }

    /// Tells that the token was let in, unless the connection is gone.
    fn tell(&self) {
        let Some(link) = self.link.upgrade() else { return };
        let (key, session) = (Arc::clone(&self.key), Arc::clone(&self.session));
        let date = unix_time() as i32;
        let update = enums::Update::LoginToken;
        let told = enums::Updates::UpdateShort(types::UpdateShort { update, date });
        Caller { link, key, session }.post(told.to_bytes(), false, true);
    }
}

impl LoginTokens {
    /// What the QR codes say that can still be scanned, oldest first.
    pub(crate) fn open(&self) -> Vec<String> {
        let scannable = |token: &&Token| token.accepted.is_none() && token.expires > Instant::now();
        let link = |token: &Token| format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&token.bytes));
        self.lock().iter().filter(scannable).map(link).collect()
    }

    /// A new token; earlier ones of the same key stay good.
    fn give(&self, caller: &Caller, life: Duration) -> Vec<u8> {
        let bytes = rand::random::<[u8; 32]>().to_vec();
        let (key, session) = (Arc::clone(&caller.key), Arc::clone(&caller.session));
        let by = Asker { link: Arc::downgrade(&caller.link), key, session };
        let token = Token { bytes: bytes.clone(), expires: Instant::now() + life, accepted: None, by };
        self.lock().push(token);
        bytes
    }

    /// A token of the caller's that somebody let in, and who that was.
    fn accepted_for(&self, caller: &Caller) -> Option<(Vec<u8>, String)> {
        let tokens = self.lock();
        let token = tokens.iter().find(|token| token.by.is(caller) && token.accepted.is_some())?;
        Some((token.bytes.clone(), token.accepted.clone()?))
    }

    fn forget(&self, bytes: &[u8]) {
        self.lock().retain(|token| token.bytes != bytes);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Token>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Lets a token in, as somebody's phone does that scanned it.
    ///
    /// # Errors
    /// The name of the error that the phone gets.
    pub(crate) fn accept_login_token(&self, user_id: &str, bytes: &[u8]) -> Result<(), &'static str> {
        let mut tokens = self.sign_ins.tokens.lock();
        let token = tokens.iter_mut().find(|token| token.bytes == bytes).ok_or("AUTH_TOKEN_INVALIDX")?;
        if token.accepted.is_some() {
            return Err("AUTH_TOKEN_ALREADY_ACCEPTED");
        }
        if token.expires <= Instant::now() {
            return Err("AUTH_TOKEN_EXPIRED");
        }
        token.accepted = Some(user_id.to_owned());
        token.by.tell();
        Ok(())
    }

    /// The same with what the QR code says.
    pub(crate) fn scan(&self, user_id: &str, code: &str) -> Result<(), &'static str> {
        let token = code.strip_prefix(PREFIX).and_then(|token| URL_SAFE_NO_PAD.decode(token).ok());
        self.accept_login_token(user_id, &token.ok_or("AUTH_TOKEN_INVALIDX")?)
    }
}

pub(super) fn export(caller: &Caller, call: &f::auth::ExportLoginToken) -> Answer {
    let shared = &caller.link.shared;
    check_application(shared, call.api_id, &call.api_hash)?;
    if let KeyState::User(user_id) = caller.key.state()
        && let Some(account) = shared.users.by_id(&user_id)
    {
        return Ok(success(authorization(&account, false)));
    }
    if let Some((token, user_id)) = shared.sign_ins.tokens.accepted_for(caller) {
        return use_up(caller, &token, &user_id);
    }
    let life = shared.sign_ins.rules().login_token_life;
    let token = shared.sign_ins.tokens.give(caller, Duration::from_secs(life.into()));
    let expires = (unix_time() + shared.rules.clock_ahead) as i32 + life.cast_signed();
    shared.pulse.beat();
    Ok(enums::auth::LoginToken::Token(types::auth::LoginToken { expires, token }).to_bytes())
}

pub(super) fn import(caller: &Caller, call: &f::auth::ImportLoginToken) -> Answer {
    let tokens = &caller.link.shared.sign_ins.tokens;
    let found = tokens.lock().iter().find(|token| token.bytes == call.token).map(|token| {
        let expired = token.expires <= Instant::now();
        (token.accepted.clone(), expired)
    });
    match found {
        Some((Some(user_id), _)) => use_up(caller, &call.token, &user_id),
        Some((None, true)) => Err(RpcError::bad_request("AUTH_TOKEN_EXPIRED")),
        _ => Err(RpcError::bad_request("AUTH_TOKEN_INVALID")),
    }
}

/// Signs in the user that let the token in, or says in which data centre that can be done.
fn use_up(caller: &Caller, token: &[u8], user_id: &str) -> Answer {
    let shared = &caller.link.shared;
    let account = shared.users.by_id(user_id);
    let account = account.ok_or_else(|| RpcError::bad_request("AUTH_TOKEN_INVALID"))?;
    if account.home() != caller.link.dc {
        let elsewhere = types::auth::LoginTokenMigrateTo { dc_id: account.home(), token: token.to_vec() };
        return Ok(enums::auth::LoginToken::MigrateTo(elsewhere).to_bytes());
    }
    shared.sign_ins.tokens.forget(token);
    admit(caller, &account).map(success)
}

fn success(authorization: enums::auth::Authorization) -> Vec<u8> {
    enums::auth::LoginToken::Success(types::auth::LoginTokenSuccess { authorization }).to_bytes()
}

/// Lets a token in by a client that is signed in.
pub(crate) fn accept(context: &Context, call: &f::auth::AcceptLoginToken) -> Answer {
    if context.bot {
        return Err(RpcError::bad_request("BOT_METHOD_INVALID"));
    }
    let accepted = context.shared.accept_login_token(context.user_id(), &call.token);
    accepted.map_err(RpcError::bad_request)?;
    let now = unix_time() as i32;
    let device = types::Authorization {
        current: false,
        official_app: false,
        password_pending: context.account.user.password.is_some(),
        encrypted_requests_disabled: false,
        call_requests_disabled: false,
        unconfirmed: false,
        hash: rand::random(),
        device_model: "a device of the sandbox".to_owned(),
        platform: String::new(),
        system_version: String::new(),
        api_id: context.account.user.api_id,
        app_name: "sandbox".to_owned(),
        app_version: String::new(),
        date_created: now,
        date_active: now,
        ip: "127.0.0.1".to_owned(),
        country: String::new(),
        region: String::new(),
    };
    Ok(enums::Authorization::Authorization(device).to_bytes())
}
