//! `telestore-worker send`: a client that cleans up behind itself, outlives a restart of the worker, and goes on.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpSocket};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::{MIB, Stage, program, random, soon};

/// A file of its own content, and the command that sends it.
fn file(stage: &Stage, length: usize) -> PathBuf {
    let path = stage.dir.path().join("file.bin");
    std::fs::write(&path, random(length)).unwrap();
    path
}

fn send(to: &str, token: &str, path: &PathBuf, args: &[&str]) -> Command {
    let mut command = program();
    command.arg("send").arg(path).args(["--to", to]).args(args).env("TELESTORE_TOKEN", token);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running client.
struct Sending {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    id: String,
}

impl Sending {
    async fn begin(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = soon("the id", lines.next_line()).await.unwrap().unwrap();
        let id = first.strip_prefix("upload ").unwrap_or_else(|| panic!("{first}")).to_owned();
        Self { child, lines, id }
    }

    async fn says(&mut self, words: &str) {
        let said = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line.contains(words) {
                    return;
                }
            }
            panic!("it ended without {words:?}");
        };
        soon(words, said).await;
    }

    async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    async fn interrupt(&self) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    }

    /// Whether it did what it was told, and its last words.
    async fn end(mut self) -> (bool, String) {
        let mut words = String::new();
        let reads = async {
            while self.lines.next_line().await.unwrap().is_some() {}
            self.child.stderr.take().unwrap().read_to_string(&mut words).await.unwrap();
            self.child.wait().await.unwrap().success()
        };
        let success = soon("the client to end", reads).await;
        (success, words)
    }
}

impl Stage {
    fn sends(&self, path: &PathBuf, args: &[&str]) -> Command {
        send(&self.url(""), &self.user.auth_token, path, args)
    }

    /// The state of an upload, as the operator sees it.
    async fn state(&self, id: &str) -> Value {
        self.command(&["uploads", "show", id, "--json"]).await.json()["state"].clone()
    }

    fn messages(&self) -> usize {
        self.sandbox.messages_of(&self.user).len()
    }
}

#[tokio::test]
async fn a_client_that_is_stopped_cancels_its_upload() {
    for auth in ["strict", "documented"] {
        let stage = Stage::with(&[("TELESTORE_AUTH", auth)]).await;
        // So that it is not over before it is stopped.
        stage.sandbox.network().set_bandwidth(Some(MIB as u64));
        let path = file(&stage, 30 * MIB);
        let mut sending = Sending::begin(&mut stage.sends(&path, &["--chunk-bytes", "1MiB"])).await;
        sending.says("chunk 2 of 30").await;
        sending.interrupt().await;
        let id = sending.id.clone();
        let (success, words) = sending.end().await;
        assert!(!success && words.contains("stopped; the upload is cancelled"), "{words}");
        assert_eq!(stage.state(&id).await, "cancelled");
        stage.emptied(&["chunks", "spool"]).await;
    }
}

#[tokio::test]
async fn a_client_that_cannot_go_on_cancels_its_upload() {
    let stage = Stage::with(&[("TELESTORE_AUTH", "strict")]).await;
    let path = file(&stage, 30 * MIB);
    // The file is cut off while it is sent.
    let sending = Sending::begin(&mut stage.sends(&path, &["--chunk-bytes", "1MiB"])).await;
    std::fs::File::options().write(true).open(&path).unwrap().set_len(2 * MIB as u64).unwrap();
    let id = sending.id.clone();
    let (success, words) = sending.end().await;
    assert!(
        !success && words.contains("changed while it was sent") && words.contains("cancelled"),
        "{words}"
    );
    assert_eq!(stage.state(&id).await, "cancelled");
    stage.emptied(&["chunks", "spool"]).await;
    assert_eq!(stage.messages(), 0);
}

#[tokio::test]
async fn what_the_worker_does_not_take_is_known_before_a_byte_is_sent() {
    let stage = Stage::with(&[("TELESTORE_MAX_FILE_BYTES", "2MiB")]).await;
    let large = file(&stage, 3 * MIB);
    let words = refused(&mut stage.sends(&large, &["--chunk-bytes", "1MiB"])).await;
    assert!(words.contains("413"), "{words}");
    let path = file(&stage, MIB);
    let words = refused(&mut send(&stage.url(""), "nobody's", &path, &[])).await;
    assert!(words.contains("401") && !words.contains("nobody's"), "{words}");
    assert!(!words.contains("cancel") && !words.contains("--resume"), "there is nothing to cancel: {words}");
}

