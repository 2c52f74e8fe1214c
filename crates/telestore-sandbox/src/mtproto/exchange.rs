//! Messages without a key: the key exchange over a connection.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use grammers_tl_types::{Cursor, Deserializable, Identifiable, functions as f, name_for_id};

use super::envelope::constructor;
use super::handshake::{Handshake, NewKey};
use super::link::{Link, Outgoing};
use super::session::plain_msg_id;
use crate::faults::{Call, FaultAction};
use crate::keys::AuthKey;

/// What stands in front of a message without a key: no key id, message id, length.
const HEADER: usize = 20;

/// Whether a frame is from a client without a key.
pub(crate) fn is_plain(frame: &[u8]) -> bool {
    frame.starts_with(&[0; 8])
}

/// Answers a message; `false` if it does not fit.
pub(crate) async fn receive(link: &Arc<Link>, handshake: &mut Handshake, mut frame: Bytes) -> bool {
    let Some(body) = take_body(&mut frame) else { return false };
    let id = constructor(&body).unwrap_or_default();
    let method = name_for_id(id);
    link.shared.stats.call(method);
    let refuse = match link.shared.faults.strike(Call::new(method, None)).await {
        None => false,
        Some(FaultAction::ReturnFalse) => true,
        Some(FaultAction::Silence | FaultAction::NoExecuteSilence) => return true,
        Some(_) => {
            link.close.cancel();
            return true;
        }
    };
    link.shared.network.travel().await;
    let Some((answer, key)) = execute(handshake, id, &body, link.dc, refuse) else { return false };
    if let Some(NewKey { data, salt }) = key {
        link.shared.keys.add(AuthKey::exchanged(data, salt, link.dc));
    }
    link.send(Outgoing::Plain(wrap(&answer)));
    true
}

fn execute(
    handshake: &mut Handshake,
    id: u32,
    body: &[u8],
    dc: i32,
    refuse: bool,
) -> Option<(Vec<u8>, Option<NewKey>)> {
    let mut fields = Cursor::from_slice(body.get(4..)?);
    match id {
        f::ReqPqMulti::CONSTRUCTOR_ID => {
            Some((handshake.begin(&f::ReqPqMulti::deserialize(&mut fields).ok()?), None))
        }
        f::ReqDhParams::CONSTRUCTOR_ID => {
            Some((handshake.agree(&f::ReqDhParams::deserialize(&mut fields).ok()?, dc)?, None))
        }
        f::SetClientDhParams::CONSTRUCTOR_ID => {
            handshake.end(&f::SetClientDhParams::deserialize(&mut fields).ok()?, refuse)
        }
        _ => None,
    }
}

fn take_body(frame: &mut Bytes) -> Option<Bytes> {
    frame.try_get_i64_le().ok()?;
    frame.try_get_i64_le().ok()?;
    let len = frame.try_get_u32_le().ok()? as usize;
    (frame.len() >= len).then(|| frame.split_to(len))
}

fn wrap(answer: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + answer.len());
    message.extend(0_i64.to_le_bytes());
    message.extend(plain_msg_id().to_le_bytes());
    message.extend((answer.len() as u32).to_le_bytes());
    message.extend(answer);
    message
}
