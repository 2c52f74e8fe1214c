use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Url};
use serde_json::Value;

use crate::{BotApiConfig, Error, Heard, Result};

/// Calls of a Bot API server. Clones share connections.
#[derive(Clone)]
pub struct BotApi {
    client: Client,
    config: BotApiConfig,
}

impl std::fmt::Debug for BotApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BotApi").field("config", &self.config).finish_non_exhaustive()
    }
}

impl BotApi {
    /// Prepares a client, changed by `tune`; nothing is connected yet.
    ///
    /// # Errors
    /// If the TLS set-up of this machine cannot be used, or if the proxy cannot carry the Bot API (see
    /// [`BotApiConfig::has_way`]).
    pub fn new(config: BotApiConfig, tune: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Result<Self> {
        // Fails if a provider is already installed, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = match config.proxy_of_client()? {
            Some(proxy) => Client::builder().proxy(proxy),
            // Nor what the system's variables name.
            None => Client::builder().no_proxy(),
        };
        let client = client
            .connect_timeout(config.connect_timeout)
            .redirect(Policy::none())
            .tcp_nodelay(true)
            // Nobody is asked to compress an answer, and none is inflated, whatever features others switch on.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd();
        let failed = |error| Error::new("cannot set up the HTTP client").with_source(error);
        Ok(Self { client: tune(client).build().map_err(failed)?, config })
    }

    /// What it was made with.
    pub fn config(&self) -> &BotApiConfig {
        &self.config
    }

    /// For requests that are more than a call.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Calls a method that sends no file. The answer may take [`BotApiConfig::answer_timeout`].
    ///
    /// # Errors
    /// If no answer came. What the server says, if anything, is no error here.
    pub async fn post(&self, token: &str, method: &str, arguments: &Value) -> Result<Heard> {
        let request = self.client.post(self.method_url(token, method)).timeout(self.config.answer_timeout);
        Ok(Heard::read(request.json(arguments).send().await?).await?)
    }

    /// Where a method is called. The URL holds the bot token.
    pub fn method_url(&self, token: &str, method: &str) -> String {
        format!("{}/bot{token}/{method}", self.config.base_url.trim_end_matches('/'))
    }

    /// Where a file is loaded of which `getFile` has answered this path; `None` if the base is no URL. It is never outside of what
    /// the bot may load, whatever the path is. The URL holds the bot token.
    pub fn file_url(&self, token: &str, path: &str) -> Option<Url> {
        let mut url = Url::parse(&self.config.base_url).ok()?;
        url.path_segments_mut()
            .ok()?
            .pop_if_empty()
            .extend(["file", &format!("bot{token}")])
            // These leave out what leads upwards, and escape what would end a path.
            .extend(path.split('/').filter(|segment| !segment.is_empty()));
        Some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_below_their_bot() {
        let of = |base: &str, path: &str| {
            let api = BotApi::new(BotApiConfig::at(base), |client| client).unwrap();
            api.file_url("1:a", path).unwrap().to_string()
        };
        let base = "http://localhost:8081";
        assert_eq!(
            of(base, "documents/file_0.pdf"),
            "http://localhost:8081/file/bot1:a/documents/file_0.pdf"
        );
        assert_eq!(of("http://h/bots/", "a b"), "http://h/bots/file/bot1:a/a%20b");
        for path in ["../../bot1:a/logOut", "..//x?y#z", "%2e%2e/x", "//other.example/x"] {
            let url = of(base, path);
            assert!(url.starts_with("http://localhost:8081/file/bot1:a/"), "{url}");
            assert!(!url.contains(['?', '#']), "{url}");
        }
    }
}
