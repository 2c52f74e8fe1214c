//! The stream of a range: one connection, and another one from the byte on where it broke.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use telestore_types::telegram::LEAST_WAIT;
use tokio::time::sleep;

use super::answer::Broken;
use super::body::Body;
use super::link::LinkedFile;
use crate::{ByteStream, MessageBytes, Result};

/// How long Telegram may ask to wait, all in all without a byte, before the stream ends: clients do not wait for ever.
const FLOOD_MAX: Duration = Duration::from_secs(120);

/// How often in a row it is tried again without a byte, and how long the first pause is; the next ones are twice as long each.
const FAILURES_MAX: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// A stream that is being read.
struct Flow {
    file: Arc<LinkedFile>,
    /// What did not come yet.
    rest: Range<u64>,
    link: Arc<str>,
    body: Option<Body>,
    patience: Patience,
}

/// What happened since the last byte.
#[derive(Default)]
struct Patience {
    failures: u32,
    renewed: bool,
    waited: Duration,
}

impl MessageBytes for LinkedFile {
    fn len(&self) -> u64 {
        self.length
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> ByteStream {
        let link = self.link();
        let flow = Flow { file: self, rest: range, link, body: None, patience: Patience::default() };
        stream::try_unfold(flow, async |mut flow| Ok(flow.next().await?.map(|bytes| (bytes, flow)))).boxed()
    }
}

impl Flow {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        while self.rest.start < self.rest.end {
            match self.step().await {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => {
                    self.rest.start += bytes.len() as u64;
                    self.patience = Patience::default();
                    return Ok(Some(bytes));
                }
                Err(broken) => {
                    self.body = None;
                    self.recover(broken).await?;
                }
            }
        }
        Ok(None)
    }

    async fn step(&mut self) -> Result<Bytes, Broken> {
        let idle = self.file.bot.idle();
        let body = match &mut self.body {
            Some(body) => body,
            none => {
                self.link = self.file.link();
                none.insert(self.file.ask(&self.link, &self.rest).await?)
            }
        };
        let bytes = body.next(idle).await?;
        if body.is_done() {
            self.body = None;
        }
        Ok(bytes)
    }

    /// Sees to it that another try is of use.
    async fn recover(&mut self, broken: Broken) -> Result<()> {
        let broken = match broken {
            Broken::Stale if !self.patience.renewed => match self.file.renew(&self.link).await {
                Ok(()) => {
                    self.patience.renewed = true;
                    return Ok(());
                }
                Err(broken) => broken,
            },
            broken => broken,
        };
        let patience = &mut self.patience;
        match broken {
            Broken::Passing(error) if patience.failures < FAILURES_MAX => {
                tracing::debug!(%error, at = self.rest.start, "a download of the Bot API is tried again");
                sleep(PAUSE * 2_u32.pow(patience.failures)).await;
                patience.failures += 1;
                Ok(())
            }
            Broken::Wait(wait) if patience.waited + wait.max(LEAST_WAIT) <= FLOOD_MAX => {
                let wait = wait.max(LEAST_WAIT);
                patience.waited += wait;
                tracing::debug!(
                    seconds = wait.as_secs(),
                    "Telegram asks to wait before it gives more of a file"
                );
                sleep(wait).await;
                Ok(())
            }
            broken => Err(broken.into_error()),
        }
    }
}
