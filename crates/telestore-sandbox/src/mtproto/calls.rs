//! Calls: faults, execution, the answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use grammers_tl_types::{self as tl, Identifiable, Serializable};

use super::dispatch::{self, Context};
use super::envelope::{self, constructor};
use super::ledger::Kept;
use super::link::{Caller, Delivery, Number, boxed};
use super::rpc_error::RpcError;
use super::sign_in;
use crate::faults::{Call, FaultAction};
use crate::keys::KeyState;
use crate::shared::Shared;
use crate::standing::Who;

/// `rpc_result`.
const RPC_RESULT: u32 = 0xf35c_6d01;
/// The session was used by two connections; it answers so from then on.
const DUPLICATED: &str = "AUTH_KEY_DUPLICATED";
/// How long the end of a closed connection may take to be noticed, behind what came before it and on a machine that is busy.
const GRACE: Duration = Duration::from_secs(3);

/// Executes a call beside the others of its connection. It runs to its end even if the connection goes first,
/// as on a server that has taken the request.
pub(crate) fn start(caller: Caller, msg_id: i64, body: Bytes) {
    let Some(query) = envelope::unwrap(body) else {
        return fail(&caller, msg_id, &RpcError::bad_request("INPUT_FETCH_ERROR"));
    };
    if let Some(layer) = query.layer {
        caller.session.set_layer(layer);
    }
    tokio::spawn(run(caller, msg_id, query.body));
}

async fn run(caller: Caller, msg_id: i64, body: Bytes) {
    let shared = &caller.link.shared;
    let id = constructor(&body).unwrap_or_default();
    let method = tl::name_for_id(id);
    let call = Call {
        method,
        user: caller.key.owner(),
        part: dispatch::part_index(id, &body),
        offset: dispatch::offset(id, &body),
    };
    shared.stats.call(method);
    let _download = download(&caller, id);
    let action = shared.faults.strike(call).await;
    let result = match &action {
        None | Some(FaultAction::LoseAnswer | FaultAction::Silence | FaultAction::HoldBackAnswer) => {
            execute(&caller, id, body).await
        }
        Some(FaultAction::RpcError(code, name)) => Err(RpcError::new(*code, name)),
        Some(FaultAction::FloodWait(seconds) | FaultAction::FloodAs(_, seconds)) => {
            Err(RpcError::new(420, format!("FLOOD_WAIT_{seconds}")))
        }
        Some(FaultAction::FloodPremiumWait(seconds)) => {
            Err(RpcError::new(420, format!("FLOOD_PREMIUM_WAIT_{seconds}")))
        }
        Some(FaultAction::ReturnFalse) => Ok(false.to_bytes()),
        Some(FaultAction::HttpStatus(status, _)) => Err(RpcError::new(i32::from(*status), "HTTP_STATUS")),
        Some(FaultAction::NoExecuteSilence) => return caller.session.ledger().lose(msg_id),
        Some(FaultAction::HostileMtproto(hostile)) => {
            let executed = execute(&caller, id, body);
            return hostile.play(&caller, msg_id, method, executed).await;
        }
        Some(_) => return caller.link.close.cancel(),
    };
    match action {
        Some(FaultAction::LoseAnswer) => return caller.link.close.cancel(),
        Some(FaultAction::Silence) => return drop(keep(&caller, msg_id, &bytes(result))),
        Some(FaultAction::HoldBackAnswer) => {
            shared.network.travel().await;
            return hold_back(&caller, msg_id, &bytes(result));
        }
        _ => shared.network.travel().await,
    }
    match result {
        Ok(body) => answer(&caller, msg_id, &body, Delivery::Once),
        Err(error) => {
            tracing::debug!(method, code = error.code, name = error.name, "call refused");
            fail(&caller, msg_id, &error);
        }
    }
}

async fn execute(caller: &Caller, id: u32, body: Bytes) -> Result<Vec<u8>, RpcError> {
    let state = key_state(caller).await;
    if let Some(answer) = sign_in::without_login(caller, id, &body).await {
        return answer;
    }
    let (user_id, bot) = match state {
        KeyState::User(user_id) => (user_id, false),
        KeyState::Bot(owner) => (owner, true),
        KeyState::PasswordNeeded(_) => return Err(sign_in::password_needed()),
        KeyState::Unregistered(name) => {
            let code = if name == DUPLICATED { 406 } else { 401 };
            return Err(RpcError::new(code, name));
        }
    };
    let shared = caller.link.shared.clone();
    let account = shared.users.by_id(&user_id);
    let account = account.ok_or_else(|| RpcError::new(401, "AUTH_KEY_UNREGISTERED"))?;
    let (home, here) = (account.home(), caller.link.dc);
    if home != here && !is_for_guests(id) {
        return Err(RpcError::new(303, format!("USER_MIGRATE_{home}")));
    }
    let (key, layer) = (caller.key.clone(), caller.session.layer());
    dispatch::dispatch(Context { shared, key, account, bot, dc: here, layer }, id, body).await
}

