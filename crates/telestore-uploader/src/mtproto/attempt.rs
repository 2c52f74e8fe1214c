use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use grammers_tl_types::RemoteCall;
use telestore_types::{TelegramCredentials, Timestamp};
use tokio::time::{Instant, sleep, sleep_until};

use super::MtprotoConfig;
use super::account::Account;
use super::rpc::{CallError, Remedy};
use crate::{Error, ErrorKind, ProgressSink};

/// Waits that end this close together are told once.
const SAME_WAIT: Duration = Duration::from_secs(1);

/// One try to send one file: what all of its steps need. Dropping it, or a future of it, ends every call it made.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) config: &'a MtprotoConfig,
    pub(crate) account: Arc<Account>,
    pub(crate) credentials: &'a TelegramCredentials,
    pub(crate) progress: &'a dyn ProgressSink,
    told: Mutex<Option<Instant>>,
}

/// How often in a row something failed that may pass.
#[derive(Debug, Default)]
pub(crate) struct Failures(u32);

impl<'a> Attempt<'a> {
    pub(crate) fn new(
        config: &'a MtprotoConfig,
        account: Arc<Account>,
        credentials: &'a TelegramCredentials,
        progress: &'a dyn ProgressSink,
    ) -> Self {
        Self { config, account, credentials, progress, told: Mutex::new(None) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.config.clock.now()
    }

    /// Makes a call that changes nothing, until it has an answer that trying again would not change.
    pub(crate) async fn call<R: RemoteCall>(&self, request: &R) -> Result<R::Return, CallError> {
        let mut failures = Failures::default();
        loop {
            match self.account.call(request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => self.ease(error, &mut failures).await?,
            }
        }
    }

    /// Connects, unless that is done already.
    pub(crate) async fn connect(&self) -> Result<(), CallError> {
        let mut failures = Failures::default();
        loop {
            match self.account.connect().await {
                Ok(()) => return Ok(()),
                Err(error) => self.ease(error, &mut failures).await?,
            }
        }
    }

    /// Waits as `error` asks for; gives it back where trying again is of no use, or was of no use too often.
    pub(crate) async fn ease(&self, error: CallError, failures: &mut Failures) -> Result<(), CallError> {
        match error.remedy() {
            Remedy::Wait(wait) if wait <= self.config.longest_wait => self.wait(wait).await,
            Remedy::Again if failures.0 < self.config.max_failures => {
                let pause = self.backoff(failures.0);
                failures.0 += 1;
                tracing::debug!(error = %error, failures = failures.0, pause = ?pause, "call failed, trying again");
                sleep(pause).await;
            }
            _ => return Err(error),
        }
        Ok(())
    }

    /// Waits exactly as long as Telegram asked for. That is not a failure.
    pub(crate) async fn wait(&self, wait: Duration) {
        let until = Instant::now() + wait;
        self.tell(until, wait);
        sleep_until(until).await;
    }

    /// Waits while the account may not send parts; gives the file back where that takes too long.
    pub(crate) async fn wait_for_parts(&self) -> Result<(), Error> {
        while let Some((until, wait)) = self.account.window().closed_until() {
            let left = until.saturating_duration_since(Instant::now());
            if left > self.config.longest_wait {
                let text = format!("Telegram asked to wait {} s", wait.as_secs());
                return Err(Error::new(ErrorKind::FloodWait(left), text));
            }
            self.tell(until, wait);
            sleep_until(until).await;
        }
        Ok(())
    }

    /// Tells the listener of a wait, once and not once per part in flight.
    fn tell(&self, until: Instant, wait: Duration) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| until > told + SAME_WAIT.min(wait / 2)) {
            *told = Some(until);
            tracing::info!(seconds = wait.as_secs(), "telegram asked to wait");
            self.progress.flood_wait(wait);
        }
    }

    /// Exponential, with full jitter: uploads that failed together do not come back together.
    fn backoff(&self, failures: u32) -> Duration {
        let longest = self.config.backoff_base.saturating_mul(2_u32.saturating_pow(failures.min(16)));
        longest.min(self.config.backoff_max).mul_f64(rand::random::<f64>())
    }
}
