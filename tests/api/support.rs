//! What the tests share: a worker in a process of its own, the sandbox, and a client that talks like the browser.

#[path = "support/file.rs"]
mod file;
#[path = "support/moments.rs"]
pub(crate) mod moments;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use reqwest::multipart::Form;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use telestore_sandbox::{FaultId, Sandbox, SandboxMessage, SandboxUser, UserSpec};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

pub(crate) use self::file::{File, chunk_form, random, text};

pub(crate) const MIB: usize = 1024 * 1024;
pub(crate) const CHUNK: usize = 5 * MIB;

/// The longest that anything may take before a test says that it hangs.
const PATIENCE: Duration = Duration::from_secs(600);

/// Waits for `event`, and fails loudly instead of hanging for ever.
pub(crate) async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, event).await {
        Ok(value) => value,
        Err(_) => panic!("waited too long for {what}"),
    }
}

/// An answer: its status and its JSON.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    /// The JSON of a 200.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// The `error` of an answer with this status.
    #[track_caller]
    pub(crate) fn error(self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        self.body["error"].as_str().unwrap_or_else(|| panic!("no error text in {}", self.body)).to_owned()
    }
}

/// What a subcommand did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// What it said, having done what it was told.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// The same as JSON.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))
    }

    /// Why it did not.
    #[track_caller]
    pub(crate) fn error(self) -> String {
        assert_eq!(self.code, Some(1), "{self:?}");
        self.stderr
    }
}

/// A worker in a process of its own. It is killed when it is dropped.
pub(crate) struct Worker {
    pub(crate) url: String,
    child: Child,
    // Held open, so that the worker never meets a closed pipe.
    stdout: BufReader<ChildStdout>,
}

/// The program, with nothing of this process's environment that it would look at.
pub(crate) fn program() -> Command {
    clean(Command::new(PROGRAM))
}

/// The same, started by a shell that says something first, such as `umask 000`.
pub(crate) fn program_behind(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{line}; exec \"$0\" \"$@\""), PROGRAM]);
    clean(command)
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_worker-under-test");

fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars() {
        if name.starts_with("TELESTORE_")
            || name.starts_with("TELEGRAM_")
            || name.starts_with("OTEL_")
            || name == "PORT"
            || name == "BACKEND_URL"
        {
            command.env_remove(name);
        }
    }
    // How full this machine's disk is says nothing of the worker.
    command.env("TELESTORE_MIN_FREE_BYTES", "0");
    command.kill_on_drop(true).stdin(Stdio::null());
    command
}

impl Worker {
    /// Starts the program on a free port and waits until it says where it listens.
    pub(crate) async fn start(command: &mut Command) -> Self {
        Self::start_at(command, "0").await
    }

    /// The same, on a port that an earlier one had.
    async fn start_at(command: &mut Command, port: &str) -> Self {
        let command = command.env("PORT", port).env("TELESTORE_HOST", "127.0.0.1").stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        soon("the worker to listen", stdout.read_line(&mut line)).await.expect("stdout can be read");
        let url =
            line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("unexpected line {line:?}"));
        Self { url: url.to_owned(), child, stdout }
    }

    /// SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("the worker is killed");
    }

    /// SIGTERM, and how it ended.
    pub(crate) async fn stop(self) -> std::process::ExitStatus {
        self.signal("TERM").await;
        self.ended().await
    }

    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status =
            Command::new("kill").args([&format!("-{name}"), &pid]).status().await.expect("kill runs");
        assert!(status.success());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("the worker runs")
    }

    async fn ended(mut self) -> std::process::ExitStatus {
        let status = soon("the worker to stop", self.child.wait()).await.expect("the worker ends");
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).await.expect("stdout can be read");
        assert_eq!(rest, "", "standard output says where it listens, and nothing else");
        status
    }
}

