//! A worker that becomes many: its data directory is moved to the database and the bucket, and everything goes on there.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use telestore_sandbox::Sandbox;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::cluster::{needed, shared};
use crate::old_data::goes_on::{Old, everything_goes_on};
use crate::support::{CHUNK, File, Stage, soon};

const OLD: &str = "data_of_75752bf.tar.gz";

/// Another key than that of the file in the data directory.
const KEY: &str = "the key of all workers";

type Settings = Vec<(String, String)>;

fn setting<'a>(settings: &'a Settings, name: &str) -> &'a str {
    &settings.iter().find(|(known, _)| known == name).expect("a setting").1
}

impl Stage {
    /// With the database and the bucket of many workers, from now on.
    fn many(&mut self, settings: &Settings) {
        for (name, value) in settings {
            self.set(name, value);
        }
        self.set("TELESTORE_SECRET_KEY", KEY);
    }

    /// With the data directory again.
    fn one(&mut self) {
        for name in ["TELESTORE_DATABASE_URL", "TELESTORE_CHUNKS_URL", "TELESTORE_SECRET_KEY"] {
            self.set(name, "");
        }
    }

    /// Moves until this is true, and is killed then.
    async fn killed(&self, until: impl Fn() -> bool) {
        let mut child = self.program().arg("migrate").stdout(Stdio::null()).spawn().unwrap();
        let reached = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(1));
            while !until() {
                ticks.tick().await;
                assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
            }
        };
        soon("the moment to kill it", reached).await;
        child.kill().await.unwrap();
    }

    /// Why no worker starts.
    async fn refused(&self) -> String {
        let refused = soon("the worker to refuse", self.program().output()).await.unwrap();
        assert!(!refused.status.success());
        String::from_utf8(refused.stderr).unwrap()
    }

    /// What the directory says became of its uploads.
    fn moved(&self) -> Value {
        let text = std::fs::read(self.data_dir().join("moved.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }
}

/// Holds a lock on what only the copying of rows writes, until it is killed.
async fn locked(url: &str) -> Child {
    let mut psql = Command::new("psql");
    psql.args(["-qAt", "-d", url]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut psql = psql.spawn().unwrap();
    let lock = b"BEGIN; LOCK TABLE clock IN EXCLUSIVE MODE; SELECT 'locked';\n";
    psql.stdin.as_mut().unwrap().write_all(lock).await.unwrap();
    let mut line = String::new();
    let mut said = BufReader::new(psql.stdout.take().unwrap());
    soon("the lock", said.read_line(&mut line)).await.unwrap();
    assert_eq!(line.trim(), "locked");
    psql
}

/// What is in the bucket goes with what was sent.
async fn emptied(settings: &Settings) {
    let prefix = setting(settings, "TELESTORE_CHUNKS_URL").trim_start_matches("s3://telestore-test/");
    let url = format!("{}/telestore-test?list-type=2&prefix={prefix}/chunks/", needed("TELESTORE_TEST_MOTO"));
    let emptied = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        while reqwest::get(&url).await.unwrap().text().await.unwrap().contains("<Key>") {
            ticks.tick().await;
        }
    };
    soon("the objects to go", emptied).await;
}

async fn goes_on_in_the_database(archive: &str, body_may_be_sent: bool) {
    let (mut old, settings) = (Old::open(archive, false).await, shared().await);
    old.stage.many(&settings);
    let said = old.stage.command(&["migrate"]).await.ok();
    assert!(said.contains("receiving") && said.contains("moved to 127.0.0.1:"), "{said}");
    old.stage.start().await;
    everything_goes_on(&old, body_may_be_sent, false).await;
    emptied(&settings).await;
    assert_eq!(old.stage.command(&["migrate"]).await.ok().lines().count(), 1, "there is nothing to do");
}

#[tokio::test]
async fn every_upload_of_a_data_directory_of_0_1_goes_on_in_the_database_of_many() {
    goes_on_in_the_database("data_of_0.1.tar.gz", true).await;
}

#[tokio::test]
async fn every_upload_of_a_data_directory_goes_on_in_the_database_of_many() {
    goes_on_in_the_database(OLD, false).await;
}

#[tokio::test]
async fn a_move_that_is_killed_loses_and_doubles_nothing() {
    let (mut old, settings) = (Old::open(OLD, false).await, shared().await);
    let url = setting(&settings, "TELESTORE_DATABASE_URL");
    let stage = &mut old.stage;
    let (copied, moved) = (stage.data_dir().join("moved-chunks"), stage.data_dir().join("moved.json"));
    stage.many(&settings);
    stage.killed(|| std::fs::read_to_string(&copied).is_ok_and(|said| said.lines().count() > 2)).await;
    stage.one();
    stage.command(&["uploads", "list"]).await.ok();
    for undone in [true, false] {
        stage.many(&settings);
        let mut lock = locked(url).await;
        stage.killed(|| moved.exists()).await;
        lock.kill().await.unwrap();
        let why = stage.refused().await;
        assert!(why.contains("has not ended"), "a new worker would fill the database: {why}");
        stage.one();
        let why = stage.refused().await;
        assert!(why.contains("has not ended"), "nobody knows where they are: {why}");
        stage.many(&settings);
        if undone {
            stage.command(&["migrate", "--undo"]).await.ok();
            stage.one();
            stage.command(&["uploads", "list"]).await.ok();
        } else {
            stage.command(&["migrate"]).await.ok();
        }
    }
    // Killed between the last word of the database and that of the directory.
    let mut said = stage.moved();
    assert_eq!(said["state"], "moved");
    said["state"] = json!("moving");
    std::fs::write(&moved, said.to_string()).unwrap();
    let why = stage.command(&["migrate", "--undo"]).await.error();
    assert!(why.contains("no way back"), "{why}");
    assert_eq!(stage.moved()["state"], "moved");
    stage.one();
    let refused = [stage.refused().await, stage.command(&["uploads", "list"]).await.error()];
    assert!(
        refused.iter().all(|why| why.contains("are in the PostgreSQL database 127.0.0.1:")),
        "{refused:?}"
    );
    stage.many(&settings);
    stage.start().await;
    everything_goes_on(&old, false, false).await;
}

#[tokio::test]
async fn a_move_says_what_is_in_its_way() {
    let settings = shared().await;
    let mut stage = Stage::before(Sandbox::start().await.unwrap(), &[("TELESTORE_SECRET_KEY", "its own")]);
    stage.start().await;
    let file = File::new(2 * CHUNK + 7);
    stage.chunk(&file, 0).await.ok();
    stage.chunk(&file, 1).await.ok();
    stage.many(&settings);
    let error = stage.command(&["migrate"]).await.error();
    assert!(error.contains("a worker runs on the data directory"), "{error}");
    assert!(stage.terminate().await.success());
    let look = stage.command(&["migrate", "--dry-run"]).await.ok();
    assert!(
        look.contains("2 chunks, 10.0 MiB") && look.contains("set the key that the worker had"),
        "{look}"
    );
    let error = stage.command(&["migrate"]).await.error();
    assert!(error.contains(&file.id) && error.contains("set the key that the worker had"), "{error}");
    stage.set("TELESTORE_SECRET_KEY", "its own");

    let chunks = crate::support::files_below(&stage.data_dir().join("chunks"));
    let first = chunks.iter().find(|path| path.file_name().unwrap().to_string_lossy().starts_with("00000-"));
    std::fs::remove_file(first.expect("a chunk")).unwrap();
    let error = stage.command(&["migrate"]).await.error();
    assert!(error.contains(&format!("chunk 0 of {}", file.id)), "{error}");
    stage.command(&["migrate", "--force"]).await.ok();
    stage.start().await;
    stage.chunk(&file, 2).await.ok();
    stage.complete(&file.id).await.ok();
    let end = stage.end(&file.id).await;
    assert!(end["error"].as_str().unwrap().contains("chunk 0"), "{end}");
    stage.chunk(&file, 0).await.ok();
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);

    let mut other = Stage::with(&[]).await;
    other.chunk(&file, 0).await.ok();
    assert!(other.terminate().await.success());
    other.many(&settings);
    let error = other.command(&["migrate"]).await.error();
    assert!(error.contains("it holds uploads already"), "{error}");
    assert!(stage.terminate().await.success());
    let error = other.command(&["migrate"]).await.error();
    assert!(error.contains("it holds uploads already"), "{error}");
    other.many(&shared().await);
    assert!(other.command(&["migrate"]).await.ok().contains("1 uploads"));
    other.set("TELESTORE_DATABASE_URL", setting(&settings, "TELESTORE_DATABASE_URL"));
    let error = other.command(&["migrate"]).await.error();
    assert!(error.contains("which is another database"), "{error}");
}