/// Whether an account calls this where it does not live: to take its login along, and to read files that lie there.
/// <https://core.telegram.org/api/datacenter>
fn is_for_guests(id: u32) -> bool {
    use tl::functions::{auth, upload};
    matches!(
        id,
        auth::ExportAuthorization::CONSTRUCTOR_ID
            | upload::GetFile::CONSTRUCTOR_ID
            | upload::GetFileHashes::CONSTRUCTOR_ID
    )
}

/// Counts a call of `upload.getFile` of somebody who is signed in, for as long as it is under way.
fn download(caller: &Caller, id: u32) -> Option<Downloading> {
    if id != tl::functions::upload::GetFile::CONSTRUCTOR_ID {
        return None;
    }
    let who = match caller.key.state() {
        KeyState::User(user_id) => Who { user_id, bot: false },
        KeyState::Bot(user_id) => Who { user_id, bot: true },
        KeyState::PasswordNeeded(_) | KeyState::Unregistered(_) => return None,
    };
    Some(Downloading::begin(Arc::clone(&caller.link.shared), who, caller.link.dc))
}

/// A call that is under way.
struct Downloading {
    shared: Arc<Shared>,
    who: Who,
    dc: i32,
}

impl Downloading {
    fn begin(shared: Arc<Shared>, who: Who, dc: i32) -> Self {
        shared.stats.download_begins(&who, dc);
        Self { shared, who, dc }
    }
}

impl Drop for Downloading {
    fn drop(&mut self) {
        self.shared.stats.download_ends(&self.who, self.dc);
    }
}

/// Who the key speaks for, after a look at who else sends with it.
async fn key_state(caller: &Caller) -> KeyState {
    let state = caller.key.state();
    let ruled = caller.link.shared.rules.single_connection && !caller.link.media;
    if !ruled || matches!(state, KeyState::Unregistered(_)) || sends_alone(caller).await {
        return state;
    }
    let owner = caller.key.owner();
    tracing::warn!(user = owner, "second connection sends, session revoked");
    caller.link.shared.stats.login_ended(owner.unwrap_or_default());
    let revoked = KeyState::Unregistered(DUPLICATED.to_owned());
    caller.key.set_state(revoked.clone());
    revoked
}

/// A connection that was just closed may not have been noticed yet, so the other one gets a moment to go.
async fn sends_alone(caller: &Caller) -> bool {
    let (link, sessions) = (&caller.link, &caller.key.sessions);
    let alone = || {
        // What was read from a connection that is gone meanwhile, such as a call that was held, sends nothing any more.
        let alone = link.close.is_cancelled() || sessions.sends_alone(link.id);
        if link.close.is_cancelled() {
            sessions.disconnected(link.id);
        }
        alone.then_some(())
    };
    tokio::time::timeout(GRACE, caller.link.shared.pulse.until(alone)).await.is_ok()
}

/// Sends a result.
pub(crate) fn answer(caller: &Caller, msg_id: i64, body: &[u8], delivery: Delivery) {
    caller.deliver(result_of(msg_id, body), Number::AnswerTo(msg_id), delivery);
}

fn result_of(msg_id: i64, body: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(12 + body.len());
    result.extend(RPC_RESULT.to_le_bytes());
    result.extend(msg_id.to_le_bytes());
    result.extend(body);
    result
}

fn bytes(result: Result<Vec<u8>, RpcError>) -> Vec<u8> {
    result.unwrap_or_else(|error| error.to_bytes())
}

/// Makes an answer that is not sent.
fn keep(caller: &Caller, msg_id: i64, body: &[u8]) -> Kept {
    caller.session.keep(msg_id, result_of(msg_id, body), caller.link.shared.rules.clock_ahead)
}

/// Tells of an answer instead of sending it.
/// <https://core.telegram.org/mtproto/service_messages_about_messages#extended-voluntary-communication-of-status-of-one-message>
fn hold_back(caller: &Caller, msg_id: i64, body: &[u8]) {
    let kept = keep(caller, msg_id, body);
    tell_of(caller, msg_id, &kept);
}

/// Tells that a call has an answer, and what to ask for to get it.
pub(crate) fn tell_of(caller: &Caller, msg_id: i64, kept: &Kept) {
    let bytes = kept.body.len() as i32;
    let info = tl::types::MsgDetailedInfo { msg_id, answer_msg_id: kept.msg_id, bytes, status: 0 };
    caller.post(boxed(&info), false, false);
}

/// Sends an error.
pub(crate) fn fail(caller: &Caller, msg_id: i64, error: &RpcError) {
    answer(caller, msg_id, &error.to_bytes(), Delivery::Once);
}
