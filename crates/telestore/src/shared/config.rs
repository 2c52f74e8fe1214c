use std::collections::BTreeSet;
use std::time::Duration;

use telestore_store::Quota;
use telestore_types::{CaptionTemplate, LONGEST_PAUSE, SendAs, TopicId, UserId};

use crate::shared::encoding::EncodingDefaults;

/// The least that a wait that Telegram asked for counts.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// Who may call about uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Auth {
    /// As documented: once an upload has an owner, who knows its id needs no token; a token that is sent must be good.
    #[default]
    Documented,
    /// Every call needs a valid token.
    Strict,
}

/// What is done with a file of which nobody can tell whether its message was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Unknown {
    /// It fails, with words that say where to look.
    #[default]
    Fail,
    /// It is sent again, at the risk of a second message.
    Again,
}

/// How messages are to be. [`Default`] is what the documentation promises: a caption with the name of the file, and else nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MessageDefaults {
    /// What their captions are made of.
    pub caption: CaptionTemplate,
    /// The topic that they go into.
    pub topic_id: Option<TopicId>,
    /// Whether the chat's members are not notified.
    pub silent: bool,
    /// As what files are sent.
    pub send_as: SendAs,
}

/// The engine's limits and times. [`Default`] is what the documentation promises; [`with`](Self::with) changes it:
///
/// ```
/// use telestore::EngineConfig;
///
/// let config = EngineConfig::default().with(|config| config.max_concurrent_uploads = 8);
/// assert!(config.eager && config.max_concurrent_uploads == 8);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineConfig {
    /// Who may call.
    pub auth: Auth,
    /// The largest file, in bytes.
    pub max_file_bytes: u64,
    /// The largest chunk, in bytes.
    pub max_chunk_bytes: u64,
    /// Files sent at a time; the rest wait their turn.
    pub max_concurrent_uploads: usize,
    /// Whether large files are sent while they still arrive, as many at a time again.
    pub eager: bool,
    /// How many bytes one user may have sent of uploads that are not completed; what is abandoned was sent for nothing.
    pub eager_max_bytes: u64,
    /// How long such a file may go without a new chunk before it leaves its place to others.
    pub eager_idle: Duration,
    /// What one user may have and send.
    pub user: Quota,
    /// What the clients at one address may have and send.
    pub address: Quota,
    /// How many uploads that nobody owns yet there may be; one more takes the place of the oldest.
    pub max_unowned: u64,
    /// How long such an upload is kept.
    pub unowned_ttl: Duration,
    /// With fewer bytes free on the data disk, new bytes are refused; running work goes on.
    pub min_free_bytes: u64,
    /// How long a runner that has gone silent keeps its upload.
    pub lease: Duration,
    /// How long a worker keeps the account of a user after it has used it; then another worker on the same store may have
    /// it. It must be longer than connections of an account stay open while they are idle.
    pub account_hold: Duration,
    /// How long a send goes on of which Telegram acknowledges nothing; then others have its place, and it is tried again
    /// later. After five seconds already others may begin beside it.
    pub stall_timeout: Duration,
    /// How long a file of which parts were sent waits for the bot or session that has sent them, if Telegram asks that one to
    /// wait and another can send: after longer ones the other begins it anew.
    pub sender_patience: Duration,
    /// How long an upload is tried again after errors that may pass.
    pub retry_max_age: Duration,
    /// The pause after the first failed attempt; it doubles up to `retry_max_pause`, with full jitter.
    pub retry_first_pause: Duration,
    /// The longest pause between two attempts.
    pub retry_max_pause: Duration,
    /// How long a webhook is tried again.
    pub webhook_max_age: Duration,
    /// How long an upload that was never completed is kept after its last chunk.
    pub session_ttl: Duration,
    /// How long a failed upload is kept.
    pub failed_ttl: Duration,
    /// How long the result of a finished or cancelled upload is kept.
    pub result_ttl: Duration,
    /// Whether no other process takes chunks in on the same stores while this engine lives, which the caller must make
    /// sure of, by a lock for instance. Chunks without a record are then deleted at the start, and not when they are old. If
    /// other processes do, the store is asked before each connection to Telegram whether one of them uses the login, see
    /// [`LoginGuard`](telestore_types::LoginGuard), and connections are closed once three quarters of a
    /// [`lease`](Self::lease) have passed in which this one could not write down that it is alive.
    pub alone: bool,
    /// How old a chunk without a record must be before it is taken for an orphan: longer than any worker takes, or stands
    /// still, between putting a chunk and recording it.
    pub orphan_grace: Duration,
    /// How messages are to be whose uploads do not say so.
    pub message: MessageDefaults,
    /// In what form files go to Telegram, and the keys of encrypted ones.
    pub encoding: EncodingDefaults,
    /// Whether an upload of a file that its user has in the same channel already, as the SHA-256 that its client sends at the start tells,
    /// becomes one more message of that file, without its bytes.
    pub dedup: bool,
    /// How long after a file was handed over its message may still come: one that is not in the channel then was not made. Large
    /// files have a second more for each 256 KiB.
    pub settle_after: Duration,
    /// What is done with a file of which nobody can tell whether its message was made.
    pub unknown: Unknown,
    /// Users whom metrics tell apart: few, and of names that an operator gave. Each is a label.
    pub measured_users: BTreeSet<UserId>,
}

