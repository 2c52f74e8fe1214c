//! Failures on order: where, which calls, and what happens to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::hostile::{HostileFile, HostileHttp, HostileMtproto};
use crate::http::FloodShape;
use crate::pulse::Pulse;
use crate::unsaid::Unsaid;

/// What happens to a call that a [`Fault`] strikes.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultAction {
    /// Not executed; answered with this code and name. Over HTTP: a Bot API error of that code.
    RpcError(i32, String),
    /// Not executed; answered with `FLOOD_WAIT_X`. Over HTTP: 429 with `retry_after`.
    FloodWait(u32),
    /// Not executed; answered with `FLOOD_PREMIUM_WAIT_X`. Over HTTP: 429 with `retry_after`.
    FloodPremiumWait(u32),
    /// Not executed; over HTTP a wait of so many seconds in this shape. Over MTProto: `FLOOD_WAIT_X`.
    FloodAs(FloodShape, u32),
    /// Not executed; answered with `boolFalse`. Over HTTP: 200 with `{"ok":false}`.
    ReturnFalse,
    /// Not executed; the connection is dropped.
    DropConnection,
    /// HTTP only: the connection is dropped after this many bytes of the document were read; at `file`, after this many were
    /// sent.
    DropBodyAfter(u64),
    /// Executed; the connection is dropped instead of an answer.
    LoseAnswer,
    /// Executed, never answered; the connection stays. MTProto's `msgs_state_info` says that there is an answer.
    Silence,
    /// Neither executed nor answered; the connection stays. MTProto's `msgs_state_info` says that the call never came.
    NoExecuteSilence,
    /// MTProto only: executed; instead of the answer the client is told that there is one (`msg_detailed_info`), and gets it
    /// when it asks (`msg_resend_req`).
    HoldBackAnswer,
    /// Not executed; answered with this HTTP status and JSON body. Over MTProto: an error of that code.
    HttpStatus(u16, serde_json::Value),
    /// HTTP only: not executed; answered with something that means no good.
    HostileHttp(HostileHttp),
    /// `file` of the Bot API only: another body than was asked for.
    HostileFile(HostileFile),
    /// Bot API only: taken in full, executed or not, and answered with something that does not tell.
    Unsaid(Unsaid),
    /// MTProto only: answered with something that means no good.
    HostileMtproto(HostileMtproto),
    /// Executed after a while. In JSON: milliseconds.
    Delay(#[serde(with = "millis")] Duration),
    /// Executed only after [`Faults::release`].
    Hold,
}

/// Where + which + what.
///
/// *Where* is an MTProto method (`upload.saveBigFilePart`), a Bot API method (`sendDocument`),
/// `backend.credentials`, `backend.webhook`, `mtproto.connect` (a new TCP connection) or
/// `messages.sendMedia:claimed` (a send whose `random_id` is in flight; it can be delayed or held there).
/// *Which* of the matching calls: `skip` the first n, then every n-th, so many times at most.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The method it waits at.
    pub at: String,
    /// What it does.
    pub action: FaultAction,
    /// Matching calls that pass first.
    #[serde(default)]
    pub skip: u64,
    /// How many times it strikes; `None` is for ever.
    #[serde(default)]
    pub times: Option<u64>,
    /// Strikes every n-th matching call only (the n-th, the 2n-th, …).
    #[serde(default = "one")]
    pub every: u64,
    /// Only calls of this user (by `user_id`).
    #[serde(default)]
    pub user: Option<String>,
    /// Only calls for this part index.
    #[serde(default)]
    pub part: Option<i32>,
    /// Only calls that read from this offset of a file.
    #[serde(default)]
    pub offset: Option<i64>,
}

impl Fault {
    /// Strikes every call of `at`, for ever, until narrowed by the methods below.
    pub fn new(at: impl Into<String>, action: FaultAction) -> Self {
        Self { at: at.into(), action, skip: 0, times: None, every: 1, user: None, part: None, offset: None }
    }

    /// An MTProto error such as `(500, "RPC_CALL_FAIL")`.
    pub fn rpc_error(at: impl Into<String>, code: i32, name: impl Into<String>) -> Self {
        Self::new(at, FaultAction::RpcError(code, name.into()))
    }

    /// `FLOOD_WAIT_<seconds>`, or 429 over HTTP.
    pub fn flood_wait(at: impl Into<String>, seconds: u32) -> Self {
        Self::new(at, FaultAction::FloodWait(seconds))
    }

    /// A wait over HTTP, in this shape.
    pub fn flood_as(at: impl Into<String>, shape: FloodShape, seconds: u32) -> Self {
        Self::new(at, FaultAction::FloodAs(shape, seconds))
    }

    /// The connection is dropped before the call is executed.
    pub fn drop_connection(at: impl Into<String>) -> Self {
        Self::new(at, FaultAction::DropConnection)
    }

    /// The call is executed and the connection dropped without an answer.
    pub fn lose_answer(at: impl Into<String>) -> Self {
        Self::new(at, FaultAction::LoseAnswer)
    }

    /// An HTTP answer.
    pub fn http_status(at: impl Into<String>, status: u16, body: serde_json::Value) -> Self {
        Self::new(at, FaultAction::HttpStatus(status, body))
    }

    /// An HTTP answer that means no good.
    pub fn hostile_http(at: impl Into<String>, answer: HostileHttp) -> Self {
        Self::new(at, FaultAction::HostileHttp(answer))
    }

