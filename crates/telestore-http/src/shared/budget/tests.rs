use telestore::Error;
use tokio::task::JoinSet;

use super::share::PATIENCE;
use super::stranger::GRACE;
use super::*;

const SECOND: Duration = Duration::from_secs(1);
const KIB: u64 = 1024;

fn budget() -> SpoolBudget {
    SpoolBudget::new(1000 * KIB)
}

fn address(last: u8) -> Option<IpAddr> {
    Some(IpAddr::from([203, 0, 113, last]))
}

/// Somebody who holds `bytes` and sends `rate` more each second, until it is given up.
fn stranger(held: &mut JoinSet<Instant>, budget: &SpoolBudget, from: Option<IpAddr>, bytes: u64, rate: u64) {
    let mut share = budget.enter(from);
    assert!(share.add(bytes), "there is room");
    held.spawn(async move {
        let mut ticks = tokio::time::interval(SECOND);
        loop {
            tokio::select! {
                () = share.given_up() => return Instant::now(),
                _ = ticks.tick() => if share.take(rate).await.is_err() { return Instant::now() },
            }
        }
    });
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_room_the_slowest_leaves_and_the_others_stay() {
    let (budget, mut held) = (budget(), JoinSet::new());
    for rate in [200 * KIB, 3 * KIB, 150 * KIB] {
        stranger(&mut held, &budget, None, 5 * KIB, rate / 100);
    }
    tokio::time::sleep(SECOND * 20).await;
    assert_eq!(held.len(), 3, "nobody needs their room");
    let mut newcomer = budget.enter(None);
    newcomer.take(980 * KIB).await.expect("there is room now");
    let gone = held.join_next().await.unwrap().unwrap();
    assert!(gone.elapsed() < SECOND && held.len() == 2);
}

#[tokio::test(start_paused = true)]
async fn who_has_just_come_is_waited_for() {
    let (budget, mut held) = (budget(), JoinSet::new());
    stranger(&mut held, &budget, None, 900 * KIB, 0);
    tokio::time::sleep(SECOND / 2).await;
    let (begin, mut newcomer) = (Instant::now(), budget.enter(None));
    newcomer.take(200 * KIB).await.expect("there is room in time");
    assert!(begin.elapsed() >= SECOND && begin.elapsed() <= GRACE, "{:?}", begin.elapsed());
    drop(newcomer);
    held.join_next().await.unwrap().unwrap();
    assert_eq!(budget.held(), 0, "all is given back");
}

#[tokio::test(start_paused = true)]
async fn a_burst_that_stops_does_not_count_for_long() {
    let (budget, mut held) = (budget(), JoinSet::new());
    // It was quick at the beginning; the other one is not, but goes on.
    stranger(&mut held, &budget, None, 700 * KIB, 0);
    let end = held.join_next().await.unwrap().unwrap();
    stranger(&mut held, &budget, None, 400 * KIB, 0);
    tokio::time::sleep(SECOND * 60).await;
    assert_eq!(held.len(), 1, "up to the half of it no rate is asked for");
    assert!(end.elapsed() >= SECOND * 60);
}

#[tokio::test(start_paused = true)]
async fn an_address_has_a_part_and_its_own_slow_ones_leave_for_it() {
    let (budget, mut held) = (budget(), JoinSet::new());
    stranger(&mut held, &budget, address(1), 300 * KIB, 1);
    stranger(&mut held, &budget, address(2), 100 * KIB, 0);
    tokio::time::sleep(SECOND * 10).await;
    let mut second = budget.enter(address(1));
    second.take(300 * KIB).await.expect("the other one of this address has left");
    assert_eq!(held.len(), 2);
    held.join_next().await.unwrap().unwrap();
    assert_eq!((held.len(), budget.held()), (1, 400 * KIB));
}

#[tokio::test(start_paused = true)]
async fn who_needs_more_than_all_of_it_must_say_first_who_it_is() {
    let budget = budget();
    for (from, most) in [(None, 1000 * KIB), (address(1), 500 * KIB)] {
        let mut share = budget.enter(from);
        share.take(most).await.expect("so much may be");
        let refused = share.take(1).await.unwrap_err();
        assert!(
            matches!(refused, ApiError::TokenFirst { limit: Some(limit) } if limit == most),
            "{refused:?}"
        );
    }
    budget.0.limit.store(100, Ordering::Relaxed);
    let refused = budget.enter(None).take(101).await.unwrap_err();
    assert!(
        matches!(refused, ApiError::Engine(Error::NoSpace)),
        "a disk with more room would do: {refused:?}"
    );
    assert!(budget.open().addresses.is_empty() && budget.held() == 0);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_can_leave_a_newcomer_is_refused_in_time() {
    let budget = budget();
    let quick = budget.enter(None);
    assert!(quick.add(900 * KIB));
    let (begin, mut newcomer) = (Instant::now(), budget.enter(None));
    // The one that is told to leave does not do so.
    assert!(matches!(newcomer.take(200 * KIB).await, Err(ApiError::StrangersFull)));
    assert!(begin.elapsed() < PATIENCE + SECOND);
}

#[tokio::test(start_paused = true)]
async fn where_all_have_much_to_send_the_newest_comes_through() {
    let (budget, mut held) = (budget(), JoinSet::new());
    for _ in 0..24 {
        let mut share = budget.enter(None);
        held.spawn(async move {
            for _ in 0..50 {
                share.take(16 * KIB).await?;
            }
            // Nothing more comes.
            share.given_up().await;
            Ok::<_, ApiError>(())
        });
    }
    tokio::time::sleep(SECOND / 2).await;
    let (begin, mut newcomer) = (Instant::now(), budget.enter(None));
    for _ in 0..20 {
        newcomer.take(16 * KIB).await.expect("there is room in time");
    }
    assert!(begin.elapsed() < SECOND * 6, "{:?}", begin.elapsed());
}
