//! Several workers as one service, on a real PostgreSQL and an S3 server, which `.ci/cluster` starts; without it nothing
//! here is run, so that the tests need nothing but Rust.

#[path = "../api/support.rs"]
#[expect(dead_code, unused_imports, reason = "shared with the other black-box tests")]
mod support;

mod migrate;

#[path = "../api/old_data"]
mod old_data {
    pub(crate) mod archive;
    pub(crate) mod goes_on;
    pub(crate) mod rows;
}

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::Client;
use serde_json::{Value, json};
use telestore_sandbox::{Fault, Sandbox, SandboxUser, UserSpec};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::Instant;

use crate::support::{CHUNK, File, MIB, Worker, program, soon};

const PART: &str = "upload.saveBigFilePart";

/// The sandbox, and workers that share a database and a prefix of a bucket. The sandbox ends a login that it sees on two
/// connections.
struct Cluster {
    sandbox: Sandbox,
    user: SandboxUser,
    client: Client,
    dir: TempDir,
    settings: Vec<(String, String)>,
    workers: Vec<Option<Worker>>,
}

fn needed(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("run .ci/cluster, which sets {name}"))
}

/// A new database, and a prefix of the bucket, as settings of workers.
async fn shared() -> Vec<(String, String)> {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    let name = format!("cluster_{}_{}", std::process::id(), NAMES.fetch_add(1, Ordering::Relaxed));
    let server = needed("TELESTORE_TEST_POSTGRES");
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

impl Cluster {
    async fn of(workers: usize) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sandbox = Sandbox::builder().enforce_single_connection(true).start().await.expect("the sandbox");
        let settings = [
            ("BACKEND_URL", sandbox.backend_url()),
            ("TELEGRAM_BOT_API_URL", sandbox.bot_api_url()),
            ("TELESTORE_MTPROTO_SERVER_KEY", sandbox.server_key().to_owned()),
            ("TELESTORE_BOT_API_MAX_BYTES", "1 MiB".to_owned()),
            ("TELESTORE_SECRET_KEY", "the same for all".to_owned()),
        ];
        let mut settings = settings.map(|(name, value)| (name.to_owned(), value)).to_vec();
        settings.extend(shared().await);
        let (user, client) = (sandbox.user(), Client::new());
        let dir = tempfile::tempdir().expect("a directory");
        let mut cluster = Self { sandbox, user, client, dir, settings, workers: Vec::new() };
        for at in 0..workers {
            let worker = cluster.start(at).await;
            cluster.workers.push(Some(worker));
        }
        cluster
    }

    fn data_dir(&self, at: usize) -> PathBuf {
        self.dir.path().join(at.to_string())
    }

    fn program(&self, at: usize) -> Command {
        let mut command = program();
        command.env("TELESTORE_DATA_DIR", self.data_dir(at)).env("PORT", "0");
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    async fn start(&self, at: usize) -> Worker {
        Worker::start(&mut self.program(at)).await
    }

    fn url(&self, at: usize, path: &str) -> String {
        let worker = self.workers[at].as_ref().expect("a worker runs");
        format!("{}{path}", worker.url)
    }

    async fn chunk(&self, at: usize, file: &File, index: usize) {
        let form = file.chunk(index, &self.user.auth_token);
        let answer = self.client.post(self.url(at, "/upload-chunk")).multipart(form).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }

    async fn post(&self, at: usize, path: &str, id: &str) -> Value {
        let body = json!({ "uploadId": id, "authToken": self.user.auth_token });
        let answer = self.client.post(self.url(at, path)).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    /// Asks this worker until the upload is over.
    async fn end(&self, at: usize, id: &str) -> Value {
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

    /// Which worker sends it: the one whose connection says so in its own metrics.
    async fn sender(&self, among: &[usize]) -> usize {
        let sends = async |at: usize| {
            let page = self.client.get(self.url(at, "/metrics")).send().await.unwrap().text().await.unwrap();
            let line = page.lines().find(|line| line.starts_with("telestore_sends_in_progress ")).unwrap();
            !line.ends_with(" 0")
        };
        let found = async {
            loop {
                for at in among {
                    if sends(*at).await {
                        return *at;
                    }
                }
            }
        };
        soon("one of them to send", found).await
    }

    /// The file is in the channel once, with the bytes that were sent.
    fn arrived(&self, file: &File) {
        let messages = self.sandbox.messages_of(&self.user);
        assert_eq!(messages.len(), 1, "{messages:?}");
        file.assert_is(&messages[0]);
    }
}

#[tokio::test]
async fn chunks_go_to_all_and_each_is_asked_about_it() {
    let cluster = Cluster::of(3).await;
    let file = File::new(5 * CHUNK + 77);
    let events = format!("/upload-events/{}", file.id);
    for index in 0..file.total() {
        cluster.chunk(index % 3, &file, index).await;
    }
    let url = cluster.url(2, &format!("/upload-status/{}", file.id));
    let status: Value = cluster.client.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(status["received_chunks"], file.total());
    cluster.post(1, "/complete-upload", &file.id).await;
    let stream = cluster.client.get(cluster.url(2, &events)).send().await.unwrap();
    let told = soon("the stream to end", stream.text()).await.unwrap();
    assert!(told.contains("\"completed\""), "{told}");
    for at in 0..3 {
        assert_eq!(cluster.end(at, &file.id).await["status"], "completed");
    }
    cluster.arrived(&file);
}

#[tokio::test]
async fn a_cancel_at_one_stops_the_send_of_another_within_two_seconds() {
    let cluster = Cluster::of(2).await;
    let file = File::new(3 * CHUNK);
    let hold = cluster.sandbox.faults().inject(Fault::hold(PART).skip(4));
    for index in 0..file.total() {
        cluster.chunk(0, &file, index).await;
    }
    cluster.post(0, "/complete-upload", &file.id).await;
    soon("a part", cluster.sandbox.faults().wait_fired(hold, 1)).await;
    let sender = cluster.sender(&[0, 1]).await;
    let began = Instant::now();
    cluster.post(1 - sender, "/cancel-upload", &file.id).await;
    let stopped = async {
        loop {
            let page = cluster.client.get(cluster.url(sender, "/metrics")).send().await.unwrap();
            if page.text().await.unwrap().contains("\ntelestore_sends_in_progress 0\n") {
                return;
            }
        }
    };
    soon("the send to stop", stopped).await;
    assert!(began.elapsed().as_secs() < 2, "{:?}", began.elapsed());
    cluster.sandbox.faults().release(hold);
    assert!(cluster.sandbox.messages_of(&cluster.user).is_empty());
}

#[tokio::test]
async fn what_a_killed_worker_sent_another_ends_and_once() {
    let mut cluster = Cluster::of(3).await;
    let file = File::new(6 * CHUNK);
    for index in 0..file.total() {
        cluster.chunk(index % 3, &file, index).await;
    }
    let hold = cluster.sandbox.faults().inject(Fault::hold("messages.sendMedia").once());
    cluster.post(0, "/complete-upload", &file.id).await;
    soon("the message to be asked for", cluster.sandbox.faults().wait_fired(hold, 1)).await;
    let sender = cluster.sender(&[0, 1, 2]).await;
    cluster.workers[sender].take().unwrap().kill().await;
    cluster.sandbox.faults().release(hold);
    let other = (sender + 1) % 3;
    assert_eq!(cluster.end(other, &file.id).await["status"], "completed");
    cluster.arrived(&file);
}

#[tokio::test]
async fn a_worker_that_stops_hands_over_within_seconds() {
    let mut cluster = Cluster::of(2).await;
    let file = File::new(6 * CHUNK);
    for index in 0..file.total() {
        cluster.chunk(0, &file, index).await;
    }
    let hold = cluster.sandbox.faults().inject(Fault::hold(PART).skip(20));
    cluster.post(0, "/complete-upload", &file.id).await;
    soon("parts", cluster.sandbox.faults().wait_fired(hold, 1)).await;
    let sender = cluster.sender(&[0, 1]).await;
    let stopping = cluster.workers[sender].take().unwrap();
    let began = Instant::now();
    assert!(stopping.stop().await.success());
    cluster.sandbox.faults().release(hold);
    assert_eq!(cluster.end(1 - sender, &file.id).await["status"], "completed");
    assert!(began.elapsed().as_secs() < 20, "not when its leases have run out: {:?}", began.elapsed());
    cluster.arrived(&file);
}

#[tokio::test]
async fn an_operator_sees_the_workers_and_what_each_has_in_hand() {
    let mut cluster = Cluster::of(2).await;
    let file = File::new(3 * CHUNK);
    for index in 0..file.total() {
        cluster.chunk(0, &file, index).await;
    }
    let hold = cluster.sandbox.faults().inject(Fault::hold(PART).skip(4));
    cluster.post(0, "/complete-upload", &file.id).await;
    soon("a part", cluster.sandbox.faults().wait_fired(hold, 1)).await;
    let sender = cluster.sender(&[0, 1]).await;
    let seen = async |cluster: &Cluster, args: &[&str]| {
        let said = cluster.program(9).arg("workers").args(args).output().await.unwrap();
        assert!(said.status.success(), "{said:?}");
        String::from_utf8(said.stdout).unwrap()
    };
    let workers: Value = serde_json::from_str(&seen(&cluster, &["--json"]).await).unwrap();
    let name = |at: usize| std::fs::read_to_string(cluster.data_dir(at).join("worker-id")).unwrap();
    for at in 0..2 {
        let workers = workers["workers"].as_array().unwrap();
        let worker = workers.iter().find(|worker| worker["id"] == name(at).trim()).expect("each is told of");
        assert_eq!(worker["state"], "alive", "{worker}");
        assert!(worker["version"].is_string() && worker["since"].is_string(), "{worker}");
        let accounts = worker["accounts"].as_array().unwrap();
        assert_eq!(accounts.contains(&json!(cluster.user.user_id)), at == sender, "{worker}");
        let uploads = if at == sender { json!([file.id]) } else { json!([]) };
        let held: Vec<_> =
            worker["uploads"].as_array().unwrap().iter().map(|held| held["uploadId"].clone()).collect();
        assert_eq!(Value::from(held), uploads);
    }
    let table = seen(&cluster, &[]).await;
    assert!(table.contains(&format!("sending {}", file.id)) && table.starts_with("WORKER "), "{table}");
    // One that ends itself is not shown.
    let gone = name(1 - sender);
    assert!(cluster.workers[1 - sender].take().unwrap().stop().await.success());
    assert!(!seen(&cluster, &[]).await.contains(gone.trim()));
    cluster.sandbox.faults().release(hold);
    assert_eq!(cluster.end(sender, &file.id).await["status"], "completed");
}

#[tokio::test]
async fn two_users_at_once_use_each_account_in_one_place() {
    let mut cluster = Cluster::of(3).await;
    let users = [cluster.user.clone(), cluster.sandbox.add_user(UserSpec::new("second"))];
    let mut sent = Vec::new();
    for round in 0..6 {
        cluster.user = users[round % 2].clone();
        let file = File::new(2 * MIB + round);
        cluster.chunk(round % 3, &file, 0).await;
        cluster.post((round + 1) % 3, "/complete-upload", &file.id).await;
        sent.push(file);
    }
    // An account on two connections would have lost its login, and its files with it.
    for (round, file) in sent.iter().enumerate() {
        assert_eq!(cluster.end(round % 3, &file.id).await["status"], "completed");
    }
    for user in &users {
        assert_eq!(cluster.sandbox.messages_of(user).len(), 3);
    }
}

#[tokio::test]
async fn another_key_is_refused_and_a_check_tries_both_ends() {
    let mut cluster = Cluster::of(1).await;
    let check = cluster.program(1).args(["check", "--json"]).output().await.unwrap();
    let told = String::from_utf8(check.stdout).unwrap();
    assert!(check.status.success() && told.contains("PostgreSQL answers"), "{told}");
    assert!(told.contains("an object could be written, read, listed and deleted"), "{told}");
    cluster.settings.push(("TELESTORE_SECRET_KEY".to_owned(), "not-the-same".to_owned()));
    let refused = cluster.program(1).output().await.unwrap();
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && told.contains("TELESTORE_SECRET_KEY is not the one"), "{told}");
    assert!(!told.contains("not-the-same"), "{told}");
    let ready = cluster.client.get(cluster.url(0, "/ready")).send().await.unwrap();
    assert_eq!(ready.status(), 200);
}
