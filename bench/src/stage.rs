//! The sandbox and the worker, each in a process of its own.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use telestore_sandbox::{Sandbox, SandboxUser};

use crate::child::{Child, Role, until_orphaned};
use crate::http::Http;
use crate::proc::{Usage, peak_rss};
use crate::scratch::{Scratch, touch_memory};
use crate::{GIB, Result};

/// Turns pipelining off: sending begins with `/complete-upload`.
pub(crate) const NOT_EAGER: &[(&str, &str)] = &[("TELESTORE_EAGER", "off")];

/// What the sandbox is told if it is to keep what it gets.
const KEEP: &str = "keep";

/// The sandbox's part of this program: serves until the parent is gone. It does not hash what arrives, and keeps it only if
/// it is read back, so that it takes less of the machine from what is measured.
pub(crate) fn serve_sandbox() -> Result<()> {
    let dir = std::env::args().nth(1).ok_or("a directory is missing")?;
    let keep = std::env::args().nth(2).is_some_and(|word| word == KEEP);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let sandbox = runtime.block_on(Sandbox::builder().hash(false).keep_bytes(keep).dir(dir).start())?;
    writeln!(std::io::stdout(), "{}", sandbox.describe())?;
    until_orphaned();
    Ok(())
}

/// A sandbox, and room on the disk for what is measured with it.
pub(crate) struct Stage {
    control: SocketAddr,
    pub(crate) mtproto: SocketAddr,
    server_key: String,
    /// There from the start.
    pub(crate) user: SandboxUser,
    root: PathBuf,
    _sandbox: Child,
    _dir: Scratch,
}

impl Stage {
    pub(crate) fn new(root: &Path) -> Result<Self> {
        Self::with(root, None)
    }

    /// With a sandbox from which files can be read back.
    pub(crate) fn keeping(root: &Path) -> Result<Self> {
        Self::with(root, Some(KEEP))
    }

    fn with(root: &Path, word: Option<&str>) -> Result<Self> {
        let dir = Scratch::new(root)?;
        let mut sandbox = Child::start(Role::Sandbox, |command| {
            command.arg(dir.path()).args(word);
        })?;
        let about: Value = serde_json::from_str(&sandbox.line()?)?;
        let url = about["backend_url"].as_str().ok_or("no address")?;
        Ok(Self {
            control: url.trim_start_matches("http://").parse()?,
            mtproto: about["mtproto_addr"].as_str().ok_or("no address")?.parse()?,
            server_key: about["server_key"].as_str().ok_or("no key")?.to_owned(),
            user: serde_json::from_value(about["users"][0].clone())?,
            root: root.to_owned(),
            _sandbox: sandbox,
            _dir: dir,
        })
    }

    /// Makes another user, who is like this.
    pub(crate) fn add_user(&self, spec: &Value) -> Result<SandboxUser> {
        let user = Http::connect(self.control)?.send("POST", "/sandbox/users", spec)?;
        Ok(serde_json::from_value(user.ok()?)?)
    }

    /// Has the sandbox fail on order.
    pub(crate) fn inject(&self, fault: &Value) -> Result<()> {
        Http::connect(self.control)?.send("POST", "/sandbox/faults", fault)?.ok().map(drop)
    }

    /// Makes so many.
    pub(crate) fn add_users(&self, count: usize) -> Result<Vec<SandboxUser>> {
        (0..count).map(|_| self.add_user(&json!({ "name": "bob" }))).collect()
    }

    /// Delays every answer of the sandbox from now on.
    pub(crate) fn set_round_trip(&self, millis: u64) -> Result<()> {
        let change = json!({ "round_trip_ms": millis });
        let answer = Http::connect(self.control)?.send("PUT", "/sandbox/network", &change)?;
        if answer.status == 204 { Ok(()) } else { Err(format!("network: {}", answer.status).into()) }
    }

    /// Starts a worker whose bots sign in at the sandbox.
    pub(crate) fn worker_for_bots(&self, settings: &[(&str, &str)], bytes: usize) -> Result<Worker> {
        let mtproto = self.mtproto.to_string();
        let more =
            [("TELESTORE_MTPROTO_DC", mtproto.as_str()), ("TELESTORE_MTPROTO_SERVER_KEY", &self.server_key)];
        self.worker(&[settings, &more].concat(), bytes)
    }

    /// Starts a worker with an empty data directory, which is going to hold so many bytes.
    pub(crate) fn worker(&self, settings: &[(&str, &str)], bytes: usize) -> Result<Worker> {
        touch_memory(&self.root, bytes)?;
        let dir = Scratch::new(&self.root)?;
        let (child, address) = self.launch(settings, dir.path())?;
        let before = Usage::of(child.id())?;
        Ok(Worker { address, before, child, dir })
    }

    fn launch(&self, settings: &[(&str, &str)], dir: &Path) -> Result<(Child, SocketAddr)> {
        let backend = format!("http://{}", self.control);
        let mut child = Child::start(Role::Worker, |command| {
            command.env("BACKEND_URL", &backend).env("TELEGRAM_BOT_API_URL", &backend);
            command.env("TELESTORE_DATA_DIR", dir).env("TELESTORE_HOST", "127.0.0.1").env("PORT", "0");
            command.env("RUST_LOG", "warn,sqlx=error").envs(settings.iter().copied());
        })?;
        let line = child.line()?;
        let address = line.strip_prefix("listening on http://").ok_or("the worker does not listen")?;
        Ok((child, address.parse()?))
    }
}

/// A worker. It is killed, and its data removed, when it is dropped.
pub(crate) struct Worker {
    pub(crate) address: SocketAddr,
    before: Usage,
    child: Child,
    dir: Scratch,
}

/// What a worker used for a number of bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// CPU seconds for each GiB.
    pub(crate) cpu: f64,
    /// Bytes on the disk for each byte.
    pub(crate) written: f64,
    /// The most memory it had, in MiB.
    pub(crate) peak: f64,
}

impl Worker {
    pub(crate) fn http(&self) -> Result<Http> {
        Http::connect(self.address)
    }

    /// Where its uploads are, if it shares no database.
    pub(crate) fn database(&self) -> PathBuf {
        self.dir.path().join("telestore.db")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it, and starts another one with its data and no settings. Costs count from there on.
    pub(crate) fn restart(&mut self, stage: &Stage) -> Result<()> {
        self.child.end();
        (self.child, self.address) = stage.launch(&[], self.dir.path())?;
        self.start_counting()
    }

    /// Costs count from here on.
    pub(crate) fn start_counting(&mut self) -> Result<()> {
        self.before = Usage::of(self.child.id())?;
        Ok(())
    }

    /// What was used since it began to count, or since its start.
    pub(crate) fn usage(&self) -> Result<Usage> {
        Ok(Usage::of(self.child.id())?.since(self.before))
    }

    /// The same for each of `bytes`.
    pub(crate) fn cost(&self, bytes: usize) -> Result<Cost> {
        let (usage, bytes) = (self.usage()?, bytes as f64);
        Ok(Cost { cpu: usage.cpu / (bytes / GIB), written: usage.written / bytes, peak: self.peak()? })
    }

    /// The most memory it had, in MiB.
    pub(crate) fn peak(&self) -> Result<f64> {
        peak_rss(self.child.id())
    }
}
