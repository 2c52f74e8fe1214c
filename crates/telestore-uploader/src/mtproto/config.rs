use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use telestore_types::{ApiId, Clock, SystemClock};

use super::allowed::AllowedAddresses;
use super::key_exchange::ServerKey;
use super::parts::PART_SIZE;
use super::rpc::CallError;

/// The most parts that a file of an account without Premium may have.
const MAX_PARTS: u64 = 4000;

/// How [`MtprotoUploader`](crate::MtprotoUploader) reaches Telegram, and how long it waits.
#[derive(Debug, Clone)]
pub struct MtprotoConfig {
    /// The largest file that is sent this way, in bytes.
    pub max_bytes: u64,
    /// Where sessions connect to whose string names no address (Pyrogram's): a test server, or a relay. Unless set,
    /// the known address of their data centre.
    pub address: Option<SocketAddr>,
    /// Where else connections may go: session strings name addresses, and so does whoever is there. The
    /// [`address`](Self::address) above is always allowed.
    pub allowed: AllowedAddresses,
    /// Keys of servers to trust beside Telegram's own: for a test server. They matter where an account is sent to
    /// another data centre, with which a key must be made first.
    pub server_keys: Vec<ServerKey>,
    /// The application to present where neither the credentials nor the session name one.
    pub api_id: Option<ApiId>,
    /// The most parts in flight of one account, over all of its uploads. How many there are depends on the round trip:
    /// as many as fill the line. Each takes 512 KiB of memory.
    pub window: usize,
    /// Connections of an account that parts are sent over in turn, for a long way that loses packets, or one on which
    /// single connections are slowed down. Those beyond the first go to the data centre's addresses for files; where
    /// Telegram names none, there is one. One is right unless measured otherwise.
    pub connections: usize,
    /// The most parts in flight of all accounts together, beside one for each account.
    pub max_parts_in_flight: usize,
    /// How long a call may stay unanswered, counted from when it was written or the last answer came. The connection is
    /// closed then.
    pub call_timeout: Duration,
    /// How much longer than a round trip a single answer may take before it counts as lost. Half of it later Telegram is
    /// asked what became of the call; all of it later a part goes again, on the same connection.
    pub lost_after: Duration,
    /// How long a connection may take to open, its first call to be answered, and a key to be made.
    pub connect_timeout: Duration,
    /// How long an account's connection stays open without a call.
    pub idle_timeout: Duration,
    /// How often a quiet connection is probed.
    pub ping_interval: Duration,
    /// How often in a row calls of one upload may fail for reasons that pass, before the file is given back.
    pub max_failures: u32,
    /// The longest first pause after such a failure; it doubles with each further one.
    pub backoff_base: Duration,
    /// The longest pause after such a failure.
    pub backoff_max: Duration,
    /// The longest wait, asked for by Telegram, that is waited here: all waits together, from one step forward (such as
    /// a confirmed part) to the next. For longer ones the file is given back with
    /// [`ErrorKind::FloodWait`](crate::ErrorKind::FloodWait), so that it does not keep a place from others.
    pub longest_wait: Duration,
    /// How long an attempt may go on without a step forward: a connection, the channel found, a part confirmed, the
    /// message. Then the file is given back with [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable).
    pub stall_timeout: Duration,
    /// How old confirmed parts may be: Telegram forgets the parts of an unsent file after a while. An older resume
    /// state keeps its `random_id` only.
    pub resume_max_age: Duration,
    /// How long it is believed that an account may post in a channel, so that not every file costs a question.
    pub rights_max_age: Duration,
    /// The device that Telegram shows in the list of active sessions.
    pub device_model: String,
    /// The system that Telegram shows.
    pub system_version: String,
    /// The version that Telegram shows.
    pub app_version: String,
    /// The language of the texts in answers.
    pub lang_code: String,
    /// What time it is, for the age of a resume state.
    pub clock: Arc<dyn Clock>,
}

impl MtprotoConfig {
    /// Refuses an address that must not be dialled.
    pub(super) fn check_address(&self, address: SocketAddr) -> Result<(), CallError> {
        if self.address == Some(address) || self.allowed.allows_now(address) {
            return Ok(());
        }
        let ip = address.ip();
        Err(CallError::NotAdmitted(format!(
            "it leads to {ip}, where this worker makes no connections: sign in to Telegram again, or have the operator \
             allow the address with TELESTORE_MTPROTO_ADDRESSES"
        )))
    }
}

impl Default for MtprotoConfig {
    fn default() -> Self {
        Self {
            max_bytes: MAX_PARTS * PART_SIZE as u64,
            address: None,
            allowed: AllowedAddresses::default(),
            server_keys: Vec::new(),
            api_id: None,
            window: 16,
            connections: 1,
            max_parts_in_flight: 64,
            call_timeout: Duration::from_secs(60),
            lost_after: Duration::from_secs(6),
            connect_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(60),
            ping_interval: Duration::from_secs(45),
            max_failures: 8,
            backoff_base: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
            longest_wait: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(2 * 60),
            resume_max_age: Duration::from_secs(2 * 60 * 60),
            rights_max_age: Duration::from_secs(60),
            device_model: "TeleStore Worker".to_owned(),
            system_version: std::env::consts::OS.to_owned(),
            app_version: env!("CARGO_PKG_VERSION").to_owned(),
            lang_code: "en".to_owned(),
            clock: Arc::new(SystemClock),
        }
    }
}
