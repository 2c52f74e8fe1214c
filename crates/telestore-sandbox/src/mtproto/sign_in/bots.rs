//! Signing in as a bot, and the flood of those who do so at each start: Telegram has bots wait for a quarter of an hour and
//! more after a few sign-ins (TG-FileStreamBot#87, gramjs#530).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use grammers_tl_types::{Serializable, functions as f};

use super::super::link::Caller;
use super::super::rpc_error::RpcError;
use super::{Answer, authorization, check_application};
use crate::keys::KeyState;

/// The time within which sign-ins are counted.
const WINDOW: Duration = Duration::from_secs(600);

/// What is answered to one too many.
const FLOOD: &str = "FLOOD_WAIT_1200";

/// When each token signed in.
#[derive(Default)]
pub(super) struct BotSignIns(Mutex<HashMap<String, Vec<Instant>>>);

impl BotSignIns {
    /// Counts a sign-in; says whether there were not too many of this token before.
    fn count(&self, token: &str, most: Option<u32>) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = all.entry(token.to_owned()).or_default();
        times.retain(|at| at.elapsed() < WINDOW);
        let few = most.is_none_or(|most| times.len() < most as usize);
        if few {
            times.push(Instant::now());
        }
        few
    }
}

pub(super) fn sign_in(caller: &Caller, call: &f::auth::ImportBotAuthorization) -> Answer {
    let shared = &caller.link.shared;
    check_application(shared, call.api_id, &call.api_hash)?;
    let owner = shared.users.find(|account| account.user.bot_token == call.bot_auth_token);
    let owner = owner.ok_or_else(|| RpcError::bad_request("ACCESS_TOKEN_INVALID"))?;
    if owner.is_bot_revoked() {
        return Err(RpcError::bad_request("ACCESS_TOKEN_EXPIRED"));
    }
    if owner.home() != caller.link.dc {
        return Err(RpcError::new(303, format!("USER_MIGRATE_{}", owner.home())));
    }
    if !shared.sign_ins.bots.count(&call.bot_auth_token, shared.sign_ins.rules().bot_sign_ins) {
        return Err(RpcError::new(420, FLOOD));
    }
    let user_id = &owner.user.user_id;
    shared.stats.bot_sign_in(user_id);
    caller.sign_in(user_id, KeyState::Bot(user_id.clone()));
    Ok(authorization(&owner, true).to_bytes())
}
