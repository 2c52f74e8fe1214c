//! pyrofork, a client in Python, as a yardstick for reading: `bench/run` installs it, and without it the rest is measured.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::reader::{Done, Place};
use crate::stage::Stage;
use crate::{MIB, Result};

/// The Python that has it.
const PYTHON: &str = "TELESTORE_BENCH_PYROFORK";

const SCRIPT: &str = include_str!("../pyrofork/read.py");

/// pyrofork, if it is there.
pub(crate) struct Pyrofork(String);

impl Pyrofork {
    /// The one that the environment names; `None` if it names none, which it says.
    pub(crate) fn installed() -> Option<Self> {
        let python = std::env::var(PYTHON).ok().map(Self);
        if python.is_none() {
            eprintln!("pyrofork is not measured: bench/run installs it");
        }
        python
    }

    /// Has it read the first `bytes` of a file. If it cannot, that is said, and no more.
    pub(crate) fn read(&self, stage: &Stage, place: &Place, bytes: usize) -> Option<Done> {
        self.try_read(stage, place, bytes)
            .inspect_err(|error| eprintln!("pyrofork is not measured: {error}"))
            .ok()
    }

    fn try_read(&self, stage: &Stage, place: &Place, bytes: usize) -> Result<Done> {
        let job = json!({
            "address": stage.mtproto.to_string(),
            "session": stage.user.pyrogram_session,
            "dc_id": place.dc_id,
            "id": place.id,
            "access_hash": place.access_hash,
            "file_reference": place.file_reference,
            "chunks": bytes / MIB,
        });
        let mut python = Command::new(&self.0);
        python.arg("-c").arg(SCRIPT).arg(job.to_string()).stdin(Stdio::null());
        let answer = python.output()?;
        if !answer.status.success() {
            return Err(format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.stderr)).into());
        }
        Ok(serde_json::from_slice(&answer.stdout)?)
    }
}
