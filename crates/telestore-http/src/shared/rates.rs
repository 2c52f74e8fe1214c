use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Keys are spread over this many maps, so that threads seldom wait for each other.
const SHARDS: usize = 16;

/// The most keys of one map; in all they take a few MiB.
const MOST: usize = 4096;

/// How often something may happen for each key (GCRA): at a steady rate, and in bursts if it was quiet before.
///
/// A key is remembered only while it has used some of its burst. If there are more of them than memory is meant for,
/// a part of them is forgotten, which lets too much through rather than too little.
#[derive(Debug)]
pub(crate) struct Rates<K> {
    /// Between two at the steady rate.
    period: Duration,
    /// What a whole burst takes at the steady rate.
    burst: Duration,
    /// When each key will have its whole burst again.
    shards: Vec<Mutex<HashMap<K, Instant>>>,
    hasher: RandomState,
}

impl<K: Hash + Eq> Rates<K> {
    /// `count` in `period`, and up to `burst` at once. `None` for a count of 0.
    pub(crate) fn new(count: u64, period: Duration, burst: u64) -> Option<Self> {
        let nanos = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX).checked_div(count)?.max(1);
        Some(Self {
            period: Duration::from_nanos(nanos),
            burst: Duration::from_nanos(nanos.saturating_mul(burst)),
            shards: std::iter::repeat_with(Mutex::default).take(SHARDS).collect(),
            hasher: RandomState::new(),
        })
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, HashMap<K, Instant>> {
        let shard = self.hasher.hash_one(key) as usize % SHARDS;
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long `key` would have to wait now; counts nothing.
    pub(crate) fn wait(&self, key: &K, now: Instant) -> Option<Duration> {
        let full = self.shard(key).get(key).copied()?;
        self.wait_until(full, now)
    }

    fn wait_until(&self, full: Instant, now: Instant) -> Option<Duration> {
        let wait = (full + self.period).saturating_duration_since(now + self.burst);
        (!wait.is_zero()).then_some(wait)
    }

    /// Counts one for `key`, or says how long to wait and counts nothing.
    pub(crate) fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        let mut shard = self.shard(&key);
        let full = shard.get(&key).copied().map_or(now, |full| full.max(now));
        if let Some(wait) = self.wait_until(full, now) {
            return Err(wait);
        }
        if shard.len() >= MOST && !shard.contains_key(&key) {
            shard.retain(|_, full| *full > now);
            if shard.len() >= MOST {
                shard.clear();
            }
        }
        shard.insert(key, full + self.period);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_and_then_the_steady_rate() {
        let rates = Rates::new(10, SECOND, 30).unwrap();
        let start = Instant::now();
        for _ in 0..30 {
            assert_eq!(rates.wait(&"a", start), None);
            rates.take("a", start).unwrap();
        }
        assert_eq!(rates.take("a", start), Err(SECOND / 10), "exactly so long");
        assert_eq!(rates.wait(&"a", start), Some(SECOND / 10));
        rates.take("b", start).expect("another key has a burst of its own");
        let later = start + SECOND / 10;
        assert_eq!(rates.take("a", later), Ok(()));
        assert_eq!(rates.take("a", later), Err(SECOND / 10), "what was refused was not counted");
        let much_later = start + 100 * SECOND;
        for _ in 0..30 {
            rates.take("a", much_later).unwrap();
        }
        assert!(rates.take("a", much_later).is_err(), "a long rest is worth one burst");
    }

    #[test]
    fn none_are_counted_where_it_is_off() {
        assert!(Rates::<u8>::new(0, SECOND, 1).is_none());
    }

    #[test]
    fn keys_take_bounded_memory_and_rested_ones_go_first() {
        let rates = Rates::new(1, SECOND, 1).unwrap();
        let start = Instant::now();
        let kept = |rates: &Rates<usize>| -> usize {
            rates.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
        };
        for key in 0..2 * SHARDS * MOST {
            rates.take(key, start).unwrap();
        }
        assert!(kept(&rates) <= SHARDS * MOST);
        let later = start + 2 * SECOND;
        let busy = usize::MAX;
        rates.take(busy, later).unwrap();
        for key in 0..SHARDS * MOST / 2 {
            rates.take(key, later).unwrap();
        }
        assert!(rates.take(busy, later).is_err(), "what is in use was not forgotten");
    }
}
