//! A small machine on a large one: processes in a control group of the kernel have a share of the CPU and of the memory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{MIB, Result};

const ROOT: &str = "/sys/fs/cgroup";

/// The period that a share of the CPU is given out in, in microseconds.
const PERIOD: f64 = 100_000.0;

/// Limits for the processes in it. It goes when it is dropped, after its processes.
#[derive(Debug)]
pub(crate) struct Group(Vec<PathBuf>);

impl Group {
    /// A group with so many CPUs and MiB of memory, page cache included. Needs the right to make groups.
    pub(crate) fn new(cpus: f64, mib: usize) -> io::Result<Self> {
        let (quota, bytes) = ((cpus * PERIOD).to_string(), (mib * MIB).to_string());
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("telestore-bench-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let root = Path::new(ROOT);
        if root.join("cgroup.controllers").exists() {
            // Fails if it is so already, or if the limits below will fail.
            let _ = fs::write(root.join("cgroup.subtree_control"), "+cpu +memory");
            let group = Self::make(vec![root.join(name)])?;
            fs::write(group.0[0].join("cpu.max"), format!("{quota} {PERIOD}"))?;
            fs::write(group.0[0].join("memory.max"), bytes)?;
            return Ok(group);
        }
        let group = Self::make(vec![root.join("cpu").join(&name), root.join("memory").join(&name)])?;
        fs::write(group.0[0].join("cpu.cfs_period_us"), PERIOD.to_string())?;
        fs::write(group.0[0].join("cpu.cfs_quota_us"), quota)?;
        fs::write(group.0[1].join("memory.limit_in_bytes"), bytes)?;
        Ok(group)
    }

    fn make(dirs: Vec<PathBuf>) -> io::Result<Self> {
        let group = Self(dirs);
        group.0.iter().try_for_each(fs::create_dir)?;
        Ok(group)
    }

    /// Puts a process into it, with all of its threads.
    pub(crate) fn add(&self, pid: u32) -> Result<()> {
        Ok(self.0.iter().try_for_each(|dir| fs::write(dir.join("cgroup.procs"), pid.to_string()))?)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for dir in &self.0 {
            // One that could not be made is not there.
            let _ = fs::remove_dir(dir);
        }
    }
}
