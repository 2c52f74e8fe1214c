use std::time::Duration;

use telestore_net::AllowedAddresses;

/// What is fetched, and for how long. To be changed from the default:
///
/// ```
/// let mut config = telestore_fetch::FetchConfig::default();
/// config.max_bytes = 50 * 1024 * 1024;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchConfig {
    /// Which addresses are connected to.
    pub allowed: AllowedAddresses,
    /// How the operator allows an address, such as the name of a setting, for the words of a refusal.
    pub allowed_by: Option<String>,
    /// The largest file, in bytes.
    pub max_bytes: u64,
    /// How long it may take to look a host up and to connect to it, TLS included.
    pub connect_timeout: Duration,
    /// How long it may take until a server answers.
    pub answer_timeout: Duration,
    /// How long no byte may come.
    pub idle_timeout: Duration,
    /// How many bytes must come in a second, from [`patience`](Self::patience) on and on the whole.
    pub least_rate: u64,
    /// How long a file may come more slowly than that.
    pub patience: Duration,
    /// How the fetcher names itself to servers.
    pub user_agent: String,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            allowed: AllowedAddresses::public(),
            allowed_by: None,
            max_bytes: 2000 * 1024 * 1024,
            connect_timeout: Duration::from_secs(15),
            answer_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
            least_rate: 16 * 1024,
            patience: Duration::from_secs(120),
            user_agent: concat!("telestore/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
