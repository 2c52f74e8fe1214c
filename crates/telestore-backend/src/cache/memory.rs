use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use telestore_types::TelegramCredentials;
use tokio::time::Instant;

use crate::credentials::TokenDigest;
use crate::{Error, Result};

/// How long an answer counts as fresh, as documented.
pub(super) const FRESH: Duration = Duration::from_secs(60 * 60);

/// How long an answer is kept for the time that the backend is down.
pub(super) const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a token that was refused is refused without asking again.
pub(super) const REFUSED: Duration = Duration::from_secs(60);

/// The most good tokens that are remembered, the most refused ones, and the most that could not be asked about. The
/// oldest goes first.
pub(super) const MOST: usize = 10_000;

/// What was answered of which token. Ages are monotonic: a clock that is set neither ends nor prolongs them.
#[derive(Debug)]
pub(super) struct Memory {
    fresh: Duration,
    good: HashMap<TokenDigest, Good>,
    refused: Refused,
    /// Until when, and why, questions about a token are not worth their while.
    failed: HashMap<TokenDigest, (Instant, Error)>,
}

#[derive(Debug)]
struct Good {
    at: Instant,
    credentials: Arc<TelegramCredentials>,
    /// Telegram did not take them. The token still counts as one that was good before.
    void: bool,
}

impl Good {
    fn is_younger(&self, age: Duration, now: Instant) -> bool {
        !self.void && now.duration_since(self.at) < age
    }
}

impl Memory {
    pub(super) fn new(fresh: Duration) -> Self {
        Self { fresh, good: HashMap::new(), refused: Refused::default(), failed: HashMap::new() }
    }

    /// What needs no question.
    pub(super) fn answer(
        &self,
        token: &TokenDigest,
        now: Instant,
    ) -> Option<Result<Arc<TelegramCredentials>>> {
        let refused = || self.refused.has(token, now).then_some(Err(Error::InvalidToken));
        self.younger(token, self.fresh, now).map(Ok).or_else(refused)
    }

    /// What serves if nobody can be asked.
    pub(super) fn older(&self, token: &TokenDigest, now: Instant) -> Option<Arc<TelegramCredentials>> {
        self.younger(token, KEPT, now)
    }

    fn younger(&self, token: &TokenDigest, age: Duration, now: Instant) -> Option<Arc<TelegramCredentials>> {
        let good = self.good.get(token).filter(|good| good.is_younger(age, now))?;
        Some(Arc::clone(&good.credentials))
    }

    /// Why it could not be asked a moment ago.
    pub(super) fn failure(&self, token: &TokenDigest, now: Instant) -> Option<Error> {
        self.failed.get(token).filter(|(until, _)| now < *until).map(|(_, error)| error.clone())
    }

    /// Whether the token was good before.
    pub(super) fn was_good(&self, token: &TokenDigest) -> bool {
        self.good.contains_key(token)
    }

    pub(super) fn remember(
        &mut self,
        token: TokenDigest,
        now: Instant,
        credentials: &Arc<TelegramCredentials>,
    ) {
        self.failed.remove(&token);
        if self.good.len() >= MOST && !self.good.contains_key(&token) {
            self.good.retain(|_, good| now.duration_since(good.at) < KEPT);
            if self.good.len() >= MOST
                && let Some(oldest) =
                    self.good.iter().min_by_key(|(_, good)| good.at).map(|(token, _)| *token)
            {
                self.good.remove(&oldest);
            }
        }
        self.good.insert(token, Good { at: now, credentials: Arc::clone(credentials), void: false });
    }

    pub(super) fn refuse(&mut self, token: TokenDigest, now: Instant, error: &Error) {
        self.failed.remove(&token);
        self.good.remove(&token);
        if *error == Error::InvalidToken {
            self.refused.add(token, now);
        }
    }

    pub(super) fn fail(&mut self, token: TokenDigest, now: Instant, until: Instant, error: &Error) {
        if self.failed.len() >= MOST {
            self.failed.retain(|_, (until, _)| now < *until);
        }
        if self.failed.len() < MOST {
            self.failed.insert(token, (until, error.clone()));
        }
    }

    pub(super) fn forget(&mut self, token: &TokenDigest) {
        if let Some(good) = self.good.get_mut(token) {
            good.void = true;
        }
    }

    #[cfg(test)]
    pub(super) fn refused(&self) -> (usize, usize) {
        (self.refused.at.len(), self.refused.order.len())
    }
}

/// Tokens that were refused, the oldest first.
#[derive(Debug, Default)]
struct Refused {
    at: HashMap<TokenDigest, Instant>,
    order: VecDeque<(Instant, TokenDigest)>,
}

impl Refused {
    fn has(&self, token: &TokenDigest, now: Instant) -> bool {
        self.at.get(token).is_some_and(|at| now.duration_since(*at) < REFUSED)
    }

    fn add(&mut self, token: TokenDigest, now: Instant) {
        let over = |at: &Instant| now.duration_since(*at) >= REFUSED;
        while self.order.len() >= MOST || self.order.front().is_some_and(|(at, _)| over(at)) {
            let Some((at, oldest)) = self.order.pop_front() else { break };
            // It may have been refused again since.
            if self.at.get(&oldest) == Some(&at) {
                self.at.remove(&oldest);
            }
        }
        self.at.insert(token, now);
        self.order.push_back((now, token));
    }
}
