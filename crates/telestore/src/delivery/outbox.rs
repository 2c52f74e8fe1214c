use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use telestore_backend::WebhookSender;
use telestore_store::{NewEvent, OutboxEvent, OutboxKind};
use telestore_types::UserId;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument;

use crate::shared::backends::Backends;
use crate::shared::base::{AHEAD, Base, SHORTEST_SLEEP};
use crate::shared::error::{Error, Result};
use crate::shared::metrics::{Webhook, webhook};
use crate::shared::sends::{Sends, owners_of};
use crate::shared::tasks::Task;

/// Events worked on at a time.
const AT_A_TIME: usize = 16;

/// How many of them may be one user's: a backend or a Telegram server that hangs for one holds up nobody else.
const OF_ONE_USER: usize = 4;

/// How many may be messages to take back, and how many to look for: webhooks always have places.
const WITHDRAWALS: usize = 8;

/// How many of those may be one user's: a Telegram server that hangs for one leaves places for others.
const WITHDRAWALS_OF_ONE_USER: usize = 2;

/// How long a try may take before its user counts as slow: one whose Telegram server, or backend, hangs. A try of the same kind that is
/// quicker ends that.
const SLOW: Duration = Duration::from_secs(10);

/// How long a user counts as slow: so long one that is not may wait behind those whose servers hang. Of many who hang, few have all
/// their tries behind them by then.
const SLOW_FOR: Duration = Duration::from_secs(60 * 60);

/// How many places of a kind all users who are slow may have: many of them leave places for others, too.
const WITHDRAWALS_OF_SLOW_USERS: usize = WITHDRAWALS / 2;

/// How many users are known to be slow at most: of more, those whose slow try was the longest ago are forgotten.
const SLOW_USERS: usize = 1000;

/// How long this worker keeps an event to itself while it works on it; then any worker may.
pub(super) const CLAIM: Duration = Duration::from_secs(2 * 60);

/// An event that was worked on, by its id, and how that ended.
pub(crate) type Ended = (String, Result<()>);

/// What is worked on now.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// By event id.
    held: HashMap<String, Place>,
    /// Whose last try for a message of a kind was slow, and when that ended.
    slow: HashMap<(OutboxKind, UserId), Instant>,
}

#[derive(Debug)]
struct Place {
    kind: OutboxKind,
    user: Option<UserId>,
    since: Instant,
}

impl Place {
    fn is_slow(&self) -> bool {
        self.kind.needs_account() && self.since.elapsed() >= SLOW
    }
}

impl Places {
    /// The users of whom no more of this kind may be begun.
    fn full(&self, kind: OutboxKind) -> Vec<UserId> {
        let all = owners_of(OF_ONE_USER, self.held.values().map(|place| place.user.as_ref()));
        let mut full: HashSet<_> = all.cloned().collect();
        if kind.needs_account() {
            let of_kind = || self.held.values().filter(|place| place.kind == kind);
            full.extend(
                owners_of(WITHDRAWALS_OF_ONE_USER, of_kind().map(|place| place.user.as_ref())).cloned(),
            );
            let slow: HashSet<_> = self.slow_now(kind).collect();
            let taken = of_kind().filter(|place| place.user.as_ref().is_some_and(|user| slow.contains(user)));
            if taken.count() >= WITHDRAWALS_OF_SLOW_USERS {
                full.extend(slow.into_iter().cloned());
            }
        }
        full.into_iter().collect()
    }

    fn slow_now(&self, kind: OutboxKind) -> impl Iterator<Item = &UserId> {
        let lately = self.slow.iter().filter(move |((of, _), at)| *of == kind && at.elapsed() < SLOW_FOR);
        let now = self.held.values().filter(move |place| place.kind == kind && place.is_slow());
        lately.map(|((_, user), _)| user).chain(now.filter_map(|place| place.user.as_ref()))
    }

    /// Whether there is one more for an event of this kind.
    fn is_free_for(&self, kind: OutboxKind) -> bool {
        let of_kind = self.held.values().filter(|place| place.kind == kind).count();
        of_kind < if kind.needs_account() { WITHDRAWALS } else { AT_A_TIME }
    }

