//! The load generator: blocking threads with bodies made beforehand, since it shares the machine with what it measures.

use std::io::{self, IoSlice, Write};
use std::sync::{Barrier, OnceLock};
use std::thread;
use std::time::Instant;

use rand::Rng;

use crate::proc::Usage;
use crate::{GIB, MIB, Result, mb_per_s};

/// Random bytes that every body is cut from.
pub(crate) fn noise() -> &'static [u8] {
    static NOISE: OnceLock<Vec<u8>> = OnceLock::new();
    NOISE.get_or_init(|| {
        let mut noise = vec![0; 5 * MIB];
        rand::rng().fill_bytes(&mut noise);
        noise
    })
}

/// What a crowd of clients saw.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// From the first byte to the last answer.
    pub(crate) seconds: f64,
    /// Of each request, in seconds, in ascending order.
    pub(crate) latencies: Vec<f64>,
}

impl Sent {
    /// The latency that `share` of all requests stay below, in milliseconds.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        percentile(&self.latencies, share) * 1e3
    }
}

/// What a receiver did, and what it used for that.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) sent: Sent,
    pub(crate) bytes: f64,
    pub(crate) usage: Usage,
    /// The most memory it had, in MiB.
    pub(crate) peak: f64,
}

impl Measured {
    /// Counts another measurement in.
    pub(crate) fn add(&mut self, other: Self) {
        self.sent.seconds += other.sent.seconds;
        self.sent.latencies.extend(other.sent.latencies);
        self.sent.latencies.sort_by(f64::total_cmp);
        self.bytes += other.bytes;
        self.usage.cpu += other.usage.cpu;
        self.usage.written += other.usage.written;
        self.peak = self.peak.max(other.peak);
    }

    /// In MB/s.
    pub(crate) fn speed(&self) -> f64 {
        mb_per_s(self.bytes, self.sent.seconds)
    }

    pub(crate) fn cpu_per_gib(&self) -> f64 {
        self.usage.cpu / (self.bytes / GIB)
    }
}

/// The value that `share` of the ascending `values` stay below or at.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let rank = (values.len() as f64 * share).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// Lets all clients begin at the same moment, each on a thread of its own, and waits for all.
pub(crate) fn together<C>(clients: Vec<C>) -> Result<Sent>
where
    C: FnOnce(&mut Vec<f64>) -> Result<()> + Send,
{
    // Made before the clock runs.
    noise();
    let start = Barrier::new(clients.len() + 1);
    thread::scope(|scope| {
        let run = |client: C| {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                let mut latencies = Vec::new();
                client(&mut latencies).map(|()| latencies)
            })
        };
        let threads: Vec<_> = clients.into_iter().map(run).collect();
        start.wait();
        let begin = Instant::now();
        let mut sent = Sent::default();
        for thread in threads {
            sent.latencies.extend(thread.join().map_err(|_| "a client panicked")??);
        }
        sent.seconds = begin.elapsed().as_secs_f64();
        sent.latencies.sort_by(f64::total_cmp);
        Ok(sent)
    })
}

/// Writes all pieces with as few calls as the kernel allows.
pub(crate) fn write_all(out: &mut impl Write, pieces: &[&[u8]]) -> io::Result<()> {
    let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut rest = slices.as_mut_slice();
    while !rest.is_empty() {
        match out.write_vectored(rest)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => IoSlice::advance_slices(&mut rest, written),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_seen() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.5), 100.0);
        assert_eq!(percentile(&values, 0.99), 198.0);
        assert_eq!(percentile(&values[..1], 0.99), 1.0);
        assert!(percentile(&[], 0.99).is_nan());
    }

    #[test]
    fn a_client_that_fails_fails_the_measurement() {
        let clients = [true, false].map(|good| {
            move |latencies: &mut Vec<f64>| {
                latencies.push(1.0);
                if good { Ok(()) } else { Err("no".into()) }
            }
        });
        assert!(together(Vec::from(clients)).is_err());
    }
}
