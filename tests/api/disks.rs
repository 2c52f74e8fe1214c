//! Parts of the data directory on other disks, and disks that do not do what an upload needs.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{File, Stage, soon};

/// A directory on another file system than that of the tests: memory, which every Linux has there.
fn other_disk(stage: &Stage) -> TempDir {
    let other = tempfile::tempdir_in("/dev/shm").expect("memory takes files");
    let device = |path: &Path| std::os::unix::fs::MetadataExt::dev(&std::fs::metadata(path).unwrap());
    assert_ne!(device(other.path()), device(stage.dir.path()), "set TMPDIR to a directory on a disk");
    other
}

/// A stage whose data directory was made by a worker that has ended, with the named parts moved to another disk.
async fn moved(parts: &[&str]) -> (Stage, TempDir) {
    let mut stage = Stage::new().await;
    assert!(stage.terminate().await.success());
    let other = other_disk(&stage);
    for part in parts {
        let (from, to) = (stage.data_dir().join(part), other.path().join(part));
        std::fs::remove_dir(&from).unwrap();
        std::fs::create_dir(&to).unwrap();
        symlink(&to, &from).unwrap();
    }
    (stage, other)
}

async fn file_system(stage: &Stage) -> String {
    let ran = stage.command(&["check", "--json", "--token", &stage.user.auth_token]).await;
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    let found = report["checks"].as_array().unwrap().iter().find(|check| check["check"] == "file system");
    let found = found.unwrap_or_else(|| panic!("{ran:?}"));
    format!("{}: {}", found["result"].as_str().unwrap(), found["message"].as_str().unwrap())
}

async fn works(stage: &mut Stage) {
    assert!(file_system(stage).await.starts_with("ok: "), "before the start");
    stage.start().await;
    assert_eq!(stage.get("/ready").await.ok()["checks"]["disk"]["ok"], true);
    assert!(file_system(stage).await.starts_with("ok: "), "beside the worker");
    let file = File::in_chunks(3000, &[1000]);
    assert_eq!(stage.send(&file).await["status"], "completed");
    stage.arrived(&file);
    stage.emptied(&["chunks", "spool"]).await;
}

#[tokio::test]
async fn chunks_may_be_on_another_disk() {
    let (mut stage, other) = moved(&["chunks"]).await;
    works(&mut stage).await;
    assert!(other.path().join("chunks/spool").is_dir(), "the spool is beside the chunks");
}

#[tokio::test]
async fn the_spool_may_be_on_another_disk() {
    let (mut stage, other) = moved(&["spool"]).await;
    works(&mut stage).await;
    assert_eq!(std::fs::read_dir(other.path().join("spool")).unwrap().count(), 0);
}

/// As the root of a disk is that is mounted there.
#[tokio::test]
async fn what_a_mounted_disk_brings_along_stays() {
    let (mut stage, other) = moved(&["spool", "chunks"]).await;
    let kept = ["spool/lost+found", "chunks/lost+found"].map(|name| other.path().join(name));
    kept.iter().for_each(|dir| std::fs::create_dir(dir).unwrap());
    std::fs::write(other.path().join("spool/left"), "by an earlier worker").unwrap();
    stage.start().await;
    assert_eq!(stage.send(&File::in_chunks(3000, &[1000])).await["status"], "completed");
    assert!(kept.iter().all(|dir| dir.is_dir()) && !other.path().join("spool/left").exists());
    assert!(file_system(&stage).await.starts_with("ok: "));
}

#[tokio::test]
async fn check_tries_a_disk_before_the_first_start() {
    let (stage, other) = moved(&["chunks"]).await;
    std::fs::remove_dir(stage.data_dir().join("spool")).unwrap();
    assert!(file_system(&stage).await.starts_with("ok: "));
    assert_eq!(std::fs::read_dir(other.path().join("chunks")).unwrap().count(), 0, "it leaves nothing there");
    std::fs::remove_dir(other.path().join("chunks")).unwrap();
    assert!(file_system(&stage).await.starts_with("failed: "), "a link that leads nowhere");
    std::fs::remove_file(stage.data_dir().join("chunks")).unwrap();
    std::fs::write(stage.data_dir().join("chunks"), "a file in its place").unwrap();
    assert!(file_system(&stage).await.starts_with("failed: "));
}