/// How many bytes in a second a Bot API server passes on to Telegram, at least: so much longer a large file may be on its way.
const PASSED_ON: u64 = 256 * 1024;

const HOUR: Duration = Duration::from_secs(60 * 60);

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            auth: Auth::default(),
            max_file_bytes: 2000 * 1024 * 1024,
            max_chunk_bytes: 50 * 1024 * 1024,
            max_concurrent_uploads: 4,
            eager: true,
            eager_max_bytes: 8 * 1024 * 1024 * 1024,
            eager_idle: Duration::from_secs(30),
            user: Quota::NONE.with_sessions(10_000),
            address: Quota::NONE.with_sessions(5_000),
            max_unowned: 1_000,
            unowned_ttl: HOUR,
            min_free_bytes: 512 * 1024 * 1024,
            lease: Duration::from_secs(30),
            account_hold: Duration::from_secs(90),
            stall_timeout: Duration::from_secs(2 * 60),
            sender_patience: Duration::from_secs(30),
            retry_max_age: HOUR * 24,
            retry_first_pause: Duration::from_secs(1),
            retry_max_pause: Duration::from_secs(60),
            webhook_max_age: HOUR * 24,
            session_ttl: HOUR * 24 * 7,
            failed_ttl: HOUR * 24 * 3,
            result_ttl: HOUR * 24,
            alone: false,
            orphan_grace: HOUR,
            message: MessageDefaults::default(),
            encoding: EncodingDefaults::default(),
            dedup: false,
            settle_after: Duration::from_secs(2 * 60),
            unknown: Unknown::default(),
            measured_users: BTreeSet::new(),
        }
    }
}

impl EngineConfig {
    /// The same, changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// How long to wait after `attempt` failed attempts: up to twice as long each time, with full jitter so that
    /// uploads that failed together do not come back together.
    pub(crate) fn pause(&self, attempt: u32) -> Duration {
        let doubled = self.retry_first_pause.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)));
        doubled.min(self.retry_max_pause).mul_f64(rand::random::<f64>())
    }

    /// How long a server may still work on a file of `size` bytes that is not in the channel.
    pub(crate) fn patience(&self, size: u64) -> Duration {
        self.settle_after + Duration::from_secs(size / PASSED_ON)
    }

    /// How long to wait if Telegram asked for it. None puts a file off for ever. If it did not say how long, each
    /// wait is half as long as all before it together, however the worker was restarted meanwhile, up to
    /// `retry_max_pause`, and a little less so that uploads do not come back together.
    pub(crate) fn wait(&self, asked: Duration, age: Duration) -> Duration {
        let longest = self.retry_max_age.clamp(LEAST_WAIT, LONGEST_PAUSE);
        if !asked.is_zero() {
            return asked.clamp(LEAST_WAIT, longest);
        }
        let growing = (age / 2).clamp(LEAST_WAIT * 2, self.retry_max_pause.max(LEAST_WAIT * 2));
        growing.mul_f64(1.0 - rand::random::<f64>() / 4.0).clamp(LEAST_WAIT, longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_wait_is_kept_to_and_one_without_a_time_grows() {
        let config = EngineConfig::default();
        assert_eq!(config.wait(SECOND * 1234, HOUR), SECOND * 1234);
        assert_eq!(config.wait(SECOND / 2, HOUR), SECOND);
        assert_eq!(config.wait(HOUR * 1000, HOUR), HOUR * 24);
        let (mut age, mut waits) = (SECOND, 0);
        while age < HOUR * 24 {
            let wait = config.wait(Duration::ZERO, age);
            assert!((SECOND..=SECOND * 60).contains(&wait), "{wait:?} after {age:?}");
            assert!(wait >= (age * 3 / 8).min(SECOND * 45), "{wait:?} after {age:?}");
            age += wait;
            waits += 1;
        }
        assert!(waits < 2000, "{waits}");
    }
}
