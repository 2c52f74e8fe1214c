use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use telestore_mtproto::answers::Ask;
use telestore_mtproto::{Account, Body, Calls, Chat, Step};
use telestore_types::telegram::wait_words;
use telestore_types::{TelegramCredentials, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::error::failed_call;
use super::limits::{Limits, WHOLE_BYTES};
use super::resume::Resume;
use super::window::{Permit, Window};
use crate::{Error, ErrorKind, ProgressSink, Result};

/// For how long it is not asked again whether the account has Premium: what decides over pieces asks shortly before.
const JUST_ASKED: Duration = Duration::from_secs(60);

/// One try to send one file: what all of its steps need. Dropping it, or a future of it, ends every call it made.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) calls: Calls<'a>,
    pub(crate) window: Window,
    pub(crate) limits: &'a Limits,
    pub(crate) credentials: &'a TelegramCredentials,
    pub(crate) progress: &'a dyn ProgressSink,
    /// Told of each part that is confirmed.
    pub(crate) confirmed: Notify,
    /// How often the account had migrated when the parts of the file were begun.
    parts_began: AtomicU32,
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(
        account: Arc<Account>,
        window: Window,
        limits: &'a Limits,
        credentials: &'a TelegramCredentials,
        progress: &'a dyn ProgressSink,
    ) -> Self {
        let parts_began = AtomicU32::new(account.location().migrations());
        let calls = Calls::new(account, move |wait| progress.flood_wait(wait));
        Self { calls, window, limits, credentials, progress, confirmed: Notify::new(), parts_began }
    }

    /// Does `work` unless it gets nowhere for too long; then it is dropped.
    pub(crate) async fn unless_stalled<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let ended = self.calls.unless_stalled(work).await;
        ended.map_err(|error: Error| error.about(&self.credentials.chat_id))
    }

    /// To be held while Telegram is waited for.
    pub(crate) fn step(&self) -> Step<'_> {
        self.calls.step()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.calls.config().clock.now()
    }

    /// Finds the channel, sees that the account may post there, and tells if it is elsewhere now. `hash` is what an earlier
    /// attempt found.
    pub(crate) async fn resolve(&self, hash: Option<i64>) -> Result<Chat> {
        let chat = &self.credentials.chat_id;
        let found = self.calls.resolve(chat, hash).await?;
        if let Some(moved_to) = found.moved_to.as_ref().filter(|_| !found.remembered) {
            self.progress.moved(chat, moved_to).await;
        }
        Ok(found)
    }

    /// What one message of the account holds, in bytes; `max_age` is for how long it is believed that it has Premium or not.
    pub(crate) async fn message_bytes(&self, max_age: Duration) -> Result<u64> {
        let allowance = self.calls.allowance(max_age).await?;
        Ok(self.limits.bytes_of(allowance.parts))
    }

    /// Refuses a file that is too large for the account.
    pub(crate) async fn check_length(&self, length: u64) -> Result<()> {
        if length <= WHOLE_BYTES {
            return Ok(());
        }
        let most = self.message_bytes(JUST_ASKED).await?;
        if length > most { Err(Error::too_large(length, most)) } else { Ok(()) }
    }

    /// What an error of a file of `length` bytes says: Telegram may have refused it as one that is too large for the account,
    /// whatever that was allowed before.
    pub(crate) async fn explained(&self, error: Error, length: u64) -> Error {
        if !failed_call(&error).is_some_and(|failed| failed.is("FILE_PARTS_INVALID")) {
            return error;
        }
        self.calls.forget_allowance();
        match self.message_bytes(Duration::ZERO).await {
            Ok(most) if length > most => Error::too_large(length, most),
            Ok(_) => error,
            Err(unknown) => unknown,
        }
    }

    /// Makes a call about the parts of the file, once, where they are.
    pub(crate) async fn call_for_parts<R: Ask>(&self, request: &R) -> telestore_mtproto::Result<R::Answer> {
        self.calls.account().call_at(self.parts_began.load(Ordering::Relaxed), request).await
    }

    /// Sends a part, once, to where the others are.
    pub(crate) async fn call_part(
        &self,
        part: u32,
        body: Body,
        permit: Permit,
    ) -> telestore_mtproto::Result<Vec<u8>> {
        let began = self.parts_began.load(Ordering::Relaxed);
        self.calls.account().call_bulk_at(began, part, body, permit).await
    }

    /// Whether the account is elsewhere now than the parts of the file.
    pub(crate) fn has_migrated(&self) -> bool {
        self.calls.account().location().migrations() != self.parts_began.load(Ordering::Relaxed)
    }

    /// Begins the parts where the account is now; says whether those sent before do not count any more.
    pub(crate) fn begin_parts(&self, resume: &mut Resume) -> bool {
        let here = self.calls.account().location();
        self.parts_began.store(here.migrations(), Ordering::Relaxed);
        resume.bind_to(&here.fingerprint(), self.now())
    }

    /// Waits while the account may not send parts; gives the file back if that takes too long.
    pub(crate) async fn wait_for_parts(&self) -> Result<()> {
        while let Some((until, wait)) = self.window.closed_until() {
            if !self.calls.wait_until(until, wait).await {
                let left = until.saturating_duration_since(Instant::now());
                let left = if wait.is_zero() { wait } else { left };
                return Err(Error::new(ErrorKind::FloodWait(left), wait_words(wait)));
            }
        }
        Ok(())
    }
}
