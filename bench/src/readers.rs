//! Many readers at once, of which half are slow: what they cost in memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::http::Http;
use crate::shelf::{Shelf, Stored};
use crate::table::Table;
use crate::{Bench, GIB, MIB, Result, load, mb_per_s};

pub(crate) const COLUMNS: &[(&str, &str, usize)] = &[
    ("speed", "MB/s of the fast ones", 0),
    ("cpu", "CPU s/GiB", 2),
    ("idle", "peak RSS MiB before", 1),
    ("rss", "peak RSS MiB", 1),
];

const READERS: usize = 32;

/// A slow one takes so many bytes every tenth of a second.
const SIP: usize = 10 * 1024;
const PAUSE: Duration = Duration::from_millis(100);

/// All of one file, and of eight.
pub(crate) fn measure(bench: &Bench, shelf: &mut Shelf<'_>, table: &mut Table) -> Result<()> {
    let several = shelf.files.len();
    for (row, files) in [("of one file", 1), ("of eight files", several)] {
        shelf.worker.restart(shelf.stage)?;
        let idle = shelf.worker.peak()?;
        let (bytes, seconds) = crowd(bench, shelf, &shelf.files[..files])?;
        table.record(
            row,
            &[
                ("speed", mb_per_s(bytes, seconds)),
                ("cpu", shelf.worker.usage()?.cpu / (bytes / GIB)),
                ("idle", idle),
                ("rss", shelf.worker.peak()?),
            ],
        );
    }
    Ok(())
}

/// Gives the bytes that the fast ones got, and the seconds that took. The slow ones read as long as there are fast ones.
fn crowd(bench: &Bench, shelf: &Shelf<'_>, files: &[Stored]) -> Result<(f64, f64)> {
    let (each, times) = (bench.pick(60, 8) * MIB, bench.pick(3, 1));
    let fast = AtomicUsize::new(READERS / 2);
    let reader = |number: usize| {
        let (file, fast, mut http) = (&files[number % files.len()], &fast, shelf.worker.http()?);
        // Each from another place on.
        let from = number * (file.size - each) / READERS;
        Ok(move |_: &mut Vec<f64>| {
            // Of each file some are slow, and some are not.
            if (number + number / 8).is_multiple_of(2) {
                return sip(shelf, &mut http, file, from, fast);
            }
            let read = (0..times).try_for_each(|_| shelf.drain(&mut http, file, from..from + each));
            fast.fetch_sub(1, Ordering::Relaxed);
            read
        })
    };
    let sent = load::together((0..READERS).map(reader).collect::<Result<Vec<_>>>()?)?;
    Ok(((READERS / 2 * times * each) as f64, sent.seconds))
}

fn sip(shelf: &Shelf<'_>, http: &mut Http, file: &Stored, from: usize, fast: &AtomicUsize) -> Result<()> {
    let mut some = [0; SIP];
    shelf.ask(http, file, from..file.size)?;
    while fast.load(Ordering::Relaxed) > 0 {
        http.some(&mut some)?;
        thread::sleep(PAUSE);
    }
    Ok(())
}
