//! Messages about messages: salts, pings, acknowledgements. Everything else is a call.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use grammers_tl_types::{self as tl, Deserializable, Identifiable, Serializable};

use super::calls;
use super::envelope::{Message, constructor, take_message, unpack};
use super::ledger::Twice;
use super::link::{Caller, Delivery, Link};
use crate::channel::unix_time;
use crate::keys::AuthKey;

/// Message too old, and from the future: `bad_msg_notification` codes.
const TOO_OLD: i32 = 16;
const TOO_NEW: i32 = 17;

/// The most messages that one question may be about.
const ASKED_MAX: usize = 8192;

/// How long an answer may be that is repeated to a client that did not ask for that.
const SHORT_ANSWER: usize = 1024;

/// Messages that are no calls.
const SERVICE: [u32; 11] = [
    tl::types::MsgsAck::CONSTRUCTOR_ID,
    tl::types::MsgResendReq::CONSTRUCTOR_ID,
    tl::types::MsgsStateReq::CONSTRUCTOR_ID,
    tl::types::MsgsStateInfo::CONSTRUCTOR_ID,
    tl::types::MsgsAllInfo::CONSTRUCTOR_ID,
    tl::types::HttpWait::CONSTRUCTOR_ID,
    tl::functions::Ping::CONSTRUCTOR_ID,
    tl::functions::PingDelayDisconnect::CONSTRUCTOR_ID,
    tl::functions::GetFutureSalts::CONSTRUCTOR_ID,
    tl::functions::DestroySession::CONSTRUCTOR_ID,
    tl::functions::RpcDropAnswer::CONSTRUCTOR_ID,
];

/// Takes a decrypted frame: salt, session, message.
pub(crate) fn receive(link: &Arc<Link>, key: &Arc<AuthKey>, mut plaintext: Bytes) {
    let (Ok(salt), Ok(session_id)) = (plaintext.try_get_i64_le(), plaintext.try_get_i64_le()) else { return };
    let Some(message) = take_message(&mut plaintext) else {
        tracing::warn!("message of a wrong length ignored");
        return;
    };
    let (session, fresh) = key.sessions.open(session_id);
    let caller = Caller { link: Arc::clone(link), key: Arc::clone(key), session };
    let outer = (message.msg_id, message.seqno);
    let Some(messages) = unpack(message) else {
        tracing::warn!("message that cannot be unpacked ignored");
        return;
    };
    if !key.sessions.is_salt(salt) {
        caller.notify(&tl::types::BadServerSalt {
            bad_msg_id: outer.0,
            bad_msg_seqno: outer.1,
            error_code: 48,
            new_server_salt: key.sessions.salt(),
        });
        // The session begins with the first message that is taken.
        if fresh {
            key.sessions.destroy(session_id);
        }
        return;
    }
    let rules = link.shared.rules;
    let wrong_time = rules.strict_time.then(|| wrong_time(outer.0, unix_time() + rules.clock_ahead));
    if let Some(error_code) = wrong_time.flatten() {
        let (bad_msg_id, bad_msg_seqno) = outer;
        return caller.notify(&tl::types::BadMsgNotification { bad_msg_id, bad_msg_seqno, error_code });
    }
    if fresh {
        caller.notify(&tl::types::NewSessionCreated {
            first_msg_id: outer.0,
            unique_id: rand::random(),
            server_salt: key.sessions.salt(),
        });
    }
    for message in messages {
        handle(&caller, message);
    }
}

/// The code for a `msg_id` too far from the server's clock.
fn wrong_time(msg_id: i64, now: i64) -> Option<i32> {
    match (msg_id >> 32) - now {
        ..-300 => Some(TOO_OLD),
        31.. => Some(TOO_NEW),
        _ => None,
    }
}

