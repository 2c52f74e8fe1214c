//! What a process has used, by the kernel's books.

use std::fs;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::Result;

/// Clock ticks in a second: the same on every Linux that runs this.
pub(crate) const TICKS: f64 = 100.0;

/// CPU time and disk bytes of a process, since it began.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Usage {
    /// User and system time in seconds, all threads.
    pub(crate) cpu: f64,
    /// Bytes that the process made the kernel write to a disk.
    pub(crate) written: f64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        Ok(Self {
            cpu: cpu(&fs::read_to_string(format!("/proc/{pid}/stat"))?, 13..15)?,
            written: written(pid)?,
        })
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { cpu: self.cpu - earlier.cpu, written: self.written - earlier.written }
    }
}

/// What some work took that this process did.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Cost {
    pub(crate) seconds: f64,
    pub(crate) cpu: f64,
    /// The most memory that the process ever had resident, in MiB.
    pub(crate) peak: f64,
}

/// Counts what this process takes from a moment on.
pub(crate) struct Clock {
    begin: Instant,
    before: Usage,
}

impl Clock {
    pub(crate) fn start() -> Result<Self> {
        Ok(Self { before: Usage::of(std::process::id())?, begin: Instant::now() })
    }

    pub(crate) fn stop(self) -> Result<Cost> {
        let (seconds, used) = (self.begin.elapsed().as_secs_f64(), Usage::of(std::process::id())?);
        Ok(Cost { seconds, cpu: used.since(self.before).cpu, peak: peak_rss(std::process::id())? })
    }
}

/// The CPU time of this process and of all children that have ended.
pub(crate) fn own_cpu() -> Result<f64> {
    cpu(&fs::read_to_string("/proc/self/stat")?, 13..17)
}

/// The CPU time of a process, of its children, and of those that have ended, such as a server's with one for each connection.
pub(crate) fn cpu_of_family(pid: u32) -> Result<f64> {
    let mut sum = cpu(&fs::read_to_string(format!("/proc/{pid}/stat"))?, 13..17)?;
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(child) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // It may have ended meanwhile.
        let Ok(stat) = fs::read_to_string(format!("/proc/{child}/stat")) else { continue };
        if parent(&stat) == Some(pid) {
            sum += cpu(&stat, 13..15)?;
        }
    }
    Ok(sum)
}

fn parent(stat: &str) -> Option<u32> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Sums the fields of a `stat` line; the first ones are a number and a name in parentheses.
fn cpu(stat: &str, fields: std::ops::Range<usize>) -> Result<f64> {
    let (_, behind_name) = stat.rsplit_once(')').ok_or("no stat line")?;
    let ticks = behind_name.split_ascii_whitespace().skip(fields.start - 2).take(fields.len());
    ticks.map(|ticks| Ok(ticks.parse::<f64>()?)).sum::<Result<f64>>().map(|ticks| ticks / TICKS)
}

/// `write_bytes` counts pages as they become dirty. On a file system in memory it stays zero; `wchar` is the best guess
/// there.
fn written(pid: u32) -> Result<f64> {
    let io = fs::read_to_string(format!("/proc/{pid}/io"))?;
    let (to_disk, by_calls) = (field(&io, "write_bytes:")?, field(&io, "wchar:")?);
    Ok(if to_disk > 0.0 { to_disk } else { by_calls })
}

/// The most memory that a process ever had resident, in MiB.
pub(crate) fn peak_rss(pid: u32) -> Result<f64> {
    Ok(field(&fs::read_to_string(format!("/proc/{pid}/status"))?, "VmHWM:")? / 1024.0)
}

/// The first number behind `name` at the start of a line.
pub(crate) fn field(text: &str, name: &str) -> Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_ascii_whitespace().next());
    Ok(number.ok_or_else(|| format!("no {name} in the kernel's answer"))?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_stat_line_with_an_odd_name() {
        let stat = "42 (a) (b c) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 7 3 20 0 1 0 100 1000 10";
        assert_eq!(cpu(stat, 13..15).unwrap(), 3.0);
        assert_eq!(cpu(stat, 13..17).unwrap(), 3.1);
        assert_eq!(parent(stat), Some(1));
    }

    #[test]
    fn this_process_has_used_something() {
        assert!(peak_rss(std::process::id()).unwrap() > 0.1);
        assert!(Usage::of(std::process::id()).unwrap().cpu >= 0.0);
    }
}
