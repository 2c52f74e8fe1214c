//! Several addresses, of which the first one that works is taken, as in RFC 8305.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::failure::Failure;

/// What won, and the addresses that were tried before it and did not.
pub(super) struct Won<A, T> {
    pub(super) what: T,
    pub(super) lost: Vec<A>,
}

/// Tries one address after the other: the next one as soon as one has failed, or once `pause` is over without an answer.
/// All tries go on until one is answered; those that are left are dropped then.
///
/// # Errors
/// Why the first one that failed did, once all have, or why all must.
pub(super) async fn first<A, T, F>(
    addresses: Vec<A>,
    pause: Duration,
    attempt: impl Fn(A) -> F,
) -> Result<Won<A, T>, Failure>
where
    A: Copy + PartialEq + Send + 'static,
    T: Send + 'static,
    F: Future<Output = Result<T, Failure>> + Send + 'static,
{
    let mut rest = addresses.into_iter();
    let (mut running, mut lost, mut failed) = (JoinSet::new(), Vec::new(), None);
    let mut next = Instant::now();
    loop {
        if next <= Instant::now()
            && let Some(address) = rest.next()
        {
            let trying = attempt(address);
            running.spawn(async move { (address, trying.await) });
            lost.push(address);
            next = Instant::now() + pause;
        }
        let waits = rest.len() > 0;
        tokio::select! {
            ended = running.join_next(), if !running.is_empty() => match ended {
                Some(Ok((address, Ok(what)))) => {
                    lost.retain(|tried| *tried != address);
                    return Ok(Won { what, lost });
                }
                Some(Ok((_, Err(failure)))) if failure.is_of_proxy() => return Err(failure),
                Some(Ok((_, Err(failure)))) => {
                    failed.get_or_insert(failure);
                    next = Instant::now();
                }
                // A try that panicked has failed.
                Some(Err(_)) | None => next = Instant::now(),
            },
            () = sleep_until(next), if waits => {}
            else => return Err(failed.unwrap_or(Failure::Refused(std::io::ErrorKind::NotFound))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};

    use super::*;

    const PAUSE: Duration = Duration::from_secs(1);

    async fn tried(addresses: &[u64]) -> (Result<(u64, Vec<u64>), Failure>, Duration) {
        let begun = Instant::now();
        // An address above 100 refuses at once; any other one answers after as many tenths of a second.
        let won = first(addresses.to_vec(), PAUSE, |address| async move {
            if address > 100 {
                return Err(Failure::Refused(ConnectionRefused));
            }
            tokio::time::sleep(Duration::from_millis(100 * address)).await;
            Ok(address)
        });
        (won.await.map(|won| (won.what, won.lost)), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_black_hole_costs_a_pause_and_a_refusal_nothing() {
        assert_eq!(tried(&[1, 2]).await, (Ok((1, vec![])), PAUSE / 10));
        assert_eq!(tried(&[101, 102, 2, 3]).await, (Ok((2, vec![101, 102])), PAUSE / 5));
        assert_eq!(tried(&[99, 2, 3]).await, (Ok((2, vec![99])), PAUSE + PAUSE / 5));
        assert_eq!(
            tried(&[15, 99]).await,
            (Ok((15, vec![99])), PAUSE * 3 / 2),
            "slow is better than nothing"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_all_have_failed_of_is_told() {
        assert_eq!(tried(&[101, 102]).await.0, Err(Failure::Refused(ConnectionRefused)));
        assert_eq!(tried(&[]).await.0, Err(Failure::Refused(NotFound)));
        let silent = |_| async { Err::<(), _>(Failure::Login { proxy: "proxy".to_owned() }) };
        let won = first(vec![1, 2], PAUSE, silent).await;
        assert_eq!(won.err(), Some(Failure::Login { proxy: "proxy".to_owned() }), "others end there, too");
    }
}
