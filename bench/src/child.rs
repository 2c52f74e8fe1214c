//! Child processes: this program again, in another role, so that the CPU time and the memory of each are its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child as Process, ChildStdin, ChildStdout, Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Result;

/// Names the role that a process plays; not set for the benchmark itself.
const ROLE: &str = "TELESTORE_BENCH_ROLE";

/// What this program can be beside the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The real worker.
    Worker,
    /// The raw socket-to-file program.
    Yardstick,
    /// The sandbox Telegram.
    Sandbox,
    /// Somebody who sends to it.
    Sender,
    /// Somebody who reads from it.
    Reader,
    /// Somebody who encrypts and decrypts files.
    Cipher,
}

impl Role {
    const ALL: [Self; 6] =
        [Self::Worker, Self::Yardstick, Self::Sandbox, Self::Sender, Self::Reader, Self::Cipher];

    fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Yardstick => "yardstick",
            Self::Sandbox => "sandbox",
            Self::Sender => "sender",
            Self::Reader => "reader",
            Self::Cipher => "cipher",
        }
    }

    /// What this process was started as.
    pub(crate) fn of_this_process() -> Option<Self> {
        let name = std::env::var(ROLE).ok()?;
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// A child that is killed when it is dropped.
pub(crate) struct Child {
    process: Process,
    stdout: BufReader<ChildStdout>,
    // Children but the worker end when it closes, so that none is left if the benchmark itself is killed.
    _stdin: Option<ChildStdin>,
}

impl Child {
    /// Starts this program in `role`, without the settings that this process may have.
    pub(crate) fn start(role: Role, change: impl FnOnce(&mut Command)) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        for (name, _) in std::env::vars() {
            let setting = name.starts_with("TELESTORE_") || name.starts_with("TELEGRAM_");
            if setting || name == "PORT" || name == "BACKEND_URL" {
                command.env_remove(name);
            }
        }
        command.env(ROLE, role.name()).stdin(Stdio::piped()).stdout(Stdio::piped());
        change(&mut command);
        let mut process = command.spawn()?;
        let stdout = process.stdout.take().ok_or("stdout is piped")?;
        Ok(Self { _stdin: process.stdin.take(), stdout: BufReader::new(stdout), process })
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The next line that the child says.
    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            return Err(format!("a child ended early: {}", self.process.wait()?).into());
        }
        Ok(line.trim().to_owned())
    }

    /// Has a child of its own do a [job], and waits for its [answer].
    pub(crate) fn does<T: DeserializeOwned>(role: Role, job: &impl Serialize) -> Result<T> {
        let job = serde_json::to_string(job)?;
        let mut child = Self::start(role, |command| {
            command.arg(job);
        })?;
        Ok(serde_json::from_str(&child.line()?)?)
    }

    /// Kills it, and waits until it is gone.
    pub(crate) fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the parent has this process do.
pub(crate) fn job<T: DeserializeOwned>() -> Result<T> {
    Ok(serde_json::from_str(&std::env::args().nth(1).ok_or("a job is missing")?)?)
}

/// Tells the parent what came of the job.
pub(crate) fn answer(done: &impl Serialize) -> Result<()> {
    writeln!(std::io::stdout(), "{}", serde_json::to_string(done)?)?;
    Ok(())
}

/// Returns when the parent is gone.
pub(crate) fn until_orphaned() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
