//! How long the first byte of a range takes.

use std::time::Instant;

use crate::file::CHUNK;
use crate::load::{noise, percentile};
use crate::shelf::Shelf;
use crate::table::Table;
use crate::{Bench, MIB, Result};

pub(crate) const COLUMNS: &[(&str, &str, usize)] =
    &[("p50", "p50 ms", 1), ("max", "max ms", 1), ("trips", "round trips", 2)];

/// Ranges in the middle of a file, over one connection: the first after the worker's start, and more of them.
pub(crate) fn measure(bench: &Bench, shelf: &mut Shelf<'_>, trip: u64, table: &mut Table) -> Result<()> {
    shelf.worker.restart(shelf.stage)?;
    let mut http = shelf.worker.http()?;
    let mut take = || -> Result<f64> {
        let file = &shelf.files[0];
        // A whole chunk of the upload lies behind it, and the end of the file not within.
        let from = rand::random_range(file.size / 4..file.size - 2 * MIB);
        let range = from..from + MIB;
        let (begin, mut bytes, mut read) = (Instant::now(), vec![0; MIB], 0);
        shelf.ask(&mut http, file, range)?;
        read += http.some(&mut bytes)?;
        let seconds = begin.elapsed().as_secs_f64();
        while read < bytes.len() {
            read += http.some(&mut bytes[read..])?;
        }
        let same = |(at, byte): (usize, &u8)| noise()[(from + at) % CHUNK] == *byte;
        match bytes.iter().enumerate().all(same) {
            true => Ok(seconds * 1e3),
            false => Err("a range has other bytes than were sent".into()),
        }
    };
    noise();
    let cold = take()?;
    let mut warm = (0..bench.pick(40, 3)).map(|_| take()).collect::<Result<Vec<_>>>()?;
    warm.sort_by(f64::total_cmp);
    record(table, &format!("{trip} ms round trip"), trip, &warm);
    record(table, &format!("{trip} ms round trip, right after the worker's start"), trip, &[cold]);
    Ok(())
}

fn record(table: &mut Table, row: &str, trip: u64, ascending: &[f64]) {
    let p50 = percentile(ascending, 0.5);
    let mut figures = vec![("p50", p50), ("max", percentile(ascending, 1.0))];
    if trip > 0 {
        figures.push(("trips", p50 / trip as f64));
    }
    table.record(row, &figures);
}
