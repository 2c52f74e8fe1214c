//! What the worker is to reach, and whether it does.

use std::fmt::Write;

enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

struct Goal {
    what: &'static str,
    bound: Bound,
    decimals: usize,
    /// Section, table, row and column.
    figure: [&'static str; 4],
}

const fn goal(what: &'static str, bound: Bound, decimals: usize, figure: [&'static str; 4]) -> Goal {
    Goal { what, bound, decimals, figure }
}

use Bound::{AtLeast, AtMost};

const SENT: &str = "worker, after `/complete-upload`";
const CROWD: &str = "8 whole uploads";
const WINDOW: &str = "uploader alone, 16 parts in flight";
const READER: &str = "reader alone";
const READ: &str = "worker, `GET /files/{id}/content`";
const ENCRYPTING: &str = "encrypting, in parts of 512 KiB";
const DECRYPTING: &str = "decrypting, in blocks of 256 KiB";

const GOALS: &[Goal] = &[
    goal(
        "receiving at 4 connections, share of the yardstick",
        AtLeast(0.70),
        2,
        ["receive", "chunks", "4", "ratio"],
    ),
    goal("its CPU, times the yardstick's", AtMost(1.4), 2, ["receive", "chunks", "4", "cpu_ratio"]),
    goal("disk written per byte", AtMost(1.05), 2, ["receive", "chunks", "4", "written"]),
    goal("peak RSS at 16 connections, MiB", AtMost(40.0), 1, ["receive", "chunks", "16", "rss"]),
    goal("by tus at 4 connections, share of the yardstick", AtLeast(0.90), 2, ["tus", "tus", "4", "ratio"]),
    goal("its CPU, s/GiB", AtMost(0.65), 2, ["tus", "tus", "4", "cpu"]),
    goal("by tus, peak RSS at 16 connections, MiB", AtMost(40.0), 1, ["tus", "tus", "16", "rss"]),
    goal("5 MiB of `\\r\\n--`, ms", AtMost(50.0), 1, ["receive", "odd", "5 MiB of `\\r\\n--`", "ms"]),
    goal("`/complete-upload` of 2000 MiB, ms", AtMost(10.0), 1, ["complete", "complete", "2000", "ms"]),
    goal("sending, MB per CPU second of the worker", AtLeast(250.0), 0, ["send", "send", SENT, "per_cpu"]),
    goal("the same, times stock `upload_stream`", AtLeast(10.0), 1, ["send", "send", SENT, "to_stock"]),
    goal("MB/s at 50 ms with 16 parts in flight", AtLeast(100.0), 0, ["send", "send_50ms", WINDOW, "speed"]),
    goal(
        "reading, MB per CPU second of the reader, times stock `iter_download`",
        AtLeast(8.0),
        1,
        ["read", "read", READER, "to_stock"],
    ),
    goal("reading at 50 ms, MB/s of the worker", AtLeast(100.0), 0, ["read", "read_50ms", READ, "speed"]),
    goal(
        "the first byte of a range, round trips of 50 ms",
        AtMost(3.0),
        2,
        ["read", "first", "50 ms round trip", "trips"],
    ),
    goal("32 readers of one file, peak RSS MiB", AtMost(64.0), 1, ["read", "readers", "of one file", "rss"]),
    goal("the same of eight files", AtMost(64.0), 1, ["read", "readers", "of eight files", "rss"]),
    goal("encrypting, to the bare cipher", AtLeast(0.8), 2, ["read", "age", ENCRYPTING, "to_cipher"]),
    goal("decrypting, to the bare cipher", AtLeast(0.8), 2, ["read", "age", DECRYPTING, "to_cipher"]),
    goal(
        "1000 MiB, pipelined, times the slower half",
        AtMost(1.3),
        2,
        ["pipeline", "pipeline", "1000", "ratio"],
    ),
    goal("seconds after `/complete-upload`", AtMost(1.0), 2, ["pipeline", "pipeline", "1000", "after"]),
    goal("8 uploads of 500 MiB at once, peak RSS MiB", AtMost(96.0), 1, ["poll", "poll", CROWD, "rss"]),
    goal("polling meanwhile, p99 ms", AtMost(20.0), 1, ["poll", "poll", CROWD, "p99"]),
    goal("a page of 100,000 files in SQLite, p50 ms", AtMost(20.0), 1, ["index", "index", "SQLite", "first"]),
    goal("the same in PostgreSQL", AtMost(20.0), 1, ["index", "index", "PostgreSQL", "first"]),
    goal("uploads/s of three workers, times one's", AtLeast(2.7), 2, ["many", "scaling", "3", "ratio"]),
    goal(
        "16 chunks of 50 MiB into S3 at once, peak RSS MiB",
        AtMost(96.0),
        1,
        ["many", "memory", "16", "rss"],
    ),
];

/// A table of the goals. `measured` gives a figure by its section, table, row and column; what it does not have stands
/// empty.
pub(crate) fn markdown(measured: impl Fn([&str; 4]) -> Option<f64>) -> String {
    let mut text = "| goal | | measured | reached |\n| --- | --- | ---: | --- |\n".to_owned();
    for goal in GOALS {
        let (sign, bound) = match goal.bound {
            AtLeast(bound) => ("≥", bound),
            AtMost(bound) => ("≤", bound),
        };
        let _ = write!(text, "| {} | {sign} {bound} |", goal.what);
        let _ = match measured(goal.figure) {
            Some(value) => {
                let reached = match goal.bound {
                    AtLeast(bound) => value >= bound,
                    AtMost(bound) => value <= bound,
                };
                writeln!(text, " {value:.*} | {} |", goal.decimals, if reached { "yes" } else { "**no**" })
            }
            None => writeln!(text, " | |"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_which_goals_are_reached() {
        let text = markdown(|figure| (figure == ["complete", "complete", "2000", "ms"]).then_some(3.0));
        assert!(text.contains("| `/complete-upload` of 2000 MiB, ms | ≤ 10 | 3.0 | yes |"), "{text}");
        assert!(text.contains("| polling meanwhile, p99 ms | ≤ 20 | | |"));
    }
}
