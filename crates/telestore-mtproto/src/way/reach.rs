//! What became of the addresses that were tried, so that the one which worked last is tried first.
//!
//! It lives as long as the client. A worker that starts anew tries the addresses in their order: a black hole among them
//! costs it a second, once. Only addresses that were dialled are in it, and it adds none to what an account may try, so a
//! server that names addresses cannot lead others to them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many addresses are remembered; the data centres have some twenty.
const KEPT_MAX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Reach(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Whether it worked, and the number of the try.
    tries: HashMap<(SocketAddr, i16), (bool, u64)>,
    count: u64,
}

impl Reach {
    /// Remembers whether an address of a data centre worked.
    pub(super) fn tried(&self, address: SocketAddr, dc: i16, worked: bool) {
        let mut known = self.known();
        known.count += 1;
        let count = known.count;
        if known.tries.len() >= KEPT_MAX {
            known.tries.clear();
        }
        known.tries.insert((address, dc), (worked, count));
    }

    /// Addresses of a data centre, the best first: those that worked, the last one first; those that were not tried, as they
    /// came; those that did not work, the one that was tried the longest ago first.
    pub(super) fn sorted(&self, mut addresses: Vec<SocketAddr>, dc: i16) -> Vec<SocketAddr> {
        let known = self.known();
        addresses.sort_by_key(|address| match known.tries.get(&(*address, dc)) {
            Some((true, count)) => (0, u64::MAX - count),
            None => (1, 0),
            Some((false, count)) => (2, *count),
        });
        addresses
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_worked_last_comes_first_and_what_did_not_last() {
        let reach = Reach::default();
        let all: Vec<SocketAddr> = (1..=4).map(|port| ([127, 0, 0, 1], port).into()).collect();
        let sorted = |dc| reach.sorted(all.clone(), dc).iter().map(SocketAddr::port).collect::<Vec<_>>();
        assert_eq!(sorted(2), [1, 2, 3, 4]);
        reach.tried(all[0], 2, false);
        reach.tried(all[2], 2, true);
        assert_eq!(sorted(2), [3, 2, 4, 1]);
        reach.tried(all[3], 2, true);
        reach.tried(all[1], 2, false);
        assert_eq!(sorted(2), [4, 3, 1, 2]);
        assert_eq!(sorted(4), [1, 2, 3, 4], "another data centre may be another machine");
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let reach = Reach::default();
        for port in 1..1000 {
            reach.tried(([127, 0, 0, 1], port).into(), 2, true);
        }
        assert!(reach.known().tries.len() <= KEPT_MAX);
    }
}