/// The words of a client that begins nothing.
async fn refused(command: &mut Command) -> String {
    let ran = soon("the client to end", command.output()).await.unwrap();
    assert!(!ran.status.success() && !String::from_utf8_lossy(&ran.stdout).contains("upload "), "{ran:?}");
    String::from_utf8(ran.stderr).unwrap()
}

#[tokio::test]
async fn a_worker_that_is_restarted_is_waited_for() {
    let mut stage = Stage::new().await;
    stage.sandbox.network().set_bandwidth(Some(4 * MIB as u64));
    let port = stage.address().rsplit(':').next().unwrap().to_owned();
    let path = file(&stage, 12 * MIB);
    let mut sending = Sending::begin(&mut stage.sends(&path, &["--chunk-bytes", "1MiB"])).await;
    sending.says("chunk 1 of 12").await;
    for _ in 0..2 {
        stage.kill().await;
        sending.says("trying again").await;
        stage.start_at(&port).await;
        sending.says("%").await;
    }
    let (success, words) = sending.end().await;
    assert!(success, "{words}");
    assert_eq!(stage.messages(), 1);
}

#[tokio::test]
async fn a_killed_client_goes_on_by_its_id_and_sends_nothing_twice() {
    let stage = Stage::with(&[("TELESTORE_AUTH", "strict")]).await;
    stage.sandbox.network().set_bandwidth(Some(4 * MIB as u64));
    let path = file(&stage, 12 * MIB);
    let mut sending = Sending::begin(&mut stage.sends(&path, &["--chunk-bytes", "1MiB"])).await;
    sending.says("chunk 3 of 12").await;
    sending.kill().await;
    let id = sending.id.clone();
    let resume = ["--chunk-bytes", "1MiB", "--resume", &id];

    // Another file does not fit.
    let other = stage.dir.path().join("other.bin");
    std::fs::copy(&path, &other).unwrap();
    let words = refused(&mut stage.sends(&other, &resume)).await;
    assert!(words.contains("another file"), "{words}");

    // Killed again where it waits: everything is there.
    let mut sending = Sending::begin(&mut stage.sends(&path, &resume)).await;
    assert_eq!(sending.id, id);
    sending.says("chunk 12 of 12").await;
    sending.says("%").await;
    sending.kill().await;
    for _ in 0..2 {
        let (success, words) = Sending::begin(&mut stage.sends(&path, &resume)).await.end().await;
        assert!(success, "{words}");
    }
    assert_eq!(stage.messages(), 1, "also where it was in the channel already");
    assert_eq!(stage.sandbox.messages_of(&stage.user)[0].size, 12 * MIB as u64);
}

#[tokio::test]
async fn a_failed_upload_is_not_sent_again_by_going_on() {
    let stage = Stage::new().await;
    stage.sandbox.set_writable(stage.user.channel_id.as_str(), false);
    let path = file(&stage, 1000);
    let sending = Sending::begin(&mut stage.sends(&path, &[])).await;
    let id = sending.id.clone();
    let (success, words) = sending.end().await;
    assert!(!success && words.contains(&id) && words.contains("Could not resolve channel ID"), "{words}");
    stage.sandbox.set_writable(stage.user.channel_id.as_str(), true);
    let (success, words) = Sending::begin(&mut stage.sends(&path, &["--resume", &id])).await.end().await;
    assert!(!success && words.contains("Could not resolve channel ID"), "{words}");
    assert_eq!(stage.messages(), 0);
    // An id of which nothing is known is no new upload.
    let unknown = ["--resume", "1763790000000_k3j9x0abc"];
    let (success, words) = Sending::begin(&mut stage.sends(&path, &unknown)).await.end().await;
    assert!(!success && words.contains("send it without --resume"), "{words}");
}

