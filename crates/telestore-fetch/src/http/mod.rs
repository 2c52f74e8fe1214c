//! By HTTP and HTTPS.

mod answer;
mod body;
mod config;
mod hop;
mod name;
mod names;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderValue, IF_RANGE, RANGE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use telestore_types::{FileName, Secret};
use tokio::time::timeout;

use crate::{Ask, Error, ErrorKind, Fetched, Fetcher, Result};

pub use self::config::FetchConfig;
pub use self::names::{LookUp, Names};

/// How many redirects are followed.
const REDIRECTS: usize = 5;

/// Fetches by HTTP and HTTPS, from [allowed](FetchConfig::allowed) addresses.
pub struct HttpFetcher {
    client: Client,
    config: Arc<FetchConfig>,
}

impl fmt::Debug for HttpFetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpFetcher")
    }
}

impl HttpFetcher {
    /// A fetcher that keeps to `config`.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(config: FetchConfig) -> Result<Self> {
        Self::looking_up_by(config, Arc::new(Names::System))
    }

    /// The same, which asks `names` where a host is.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn looking_up_by(config: FetchConfig, names: Arc<dyn LookUp>) -> Result<Self> {
        // Fails if the process has chosen a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = Arc::new(config);
        let client = Client::builder()
            .dns_resolver(Arc::new(names::Filter::new(names, config.allowed.clone())))
            .connect_timeout(config.connect_timeout)
            .redirect(Policy::none())
            .referer(false)
            .no_proxy()
            // No connection that was made for one upload is used for another.
            .pool_max_idle_per_host(0)
            // Nothing is inflated, whatever features others switch on.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .user_agent(config.user_agent.clone());
        let failed = |error: reqwest::Error| Error::new(ErrorKind::Passing, error.without_url().to_string());
        Ok(Self { client: client.build().map_err(failed)?, config })
    }

    /// One question, without following what it is answered with.
    async fn ask(&self, url: &Url, ask: &Ask) -> Result<Response> {
        hop::check(url, &self.config)?;
        let mut request = self.client.get(url.clone());
        request = request.header(ACCEPT, "*/*").header(ACCEPT_ENCODING, "identity");
        if let (1.., Some(version)) = (ask.from, &ask.version)
            && let Ok(version) = HeaderValue::from_str(version)
        {
            request = request.header(RANGE, format!("bytes={}-", ask.from)).header(IF_RANGE, version);
        }
        match timeout(self.config.answer_timeout, request.send()).await {
            Ok(answer) => answer.map_err(|error| hop::failure(error, &self.config)),
            Err(_) => Err(Error::new(ErrorKind::Passing, "the server of the address did not answer in time")),
        }
    }
}

#[async_trait]
impl Fetcher for HttpFetcher {
    fn look_at(&self, address: &Secret) -> Result<Option<FileName>> {
        let url = hop::read(address.expose())?;
        hop::check(&url, &self.config)?;
        Ok(name::of_path(&url))
    }

    async fn fetch(&self, mut ask: Ask) -> Result<Box<dyn Fetched>> {
        let mut url = hop::read(ask.address.expose())?;
        for _ in 0..=REDIRECTS {
            let answer = self.ask(&url, &ask).await?;
            if let Some(next) = hop::next(&url, &answer)? {
                url = next;
                continue;
            }
            if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE && ask.from > 0 {
                // Nothing is behind what is there: that may be all of it, which the whole file tells.
                (ask.from, ask.version) = (0, None);
                continue;
            }
            let told = answer::read(&answer, &ask, &url, &self.config)?;
            if told.from > 0 && told.version.is_some() && told.version != ask.version {
                // A server that does not look at the version: all of the new one, then.
                (ask.from, ask.version) = (0, None);
                continue;
            }
            return Ok(Box::new(body::Body::new(answer, told, Arc::clone(&self.config))));
        }
        Err(Error::new(ErrorKind::Refused, format!("the address redirects more than {REDIRECTS} times")))
    }
}

#[cfg(test)]
mod tests;