/// A worker, the sandbox that it talks to, and one user.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) user: SandboxUser,
    pub(crate) client: Client,
    pub(crate) dir: TempDir,
    worker: Option<Worker>,
    settings: Vec<(String, String)>,
    /// Where standard error goes, unless it is the test's.
    log: Option<PathBuf>,
    /// What the shell that starts the program says first.
    behind: Option<String>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With settings of its own on top.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let mut stage = Self::set_up(settings).await;
        stage.start().await;
        stage
    }

    /// For a user who is like this; with its log in a file, see [`logged`](Self::logged).
    pub(crate) async fn of(spec: UserSpec, settings: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::builder().default_user(false).start().await.expect("a sandbox");
        sandbox.add_user(spec);
        let mut stage = Self::before(sandbox, settings);
        let address = stage.sandbox.mtproto_addr().to_string();
        stage.set("TELESTORE_MTPROTO_DC", &address);
        stage.record();
        stage.start().await;
        stage
    }

    /// The same, with its log in a file; see [`logged`](Self::logged).
    pub(crate) async fn recording(settings: &[(&str, &str)]) -> Self {
        let mut stage = Self::set_up(settings).await;
        stage.log = Some(stage.dir.path().join("log"));
        stage.start().await;
        stage
    }

    /// Has its log in a file from the next start on; see [`logged`](Self::logged).
    pub(crate) fn record(&mut self) {
        self.log = Some(self.dir.path().join("log"));
    }

    async fn set_up(settings: &[(&str, &str)]) -> Self {
        Self::before(Sandbox::start().await.expect("the sandbox starts"), settings)
    }

    /// With this sandbox, and a worker that is still to be started: its data directory can be filled before.
    pub(crate) fn before(sandbox: Sandbox, settings: &[(&str, &str)]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(PATIENCE).build().expect("a client");
        let settings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let dir = tempfile::tempdir().expect("a directory");
        let user = sandbox.user();
        Self { sandbox, user, client, dir, worker: None, settings, log: None, behind: None }
    }

    /// All that was logged, once `what` is in it. Only for a stage that records.
    pub(crate) async fn logged(&self, what: &str) -> String {
        let path = self.log.as_ref().expect("the stage records");
        let read = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            loop {
                ticks.tick().await;
                let log = std::fs::read_to_string(path).expect("the log can be read");
                if log.contains(what) {
                    return log;
                }
            }
        };
        soon(what, read).await
    }

    /// The program with the settings of this stage.
    pub(crate) fn program(&self) -> Command {
        let mut command = self.behind.as_deref().map_or_else(program, program_behind);
        command
            .env("BACKEND_URL", self.sandbox.backend_url())
            .env("TELEGRAM_BOT_API_URL", self.sandbox.bot_api_url())
            .env("TELESTORE_MTPROTO_SERVER_KEY", self.sandbox.server_key())
            .env("TELESTORE_DATA_DIR", self.data_dir())
            // The sandbox makes a message at once, or never.
            .env("TELESTORE_BOT_API_SETTLE", "2s")
            // What else listens on this machine says nothing of the worker.
            .env("PORT", "0");
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs one of the program's subcommands beside the worker, or without one.
    pub(crate) async fn command(&self, args: &[&str]) -> Ran {
        let output = soon("the command", self.program().args(args).output()).await.expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Starts the worker, also after [`kill`](Self::kill).
    pub(crate) async fn start(&mut self) {
        self.start_at("0").await;
    }

    /// Starts the worker where an earlier one listened.
    pub(crate) async fn start_at(&mut self, port: &str) {
        let mut command = self.program();
        if let Some(path) = &self.log {
            let log = std::fs::File::options().create(true).append(true).open(path).expect("a file");
            command.stderr(log);
        }
        self.worker = Some(Worker::start_at(&mut command, port).await);
    }

    /// Has a shell say this before it starts the program.
    pub(crate) fn behind(&mut self, line: &str) {
        self.behind = Some(line.to_owned());
    }

    /// A setting for the next start.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) async fn kill(&mut self) {
        self.worker.take().expect("a worker runs").kill().await;
    }

    /// SIGTERM, and how it ended.
    pub(crate) async fn terminate(&mut self) -> std::process::ExitStatus {
        self.worker.take().expect("a worker runs").stop().await
    }

    pub(crate) async fn signal(&self, name: &str) {
        self.worker.as_ref().expect("a worker runs").signal(name).await;
    }

    pub(crate) fn pid(&self) -> u32 {
        self.worker.as_ref().expect("a worker runs").pid()
    }

    pub(crate) async fn ended(&mut self) -> std::process::ExitStatus {
        self.worker.take().expect("a worker runs").ended().await
    }

    /// Waits until nothing is left in these places of the data directory: bytes go right behind the answer or the state
    /// that a client sees.
    pub(crate) async fn emptied(&self, places: &[&str]) {
        let emptied = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(10));
            while places.iter().any(|place| !files_below(&self.data_dir().join(place)).is_empty()) {
                ticks.tick().await;
            }
        };
        soon("the bytes to go", emptied).await;
    }

    pub(crate) fn data_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.worker.as_ref().expect("a worker runs").url)
    }

    /// Where the worker listens.
    pub(crate) fn address(&self) -> String {
        self.url("").trim_start_matches("http://").to_owned()
    }

    /// The memory of the worker in bytes (its resident set).
    pub(crate) fn memory(&self) -> u64 {
        let pid = self.worker.as_ref().and_then(|worker| worker.child.id()).expect("a worker runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a resident set");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    pub(crate) async fn ask(&self, request: RequestBuilder) -> Answer {
        let answer = request.send().await.expect("the worker answers");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("an answer has a body");
        let body = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status} without JSON: {text:?}"));
        Answer { status, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(self.client.get(self.url(path))).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(self.client.post(self.url(path)).json(&body)).await
    }

    pub(crate) async fn form(&self, path: &str, form: Form) -> Answer {
        self.ask(self.client.post(self.url(path)).multipart(form)).await
    }

    pub(crate) async fn chunk(&self, file: &File, index: usize) -> Answer {
        self.form("/upload-chunk", file.chunk(index, &self.user.auth_token)).await
    }

    /// Sends all chunks in order.
    pub(crate) async fn chunks(&self, file: &File) {
        for index in 0..file.total() {
            self.chunk(file, index).await.ok();
        }
    }

    pub(crate) async fn complete(&self, id: &str) -> Answer {
        self.post("/complete-upload", json!({ "uploadId": id })).await
    }

    pub(crate) async fn progress(&self, id: &str) -> Answer {
        self.get(&format!("/upload-progress/{id}")).await
    }

    /// Polls, as clients do, until the upload has ended.
    pub(crate) async fn end(&self, id: &str) -> Value {
        let poll = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            loop {
                ticks.tick().await;
                let progress = self.progress(id).await.ok();
                if progress["status"] != "uploading" {
                    return progress;
                }
            }
        };
        soon("the upload to end", poll).await
    }

    /// Sends a file by the chunked flow and waits until it is in the channel.
    pub(crate) async fn send(&self, file: &File) -> Value {
        self.queue(file).await;
        self.end(&file.id).await
    }

    /// Sends all chunks and completes the file.
    pub(crate) async fn queue(&self, file: &File) {
        self.chunks(file).await;
        self.complete(&file.id).await.ok();
    }

    /// Sends a file by the chunked flow, and kills the worker when a call is held by `hold`. Telegram carries that call out.
    pub(crate) async fn killed_at(&mut self, hold: FaultId, file: &File) {
        self.queue(file).await;
        soon("the call", self.sandbox.faults().wait_fired(hold, 1)).await;
        self.kill().await;
        self.sandbox.faults().release(hold);
    }

    pub(crate) async fn direct(&self, file: &File) -> Answer {
        self.form("/upload", file.direct(&self.user.auth_token)).await
    }

    /// The one message in the user's channel; it must hold `file`.
    #[track_caller]
    pub(crate) fn arrived(&self, file: &File) -> SandboxMessage {
        let messages = self.sandbox.messages_of(&self.user);
        assert_eq!(messages.len(), 1, "{messages:?}");
        file.assert_is(&messages[0]);
        messages[0].clone()
    }
}

/// Lets this process have `wanted` files and sockets open.
pub(crate) fn allow_open_files(wanted: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let (now, wanted) = (getrlimit(Resource::Nofile), wanted as u64);
    if now.current.is_some_and(|current| current < wanted) {
        let limit = Rlimit { current: Some(wanted), ..now };
        setrlimit(Resource::Nofile, limit).expect("the hard limit of open files is high enough");
    }
}

/// All regular files below `dir`. Directories in it may go meanwhile.
pub(crate) fn files_below(dir: &Path) -> Vec<std::path::PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![std::fs::read_dir(dir).expect("a directory")]);
    while let Some(entries) = open.pop() {
        for path in entries.map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() { open.extend(std::fs::read_dir(path).ok()) } else { found.push(path) }
        }
    }
    found
}