    /// Takes a place for an event; says no for one that is worked on already, whose claim has run out meanwhile.
    fn take(&mut self, event: &NewEvent) -> bool {
        let Entry::Vacant(free) = self.held.entry(event.event_id.clone()) else { return false };
        free.insert(Place { kind: event.kind, user: event.user_id.clone(), since: Instant::now() });
        true
    }

    pub(crate) fn leave(&mut self, event_id: &str) {
        let Some(place) = self.held.remove(event_id) else { return };
        let is_slow = place.is_slow();
        let Some(user) = place.user.filter(|_| place.kind.needs_account()) else { return };
        let of = (place.kind, user);
        if !is_slow {
            self.slow.remove(&of);
            return;
        }
        self.slow.insert(of, Instant::now());
        if self.slow.len() > SLOW_USERS {
            let oldest = self.slow.iter().min_by_key(|(_, at)| **at).map(|(of, _)| of.clone());
            self.slow.retain(|of, _| Some(of) != oldest.as_ref());
        }
    }
}

/// Works off what follows a send. Clones are the same delivery.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) base: Arc<Base>,
    pub(crate) backends: Arc<Backends>,
    pub(crate) sends: Arc<Sends>,
    pub(crate) webhooks: Arc<dyn WebhookSender>,
}

impl Delivery {
    /// Works off the events that are due (webhooks, and messages to take back) and says how many it took on.
    pub(crate) async fn deliver(&self) -> Result<usize> {
        let (mut places, mut tasks) = (Places::default(), JoinSet::new());
        let begun = self.begin_deliveries(&mut places, &mut tasks).await?;
        let mut ended = Ok(begun);
        while let Some(one) = tasks.join_next().await {
            if let Ok((_, Err(error))) = one {
                ended = Err(error);
            }
        }
        ended
    }

    /// Begins to work on what is due, as far as there are places.
    async fn begin_deliveries(&self, places: &mut Places, tasks: &mut JoinSet<Ended>) -> Result<usize> {
        let mut begun = 0;
        loop {
            // To ask what is due costs less than to try and claim an event of each kind.
            let due = self.base.sessions.outbox_due(self.base.now() + AHEAD).await?;
            let mut claimed = 0;
            for (kind, _) in due {
                if !places.is_free_for(kind) || self.base.shutdown.is_cancelled() {
                    continue;
                }
                let Some(event) = self.claim(kind, &places.full(kind)).await? else { continue };
                claimed += 1;
                if places.take(&event.event) {
                    begun += 1;
                    self.begin(event, tasks);
                }
            }
            if claimed == 0 {
                return Ok(begun);
            }
        }
    }

    fn begin(&self, event: OutboxEvent, tasks: &mut JoinSet<Ended>) {
        let delivery = self.clone();
        let id = event.event.event_id.clone();
        // In a task of its own, so that a panic does not keep the place.
        let work = tokio::spawn(async move { delivery.deliver_one(&event).await }.in_current_span());
        tasks.spawn(
            async move { (id, work.await.unwrap_or_else(|died| Err(Error::Storage(Box::new(died))))) },
        );
    }

    /// Claims one event of this kind, of none of these users: one at a time, so that none is claimed without a place.
    async fn claim(&self, kind: OutboxKind, except: &[UserId]) -> Result<Option<OutboxEvent>> {
        let Base { sessions, worker, .. } = &*self.base;
        let now = self.base.now();
        Ok(sessions.outbox_lease(worker, kind, now, now + CLAIM, 1, except).await?.pop())
    }

    async fn deliver_one(&self, event: &OutboxEvent) -> Result<()> {
        let delivered = match event.event.kind {
            OutboxKind::Webhook => self.tell_backend(event).await,
            OutboxKind::Withdrawal => self.withdraw(event).await,
            OutboxKind::Recall => self.recall(event).await,
        };
        if delivered.is_err() {
            // It was not written down how it ended: if that is possible now, nobody has to wait for the claim to run out.
            self.base.sessions.outbox_later(event, self.base.now()).await?;
        }
        delivered
    }