    /// An MTProto answer that means no good.
    pub fn hostile_mtproto(at: impl Into<String>, answer: HostileMtproto) -> Self {
        Self::new(at, FaultAction::HostileMtproto(answer))
    }

    /// A Bot API answer that does not tell whether the call was executed.
    pub fn unsaid(at: impl Into<String>, unsaid: Unsaid) -> Self {
        Self::new(at, FaultAction::Unsaid(unsaid))
    }

    /// The call waits before its execution until [`Faults::release`].
    pub fn hold(at: impl Into<String>) -> Self {
        Self::new(at, FaultAction::Hold)
    }

    /// Lets the first `calls` matching calls pass.
    pub fn skip(mut self, calls: u64) -> Self {
        self.skip = calls;
        self
    }

    /// Strikes at most so many times.
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Strikes once.
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Strikes each `n`-th matching call only.
    pub fn every(mut self, n: u64) -> Self {
        self.every = n.max(1);
        self
    }

    /// Strikes calls of one user only.
    pub fn user(mut self, user_id: impl Into<String>) -> Self {
        self.user = Some(user_id.into());
        self
    }

    /// Strikes calls for one part index only.
    pub fn part(mut self, index: i32) -> Self {
        self.part = Some(index);
        self
    }

    /// Strikes calls that read from one offset of a file only.
    pub fn offset(mut self, offset: i64) -> Self {
        self.offset = Some(offset);
        self
    }

    fn matches(&self, call: &Call<'_>) -> bool {
        self.at == call.method
            && self.user.as_deref().is_none_or(|user| Some(user) == call.user)
            && self.part.is_none_or(|part| Some(part) == call.part)
            && self.offset.is_none_or(|offset| Some(offset) == call.offset)
    }
}

/// A fault that was injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FaultId(pub u64);

/// A call as the faults see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) user: Option<&'a str>,
    pub(crate) part: Option<i32>,
    pub(crate) offset: Option<i64>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: &'a str, user: Option<&'a str>) -> Self {
        Self { method, user, part: None, offset: None }
    }
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    seen: u64,
    fired: u64,
    gate: watch::Sender<bool>,
    active: bool,
}

/// The faults of a sandbox. Of several that match a call the oldest one that strikes wins.
#[derive(Debug)]
pub struct Faults {
    armed: Mutex<(u64, BTreeMap<FaultId, Armed>)>,
    pulse: Arc<Pulse>,
}

impl Faults {
    pub(crate) fn new(pulse: Arc<Pulse>) -> Self {
        Self { armed: Mutex::default(), pulse }
    }

    /// Arms a fault.
    pub fn inject(&self, fault: Fault) -> FaultId {
        let mut armed = self.lock();
        armed.0 += 1;
        let id = FaultId(armed.0);
        let gate = watch::Sender::new(false);
        armed.1.insert(id, Armed { fault, seen: 0, fired: 0, gate, active: true });
        id
    }

    /// Disarms every fault and lets go of every held call. Counts stay readable.
    pub fn clear(&self) {
        for armed in self.lock().1.values_mut() {
            armed.active = false;
            armed.gate.send_replace(true);
        }
    }

    /// Disarms one fault and lets go of the calls it holds.
    pub fn release(&self, id: FaultId) {
        if let Some(armed) = self.lock().1.get_mut(&id) {
            armed.active = false;
            armed.gate.send_replace(true);
        }
    }

    /// How often the fault struck. A held call counts from the moment it is held.
    pub fn fired(&self, id: FaultId) -> u64 {
        self.lock().1.get(&id).map_or(0, |armed| armed.fired)
    }

    /// Waits until the fault has struck `times` times.
    pub async fn wait_fired(&self, id: FaultId, times: u64) {
        self.pulse.until(|| (self.fired(id) >= times).then_some(())).await;
    }

    /// What is to happen to this call. Delays and holds are waited for here and end as `None`.
    pub(crate) async fn strike(&self, call: Call<'_>) -> Option<FaultAction> {
        let (action, mut gate) = self.find(call)?;
        match action {
            FaultAction::Delay(duration) => tokio::time::sleep(duration).await,
            FaultAction::Hold => drop(gate.wait_for(|open| *open).await),
            action => return Some(action),
        }
        None
    }

    fn find(&self, call: Call<'_>) -> Option<(FaultAction, watch::Receiver<bool>)> {
        let mut all = self.lock();
        let struck =
            all.1.values_mut().filter(|armed| armed.active && armed.fault.matches(&call)).find_map(|armed| {
                if armed.fault.times.is_some_and(|times| armed.fired >= times) {
                    return None;
                }
                armed.seen += 1;
                let past_skip = armed.seen.checked_sub(armed.fault.skip).filter(|&n| n > 0)?;
                if past_skip % armed.fault.every.max(1) != 0 {
                    return None;
                }
                armed.fired += 1;
                Some((armed.fault.action.clone(), armed.gate.subscribe()))
            });
        drop(all);
        if let Some((action, _)) = &struck {
            tracing::debug!(
                method = call.method,
                user = call.user,
                part = call.part,
                offset = call.offset,
                ?action,
                "fault strikes"
            );
            self.pulse.beat();
        }
        struck
    }

    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<FaultId, Armed>)> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn one() -> u64 {
    1
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(duration.as_millis() as u64)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}