#[tokio::test]
async fn a_start_that_fails_says_why() {
    let mut stage = Stage::new().await;
    assert!(stage.terminate().await.success());
    std::fs::remove_dir(stage.data_dir().join("spool")).unwrap();
    std::fs::write(stage.data_dir().join("spool"), "a file in its place").unwrap();
    let words = stage.command(&[]).await.error();
    assert!(words.contains("spool") && !words.contains("try again later"), "{words}");
}

#[tokio::test]
async fn both_may_be_on_another_disk() {
    let (mut stage, other) = moved(&["spool", "chunks"]).await;
    works(&mut stage).await;
    assert!(!other.path().join("chunks/spool").exists(), "they are together as they are");
}

#[tokio::test]
async fn chunks_that_moved_to_another_disk_are_still_there() {
    let mut stage = Stage::new().await;
    let file = File::in_chunks(3000, &[1000]);
    stage.chunk(&file, 0).await.ok();
    stage.kill().await;
    let other = other_disk(&stage);
    let (from, to) = (stage.data_dir().join("chunks"), other.path().join("chunks"));
    let status = std::process::Command::new("cp").arg("-a").args([&from, &to]).status().unwrap();
    assert!(status.success());
    std::fs::remove_dir_all(&from).unwrap();
    symlink(&to, &from).unwrap();
    std::fs::write(stage.data_dir().join("spool/left"), "by the killed worker").unwrap();
    stage.start().await;
    for index in 1..3 {
        stage.chunk(&file, index).await.ok();
    }
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
    stage.emptied(&["chunks", "spool"]).await;
}

#[tokio::test]
async fn the_disk_of_the_chunks_counts_for_what_is_free() {
    let (mut stage, other) = moved(&["chunks"]).await;
    std::fs::write(other.path().join("chunks/ballast"), [0; 4000]).unwrap();
    stage.set("TELESTORE_DISK_BYTES", "3000");
    stage.start().await;
    assert!(stage.chunk(&File::new(10), 0).await.error(507).contains("disk space"));
}

#[tokio::test]
async fn chunks_that_lead_nowhere_are_refused_with_words() {
    let (mut stage, other) = moved(&["chunks"]).await;
    std::fs::remove_dir(other.path().join("chunks")).unwrap();
    let ran = stage.command(&[]).await;
    assert!(ran.error().contains("making chunks fails"));
    // A disk that goes while the worker runs.
    std::fs::create_dir(other.path().join("chunks")).unwrap();
    stage.start().await;
    stage.get("/ready").await.ok();
    std::fs::remove_dir_all(other.path().join("chunks")).unwrap();
    let gone = async {
        loop {
            let answer = stage.get("/ready").await;
            if answer.status == 503 {
                return answer.error(503);
            }
            tokio::task::yield_now().await;
        }
    };
    let error = soon("the worker to look again", gone).await;
    assert!(error.contains("disk: ") && !error.contains("/dev/shm"), "{error}");
    assert!(file_system(&stage).await.starts_with("failed: "));
}

/// As a mount, which a container's volume is: two mounts of one disk are two file systems to `rename(2)`.
#[tokio::test]
async fn chunks_may_be_a_mount() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut stage = Stage::new().await;
    assert!(stage.terminate().await.success());
    let same_disk = stage.dir.path().join("volume");
    std::fs::create_dir(&same_disk).unwrap();
    let Some(_mounted) = Mounted::bind(&same_disk, &stage.data_dir().join("chunks")) else { return };
    works(&mut stage).await;
    assert!(same_disk.join("spool").is_dir());
    assert!(stage.terminate().await.success());
}

/// A mount that goes with the test.
struct Mounted(PathBuf);

impl Mounted {
    /// `None` if this machine does not let its root mount.
    fn bind(what: &Path, at: &Path) -> Option<Self> {
        let status = std::process::Command::new("mount").arg("--bind").args([what, at]).status();
        status.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