    async fn tell_backend(&self, event: &OutboxEvent) -> Result<()> {
        let NewEvent { event_id, body, .. } = &event.event;
        let Ok(told) = serde_json::from_str(body) else {
            // No later try reads it better.
            webhook(Webhook::GivenUp).increment(1);
            tracing::error!(upload = %event.upload_id, event = event_id, "webhook given up: what was written down of it cannot be read");
            return self.done(event).await;
        };
        let Err(error) = self.webhooks.send(event_id, &told).await else {
            webhook(Webhook::Delivered).increment(1);
            return self.done(event).await;
        };
        let now = self.base.now();
        if now.since(event.created_at) > self.base.config.webhook_max_age {
            webhook(Webhook::GivenUp).increment(1);
            tracing::error!(upload = %event.upload_id, event = event_id, %error, "webhook given up");
            return self.done(event).await;
        }
        webhook(Webhook::Failed).increment(1);
        let pause = self.base.config.pause(event.attempt.saturating_add(1));
        tracing::warn!(upload = %event.upload_id, event = event_id, %error, seconds = pause.as_secs(), "webhook failed; trying again");
        self.base.sessions.outbox_later(event, now + pause).await?;
        Ok(())
    }

    /// Nothing is left to be done about an event. If its claim has run out, another worker does it once more.
    pub(super) async fn done(&self, event: &OutboxEvent) -> Result<()> {
        if !self.base.sessions.outbox_done(event).await? {
            tracing::info!(event = event.event.event_id, "done, but another worker is at it as well");
        }
        Ok(())
    }

