//! The machine, and how much of it others took.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::proc::{TICKS, field, own_cpu};

/// What figures from this machine must be read with; no names and no paths.
pub(crate) fn describe(root: &Path) -> Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown CPU", |(_, model)| model);
    let cores = std::thread::available_parallelism()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    // Builders put names of their own behind the number.
    let kernel = kernel.split(['-', '+', '\n']).next().unwrap_or_default();
    let memory = field(&fs::read_to_string("/proc/meminfo")?, "MemTotal:")? / f64::from(1 << 20);
    let disk = file_system(root)?;
    Ok(format!("{model}, {cores} cores, {memory:.0} GiB RAM, Linux {kernel}, data on {disk}"))
}

fn file_system(root: &Path) -> Result<String> {
    let root = root.canonicalize()?;
    let mounts = fs::read_to_string("/proc/mounts")?;
    let mount = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        let (at, kind) = (fields.next()?.to_owned(), fields.next()?.to_owned());
        root.starts_with(&at).then_some((at.len(), kind))
    };
    Ok(mounts.lines().filter_map(mount).max_by_key(|(length, _)| *length).map_or_else(String::new, |m| m.1))
}

/// The version of the sources, if there is a git that knows it.
pub(crate) fn revision() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(head) = git(&["rev-parse", "--short", "HEAD"]) else { return "unknown".to_owned() };
    let sources = ["status", "--porcelain", "--", "*.rs", "*.toml", "Cargo.lock"];
    let changed = git(&sources).is_some_and(|changes| !changes.is_empty());
    if changed { format!("{head} with changes") } else { head }
}

/// The date, by UTC.
pub(crate) fn today() -> String {
    let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    now.split('T').next().unwrap_or_default().to_owned()
}

/// How busy the machine was between two moments, without this program and its children.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Busy {
    all: f64,
    stolen: f64,
    total: f64,
    own: f64,
}

impl Busy {
    pub(crate) fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let line = stat.lines().next().and_then(|line| line.strip_prefix("cpu ")).ok_or("no cpu line")?;
        let ticks: Vec<f64> =
            line.split_ascii_whitespace().take(8).map(str::parse).collect::<Result<_, _>>()?;
        let [user, nice, system, idle, waiting, interrupts, soft, stolen] = ticks[..] else {
            return Err("an odd cpu line".into());
        };
        let all = (user + nice + system + interrupts + soft) / TICKS;
        let total = all + (idle + waiting + stolen) / TICKS;
        Ok(Self { all, stolen: stolen / TICKS, total, own: own_cpu()? })
    }

    /// The share of all CPU time that others took since `earlier`: other programs, the kernel's own threads, and the
    /// host of a virtual machine.
    pub(crate) fn others_since(self, earlier: Self) -> f64 {
        let others = (self.all - earlier.all) - (self.own - earlier.own) + (self.stolen - earlier.stolen);
        (others / (self.total - earlier.total).max(0.01)).max(0.0)
    }
}
