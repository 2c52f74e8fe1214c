//! What is in the data directory is for the worker's user only.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use crate::raw::Raw;
use crate::support::{File, MIB, Stage, files_below, soon};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode()
        & 0o777
}

/// `dir` and everything below it.
fn all(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![dir.to_owned()];
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(all(&path)) } else { found.push(path) }
    }
    found
}

#[track_caller]
fn assert_private(dir: &Path) {
    for path in all(dir) {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), expected, "{} is {:o}", path.display(), mode(&path));
    }
}

/// Makes everything below `dir` as 0.1 did under the usual umask.
fn open_up(dir: &Path) {
    for path in all(dir) {
        let mode = if path.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
    }
}

/// A body that stays in the spool.
async fn half_a_chunk(stage: &Stage) -> Raw {
    let mut body = Raw::connect(stage).await;
    let head = "POST /upload-chunk HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\
                Content-Type: multipart/form-data; boundary=X\r\n\r\n--X\r\n\
                Content-Disposition: form-data; name=\"chunk\"; filename=\"blob\"\r\n\r\n";
    body.send(head).await;
    body.send(vec![7; MIB]).await;
    soon("the spool", async {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(10));
        while files_below(&stage.data_dir().join("spool")).is_empty() {
            ticks.tick().await;
        }
    })
    .await;
    body
}

async fn makes_private_files(umask: &str) {
    let mut stage = Stage::new().await;
    stage.kill().await;
    fs::remove_dir_all(stage.data_dir()).expect("it is ours");
    stage.behind(umask);
    stage.start().await;
    let file = File::in_chunks(20, &[10]);
    stage.chunk(&file, 0).await.ok();
    let _body = half_a_chunk(&stage).await;
    let names: Vec<_> = all(&stage.data_dir())
        .iter()
        .filter_map(|path| path.file_name()?.to_str().map(str::to_owned))
        .collect();
    let database = ["telestore.db", "telestore.db-wal", "telestore.db-shm"];
    for name in database.into_iter().chain(["secret.key", "lock", "worker-id", "chunks", "spool"]) {
        assert!(names.iter().any(|found| found == name), "{name} is not in {names:?}");
    }
    assert_private(&stage.data_dir());
    stage.kill().await;
    stage.start().await;
    stage.chunk(&file, 1).await.ok();
    assert_private(&stage.data_dir());
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
}

#[tokio::test]
async fn a_new_data_directory_is_for_the_workers_user_only_under_the_usual_umask() {
    makes_private_files("umask 022").await;
}

#[tokio::test]
async fn a_new_data_directory_is_for_the_workers_user_only_without_an_umask() {
    makes_private_files("umask 000").await;
}

#[tokio::test]
async fn what_an_older_version_left_open_is_closed_at_the_start() {
    let mut stage = Stage::recording(&[]).await;
    let file = File::in_chunks(20, &[10]);
    stage.chunk(&file, 0).await.ok();
    stage.kill().await;
    let dir = stage.data_dir();
    open_up(&dir);
    let said = stage.command(&["check"]).await.ok();
    let line = said.lines().find(|line| line.contains("other users")).unwrap_or_default();
    assert!(line.starts_with("warning") && line.contains("mode 755"), "{said}");

    stage.behind("umask 000");
    stage.start().await;
    assert_private(&dir);
    stage.logged("other users of this machine could read the worker's files").await;
    stage.chunk(&file, 1).await.ok();
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    let said = stage.command(&["check"]).await.ok();
    assert!(said.lines().any(|line| line.starts_with("ok       other users")), "{said}");
}

#[tokio::test]
async fn what_is_not_the_workers_own_keeps_its_mode() {
    let mut stage = Stage::new().await;
    stage.chunk(&File::in_chunks(20, &[10]), 0).await.ok();
    stage.kill().await;
    let dir = stage.data_dir();
    // A disk that others use, too.
    let (notes, elsewhere) = (dir.join("notes"), stage.dir.path().join("elsewhere"));
    fs::write(&notes, "of somebody").unwrap();
    fs::rename(dir.join("secret.key"), &elsewhere).unwrap();
    symlink(&elsewhere, dir.join("secret.key")).unwrap();
    open_up(&dir);
    // Only root can give files away.
    let strange = dir.join("spool");
    let given = chown(&strange, Some(4711), None).is_ok();
    stage.start().await;
    for path in [&dir, &notes, &elsewhere] {
        assert_eq!(mode(path) & 0o044, 0o044, "{} is somebody else's", path.display());
    }
    assert_eq!(mode(&strange), if given { 0o755 } else { 0o700 });
    assert_eq!(mode(&dir.join("chunks")), 0o700);
    assert_eq!(mode(&dir.join("telestore.db")), 0o600);
}
