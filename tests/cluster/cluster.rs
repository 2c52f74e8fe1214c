use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use reqwest::Client;
use serde_json::{Value, json};
use telestore_sandbox::{Sandbox, SandboxUser, UserSpec};
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::{File, Worker, program, soon};

/// How much of a worker's log is shown where a test fails.
const LAST_LINES: usize = 100;

pub(crate) fn needed(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("run .ci/cluster, which sets {name}"))
}

/// A name that no other database and no other place in the bucket has.
fn new_name() -> String {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    format!("cluster_{}_{}", std::process::id(), NAMES.fetch_add(1, Ordering::Relaxed))
}

/// A new database, and a prefix of the bucket, as settings of workers.
pub(crate) async fn shared() -> Vec<(String, String)> {
    shared_by(&new_name(), &needed("TELESTORE_TEST_POSTGRES")).await
}

async fn shared_by(name: &str, server: &str) -> Vec<(String, String)> {
    let made = Command::new("psql")
        .args(["-q", "-d", &format!("{server}/postgres"), "-c", &format!("CREATE DATABASE {name}")])
        .status()
        .await;
    assert!(made.expect("psql runs").success());
    let settings = [
        ("TELESTORE_DATABASE_URL", format!("{server}/{name}")),
        ("TELESTORE_CHUNKS_URL", format!("s3://telestore-test/{name}")),
        ("AWS_ENDPOINT_URL", needed("TELESTORE_TEST_MOTO")),
        ("AWS_ACCESS_KEY_ID", "any".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "any".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
    ];
    settings.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// The sandbox, and workers that share a database and a prefix of a bucket. The sandbox ends a login that it sees on two
/// connections.
pub(crate) struct Cluster {
    pub(crate) sandbox: Sandbox,
    pub(crate) client: Client,
    /// Of the database, and of the place in the bucket.
    pub(crate) name: String,
    /// The database, past whatever stands before it.
    pub(crate) database: String,
    dir: TempDir,
    settings: Vec<(String, String)>,
    workers: Vec<Mutex<Option<Worker>>>,
}

impl Cluster {
    /// With so many workers, which run.
    pub(crate) async fn of(workers: usize) -> Self {
        let cluster = Self::before(&needed("TELESTORE_TEST_POSTGRES"), workers).await;
        cluster.start_all().await;
        cluster
    }

    /// With so many workers, which are still to be started, on this server of PostgreSQL.
    pub(crate) async fn before(server: &str, workers: usize) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sandbox = Sandbox::builder().enforce_single_connection(true).start().await.expect("the sandbox");
        let settings = [
            ("BACKEND_URL", sandbox.backend_url()),
            ("TELEGRAM_BOT_API_URL", sandbox.bot_api_url()),
            ("TELESTORE_MTPROTO_SERVER_KEY", sandbox.server_key().to_owned()),
            ("TELESTORE_BOT_API_MAX_BYTES", "1 MiB".to_owned()),
            ("TELESTORE_BOT_API_SETTLE", "2s".to_owned()),
            ("TELESTORE_SECRET_KEY", "the same for all".to_owned()),
        ];
        let mut settings = settings.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let name = new_name();
        settings.extend(shared_by(&name, server).await);
        let database = format!("{server}/{name}");
        let dir = tempfile::tempdir().expect("a directory");
        let workers = (0..workers).map(|_| Mutex::new(None)).collect();
        Self { sandbox, client: Client::new(), name, database, dir, settings, workers }
    }

    /// A setting for the next starts.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn setting(&self, name: &str) -> &str {
        let found = self.settings.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("{name} is not set")).1
    }

    pub(crate) fn len(&self) -> usize {
        self.workers.len()
    }

    /// One more user, with an account and a channel of their own.
    pub(crate) fn user(&self, name: &str) -> SandboxUser {
        self.sandbox.add_user(UserSpec::new(name))
    }

    pub(crate) fn data_dir(&self, at: usize) -> PathBuf {
        self.dir.path().join(at.to_string())
    }

    fn log_of(&self, at: usize) -> PathBuf {
        self.dir.path().join(format!("{at}.log"))
    }

    /// The program, as this worker is started each time.
    pub(crate) fn program(&self, at: usize) -> Command {
        let mut command = program();
        command.env("TELESTORE_DATA_DIR", self.data_dir(at)).env("PORT", "0");
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts a worker, also after it was killed.
    pub(crate) async fn start(&self, at: usize) {
        let log = std::fs::File::options().create(true).append(true).open(self.log_of(at)).expect("a file");
        let worker = Worker::start(self.program(at).stderr(log)).await;
        *self.place(at) = Some(worker);
    }

    pub(crate) async fn start_all(&self) {
        for at in 0..self.workers.len() {
            self.start(at).await;
        }
    }

    fn place(&self, at: usize) -> std::sync::MutexGuard<'_, Option<Worker>> {
        self.workers[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a worker out, whose process runs on.
    pub(crate) fn take(&self, at: usize) -> Worker {
        self.place(at).take().expect("the worker runs")
    }

    /// SIGKILL.
    pub(crate) async fn kill(&self, at: usize) {
        self.take(at).kill().await;
    }

    /// Sends a signal, such as `STOP`, to a worker that runs.
    pub(crate) async fn signal(&self, at: usize, name: &str) {
        let pid = self.place(at).as_ref().expect("the worker runs").pid().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().await;
        assert!(sent.expect("kill runs").success());
    }

    /// SIGTERM for all that run.
    pub(crate) async fn stop_all(&self) {
        for at in 0..self.workers.len() {
            let running = self.place(at).take();
            if let Some(worker) = running {
                assert!(worker.stop().await.success());
            }
        }
    }

    /// Where a worker listens, if it runs.
    pub(crate) fn base(&self, at: usize) -> Option<String> {
        self.place(at).as_ref().map(|worker| worker.url.clone())
    }

    pub(crate) fn url(&self, at: usize, path: &str) -> String {
        format!("{}{path}", self.base(at).expect("the worker runs"))
    }

    pub(crate) async fn chunk(&self, at: usize, user: &SandboxUser, file: &File, index: usize) {
        let form = file.chunk(index, &user.auth_token);
        let answer = self.client.post(self.url(at, "/upload-chunk")).multipart(form).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }

    pub(crate) async fn chunks(&self, at: usize, user: &SandboxUser, file: &File) {
        for index in 0..file.total() {
            self.chunk(at, user, file, index).await;
        }
    }

    pub(crate) async fn post(&self, at: usize, path: &str, user: &SandboxUser, id: &str) -> Value {
        let body = json!({ "uploadId": id, "authToken": user.auth_token });
        let answer = self.client.post(self.url(at, path)).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    pub(crate) async fn complete(&self, at: usize, user: &SandboxUser, id: &str) {
        self.post(at, "/complete-upload", user, id).await;
    }

    /// Asks this worker until the upload is over.
    pub(crate) async fn end(&self, at: usize, id: &str) -> Value {
        let ended = async {
            loop {
                let url = self.url(at, &format!("/upload-progress/{id}?wait=20"));
                let told: Value = self.client.get(url).send().await.unwrap().json().await.unwrap();
                if told["status"] != "uploading" {
                    return told;
                }
            }
        };
        soon("the upload to end", ended).await
    }

    /// How many sends a worker has under way, by its own metrics.
    pub(crate) async fn sends(&self, at: usize) -> u32 {
        let page = self.client.get(self.url(at, "/metrics")).send().await.unwrap().text().await.unwrap();
        let count = page.lines().find_map(|line| line.strip_prefix("telestore_sends_in_progress "));
        count.and_then(|count| count.parse().ok()).expect("a number of sends")
    }

    /// Which of these workers sends.
    pub(crate) async fn sender(&self, among: &[usize]) -> usize {
        let found = async {
            loop {
                for at in among {
                    if self.sends(*at).await > 0 {
                        return *at;
                    }
                }
            }
        };
        soon("one of them to send", found).await
    }

    /// The file is in the channel once, with the bytes that were sent.
    #[track_caller]
    pub(crate) fn arrived(&self, user: &SandboxUser, file: &File) {
        let messages = self.sandbox.messages_of(user);
        let of_it: Vec<_> = messages.iter().filter(|message| message.sent_name == file.name).collect();
        assert_eq!(of_it.len(), 1, "{}: {messages:?}", file.name);
        file.assert_is(of_it[0]);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for at in 0..self.workers.len() {
            let log = std::fs::read_to_string(self.log_of(at)).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
            eprintln!("worker {at} of {}, last of {} lines:\n{}", self.name, lines.len(), last.join("\n"));
        }
    }
}
