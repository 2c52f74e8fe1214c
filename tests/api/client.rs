//! `telestore` and `telestore-client` against the real worker.

mod gets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use serde_json::Value;
use sha2::{Digest, Sha256};
use telestore_client::{Client, ErrorKind, Phase, Source, Status, UploadOptions};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::{MIB, Stage, soon};

const PROGRAM: &str = env!("CARGO_BIN_EXE_client-under-test");

/// How large the run is that is stopped again and again: `.ci/clients` runs it with 1000 files and 2 GiB.
fn scale(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

/// The program, for the user of the stage and with a home of its own.
fn program(stage: &Stage) -> Command {
    let mut command = Command::new(PROGRAM);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TELESTORE_")) {
        command.env_remove(name);
    }
    let home = stage.dir.path().join("home");
    command
        .env("TELESTORE_URL", stage.url(""))
        .env("TELESTORE_TOKEN", &stage.user.auth_token)
        .env("HOME", &home)
        .env("XDG_STATE_HOME", home.join("state"))
        .env("XDG_CONFIG_HOME", home.join("config"))
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A running `telestore send --json`.
struct Sending {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    completed: usize,
}

impl Sending {
    fn begin(stage: &Stage, folder: &Path, args: &[&str]) -> Self {
        Self::with(stage, folder, args, &[])
    }

    fn with(stage: &Stage, folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = program(stage);
        command.arg("send").arg(folder).arg("--json").args(args).envs(variables.iter().copied());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, completed: 0 }
    }

    async fn next(&mut self) -> Option<Value> {
        let line = soon("the client to say something", self.lines.next_line()).await.unwrap()?;
        let value: Value = serde_json::from_str(&line).unwrap();
        self.completed += usize::from(value["event"] == "completed");
        Some(value)
    }

    async fn until(&mut self, what: &str, holds: impl Fn(&Value, usize) -> bool) {
        while let Some(value) = self.next().await {
            if holds(&value, self.completed) {
                return;
            }
            assert!(value["event"] != "failed", "{value}");
        }
        panic!("the client ended before {what}");
    }

    async fn completes(&mut self, count: usize) {
        self.until("files were sent", |_, completed| completed >= count).await;
    }

    async fn waits_for(&mut self, words: &str) {
        let waits = |value: &Value, _| value["waitsFor"].as_str().is_some_and(|text| text.contains(words));
        self.until(words, waits).await;
    }

    async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().await.unwrap().success());
    }

    /// The summary, and what it ended with.
    async fn end(mut self) -> (Value, i32) {
        let mut last = Value::Null;
        while let Some(value) = self.next().await {
            last = value;
        }
        let mut words = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut words).await.unwrap();
        assert_eq!(last["event"], "summary", "{last} {words}");
        (last, self.child.wait().await.unwrap().code().unwrap())
    }
}

/// A folder with small files, and one that is large.
struct Folder {
    path: PathBuf,
    /// The SHA-256 of each file that is one message.
    digests: BTreeMap<String, String>,
    large: usize,
}

impl Folder {
    fn new(stage: &Stage, small: usize, large: usize) -> Self {
        let path = stage.dir.path().join("folder");
        std::fs::create_dir(&path).unwrap();
        let mut digests = BTreeMap::new();
        for index in 0..small {
            let (name, bytes) = (format!("{index:04}.txt"), vec![index as u8; 100 + index]);
            std::fs::write(path.join(&name), &bytes).unwrap();
            digests.insert(name, hex::encode(Sha256::digest(&bytes)));
        }
        // Between the others, so that all kinds of files are under way when it is stopped. Sparse: nothing but holes and an end.
        let file = std::fs::File::create(path.join("0003-large.bin")).unwrap();
        file.set_len(large as u64 - 3).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"end", large as u64 - 3).unwrap();
        Self { path, digests, large }
    }

    /// Each file is in the channel, once.
    fn arrived(&self, stage: &Stage) {
        let (mut large, mut small) = (0, Vec::new());
        for message in stage.sandbox.messages_of(&stage.user) {
            match message.sent_name.starts_with("0003-large.bin") {
                true => large += message.size,
                false => small.push((message.sent_name.clone(), message.sha256.clone())),
            }
        }
        small.sort();
        assert_eq!(large, self.large as u64, "the large file, once");
        assert!(
            small == self.digests.clone().into_iter().collect::<Vec<_>>(),
            "{} small messages",
            small.len()
        );
    }
}

