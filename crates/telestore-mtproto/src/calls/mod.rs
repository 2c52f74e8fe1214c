//! Calls that wait as Telegram asks, try again what may pass, and follow the account to another data centre.

mod patience;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use telestore_types::Timestamp;
use telestore_types::telegram::LEAST_WAIT;
use tokio::time::{Instant, sleep, sleep_until};

use crate::account::Account;
use crate::answers::Ask;
use crate::{Error, MtprotoConfig, Remedy, Result};
use patience::Patience;

pub use patience::Step;

/// How often an account may migrate for one set of calls, and for one call.
const MAX_MIGRATIONS: u32 = 2;

/// Waits that end this close together are told once.
const SAME_WAIT: Duration = Duration::from_secs(1);

/// Hears of the waits that Telegram asks for. A closure is one, and so is `()`, which listens to nothing.
pub trait Waits: Send + Sync {
    /// Telegram asked to wait, and it is waited now. Calls that wait together tell it once.
    fn waiting(&self, wait: Duration);
}

impl<F: Fn(Duration) + Send + Sync> Waits for F {
    fn waiting(&self, wait: Duration) {
        self(wait);
    }
}

impl Waits for () {
    fn waiting(&self, _: Duration) {}
}

/// The calls of one piece of work, such as reading a message or sending a file, by one account.
///
/// They share what the configuration allows them: waits for Telegram ([`longest_wait`](MtprotoConfig::longest_wait)), time
/// without a step forward ([`stall_timeout`](MtprotoConfig::stall_timeout)), migrations. Make one for each piece of work.
/// To drop it, or a future of it, ends the calls that it made.
pub struct Calls<'a> {
    account: Arc<Account>,
    waits: Box<dyn Waits + 'a>,
    patience: Patience,
    told: Mutex<Option<Instant>>,
    /// How often the account had migrated when the first call was made.
    began: u32,
}

impl fmt::Debug for Calls<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").field("account", &self.account).finish_non_exhaustive()
    }
}

/// How often in a row one call failed for reasons that may pass, and how often the account migrated for it.
#[derive(Debug, Default)]
pub struct Failures {
    passing: u32,
    migrations: u32,
}

impl<'a> Calls<'a> {
    /// Calls by `account`. Nothing is connected yet.
    pub fn new(account: Arc<Account>, waits: impl Waits + 'a) -> Self {
        let began = account.location().migrations();
        let patience = Patience::new(account.config().longest_wait, account.config().stall_timeout);
        Self { account, waits: Box::new(waits), patience, told: Mutex::default(), began }
    }

    /// Who calls.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The configuration of the account's client.
    pub fn config(&self) -> &MtprotoConfig {
        self.account.config()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.config().clock.now()
    }

    /// Does `work` unless nothing is [reached](Self::reached) for too long; then it is dropped.
    ///
    /// # Errors
    /// That of `work`; [`ErrorKind::Stalled`](crate::ErrorKind::Stalled).
    pub async fn unless_stalled<T, E: From<Error>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            biased;
            ended = work => ended,
            () = self.stalled() => Err(self.stall_error("Telegram is not available: it does not get on").into()),
        }
    }

    /// Returns when nothing was [reached](Self::reached) for too long while a [step](Self::step) was being made.
    pub async fn stalled(&self) {
        self.patience.stalled().await;
    }

    /// The error of calls that [stalled](Self::stalled); `what` says what did not come.
    pub fn stall_error(&self, what: &str) -> Error {
        Error::stalled(what, self.patience.stall())
    }

    /// To be held while Telegram is waited for. Time without such a step does not count: bytes of a file may be slow.
    pub fn step(&self) -> Step<'_> {
        self.patience.begin()
    }

    /// To be called when something was reached, such as a part confirmed.
    pub fn reached(&self) {
        self.patience.progress();
    }

    /// Makes a call that changes nothing, until it has an answer that trying again would not change.
    ///
    /// # Errors
    /// Why it has none.
    pub async fn call<R: Ask>(&self, request: &R) -> Result<R::Answer> {
        let _step = self.step();
        let mut failures = Failures::default();
        loop {
            match self.account.call(request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => self.recover(error, &mut failures).await?,
            }
        }
    }

    /// Connects, unless that is done already. A call does so by itself.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(&self) -> Result<()> {
        let _step = self.step();
        let mut failures = Failures::default();
        loop {
            match self.account.connect().await {
                Ok(()) => {
                    self.reached();
                    return Ok(());
                }
                Err(error) => self.recover(error, &mut failures).await?,
            }
        }
    }

    /// Waits as `error` asks for, or migrates where it says, so that the caller can call again.
    ///
    /// # Errors
    /// `error` itself, if to try again is of no use, or was of no use too often; why the account cannot migrate.
    pub async fn recover(&self, mut error: Error, failures: &mut Failures) -> Result<()> {
        if let Remedy::Migrate(dc) = error.remedy()
            && failures.migrations < MAX_MIGRATIONS
            && self.may_migrate_to(dc)
        {
            match self.account.migrate_to(dc).await {
                Ok(()) => {
                    failures.migrations += 1;
                    return Ok(());
                }
                Err(stayed) => error = stayed,
            }
        }
        match error.remedy() {
            Remedy::Wait(wait) if self.wait_until(Instant::now() + wait.max(LEAST_WAIT), wait).await => {}
            Remedy::Again if failures.passing < self.config().max_failures => {
                let pause = self.backoff(failures.passing);
                failures.passing += 1;
                tracing::debug!(error = %error, failures = failures.passing, pause = ?pause, "call failed, trying again");
                sleep(pause).await;
            }
            _ => return Err(error),
        }
        Ok(())
    }

    /// Pauses before a question is asked again that was asked `asked` times: longer each time.
    pub async fn pause(&self, asked: u32) {
        sleep(self.backoff(asked)).await;
    }

    fn may_migrate_to(&self, dc: i32) -> bool {
        let here = self.account.location();
        here.dc_id() == dc || here.migrations() - self.began < MAX_MIGRATIONS
    }

    /// Waits, as Telegram asked for `wait`, and tells so. That is not a failure. Says no at once if there is no time left
    /// for it.
    pub async fn wait_until(&self, until: Instant, wait: Duration) -> bool {
        let granted = self.patience.grant(until);
        if granted {
            self.tell(until, wait.max(LEAST_WAIT));
            sleep_until(until).await;
        }
        granted
    }

    /// Tells the listener of a wait, once and not once per call in flight.
    fn tell(&self, until: Instant, wait: Duration) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| until > told + SAME_WAIT.min(wait / 2)) {
            *told = Some(until);
            self.waits.waiting(wait);
        }
    }

    /// Exponential, with full jitter: callers that failed together do not come back together.
    fn backoff(&self, failures: u32) -> Duration {
        let longest = self.config().backoff_base.saturating_mul(2_u32.saturating_pow(failures.min(16)));
        longest.min(self.config().backoff_max).mul_f64(rand::random::<f64>())
    }
}
