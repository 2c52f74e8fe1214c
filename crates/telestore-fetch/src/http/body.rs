//! The bytes of a file as they come.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Response;
use tokio::time::{Instant, timeout};

use super::answer::too_large;
use super::config::FetchConfig;
use crate::{Error, ErrorKind, Fetched, Result, Told};

pub(super) struct Body {
    answer: Response,
    told: Told,
    config: Arc<FetchConfig>,
    began: Instant,
    /// How many bytes came.
    came: u64,
}

impl Body {
    pub(super) fn new(answer: Response, told: Told, config: Arc<FetchConfig>) -> Self {
        Self { answer, told, config, began: Instant::now(), came: 0 }
    }

    /// Whether more should have come by now.
    fn is_too_slow(&self) -> bool {
        let seconds = self.began.elapsed().saturating_sub(self.config.patience).as_secs();
        self.came < seconds.saturating_mul(self.config.least_rate)
    }
}

#[async_trait]
impl Fetched for Body {
    fn told(&self) -> &Told {
        &self.told
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        let passing = |words: &str| Error::new(ErrorKind::Passing, words);
        let next = timeout(self.config.idle_timeout, self.answer.chunk()).await;
        let next = next.map_err(|_| passing("the server of the address sends nothing any more"))?;
        let next = next.map_err(|_| {
            passing("the connection to the server of the address broke in the middle of the file")
        })?;
        let Some(bytes) = next else {
            // A length that was said is kept to, or the connection has failed; a file without one ends here.
            let end = self.told.from + self.came;
            return match self.told.length {
                Some(length) if length != end => Err(passing(
                    "the connection to the server of the address broke in the middle of the file",
                )),
                _ => Ok(None),
            };
        };
        self.came += bytes.len() as u64;
        let reached = self.told.from.saturating_add(self.came);
        if reached > self.config.max_bytes || self.told.length.is_some_and(|length| reached > length) {
            return Err(too_large(&self.config));
        }
        if self.is_too_slow() {
            return Err(passing("the server of the address sends too slowly"));
        }
        Ok(Some(bytes))
    }
}
