//! Answers of an MTProto server that means no good.

use std::time::Duration;

use grammers_tl_types::Serializable;
use serde::{Deserialize, Serialize};

use super::{answers, change, files};
use crate::mtproto::{Caller, Delivery, RpcError, answer, fail};

/// How many zero bytes a packet that nobody asked for unpacks to.
const UNASKED: usize = 1024 * 1024;

/// An answer over MTProto that means no good. Unless it says so, the call is not executed.
///
/// Others of the kind are in [`FaultAction`](crate::FaultAction): `FloodWait` for ever, `NoExecuteSilence`, `RpcError` with
/// a `RPC_CALL_FAIL` that never ends.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HostileMtproto {
    /// An answer of the right type: media in media, so many inside of each other, compressed to almost nothing.
    Nested(usize),
    /// An answer of the right type: a vector of so many of the smallest objects, compressed.
    Vector(u32),
    /// So many zero bytes, compressed.
    Gzip(usize),
    /// So many zero bytes, compressed twice.
    GzipOfGzip(usize),
    /// An error (400) whose name has so many bytes, with line ends in it.
    Words(usize),
    /// A true, a byte each so many milliseconds.
    Trickle(u64),
    /// The beginning of a packet that is to have so many bytes, and nothing behind it.
    Unending(u32),
    /// Executed and answered; the packet of the answer comes so many times.
    Replay(u32),
    /// So many packets that nobody asked for, compressed, and no answer.
    Unasked(u32),
    /// Executed; the answer is changed here and there. The number chooses how, together with what was called before.
    Random(u64),
    /// At `upload.getFile`: executed; the answer has so many bytes more than were asked for.
    TooLong(usize),
    /// At `upload.getFile`: executed; the answer has so many bytes fewer than there are.
    TooShort(usize),
    /// At `upload.getFile`: executed; the answer has as many bytes as there are, and not the same.
    OtherBytes,
    /// At `upload.getFile`: sends the client to a CDN, whether it can do that or not.
    CdnRedirect,
}

impl HostileMtproto {
    /// Answers a call; `executed` is what a server in good faith would say.
    pub(crate) async fn play<F>(&self, caller: &Caller, msg_id: i64, method: &str, executed: F)
    where
        F: Future<Output = Result<Vec<u8>, RpcError>>,
    {
        let say = |body: &[u8], delivery| answer(caller, msg_id, body, delivery);
        let say_file = |file: Result<Vec<u8>, RpcError>, change: &dyn Fn(Vec<u8>) -> Vec<u8>| match file {
            Ok(body) => say(&change(body), Delivery::Once),
            Err(error) => fail(caller, msg_id, &error),
        };
        match *self {
            Self::Nested(depth) => say(&answers::packed(&answers::nested(method, depth)), Delivery::Once),
            Self::Vector(count) => say(&answers::packed(&answers::vector(method, count)), Delivery::Once),
            Self::Gzip(length) => say(&answers::packed(&vec![0; length]), Delivery::Once),
            Self::GzipOfGzip(length) => {
                say(&answers::packed(&answers::packed(&vec![0; length])), Delivery::Once);
            }
            Self::Words(length) => {
                let name = "NO\r\n".chars().cycle().take(length).collect::<String>();
                fail(caller, msg_id, &RpcError::new(400, name));
            }
            Self::Trickle(millis) => say(&true.to_bytes(), Delivery::Slowly(Duration::from_millis(millis))),
            Self::Unending(length) => say(&true.to_bytes(), Delivery::Unending(length)),
            Self::Replay(times) => match executed.await {
                Ok(body) => say(&body, Delivery::Times(times)),
                Err(error) => fail(caller, msg_id, &error),
            },
            Self::Unasked(count) => {
                let body = answers::packed(&vec![0; UNASKED]);
                for id in 0..i64::from(count) {
                    answer(caller, id << 2, &body, Delivery::Once);
                }
            }
            Self::TooLong(by) => say_file(executed.await, &|body| files::longer(body, by)),
            Self::TooShort(by) => say_file(executed.await, &|body| files::shorter(body, by)),
            Self::OtherBytes => say_file(executed.await, &files::other),
            Self::CdnRedirect => say(&files::cdn(), Delivery::Once),
            Self::Random(seed) => {
                let body = executed.await.unwrap_or_else(|error| error.to_bytes());
                let calls: u64 = caller.link.shared.stats.read(|stats| stats.calls.values().sum());
                say(
                    &change(body, seed.wrapping_add(calls.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
                    Delivery::Once,
                );
            }
        }
    }
}