#[tokio::test]
async fn a_folder_is_sent_once_whatever_stops_it() {
    let (files, large) = (scale("CLIENT_FILES", 60), scale("CLIENT_LARGE_MIB", 48) * MIB);
    let mut stage =
        Stage::with(&[("TELESTORE_MAX_FILE_BYTES", "3 GiB"), ("TELESTORE_MAX_CONCURRENT_UPLOADS", "8")])
            .await;
    let folder = Folder::new(&stage, files, large);
    let port = stage.address().rsplit(':').next().unwrap().to_owned();
    let (step, rate) = (files / 8, format!("{}MiB", large / MIB / 6 + 1));

    // Ctrl-C.
    let mut sending = Sending::begin(&stage, &folder.path, &["--limit-rate", &rate]);
    sending.completes(step).await;
    sending.signal("INT").await;
    let (summary, code) = sending.end().await;
    assert_eq!((code, &summary["exitCode"]), (130, &130.into()));
    assert!(summary["notEnded"].as_u64().unwrap() > 0, "{summary}");

    // kill -9.
    let mut sending = Sending::begin(&stage, &folder.path, &["--limit-rate", &rate]);
    sending.completes(step).await;
    sending.child.kill().await.unwrap();

    // The worker is killed, and its disk is full when it is back.
    let mut sending = Sending::begin(&stage, &folder.path, &["--limit-rate", &rate]);
    sending.completes(step).await;
    stage.kill().await;
    sending.waits_for("cannot reach the worker").await;
    stage.set("TELESTORE_MIN_FREE_BYTES", "1000 TiB");
    stage.start_at(&port).await;
    sending.waits_for("507").await;
    stage.kill().await;
    stage.set("TELESTORE_MIN_FREE_BYTES", "0");
    stage.start_at(&port).await;
    let (summary, code) = sending.end().await;
    assert_eq!((code, &summary["failed"]), (0, &0.into()), "{summary}");
    let count = |name: &str| summary[name].as_u64().unwrap() as usize;
    assert_eq!((count("files"), count("sent") + count("sentBefore")), (files + 1, files + 1), "{summary}");
    folder.arrived(&stage);

    // Once more: there is nothing to do.
    let (summary, code) = Sending::begin(&stage, &folder.path, &[]).end().await;
    assert_eq!((code, summary["sentBefore"].as_u64()), (0, Some(files as u64 + 1)), "{summary}");
    folder.arrived(&stage);
}

fn client(stage: &Stage) -> Client {
    Client::builder(stage.url("")).token(stage.user.auth_token.as_str()).build().unwrap()
}

/// A way to the worker, on which the answer to the first creation does not come.
async fn way_that_loses_a_creation(to: String) -> (String, tokio::sync::oneshot::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (lost, told) = tokio::sync::oneshot::channel();
    let lost = Arc::new(Mutex::new(Some(lost)));
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (to, lost) = (to.clone(), Arc::clone(&lost));
            tokio::spawn(async move {
                let mut far = TcpStream::connect(to).await.unwrap();
                let mut head = vec![0; 64 * 1024];
                let length = near.read(&mut head).await.unwrap_or(0);
                far.write_all(&head[..length]).await.unwrap();
                if head.starts_with(b"POST /tus") && lost.lock().unwrap().is_some() {
                    let _ = far.read(&mut head).await;
                    let _ = lost.lock().unwrap().take().map(|lost| lost.send(()));
                    return std::future::pending().await;
                }
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (address, told)
}

#[tokio::test]
async fn a_program_that_is_killed_before_it_knows_its_upload_makes_no_second_one() {
    let stage = Stage::with(&[("TELESTORE_DEDUP", "on")]).await;
    let folder = stage.dir.path().join("files");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a.bin"), vec![7; 100_000]).unwrap();
    let (summary, code) = Sending::begin(&stage, &folder, &[]).end().await;
    assert_eq!((&summary["sent"], code), (&1.into(), 0), "{summary}");
    // The same content under the same name, which the worker knows: one more message, as soon as it is created.
    std::fs::write(folder.join("a.bin"), vec![7; 100_000]).unwrap();
    let (address, lost) = way_that_loses_a_creation(stage.address()).await;
    let variables = [("TELESTORE_URL", address.as_str())];
    let mut sending = Sending::with(&stage, &folder, &[], &variables);
    soon("the creation", lost).await.unwrap();
    sending.child.kill().await.unwrap();
    let (summary, code) = Sending::with(&stage, &folder, &[], &variables).end().await;
    assert_eq!((&summary["sent"], code), (&1.into(), 0), "{summary}");
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), 2);
    let kept = stage.dir.path().join("home/state/telestore/uploads");
    assert_eq!(std::fs::read_dir(kept).unwrap().count(), 0, "nothing is left of it");
}

#[tokio::test]
async fn the_library_sends_and_tells_how_far_it_is() {
    let stage = Stage::with(&[("TELESTORE_AUTH", "strict")]).await;
    let bytes: Vec<u8> = (0..3 * MIB).map(|at| (at % 251) as u8).collect();
    let options = UploadOptions::new().file_name("ä b.bin").unwrap().caption("to the letter").silent(true);
    let upload = client(&stage).upload(Source::bytes(bytes.clone()), options.segment_bytes(MIB as u64));
    let states: Vec<_> = upload.progress().collect().await;
    let delivered = upload.await.unwrap();
    let last = states.last().unwrap();
    assert_eq!((last.phase, last.total, last.percent), (Phase::Done, Some(3 * MIB as u64), Some(100)));
    let messages = stage.sandbox.messages_of(&stage.user);
    assert_eq!(messages.len(), 1);
    let message = &messages[0];
    assert_eq!(i64::from(message.message_id), delivered.message_id);
    assert_eq!(
        (message.caption.as_str(), message.silent, message.sent_name.as_str()),
        ("to the letter", true, "ä b.bin")
    );
    assert_eq!(message.sha256, hex::encode(Sha256::digest(&bytes)));
    let url = client(&stage).url_of(&delivered.upload_id).unwrap();
    assert_eq!(client(&stage).status(&url).await.unwrap(), Status::Delivered(delivered));
}

