use std::time::Duration;

/// How [`BotApiUploader`](crate::BotApiUploader) reaches the Bot API, and how long it waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotApiConfig {
    /// Where the Bot API is, without the `/bot<token>` part. A local Bot API server takes larger files: raise
    /// [`max_bytes`](Self::max_bytes) with it.
    pub base_url: String,
    /// The largest file that is sent this way, in bytes.
    pub max_bytes: u64,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
    /// How long the connection may take no byte before the attempt is given back.
    pub idle_timeout: Duration,
    /// How long the answer may take once the last byte was handed to the connection.
    pub answer_timeout: Duration,
    /// The longest wait, asked for by Telegram, that is waited here. For a longer one the file is given back with
    /// [`ErrorKind::FloodWait`](crate::ErrorKind::FloodWait), so that it does not keep a place from others.
    pub longest_wait: Duration,
    /// How much of the file is read at once, in bytes.
    pub piece_bytes: usize,
}

impl BotApiConfig {
    /// Where a method is called. The URL holds the bot token.
    pub(super) fn url(&self, token: &str, method: &str) -> String {
        format!("{}/bot{token}/{method}", self.base_url.trim_end_matches('/'))
    }
}

impl Default for BotApiConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.telegram.org".to_owned(),
            max_bytes: 50 * 1024 * 1024,
            connect_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(60),
            answer_timeout: Duration::from_secs(120),
            longest_wait: Duration::from_secs(5),
            piece_bytes: 256 * 1024,
        }
    }
}
