//! SIGKILL of any worker at any moment.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::cluster::Cluster;
use crate::traffic::Traffic;

const KILLS: usize = 100;

/// How long a worker runs at most, once it listens, until it is killed.
const LONGEST: Duration = Duration::from_millis(3000);

/// What a killed worker may leave in the bucket: of each client a chunk of two pieces.
const ORPHANS: usize = 12;

/// Kills a worker at random moments, and starts it again each time, until all have been killed so many times together.
async fn kills(cluster: &Cluster, at: usize, mut random: StdRng, left: &AtomicUsize) {
    let is_one_left =
        || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
    while is_one_left() {
        tokio::time::sleep(LONGEST.mul_f64(random.random())).await;
        cluster.kill(at).await;
        cluster.start(at).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_a_hundred_times_at_random() {
    let seed: u64 = std::env::var("TELESTORE_TEST_SEED")
        .map_or_else(|_| rand::random(), |seed| seed.parse().expect("a number"));
    println!("TELESTORE_TEST_SEED={seed} makes the same pauses again");
    let cluster = Cluster::of(3).await;
    let (traffic, left, began) = (Traffic::of(&cluster), AtomicUsize::new(KILLS), Instant::now());
    let kill = |at: usize| kills(&cluster, at, StdRng::seed_from_u64(seed.wrapping_add(at as u64)), &left);
    let (files, untold) = traffic.goes_on_while(async { drop(join_all((0..3).map(kill)).await) }).await;
    let (took, refused) = (began.elapsed(), traffic.refused());
    println!("{files} files in {took:?}, {untold} of unknown end, {refused} answers to come again");
    cluster.leaves_nothing_after_restarts(KILLS * ORPHANS).await;
}