#[tokio::test]
async fn a_stream_of_unknown_length_is_sent() {
    let stage = Stage::new().await;
    let bytes = vec![7; 5 * MIB];
    let source = Source::stream(std::io::Cursor::new(bytes.clone()));
    let options = UploadOptions::new().file_name("dump.gz").unwrap().segment_bytes(2 * MIB as u64);
    client(&stage).upload(source, options).await.unwrap();
    let messages = stage.sandbox.messages_of(&stage.user);
    assert_eq!(
        (messages.len(), messages[0].size, messages[0].sent_name.as_str()),
        (1, 5 * MIB as u64, "dump.gz")
    );
}

#[tokio::test]
async fn another_client_goes_on_with_an_upload() {
    let mut stage = Stage::new().await;
    let bytes: Vec<u8> = (0..4 * MIB).map(|at| (at % 13) as u8).collect();
    let source = || Source::bytes(bytes.clone());
    let slow =
        Client::builder(stage.url("")).token(stage.user.auth_token.as_str()).bytes_per_second(MIB as u64 / 2);
    let options = UploadOptions::new().file_name("a.bin").unwrap().segment_bytes(MIB as u64);
    let upload = slow.build().unwrap().upload(source(), options.clone());
    let url = upload.url().await.unwrap();
    let mut states = upload.progress();
    soon("a part", async { while states.next().await.unwrap().kept < MIB as u64 {} }).await;
    drop(upload);
    let port = stage.address().rsplit(':').next().unwrap().to_owned();
    stage.kill().await;
    stage.start_at(&port).await;
    let kept = match client(&stage).status(&url).await.unwrap() {
        Status::Receiving { kept, total: Some(total) } if total == 4 * MIB as u64 => kept,
        other => panic!("{other:?}"),
    };
    assert!(kept >= MIB as u64, "what was acknowledged is there: {kept}");
    client(&stage).resume(&url, source(), options).await.unwrap();
    let messages = stage.sandbox.messages_of(&stage.user);
    assert_eq!((messages.len(), messages[0].sha256.clone()), (1, hex::encode(Sha256::digest(&bytes))));
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let stage = Stage::with(&[("TELESTORE_MAX_FILE_BYTES", "1 MiB")]).await;
    let error =
        client(&stage).upload(Source::bytes(vec![0; 2 * MIB]), UploadOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    let stranger = Client::builder(stage.url("")).token("nobody's").build().unwrap();
    let error = stranger.upload(Source::bytes("bytes"), UploadOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
    let wrong = UploadOptions::new().sha256([7; 32]);
    let error = client(&stage).upload(Source::bytes("bytes"), wrong).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed, "{error}");
    assert!(stage.sandbox.messages_of(&stage.user).is_empty());
}

#[tokio::test]
async fn a_failed_upload_is_sent_again_from_what_the_worker_has() {
    let stage = Stage::new().await;
    stage.sandbox.set_writable(stage.user.channel_id.as_str(), false);
    let folder = stage.dir.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a.txt"), "bytes").unwrap();
    let (summary, code) = Sending::begin(&stage, &folder, &[]).end().await;
    assert_eq!((code, &summary["failed"]), (1, &1.into()));
    stage.sandbox.set_writable(stage.user.channel_id.as_str(), true);
    let (summary, code) = Sending::begin(&stage, &folder, &[]).end().await;
    assert_eq!((code, &summary["sent"]), (0, &1.into()), "{summary}");
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), 1);
}

#[tokio::test]
async fn only_a_worker_that_is_trusted_gets_the_token() {
    let files = crate::tls::Files::new();
    let stage = files.stage().await;
    let folder = stage.dir.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a.txt"), "bytes").unwrap();
    let cert = files.cert();
    let (summary, code) = Sending::begin(&stage, &folder, &[]).end().await;
    assert_eq!((code, &summary["failed"]), (1, &1.into()), "{summary}");
    let ca = ["--ca", cert.to_str().unwrap()];
    let (summary, code) = Sending::begin(&stage, &folder, &ca).end().await;
    assert_eq!((code, &summary["sent"]), (0, &1.into()), "{summary}");
    let variables = [("SSL_CERT_FILE", cert.to_str().unwrap())];
    let (summary, code) = Sending::with(&stage, &folder, &["--again"], &variables).end().await;
    assert_eq!((code, &summary["sent"]), (0, &1.into()), "{summary}");
    assert_eq!(stage.sandbox.messages_of(&stage.user).len(), 2);
}