fn handle(caller: &Caller, message: Message) {
    use tl::functions as f;
    let (msg_id, body) = (message.msg_id, &message.body);
    let kind = constructor(body).unwrap_or_default();
    if let Err(twice) = caller.session.ledger().receive(msg_id, !SERVICE.contains(&kind)) {
        return came_twice(caller, msg_id, twice);
    }
    match kind {
        tl::types::MsgsAck::CONSTRUCTOR_ID => {
            let acknowledged = tl::types::MsgsAck::from_bytes(&body[4..]);
            caller.session.ledger().acknowledge(&acknowledged.map_or_else(|_| Vec::new(), |ack| ack.msg_ids));
        }
        tl::types::MsgResendReq::CONSTRUCTOR_ID => {
            let asked = tl::types::MsgResendReq::from_bytes(&body[4..]);
            resend(caller, msg_id, &asked.map_or_else(|_| Vec::new(), |req| req.msg_ids));
        }
        tl::types::MsgsStateInfo::CONSTRUCTOR_ID
        | tl::types::MsgsAllInfo::CONSTRUCTOR_ID
        | tl::types::HttpWait::CONSTRUCTOR_ID => {}
        tl::types::MsgsStateReq::CONSTRUCTOR_ID => {
            let asked = tl::types::MsgsStateReq::from_bytes(&body[4..]);
            say_states(caller, msg_id, &asked.map_or_else(|_| Vec::new(), |req| req.msg_ids));
        }
        f::Ping::CONSTRUCTOR_ID | f::PingDelayDisconnect::CONSTRUCTOR_ID => {
            let mut fields = body.get(4..).unwrap_or_default();
            let ping_id = fields.try_get_i64_le().unwrap_or_default();
            if let Ok(delay) = fields.try_get_i32_le() {
                caller.link.close_after(Duration::from_secs(delay.max(0).unsigned_abs().into()));
            }
            caller.answer(&tl::types::Pong { msg_id, ping_id });
        }
        f::GetFutureSalts::CONSTRUCTOR_ID => {
            let num = body.get(4..).map_or(1, |mut fields| fields.try_get_i32_le().unwrap_or(1));
            caller.answer(&tl::types::FutureSalts {
                req_msg_id: msg_id,
                now: unix_time() as i32,
                salts: tl::RawVec(caller.key.sessions.future_salts(num)),
            });
        }
        f::DestroySession::CONSTRUCTOR_ID => {
            let session_id =
                body.get(4..).map_or(0, |mut fields| fields.try_get_i64_le().unwrap_or_default());
            match caller.key.sessions.destroy(session_id) {
                true => caller.answer(&tl::types::DestroySessionOk { session_id }),
                false => caller.answer(&tl::types::DestroySessionNone { session_id }),
            }
        }
        f::RpcDropAnswer::CONSTRUCTOR_ID => {
            let unknown = tl::enums::RpcDropAnswer::RpcAnswerUnknown.to_bytes();
            calls::answer(caller, msg_id, &unknown, Delivery::Once);
        }
        _ => calls::start(caller.clone(), msg_id, message.body),
    }
}

/// Says what became of messages. Questions about too many are not answered.
fn say_states(caller: &Caller, req_msg_id: i64, asked: &[i64]) {
    caller.link.shared.stats.call("msgs_state_req");
    if asked.len() > ASKED_MAX {
        return tracing::warn!("question about too many messages ignored");
    }
    let info = caller.session.ledger().states(asked);
    caller.answer(&tl::types::MsgsStateInfo { req_msg_id, info });
}

/// Sends answers once more. If one of them is not known (any more), the states of all are told.
/// <https://core.telegram.org/mtproto/service_messages_about_messages#explicit-request-to-re-send-messages>
fn resend(caller: &Caller, req_msg_id: i64, asked: &[i64]) {
    let kept: Vec<_> = asked.iter().filter_map(|id| caller.session.ledger().kept(*id)).collect();
    if kept.len() < asked.len() {
        say_states(caller, req_msg_id, asked);
    }
    kept.into_iter().for_each(|kept| caller.resend(kept));
}

/// A message that came before is not taken again. A short answer is repeated, of a long one the client is told.
fn came_twice(caller: &Caller, msg_id: i64, twice: Twice) {
    match twice {
        Twice::Answered(kept) if kept.body.len() <= SHORT_ANSWER => caller.resend(kept),
        Twice::Answered(kept) => calls::tell_of(caller, msg_id, &kept),
        Twice::Working | Twice::Acknowledged => {
            caller.notify(&tl::types::MsgsAck { msg_ids: vec![msg_id] });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_may_be_late_and_a_little_early() {
        let now = 1_800_000_000;
        let code = |ahead: i64| wrong_time((now + ahead) << 32, now);
        assert_eq!([-301, -300, 0, 30, 31].map(code), [Some(TOO_OLD), None, None, None, Some(TOO_NEW)]);
    }
}
