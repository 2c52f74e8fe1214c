//! The program as people use it, against a worker that does what a test wants.

#[path = "../../../../crates/telestore-client/tests/mock/mod.rs"]
#[allow(dead_code, reason = "the tests of the library use it, too")]
mod mock;

mod gets;
mod goes_on;
mod index;
mod screen;
mod sends;
mod settings;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use self::mock::{Mock, TOKEN};

const MIB: usize = 1024 * 1024;

/// A worker, a home, and a folder with files.
struct Scene {
    mock: Mock,
    dir: tempfile::TempDir,
}

/// What the program did.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// The lines of JSON, and the summary.
    #[track_caller]
    fn json(&self) -> (Vec<Value>, Value) {
        let mut lines: Vec<Value> =
            self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let summary = lines.pop().unwrap();
        assert_eq!(summary["event"], "summary", "{self:#?}");
        assert_eq!(summary["exitCode"], self.code.unwrap(), "{self:#?}");
        (lines, summary)
    }
}

/// One that runs.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().await.unwrap().success());
    }

    async fn end(mut self) -> Ran {
        let (mut out, mut err) = (String::new(), String::new());
        while let Some(line) = self.lines.next_line().await.unwrap() {
            out.push_str(&line);
            out.push('\n');
        }
        self.child.stderr.take().unwrap().read_to_string(&mut err).await.unwrap();
        Ran { code: self.child.wait().await.unwrap().code(), out, err }
    }
}

/// Bytes that differ from file to file.
fn content(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| ((at + seed) * 31 % 251) as u8).collect()
}

impl Scene {
    async fn new() -> Self {
        let scene = Self { mock: Mock::start().await, dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(scene.files()).unwrap();
        scene
    }

    /// With so many files of a length.
    async fn with(count: usize, length: usize) -> Self {
        let scene = Self::new().await;
        for index in 0..count {
            scene.file(&format!("{index:04}.bin"), &content(index, length));
        }
        scene
    }

    fn files(&self) -> PathBuf {
        self.dir.path().join("files")
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.files().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state/telestore")
    }

    /// The program with nothing of this process's environment that it would look at.
    fn program(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_telestore"));
        for (name, _) in std::env::vars() {
            if name.starts_with("TELESTORE_") || name.to_lowercase().ends_with("_proxy") {
                command.env_remove(name);
            }
        }
        command
            .args(args)
            .env("TELESTORE_URL", &self.mock.url)
            .env("TELESTORE_TOKEN", TOKEN)
            .env("HOME", self.dir.path())
            .env("XDG_STATE_HOME", self.dir.path().join("state"))
            .env("XDG_CONFIG_HOME", self.dir.path().join("config"))
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    async fn run(&self, args: &[&str]) -> Ran {
        self.start(self.program(args)).end().await
    }

    /// `telestore send` of the folder, in JSON.
    async fn send(&self, args: &[&str]) -> Ran {
        let folder = self.files();
        self.run(&[&["send", folder.to_str().unwrap(), "--json"], args].concat()).await
    }

    fn start(&self, mut command: Command) -> Running {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running { child, lines }
    }

    fn begin(&self, args: &[&str]) -> Running {
        let folder = self.files();
        self.start(self.program(&[&["send", folder.to_str().unwrap(), "--json"], args].concat()))
    }

    /// Each file of the folder is in the channel, once.
    #[track_caller]
    fn arrived(&self, names: &[&str]) {
        let mut messages = self.mock.messages();
        messages.sort();
        let mut expected: Vec<_> = names
            .iter()
            .map(|name| {
                let path = self.files().join(name);
                (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap())
            })
            .collect();
        expected.sort();
        let names = |all: &[(String, Vec<u8>)]| all.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&messages), names(&expected));
        assert!(messages == expected, "other bytes arrived");
    }

    /// What is kept of uploads that were begun.
    fn begun(&self) -> usize {
        let kept = std::fs::read_dir(self.state().join("uploads"));
        kept.map_or(0, |kept| kept.filter(|entry| is_record(&entry.as_ref().unwrap().path())).count())
    }
}

fn is_record(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == "json")
}
