//! Signing in and out, and taking a login from one data centre to another.

use grammers_tl_types::{Identifiable, Serializable, enums, functions as f, types};

use super::dispatch::{Context, parse};
use super::link::Caller;
use super::rpc_error::RpcError;
use super::tl_types;
use crate::keys::KeyState;
use crate::users::Account;

type Answer = Result<Vec<u8>, RpcError>;

/// Executes a call that needs no login; `None` for any other call.
pub(crate) fn without_login(caller: &Caller, id: u32, body: &[u8]) -> Option<Answer> {
    let answer = match id {
        f::help::GetConfig::CONSTRUCTOR_ID => {
            Ok(tl_types::config(&caller.link.shared, caller.link.dc).to_bytes())
        }
        f::auth::ImportBotAuthorization::CONSTRUCTOR_ID => {
            parse(body).and_then(|call| sign_bot_in(caller, &call))
        }
        f::auth::ImportAuthorization::CONSTRUCTOR_ID => parse(body).and_then(|call| import(caller, &call)),
        _ => return None,
    };
    Some(answer)
}

fn sign_bot_in(caller: &Caller, call: &f::auth::ImportBotAuthorization) -> Answer {
    let owner = caller.link.shared.users.find(|account| account.user.bot_token == call.bot_auth_token);
    let owner = owner.ok_or_else(|| RpcError::bad_request("ACCESS_TOKEN_INVALID"))?;
    caller.sign_in(&owner.user.user_id, KeyState::Bot(owner.user.user_id.clone()));
    Ok(authorization(&owner, true))
}

/// Signs this data centre's key in, as another one vouches for it.
fn import(caller: &Caller, call: &f::auth::ImportAuthorization) -> Answer {
    let shared = &caller.link.shared;
    let state = shared.data_centres.import(call.id, caller.link.dc, &call.bytes);
    let (user_id, bot) = match &state {
        Some(KeyState::User(user_id)) => (user_id, false),
        Some(KeyState::Bot(user_id)) => (user_id, true),
        _ => return Err(RpcError::bad_request("AUTH_BYTES_INVALID")),
    };
    let account = shared.users.by_id(user_id).ok_or_else(|| RpcError::bad_request("USER_ID_INVALID"))?;
    caller.sign_in(&account.user.user_id, state.unwrap_or_else(KeyState::unregistered));
    Ok(authorization(&account, bot))
}

/// Gives the login out for another data centre.
pub(crate) fn export(context: &Context, call: &f::auth::ExportAuthorization) -> Answer {
    let id = tl_types::id_of(&context.account, context.bot);
    let bytes = context.shared.data_centres.export(id, call.dc_id, context.key.state());
    let bytes = bytes.ok_or_else(|| RpcError::bad_request("DC_ID_INVALID"))?;
    let exported = types::auth::ExportedAuthorization { id, bytes };
    Ok(enums::auth::ExportedAuthorization::Authorization(exported).to_bytes())
}

pub(crate) fn log_out(context: &Context) -> Answer {
    context.key.set_state(KeyState::unregistered());
    let gone = types::auth::LoggedOut { future_auth_token: None };
    Ok(enums::auth::LoggedOut::Out(gone).to_bytes())
}

fn authorization(account: &Account, bot: bool) -> Vec<u8> {
    let authorization = types::auth::Authorization {
        setup_password_required: false,
        otherwise_relogin_days: None,
        tmp_sessions: None,
        future_auth_token: None,
        user: tl_types::user(account, bot),
    };
    enums::auth::Authorization::Authorization(authorization).to_bytes()
}
