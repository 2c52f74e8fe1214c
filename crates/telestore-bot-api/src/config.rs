use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use telestore_types::{Proxy, ProxyProtocol};

use crate::{Error, Result};

/// How the Bot API is reached, and how long it is waited for. [`with`](Self::with) changes it:
///
/// ```
/// use telestore_bot_api::BotApiConfig;
///
/// let config = BotApiConfig::at("http://localhost:8081").with(|config| config.max_bytes = 2_000_000_000);
/// assert_eq!(config.base_url, "http://localhost:8081");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BotApiConfig {
    /// Where the Bot API is, without the `/bot<token>` part. A local Bot API server takes larger files: raise
    /// [`max_bytes`](Self::max_bytes) with it.
    pub base_url: String,
    /// The proxy that the Bot API is reached through, if there is one. A server of this machine or its network is reached
    /// without it: one at a loopback or private address, or with a name that only such a network knows (`bot-api`,
    /// `bot-api.svc.cluster.local`). The proxy resolves all other names. No system setting names a proxy.
    pub proxy: Option<Proxy>,
    /// The largest file that is sent this way, in bytes.
    pub max_bytes: u64,
    /// Where a local server that was started with `--local` keeps its files, if that folder is there for this process, too, at the
    /// same path. Such a server gives no file over HTTP, and names its place instead; files outside of the folder are not read.
    pub files_dir: Option<PathBuf>,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
    /// How long the connection may take no byte before the attempt is given back.
    pub idle_timeout: Duration,
    /// How long the answer may take once the last byte was handed to the connection, before what
    /// [`answer_bytes_per_second`](Self::answer_bytes_per_second) adds; and how long any other call may take in all.
    pub answer_timeout: Duration,
    /// The slowest line that a Bot API server may have to Telegram: a local one takes the whole file at once and passes
    /// it on before it answers, so the answer may take as much longer as the file takes at this pace.
    pub answer_bytes_per_second: u64,
    /// How long it is believed that a bot may post in a chat, so that not every file costs two questions.
    pub rights_max_age: Duration,
    /// How much of the file is read at once, in bytes.
    pub piece_bytes: usize,
}

impl BotApiConfig {
    /// A Bot API server at `base_url`, and everything else as by default.
    pub fn at(base_url: impl Into<String>) -> Self {
        Self { base_url: base_url.into(), ..Self::default() }
    }

    /// The same, changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Whether the Bot API can be reached at all: through an MTProxy it cannot, which carries MTProto only.
    ///
    /// ```
    /// use telestore_types::pasted;
    /// use telestore_bot_api::BotApiConfig;
    ///
    /// let proxy = pasted::proxy("t.me/proxy?server=h&port=443&secret=00112233445566778899aabbccddeeff").unwrap();
    /// assert!(!BotApiConfig::default().with(|config| config.proxy = Some(proxy.clone())).has_way());
    /// assert!(BotApiConfig::at("http://localhost:8081").with(|config| config.proxy = Some(proxy)).has_way());
    /// ```
    pub fn has_way(&self) -> bool {
        !self.way().is_some_and(Proxy::is_mtproxy)
    }

    /// The largest file that the server gives back, in bytes: 20 MiB, if it is Telegram's own. What other servers give, they say
    /// when they are asked.
    ///
    /// ```
    /// use telestore_bot_api::BotApiConfig;
    ///
    /// assert_eq!(BotApiConfig::default().max_download_bytes(), 20 * 1024 * 1024);
    /// assert_eq!(BotApiConfig::at("http://localhost:8081").max_download_bytes(), u64::MAX);
    /// ```
    pub fn max_download_bytes(&self) -> u64 {
        let url = reqwest::Url::parse(&self.base_url).ok();
        let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or_default();
        match host.trim_end_matches('.').eq_ignore_ascii_case(TELEGRAMS) {
            true => 20 * 1024 * 1024,
            false => u64::MAX,
        }
    }

    /// Whether the Bot API is reached through the proxy, if at all.
    pub fn is_behind_proxy(&self) -> bool {
        self.way().is_some()
    }

