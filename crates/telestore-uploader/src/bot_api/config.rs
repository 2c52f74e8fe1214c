use std::time::Duration;

/// How [`BotApiUploader`](crate::BotApiUploader) reaches the Bot API, and how long it waits. [`with`](Self::with) changes it:
///
/// ```
/// use telestore_uploader::BotApiConfig;
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
    /// The largest file that is sent this way, in bytes.
    pub max_bytes: u64,
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

    /// Where a method is called. The URL holds the bot token.
    pub(super) fn url(&self, token: &str, method: &str) -> String {
        format!("{}/bot{token}/{method}", self.base_url.trim_end_matches('/'))
    }

    /// How long the answer to a file of `length` bytes may take.
    pub(super) fn answer_timeout_of(&self, length: u64) -> Duration {
        let passing_on = Duration::from_secs(length / self.answer_bytes_per_second.max(1));
        self.answer_timeout.saturating_add(passing_on)
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
            answer_bytes_per_second: 1024 * 1024,
            rights_max_age: Duration::from_secs(60),
            piece_bytes: 256 * 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_files_may_be_answered_later() {
        let config = BotApiConfig::default();
        assert_eq!(config.answer_timeout_of(1000), Duration::from_secs(120));
        assert_eq!(config.answer_timeout_of(2000 << 20), Duration::from_secs(2120));
        let endless = BotApiConfig { answer_bytes_per_second: 0, answer_timeout: Duration::MAX, ..config };
        assert_eq!(endless.answer_timeout_of(u64::MAX), Duration::MAX);
    }
}
