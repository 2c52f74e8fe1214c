//! Taking a login from one data centre to another.

use grammers_tl_types::{Serializable, enums, functions as f, types};

use super::super::dispatch::Context;
use super::super::link::Caller;
use super::super::rpc_error::RpcError;
use super::super::tl_types;
use super::{Answer, authorization};
use crate::keys::KeyState;

/// Signs this data centre's key in, as another one vouches for it.
pub(super) fn import(caller: &Caller, call: &f::auth::ImportAuthorization) -> Answer {
    let shared = &caller.link.shared;
    let state = shared.data_centres.import(call.id, caller.link.dc, &call.bytes);
    let (user_id, bot) = match &state {
        Some(KeyState::User(user_id)) => (user_id, false),
        Some(KeyState::Bot(user_id)) => (user_id, true),
        _ => return Err(RpcError::bad_request("AUTH_BYTES_INVALID")),
    };
    let account = shared.users.by_id(user_id).ok_or_else(|| RpcError::bad_request("USER_ID_INVALID"))?;
    caller.sign_in(&account.user.user_id, state.unwrap_or_else(KeyState::unregistered));
    Ok(authorization(&account, bot).to_bytes())
}

/// Gives the login out for another data centre.
pub(crate) fn export(context: &Context, call: &f::auth::ExportAuthorization) -> Answer {
    let id = tl_types::id_of(&context.account, context.bot);
    // None needs a login for where it is.
    if call.dc_id == context.dc {
        return Err(RpcError::bad_request("DC_ID_INVALID"));
    }
    let bytes = context.shared.data_centres.export(id, call.dc_id, context.key.state());
    let bytes = bytes.ok_or_else(|| RpcError::bad_request("DC_ID_INVALID"))?;
    let exported = types::auth::ExportedAuthorization { id, bytes };
    Ok(enums::auth::ExportedAuthorization::Authorization(exported).to_bytes())
}
