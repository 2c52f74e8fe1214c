//! The logins of Telegram that this process uses now, if other workers have them, too.
//!
//! A login is held in the session store, under its name, for as long as a connection of it is open, so that two users of one
//! session string do not use it in two workers. Connections end before the others take this worker for dead: however long
//! the process stands still, its connections are closed by then, by Telegram if not by itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use telestore_types::{LoginBusy, LoginGuard, LoginHold, SenderId, UserId};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::shared::base::Base;

/// How much of a lease connections may be used after this worker has said that it is alive.
const TERM: f64 = 0.75;

/// How long the session store may take to say whether a login is free.
const ASK_WITHIN: Duration = Duration::from_secs(5);

/// Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Logins(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    base: Arc<Base>,
    state: Mutex<State>,
    /// Held while the store is asked or told: a login that is let go must not be one that was just taken.
    turn: tokio::sync::Mutex<()>,
    /// Wakes [`Logins::freed`].
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Until when connections may be used; `None` until this worker has said that it is alive.
    term: Option<Instant>,
    used: HashMap<SenderId, Used>,
}

#[derive(Debug)]
struct Used {
    connections: usize,
    /// How long the session store holds it for this worker at least.
    until: Instant,
}

impl Logins {
    pub(crate) fn new(base: Arc<Base>) -> Self {
        let (state, turn, freed) = (Mutex::default(), tokio::sync::Mutex::default(), Notify::new());
        Self(Arc::new(Inner { base, state, turn, freed }))
    }

    /// This worker has said that it is alive; it began to at that moment.
    pub(crate) fn said_alive(&self, began: Instant) {
        self.0.lock().term = Some(began + self.0.base.config.lease.mul_f64(TERM));
    }

    /// Whether this worker was silent for so long that the others may use its logins soon.
    pub(crate) fn is_over(&self) -> bool {
        self.0.lock().is_over(Instant::now())
    }

    /// Returns once a login is used by no connection any more.
    pub(crate) async fn freed(&self) {
        self.0.freed.notified().await;
    }

    /// Lets the others have what is not used any more.
    pub(crate) async fn let_go(&self) {
        let _turn = self.0.turn.lock().await;
        let mut unused = Vec::new();
        self.0.lock().used.retain(|login, used| {
            if used.connections == 0 {
                unused.push(login.clone());
            }
            used.connections > 0
        });
        for login in unused {
            let Base { sessions, worker, .. } = &*self.0.base;
            if let Err(error) = sessions.leave_account(&account_of(&login), worker).await {
                tracing::debug!(%login, %error, "a login stays held until its time has run out");
            }
        }
    }

    /// Holds longer what is still used.
    pub(crate) async fn keep(&self) {
        let half = Instant::now() + self.0.base.config.account_hold / 2;
        let is_due = |(_, used): &(&SenderId, &Used)| used.until <= half;
        let due: Vec<_> = self.0.lock().used.iter().filter(is_due).map(|(login, _)| login.clone()).collect();
        for login in due {
            match self.0.hold(&login).await {
                Ok(until) => self.0.set(&login, until),
                Err(Held::ByAnother) => {
                    tracing::warn!(%login, "another worker has this login; closing its connections");
                    self.0.set(&login, Instant::now());
                }
                Err(Held::NobodyKnows(why)) => tracing::warn!(%login, why, "could not hold a login longer"),
            }
        }
    }
}

/// Why a login cannot be used.
enum Held {
    ByAnother,
    NobodyKnows(String),
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, login: &SenderId, until: Instant) {
        if let Some(used) = self.lock().used.get_mut(login) {
            used.until = until;
        }
    }

    /// Holds a login in the store; says until when.
    async fn hold(&self, login: &SenderId) -> Result<Instant, Held> {
        let until = Instant::now() + self.base.config.account_hold;
        match timeout(ASK_WITHIN, self.base.hold_account(&account_of(login))).await {
            Ok(Ok(true)) => Ok(until),
            Ok(Ok(false)) => Err(Held::ByAnother),
            Ok(Err(error)) => Err(Held::NobodyKnows(error.to_string())),
            Err(_) => Err(Held::NobodyKnows("no answer in time".to_owned())),
        }
    }
}

impl State {
    fn is_over(&self, now: Instant) -> bool {
        self.term.is_none_or(|term| term <= now)
    }
}

/// Logins are held beside the accounts of users: both are names of what one worker uses at a time.
fn account_of(login: &SenderId) -> UserId {
    UserId::new(login.as_str())
}