#[tokio::test]
async fn a_worker_that_stays_away_is_given_up_with_the_way_to_go_on() {
    let mut stage = Stage::new().await;
    stage.sandbox.network().set_bandwidth(Some(MIB as u64));
    let path = file(&stage, 30 * MIB);
    let args = ["--patience", "1s", "--chunk-bytes", "1MiB"];
    let mut sending = Sending::begin(&mut stage.sends(&path, &args)).await;
    sending.says("chunk 1 of 30").await;
    stage.kill().await;
    let id = sending.id.clone();
    let (success, words) = sending.end().await;
    assert!(
        !success && words.contains(&format!("--resume {id}")) && words.contains("cannot reach"),
        "{words}"
    );
    // Held, so that nobody else takes it, and without a listener, so that it refuses.
    let held = TcpSocket::new_v4().unwrap();
    held.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let to = format!("http://{}", held.local_addr().unwrap());
    let token = stage.user.auth_token.clone();
    let words = refused(&mut send(&to, &token, &path, &args)).await;
    assert!(
        words.contains("cannot reach") && !words.contains("--resume") && !words.contains(&token),
        "{words}"
    );
}

#[tokio::test]
async fn a_worker_without_space_is_waited_for() {
    let stage = Stage::with(&[("TELESTORE_MIN_FREE_BYTES", "1000 TiB")]).await;
    let path = file(&stage, 1000);
    let words = refused(&mut stage.sends(&path, &["--patience", "1s"])).await;
    assert!(words.contains("507") && words.contains("(tried for "), "{words}");
    assert!(!words.contains("cancel") && !words.contains("--resume"), "there is nothing to cancel: {words}");
}

#[tokio::test]
async fn nothing_that_is_said_commands_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a\u{1b}[2J\u{202e}b.txt");
    std::fs::write(&path, "bytes").unwrap();
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
    let to = format!("http://{}", listener.local_addr().unwrap());
    let stranger = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let _ = connection.read(&mut [0; 4096]).await.unwrap();
        let body = r#"{"error":"x\u001b]0;title\u0007\r\nforged"}"#;
        let head = format!(
            "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all((head + body).as_bytes()).await.unwrap();
    });
    let output = soon("the client to end", send(&to, "word", &path, &[]).output()).await.unwrap();
    stranger.await.unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(
        words.ends_with("x\\u{1b}]0;title\\u{7}\\r\\nforged\n") && words.lines().count() == 1,
        "{words:?}"
    );
    std::fs::remove_file(&path).unwrap();
    let output = send(&to, "word", &path, &[]).output().await.unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("a\\u{1b}[2J\\u{202e}b.txt: No such file"), "{words:?}");
}

#[tokio::test]
async fn what_cannot_be_sent_is_said_before_the_worker_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file.bin");
    std::fs::write(&path, "bytes").unwrap();
    let pipe = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().await.unwrap().success());
    // It is not called.
    let nobody = "http://127.0.0.1:9";
    for (to, token, path, args, expected) in [
        (
            "127.0.0.1:10000",
            "word",
            &path,
            &[][..],
            "--to: must be a URL such as https://backend.example: did you mean http://127.0.0.1:10000?",
        ),
        ("no address", "word", &path, &[], "--to: "),
        (nobody, " ", &path, &[], "the token (--token, TELESTORE_TOKEN) is empty"),
        (nobody, "hush\nhush", &path, &[], "the token (--token, TELESTORE_TOKEN) holds a line break"),
        (nobody, "word", &path, &["--chunk-bytes", "0"], "--chunk-bytes: must be at least 1"),
        (nobody, "word", &pipe, &[], "pipe is not a file: "),
        (nobody, "word", &dir.path().to_owned(), &[], " is not a file: "),
        (nobody, "word", &PathBuf::from("/dev/zero"), &[], "/dev/zero is not a file: "),
    ] {
        let output = soon("the client to end", send(to, token, path, args).output()).await.unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && words.contains(expected), "{expected}: {words}");
        assert!(output.stdout.is_empty() && !words.contains("hush"), "{words}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_is_sent_whatever_its_name_is_and_a_terminal_obeys_none_of_it() {
    use std::os::unix::ffi::OsStrExt;

    let stage = Stage::new().await;
    let name = std::ffi::OsStr::from_bytes(b"na\xefve_\xe2\x80\xaefdp.exe");
    let path = file(&stage, 1000).with_file_name(name);
    std::fs::write(&path, "bytes").unwrap();
    let ran = soon("the client", stage.sends(&path, &[]).output()).await.unwrap();
    let (said, words) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}{words}");
    assert!(said.contains("na\u{fffd}ve_\\u{202e}fdp.exe") && !said.contains('\u{202e}'), "{said:?}");
    let message = stage.sandbox.messages_of(&stage.user).pop().unwrap();
    assert_eq!(message.sent_name, "na\u{fffd}ve_\u{202e}fdp.exe");
}
