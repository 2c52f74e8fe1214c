//! Files that were sent come back.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::TryStreamExt;
use serde_json::Value;
use telestore_client::{ErrorKind, FileQuery, Source, UploadOptions};

use super::{Folder, Sending, client, program};
use crate::support::{MIB, Stage, soon};

/// What the program printed.
struct Ran {
    lines: Vec<Value>,
    code: Option<i32>,
}

impl Ran {
    /// The last line, which is the summary, of a run that went well.
    #[track_caller]
    fn summary(&self) -> &Value {
        let last = self.lines.last().expect("a summary");
        assert_eq!((self.code, &last["event"]), (Some(0), &"summary".into()), "{:#?}", self.lines);
        last
    }
}

async fn run(stage: &Stage, args: &[&str]) -> Ran {
    let ended = soon("the program to end", program(stage).args(args).arg("--json").output()).await.unwrap();
    let text = String::from_utf8(ended.stdout).unwrap();
    Ran {
        lines: text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        code: ended.status.code(),
    }
}

/// A folder for what comes back.
fn back(stage: &Stage) -> PathBuf {
    let folder = stage.dir.path().join("back");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}

async fn sent(stage: &Stage, name: &str, bytes: &[u8]) -> String {
    let options = UploadOptions::new().file_name(name).unwrap();
    client(stage).upload(Source::bytes(bytes.to_vec()), options).await.unwrap();
    let files: Vec<_> = client(stage).files(FileQuery::new().named(name)).try_collect().await.unwrap();
    files[0].id.clone()
}

/// Waits until so much of a file is here.
async fn has_part(path: &Path, length: u64) {
    let part = PathBuf::from(format!("{}.part", path.display()));
    let there = async {
        while fs::metadata(&part).map_or(0, |about| about.len()) < length {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("bytes of the file", there).await;
}

#[tokio::test]
async fn a_folder_comes_back_as_it_was_sent() {
    let stage = Stage::new().await;
    let folder = Folder::new(&stage, 12, 25 * MIB);
    let (_, code) = Sending::begin(&stage, &folder.path, &[]).end().await;
    assert_eq!(code, 0);
    let listed = run(&stage, &["list"]).await;
    assert_eq!((listed.code, listed.lines.len()), (Some(0), 13));
    let back = back(&stage);
    let mut args = vec!["get", "-o", back.to_str().unwrap()];
    args.extend(listed.lines.iter().map(|file| file["id"].as_str().unwrap()));
    let ran = run(&stage, &args).await;
    assert_eq!((&ran.summary()["saved"], &ran.summary()["failed"]), (&13.into(), &0.into()));
    let completed = ran.lines.iter().filter(|line| line["event"] == "completed");
    assert!(completed.clone().all(|line| line["digestChecked"] == true) && completed.count() == 13);
    for file in fs::read_dir(&folder.path).unwrap() {
        let sent = file.unwrap().path();
        let came = back.join(sent.file_name().unwrap());
        assert!(fs::read(&came).unwrap() == fs::read(&sent).unwrap(), "{}", came.display());
    }
    assert_eq!(fs::read_dir(&back).unwrap().count(), 13, "nothing else");
    let ran = run(&stage, &args).await;
    assert_eq!(ran.summary()["thereAlready"], 13);
}

#[tokio::test]
async fn a_file_comes_whatever_stops_it() {
    let mut stage = Stage::new().await;
    let bytes = bytes(24 * MIB);
    let id = sent(&stage, "film.bin", &bytes).await;
    let port = stage.address().rsplit(':').next().unwrap().to_owned();
    let path = back(&stage).join("film.bin");
    let args = ["get", &id, "-o", path.to_str().unwrap(), "--json", "--limit-rate", "6MiB"];

    // kill -9 of the client.
    let mut running = program(&stage).args(args).spawn().unwrap();
    has_part(&path, 4 * MIB as u64).await;
    running.kill().await.unwrap();

    // The worker is killed under it, and comes back; then Ctrl-C.
    let running = program(&stage).args(args).spawn().unwrap();
    has_part(&path, 8 * MIB as u64).await;
    stage.kill().await;
    stage.start_at(&port).await;
    has_part(&path, 12 * MIB as u64).await;
    let pid = running.id().unwrap().to_string();
    assert!(tokio::process::Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    let ended = soon("the client to stop", running.wait_with_output()).await.unwrap();
    assert_eq!(ended.status.code(), Some(130));

    let ran = run(&stage, &["get", &id, "-o", path.to_str().unwrap()]).await;
    assert_eq!(ran.summary()["saved"], 1);
    let completed = ran.lines.iter().find(|line| line["event"] == "completed").unwrap();
    assert!(completed["fetched"].as_u64().unwrap() <= 12 * MIB as u64, "{completed}");
    assert!(fs::read(&path).unwrap() == bytes, "other bytes came");
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_link_opens_a_file_to_others() {
    let stage = Stage::new().await;
    let bytes = bytes(100_000);
    let id = sent(&stage, "ä b.bin", &bytes).await;
    let ran = run(&stage, &["link", "ä b.bin", "--for", "10m"]).await;
    let url = ran.lines[0]["url"].as_str().unwrap();
    assert!(url.starts_with(&stage.url("/files/")) && !url.contains(&stage.user.auth_token), "{url}");
    let came = stage.client.get(url).send().await.unwrap();
    assert_eq!(came.status(), 200);
    assert!(came.bytes().await.unwrap() == bytes);
    assert!(ran.lines[0]["expiresAt"].is_string() && ran.lines[0]["id"] == *id);
    let error = client(&stage).link(&id, Duration::from_secs(400 * 24 * 3600)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
}

#[tokio::test]
async fn what_is_deleted_does_not_come_back() {
    let stage = Stage::new().await;
    let id = sent(&stage, "a.bin", b"bytes").await;
    let ran = run(&stage, &["rm", &id]).await;
    assert_eq!((ran.code, &ran.lines[0]["state"]), (Some(0), &"deleted".into()), "{:?}", ran.lines);
    assert_eq!(run(&stage, &["rm", &id]).await.code, Some(1));
    let error = client(&stage).file(&id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gone, "{error}");
    let gone = async {
        while !stage.sandbox.messages_of(&stage.user).is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("the message to go", gone).await;
    assert_eq!(run(&stage, &["get", &id]).await.code, Some(1));
}
