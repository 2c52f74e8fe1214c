use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use telestore_types::{TelegramCredentials, Timestamp};
use tokio::time::{Instant, sleep, sleep_until};

use super::MtprotoConfig;
use super::account::Account;
use super::answers::Ask;
use super::packet::Body;
use super::patience::{Patience, Step};
use super::resume::Resume;
use super::rpc::{CallError, Remedy};
use super::window::Permit;
use crate::wait::{LEAST, words};
use crate::{Error, ErrorKind, ProgressSink};

/// How often an account may be sent to another data centre within one attempt, and within one call.
const MAX_MOVES: u32 = 2;

/// Waits that end this close together are told once.
const SAME_WAIT: Duration = Duration::from_secs(1);

/// One try to send one file: what all of its steps need. Dropping it, or a future of it, ends every call it made.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) config: &'a MtprotoConfig,
    pub(crate) account: Arc<Account>,
    pub(crate) credentials: &'a TelegramCredentials,
    pub(crate) progress: &'a dyn ProgressSink,
    patience: Patience,
    told: Mutex<Option<Instant>>,
    /// How often the account had moved when the attempt began, and when the parts of the file were begun.
    began: u32,
    parts_began: AtomicU32,
}

/// How often in a row something failed that may pass, and how often the account moved for it.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    passing: u32,
    moves: u32,
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(
        config: &'a MtprotoConfig,
        account: Arc<Account>,
        credentials: &'a TelegramCredentials,
        progress: &'a dyn ProgressSink,
    ) -> Self {
        let began = account.here().moves;
        let (told, parts_began) = (Mutex::default(), AtomicU32::new(began));
        let patience = Patience::new(config.longest_wait, config.stall_timeout);
        Self { config, account, credentials, progress, patience, told, began, parts_began }
    }

    /// Does `work` unless it gets nowhere for too long; then it is dropped.
    pub(crate) async fn unless_stalled<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            biased;
            ended = work => ended.map_err(|error| error.about(&self.credentials.chat_id)),
            () = self.gets_nowhere() => Err(self.stalled("Telegram is not available: it does not get on")),
        }
    }

    /// Returns when nothing was reached for too long.
    pub(crate) async fn gets_nowhere(&self) {
        self.patience.stalled().await;
    }

    /// What is said of an attempt that was given up since it got nowhere.
    pub(crate) fn stalled(&self, what: &str) -> Error {
        let text = format!("{what} (nothing in {} s)", self.patience.stall().as_secs_f32());
        Error::new(ErrorKind::Unavailable, text)
    }

    /// To be held while Telegram is waited for.
    pub(crate) fn step(&self) -> Step<'_> {
        self.patience.begin()
    }

    /// To be called when something was reached.
    pub(crate) fn reached(&self) {
        self.patience.progress();
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.config.clock.now()
    }

    /// Makes a call that changes nothing, until it has an answer that trying again would not change.
    pub(crate) async fn call<R: Ask>(&self, request: &R) -> Result<R::Answer, CallError> {
        let _step = self.step();
        let mut failures = Failures::default();
        loop {
            match self.account.call(request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => self.ease(error, &mut failures).await?,
            }
        }
    }

    /// Makes a call about the parts of the file, once, where they are.
    pub(crate) async fn call_for_parts<R: Ask>(&self, request: &R) -> Result<R::Answer, CallError> {
        self.account.call_at(self.parts_began.load(Ordering::Relaxed), request).await
    }

    /// Sends a part, once, to where the others are.
    pub(crate) async fn call_part(
        &self,
        part: u32,
        body: Body,
        permit: Permit,
    ) -> Result<Vec<u8>, CallError> {
        self.account.call_part_at(self.parts_began.load(Ordering::Relaxed), part, body, permit).await
    }

    /// Whether the account is elsewhere now than the parts of the file.
    pub(crate) fn has_moved(&self) -> bool {
        self.account.here().moves != self.parts_began.load(Ordering::Relaxed)
    }

    /// Begins the parts where the account is now; says whether those sent before do not count any more.
    pub(crate) fn settle(&self, resume: &mut Resume) -> bool {
        let here = self.account.here();
        self.parts_began.store(here.moves, Ordering::Relaxed);
        resume.settle(&here.home.fingerprint(), self.now())
    }

    /// Connects, unless that is done already.
    pub(crate) async fn connect(&self) -> Result<(), CallError> {
        let _step = self.step();
        let mut failures = Failures::default();
        loop {
            match self.account.connect().await {
                Ok(()) => {
                    self.reached();
                    return Ok(());
                }
                Err(error) => self.ease(error, &mut failures).await?,
            }
        }
    }

    /// Waits as `error` asks for, or goes where it says; gives it back where trying again is of no use, or was of no use
    /// too often.
    pub(crate) async fn ease(&self, mut error: CallError, failures: &mut Failures) -> Result<(), CallError> {
        if let Remedy::Move(dc) = error.remedy()
            && failures.moves < MAX_MOVES
            && self.may_move_to(dc)
        {
            match self.account.move_to(dc).await {
                Ok(()) => {
                    failures.moves += 1;
                    return Ok(());
                }
                Err(stayed) => error = stayed,
            }
        }
        match error.remedy() {
            Remedy::Wait(wait) if self.wait(wait).await => {}
            Remedy::Again if failures.passing < self.config.max_failures => {
                let pause = self.backoff(failures.passing);
                failures.passing += 1;
                tracing::debug!(error = %error, failures = failures.passing, pause = ?pause, "call failed, trying again");
                sleep(pause).await;
            }
            _ => return Err(error),
        }
        Ok(())
    }

    fn may_move_to(&self, dc: i32) -> bool {
        let here = self.account.here();
        here.home.dc_id == dc || here.moves - self.began < MAX_MOVES
    }

    /// Waits as long as Telegram asked for, or a little where it names no time, which is not a failure; says no where there is no time for it.
    async fn wait(&self, wait: Duration) -> bool {
        let wait = wait.max(LEAST);
        let until = Instant::now() + wait;
        let granted = self.patience.grant(until);
        if granted {
            self.tell(until, wait);
            sleep_until(until).await;
        }
        granted
    }

    /// Waits while the account may not send parts; gives the file back where that takes too long.
    pub(crate) async fn wait_for_parts(&self) -> Result<(), Error> {
        while let Some((until, wait)) = self.account.window().closed_until() {
            if !self.patience.grant(until) {
                let left = until.saturating_duration_since(Instant::now());
                let left = if wait.is_zero() { wait } else { left };
                return Err(Error::new(ErrorKind::FloodWait(left), words(wait)));
            }
            self.tell(until, wait.max(LEAST));
            sleep_until(until).await;
        }
        Ok(())
    }

    /// Tells the listener of a wait, once and not once per part in flight.
    fn tell(&self, until: Instant, wait: Duration) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| until > told + SAME_WAIT.min(wait / 2)) {
            *told = Some(until);
            self.progress.flood_wait(wait);
        }
    }

    /// Exponential, with full jitter: uploads that failed together do not come back together.
    fn backoff(&self, failures: u32) -> Duration {
        let longest = self.config.backoff_base.saturating_mul(2_u32.saturating_pow(failures.min(16)));
        longest.min(self.config.backoff_max).mul_f64(rand::random::<f64>())
    }
}