    /// Delivers as long as the engine runs.
    pub(crate) async fn run_all(&self, task: &Task) {
        let (mut places, mut tasks) = (Places::default(), JoinSet::new());
        while !self.base.shutdown.is_cancelled() {
            task.beat();
            match self.begin_deliveries(&mut places, &mut tasks).await {
                Ok(_) => {
                    let due = match tasks.is_empty() {
                        true => self.base.sessions.outbox_next_due().await.unwrap_or(None),
                        // What is due may be of a user or a kind that has no place now.
                        false => Some(self.base.now() + SHORTEST_SLEEP * 10),
                    };
                    tokio::select! {
                        Some(ended) = tasks.join_next() => {
                            if let Ok((event_id, ended)) = ended {
                                places.leave(&event_id);
                                if let Err(error) = ended {
                                    self.base.pause_after(&error).await;
                                }
                            }
                        }
                        () = self.base.wait_until(due, self.base.outbox.notified()) => {}
                    }
                }
                Err(error) => self.base.pause_after(&error).await,
            }
        }
        while tasks.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_does_not_have_all_places_for_messages_that_go() {
        let mallory = UserId::new("mallory");
        let mut places = Places::default();
        for number in 0..WITHDRAWALS_OF_ONE_USER {
            assert!(places.full(OutboxKind::Withdrawal).is_empty());
            let event = NewEvent::withdrawal(format!("{number}"), "{}").of_user(Some(mallory.clone()), None);
            assert!(places.take(&event));
        }
        assert_eq!(places.full(OutboxKind::Withdrawal), [mallory]);
        assert!(places.is_free_for(OutboxKind::Withdrawal), "for others");
        assert!(places.full(OutboxKind::Recall).is_empty() && places.full(OutboxKind::Webhook).is_empty());
    }

    /// Takes a place for a message of this user's, and says under which id.
    fn take(places: &mut Places, user: &UserId) -> String {
        let id = format!("{user}-{}", places.held.len());
        let event = NewEvent::withdrawal(id.clone(), "{}").of_user(Some(user.clone()), None);
        assert!(places.take(&event));
        id
    }

    fn take_two_each(places: &mut Places, users: &[UserId]) -> Vec<String> {
        users.iter().flat_map(|user| [take(places, user), take(places, user)]).collect()
    }

    /// Two tries of each, all of them slow.
    async fn slow_two_each(places: &mut Places, users: &[UserId]) {
        let ids = take_two_each(places, users);
        tokio::time::advance(SLOW).await;
        ids.iter().for_each(|id| places.leave(id));
    }

    #[tokio::test(start_paused = true)]
    async fn users_whose_servers_hang_leave_places_for_others_however_many_they_are() {
        let users: Vec<_> = (0..6).map(|n| UserId::new(format!("mallory-{n}"))).collect();
        let (mut places, kind) = (Places::default(), OutboxKind::Withdrawal);
        // Nobody knows them yet.
        slow_two_each(&mut places, &users).await;
        assert!(places.full(kind).is_empty());

        let ids = take_two_each(&mut places, &users[..2]);
        let full: HashSet<_> = places.full(kind).into_iter().collect();
        assert_eq!(full, users.iter().cloned().collect(), "all of them");
        assert!(places.is_free_for(kind), "for others");
        assert!(places.full(OutboxKind::Webhook).is_empty());

        // One of them answers.
        places.leave(&ids[0]);
        assert!(!places.full(kind).contains(&users[0]));
        let bob = UserId::new("bob");
        let id = take(&mut places, &bob);
        tokio::time::advance(SLOW - Duration::from_secs(1)).await;
        places.leave(&id);
        assert!(!places.slow.contains_key(&(kind, bob)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_slow_an_hour_ago_does_not_wait_behind_those_who_hang() {
        let users: Vec<_> = (0..3).map(|n| UserId::new(format!("user-{n}"))).collect();
        let (mut places, kind) = (Places::default(), OutboxKind::Withdrawal);
        slow_two_each(&mut places, &users).await;
        take_two_each(&mut places, &users[..2]);
        assert!(places.full(kind).contains(&users[2]));
        tokio::time::advance(SLOW_FOR).await;
        let full: HashSet<_> = places.full(kind).into_iter().collect();
        assert_eq!(full, users[..2].iter().cloned().collect());
    }

    #[tokio::test(start_paused = true)]
    async fn a_quick_try_of_another_kind_or_one_that_was_begun_again_makes_nobody_quick() {
        let (mallory, mut places) = (UserId::new("mallory"), Places::default());
        let event = NewEvent::withdrawal("one", "{}").of_user(Some(mallory.clone()), None);
        assert!(places.take(&event));
        tokio::time::advance(SLOW).await;
        // Its claim has run out.
        assert!(!places.take(&event));
        places.leave("one");
        let is_slow = |places: &Places, kind| places.slow_now(kind).any(|user| *user == mallory);
        assert!(is_slow(&places, OutboxKind::Withdrawal) && !is_slow(&places, OutboxKind::Recall));
        let recall = NewEvent::recall("two", "{}").of_user(Some(mallory.clone()), None);
        assert!(places.take(&recall));
        places.leave("two");
        assert!(is_slow(&places, OutboxKind::Withdrawal));
    }

    #[tokio::test(start_paused = true)]
    async fn the_users_who_were_slow_last_are_known() {
        let mut places = Places::default();
        for n in 0..=SLOW_USERS {
            let id = take(&mut places, &UserId::new(format!("mallory-{n}")));
            tokio::time::advance(SLOW).await;
            places.leave(&id);
        }
        let is_known = |n: usize| {
            places.slow.contains_key(&(OutboxKind::Withdrawal, UserId::new(format!("mallory-{n}"))))
        };
        assert!(!is_known(0) && is_known(1) && is_known(SLOW_USERS));
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_is_slow_before_the_first_try_ends() {
        let users: Vec<_> = (0..2).map(|n| UserId::new(format!("mallory-{n}"))).collect();
        let mut places = Places::default();
        take_two_each(&mut places, &users);
        tokio::time::advance(SLOW).await;
        assert_eq!(places.slow_now(OutboxKind::Withdrawal).count(), 4);
        assert_eq!(places.full(OutboxKind::Withdrawal).len(), 2);
    }
}
