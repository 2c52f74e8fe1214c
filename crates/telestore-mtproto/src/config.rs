use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use grammers_tl_types as tl;
use telestore_net::AllowedAddresses;
use telestore_types::{ApiId, Clock, Proxy, SystemClock};

use crate::addresses::candidates;
use crate::key_exchange::{self, ServerKey};
use crate::way::{Target, Way};
use crate::{Error, Result};

/// How a [`Client`](crate::Client) reaches Telegram, and how long it waits.
///
/// ```
/// use telestore_mtproto::{AllowedAddresses, MtprotoConfig};
///
/// let mut config = MtprotoConfig::default();
/// config.allowed = AllowedAddresses::public().and("10.1.0.0/16".parse().unwrap());
/// assert!(config.allowed.allows("149.154.167.51".parse().unwrap()));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MtprotoConfig {
    /// Where a session connects to if its string names no address (Pyrogram's): a test server, or a relay. Unless set, the
    /// known address of its data centre.
    pub address: Option<SocketAddr>,
    /// Where else connections may go: session strings name addresses, and so do the servers there. The
    /// [`address`](Self::address) above is always allowed.
    pub allowed: AllowedAddresses,
    /// How the operator allows an address, such as the name of a setting: the error of an address that is not allowed says
    /// so.
    pub allowed_by: Option<String>,
    /// The proxy that all connections go through, if there is one. What a session string or a server names is looked at as
    /// without it; where the proxy is, is the operator's word. An MTProxy knows data centres by their numbers, so it
    /// decides where a connection ends, and addresses do not matter.
    pub proxy: Option<Proxy>,
    /// Keys of servers to trust beside Telegram's own: for a test server. They matter if an account is sent to another
    /// data centre, with which a key must be made first.
    pub server_keys: Vec<ServerKey>,
    /// The application to present if neither the caller nor the session string names one.
    pub api_id: Option<ApiId>,
    /// Connections of an account that calls of much data go over in turn, for a long way that loses packets, or one on which
    /// single connections are slowed down. Those beyond the first go to the data centre's addresses for files; if Telegram
    /// names none, there is one. One is right unless measured otherwise.
    pub connections: usize,
    /// How long a call may stay unanswered, counted from when it was written or the last answer came. The connection is
    /// closed then.
    pub call_timeout: Duration,
    /// How much longer than a round trip a single answer may take before it counts as lost. Half of it later Telegram is
    /// asked what became of the call; all of it later a call of much data goes again, on the same connection.
    pub lost_after: Duration,
    /// How long a connection may take to open, its first call to be answered, and a key to be made.
    pub connect_timeout: Duration,
    /// How long an account's connection stays open without a call.
    pub idle_timeout: Duration,
    /// How often a quiet connection is probed.
    pub ping_interval: Duration,
    /// How often in a row one call may fail for reasons that pass, before it is given up.
    pub max_failures: u32,
    /// The longest first pause after such a failure; it doubles with each further one.
    pub backoff_base: Duration,
    /// The longest pause after such a failure.
    pub backoff_max: Duration,
    /// The longest wait, asked for by Telegram, that is waited here: all waits together, from one step forward (such as
    /// a confirmed part) to the next. After a longer one the call gives the error back, whose
    /// [`remedy`](crate::Error::remedy) is [`Remedy::Wait`](crate::Remedy::Wait), so that it does not keep a place from
    /// others.
    pub longest_wait: Duration,
    /// How long a piece of work may go on without a step forward: a connection, the channel found, a part confirmed, the
    /// message. Then it ends with [`ErrorKind::Stalled`](crate::ErrorKind::Stalled).
    pub stall_timeout: Duration,
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
    /// What time it is, for bans that end.
    pub clock: Arc<dyn Clock>,
}

impl MtprotoConfig {
    /// Makes a key that nobody has signed in with.
    pub(crate) async fn make_key(&self, dc: i32, to: (&Way, &Target)) -> Result<[u8; 256]> {
        let keys = [ServerKey::telegram(), self.server_keys.clone()].concat();
        key_exchange::make_key(dc, to, keys, self.connect_timeout).await
    }

    /// Where a data centre, or its test server, is that is `meant` to be at an address; `options` is what Telegram named.
    pub(crate) fn target(
        &self,
        (dc, test): (i32, bool),
        meant: SocketAddr,
        options: &[tl::types::DcOption],
    ) -> Result<Target> {
        self.check_address(meant)?;
        let mut addresses = candidates((dc, test), meant, options, self.address);
        addresses.retain(|address| self.check_address(*address).is_ok());
        Ok(Target::new(dc, test, false, addresses))
    }

    /// Refuses an address that must not be dialled.
    pub(crate) fn check_address(&self, address: SocketAddr) -> Result<()> {
        if self.address == Some(address) || self.allowed.allows_now(address) {
            return Ok(());
        }
        let ip = address.ip();
        let by = self.allowed_by.as_ref().map(|by| format!(" with {by}")).unwrap_or_default();
        Err(Error::not_admitted(format!(
            "it leads to {ip}, where no connections are made: sign in to Telegram again, or have the operator allow the \
             address{by}"
        )))
    }
}

impl Default for MtprotoConfig {
    fn default() -> Self {
        Self {
            address: None,
            allowed: AllowedAddresses::default(),
            allowed_by: None,
            proxy: None,
            server_keys: Vec::new(),
            api_id: None,
            connections: 1,
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
            rights_max_age: Duration::from_secs(60),
            device_model: "TeleStore Worker".to_owned(),
            system_version: std::env::consts::OS.to_owned(),
            app_version: env!("CARGO_PKG_VERSION").to_owned(),
            lang_code: "en".to_owned(),
            clock: Arc::new(SystemClock),
        }
    }
}