#[async_trait]
impl LoginGuard for Logins {
    async fn take(&self, login: &SenderId) -> Result<Box<dyn LoginHold>, LoginBusy> {
        let _turn = self.0.turn.lock().await;
        if self.is_over() {
            return Err(LoginBusy::new("this worker could not write down for some time that it is alive"));
        }
        let until = self.0.hold(login).await.map_err(|held| match held {
            Held::ByAnother => LoginBusy::new("another worker uses this login of Telegram"),
            Held::NobodyKnows(why) => {
                LoginBusy::new(format!("whether another worker uses this login is not known: {why}"))
            }
        })?;
        let mut state = self.0.lock();
        let used = state.used.entry(login.clone()).or_insert(Used { connections: 0, until });
        (used.connections, used.until) = (used.connections + 1, until);
        Ok(Box::new(Hold { logins: Arc::clone(&self.0), login: login.clone() }))
    }
}

/// A connection's.
#[derive(Debug)]
struct Hold {
    logins: Arc<Inner>,
    login: SenderId,
}

impl LoginHold for Hold {
    fn until(&self) -> Option<std::time::Instant> {
        let state = self.logins.lock();
        let held = state.used.get(&self.login).map(|used| used.until);
        let until = held.into_iter().chain(state.term).min();
        Some(until.unwrap_or_else(Instant::now).into_std())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.logins.lock();
        if let Some(used) = state.used.get_mut(&self.login) {
            used.connections -= 1;
        }
        drop(state);
        self.logins.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use telestore_store::{MemorySessionStore, WorkerInfo};
    use telestore_types::{SteadyClock, WorkerId};

    use super::*;
    use crate::shared::config::EngineConfig;

    fn worker(name: &str, sessions: &MemorySessionStore) -> Logins {
        let config = EngineConfig { alone: false, ..EngineConfig::default() };
        let me = (WorkerId::new(name).unwrap(), WorkerInfo::of_version("1"));
        let base = Base::new(Arc::new(sessions.clone()), Arc::new(SteadyClock::new()), config, me);
        Logins::new(Arc::new(base))
    }

    fn login() -> SenderId {
        SenderId::new("session:0011223344556677")
    }

    #[tokio::test]
    async fn a_login_is_used_by_one_worker_until_its_connections_are_closed() {
        let sessions = MemorySessionStore::new();
        let (one, two) = (worker("one", &sessions), worker("two", &sessions));
        let began = Instant::now();
        one.said_alive(began);
        two.said_alive(began);
        let first = one.take(&login()).await.unwrap();
        let second = one.take(&login()).await.unwrap();
        assert_eq!(
            two.take(&login()).await.unwrap_err().to_string(),
            "another worker uses this login of Telegram"
        );
        drop(first);
        one.freed().await;
        one.let_go().await;
        assert!(two.take(&login()).await.is_err(), "one connection is still open");
        drop(second);
        one.freed().await;
        one.let_go().await;
        two.take(&login()).await.unwrap();
    }

    #[tokio::test]
    async fn a_login_may_be_used_for_three_quarters_of_a_lease_from_the_last_word() {
        let one = worker("one", &MemorySessionStore::new());
        assert!(one.take(&login()).await.is_err(), "nobody knows of this worker yet");
        let lease = one.0.base.config.lease;
        let began = Instant::now();
        one.said_alive(began);
        let hold = one.take(&login()).await.unwrap();
        assert_eq!(hold.until(), Some((began + lease * 3 / 4).into_std()));
        one.said_alive(began + lease / 6);
        assert_eq!(hold.until(), Some((began + lease / 6 + lease * 3 / 4).into_std()), "it moves");
        one.said_alive(began - lease);
        assert!(one.is_over() && hold.until().unwrap() < Instant::now().into_std());
        assert!(one.take(&login()).await.is_err(), "this worker was silent for long");
    }

    #[tokio::test]
    async fn what_another_has_got_meanwhile_is_used_no_longer() {
        let sessions = MemorySessionStore::new();
        let (one, two) = (worker("one", &sessions), worker("two", &sessions));
        one.said_alive(Instant::now());
        let hold = one.take(&login()).await.unwrap();
        one.0.set(&login(), Instant::now() + Duration::from_secs(1));
        let Base { sessions, worker, .. } = &*one.0.base;
        sessions.leave_account(&account_of(&login()), worker).await.unwrap();
        assert!(two.0.hold(&login()).await.is_ok());
        one.keep().await;
        assert!(hold.until().unwrap() <= Instant::now().into_std());
    }
}