    /// The proxy, unless the server is in front of it.
    fn way(&self) -> Option<&Proxy> {
        self.proxy.as_ref().filter(|_| !is_near(&self.base_url))
    }

    /// The same for the HTTP client; `None` for the direct way.
    ///
    /// # Errors
    /// If it cannot carry the Bot API.
    pub(crate) fn proxy_of_client(&self) -> Result<Option<reqwest::Proxy>> {
        let Some(proxy) = self.way() else { return Ok(None) };
        // The proxy resolves names: where Telegram is blocked, its names are often told wrong.
        let (scheme, login) = match proxy.protocol() {
            ProxyProtocol::Socks5(login) => ("socks5h", login),
            ProxyProtocol::Http(login) => ("http", login),
            _ => {
                let text = "an MTProxy carries no Bot API: only MTProto goes through it";
                return Err(Error::new(text));
            }
        };
        let failed = |error| Error::new(format!("the {proxy} cannot be used")).with_source(error);
        let made = reqwest::Proxy::all(format!("{scheme}://{}", proxy.authority())).map_err(failed)?;
        Ok(Some(match login {
            Some(login) => made.basic_auth(login.user(), login.password().expose()),
            None => made,
        }))
    }

    /// How long the answer to a file of `length` bytes may take.
    pub fn answer_timeout_of(&self, length: u64) -> Duration {
        let passing_on = Duration::from_secs(length / self.answer_bytes_per_second.max(1));
        self.answer_timeout.saturating_add(passing_on)
    }
}

/// The name of Telegram's own server.
const TELEGRAMS: &str = "api.telegram.org";

impl Default for BotApiConfig {
    fn default() -> Self {
        Self {
            base_url: format!("https://{TELEGRAMS}"),
            proxy: None,
            max_bytes: 50 * 1024 * 1024,
            files_dir: None,
            connect_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(60),
            answer_timeout: Duration::from_secs(120),
            answer_bytes_per_second: 1024 * 1024,
            rights_max_age: Duration::from_secs(60),
            piece_bytes: 256 * 1024,
        }
    }
}

/// Endings of names that no server on the internet has.
const NEAR: [&str; 5] = [".local", ".internal", ".localhost", ".lan", ".home.arpa"];

/// Whether a server is of this machine or its network.
fn is_near(base_url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(base_url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(address) => match address.to_canonical() {
            IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
        },
        Err(_) => !host.contains('.') || NEAR.iter().any(|end| host.ends_with(end)),
    }
}

#[cfg(test)]
mod tests {
    use telestore_types::pasted;

    use super::*;

    #[test]
    fn a_server_of_this_network_is_reached_without_the_proxy() {
        let proxy = pasted::proxy("socks5://user:word@proxy.example:1080").unwrap();
        let way = |url: &str| {
            let config = BotApiConfig::at(url).with(|config| config.proxy = Some(proxy.clone()));
            config.proxy_of_client().unwrap().is_some()
        };
        for far in [
            "https://api.telegram.org",
            "http://203.0.113.7:8081",
            "https://[2001:db8::1]",
            "http://b.example:1",
        ] {
            assert!(way(far), "{far}");
        }
        for near in [
            "http://127.0.0.1:8081",
            "http://10.1.2.3",
            "http://192.168.1.1:8081",
            "http://[::1]:8081",
            "http://[fd00::1]",
            "http://[::ffff:10.0.0.1]",
            "http://localhost:8081",
            "http://telegram-bot-api:8081",
            "http://bot-api.default.svc.cluster.local:8081",
        ] {
            assert!(!way(near), "{near}");
        }
    }

    #[test]
    fn larger_files_may_be_answered_later() {
        let config = BotApiConfig::default();
        assert_eq!(config.answer_timeout_of(1000), Duration::from_secs(120));
        assert_eq!(config.answer_timeout_of(2000 << 20), Duration::from_secs(2120));
        let endless = BotApiConfig { answer_bytes_per_second: 0, answer_timeout: Duration::MAX, ..config };
        assert_eq!(endless.answer_timeout_of(u64::MAX), Duration::MAX);
    }
}
