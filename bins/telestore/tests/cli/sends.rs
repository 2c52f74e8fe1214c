//! What is sent, and what is said of it.

use std::io::Write;
use std::process::Stdio;

use super::mock::Fault;
use super::{MIB, Scene, content};

#[tokio::test]
async fn a_folder_is_sent_and_its_summary_tells_so() {
    let scene = Scene::new().await;
    let names = ["a.bin", "sub/b.bin", "sub/c d.bin"];
    for (index, name) in names.iter().enumerate() {
        scene.file(name, &content(index, 1000 * (index + 1)));
    }
    let ran = scene.send(&["--caption", "from here", "--silent"]).await.ends(0);
    let (events, summary) = ran.json();
    assert_eq!(
        (&summary["files"], &summary["sent"], &summary["bytes"]),
        (&3.into(), &3.into(), &6000.into())
    );
    let completed: Vec<_> = events.iter().filter(|event| event["event"] == "completed").collect();
    assert!(completed.len() == 3 && completed.iter().all(|event| event["messageId"].is_u64()), "{events:#?}");
    scene.arrived(&names);
    assert!(scene.mock.uploads().values().all(|upload| upload.metadata["caption"] == "from here"));
    assert_eq!(scene.begun(), 0);
}

#[tokio::test]
async fn people_read_lines_on_standard_error() {
    let scene = Scene::with(2, 2048).await;
    let folder = scene.files();
    let ran = scene.run(&["send", folder.to_str().unwrap()]).await.ends(0);
    assert_eq!(ran.out, "");
    assert!(ran.err.contains("2 files, 4.0 KiB") && ran.err.contains("0001.bin: message "), "{}", ran.err);
    assert!(ran.err.lines().last().unwrap().starts_with("2 of 2 files sent (4.0 KiB in "), "{}", ran.err);
    let ran = scene.run(&["send", folder.to_str().unwrap(), "--quiet", "--again"]).await.ends(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
}

#[tokio::test]
async fn what_was_sent_is_not_sent_again_unless_it_is_wanted() {
    let scene = Scene::with(3, 100).await;
    scene.send(&[]).await.ends(0);
    scene.file("0001.bin", &content(77, 100));
    let (_, summary) = scene.send(&[]).await.ends(0).json();
    assert_eq!((&summary["sent"], &summary["sentBefore"]), (&1.into(), &2.into()), "one has changed");
    assert_eq!(scene.mock.messages().len(), 4);
    scene.send(&["--again"]).await.ends(0);
    assert_eq!(scene.mock.messages().len(), 7);
}

#[tokio::test]
async fn what_another_user_sent_is_sent() {
    let scene = Scene::with(1, 100).await;
    scene.send(&[]).await.ends(0);
    // The worker shows nobody's uploads to others.
    scene.mock.forget();
    let journal = scene.state().join("sent.jsonl");
    let kept = std::fs::read_to_string(&journal).unwrap();
    let at = kept.find("\"by\":\"").unwrap() + 6;
    let other = kept.replace(&kept[at..at + 8], "00000000");
    std::fs::write(&journal, other).unwrap();
    scene.send(&[]).await.ends(0);
    assert_eq!(scene.mock.messages().len(), 2);
}

#[tokio::test]
async fn standard_input_is_sent_under_a_name() {
    let scene = Scene::new().await;
    for (input, name) in [(content(1, 3 * MIB), "big.bin"), (b"few".to_vec(), "small.bin")] {
        let mut command = scene.program(&["send", "-", "--name", name, "--json"]);
        let mut pipe = std::process::Command::new("cat");
        let mut pipe = pipe.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        command.stdin(pipe.stdout.take().unwrap());
        let running = scene.start(command);
        let mut to = pipe.stdin.take().unwrap();
        let (ran, ()) = tokio::join!(running.end(), async {
            let bytes = input.clone();
            tokio::task::spawn_blocking(move || to.write_all(&bytes).unwrap()).await.unwrap();
        });
        ran.ends(0);
        pipe.wait().unwrap();
        assert!(scene.mock.messages().contains(&(name.to_owned(), input)), "{name}");
    }
    let ran = scene.run(&["send", "-", "--json"]).await.ends(3);
    assert!(ran.out.contains("Telegram takes no empty files"), "{}", ran.out);
}

#[cfg(unix)]
#[tokio::test]
async fn what_cannot_be_sent_does_not_hold_up_the_rest() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};

    let scene = Scene::new().await;
    scene.file("good.bin", b"good");
    scene.file("empty.bin", b"");
    std::fs::write(scene.files().join(std::ffi::OsStr::from_bytes(b"na\xefve.bin")), "latin").unwrap();
    symlink("good.bin", scene.files().join("link.bin")).unwrap();
    let closed = scene.file("closed.bin", b"closed");
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
    let readable = std::fs::File::open(&closed).is_ok();
    let missing = scene.files().join("missing.bin");
    let (events, summary) = scene.send(&[missing.to_str().unwrap()]).await.ends(3).json();
    // Root reads everything.
    let (sent, failed) = if readable { (3, 2) } else { (2, 3) };
    assert_eq!(
        (&summary["files"], &summary["sent"], &summary["failed"]),
        (&5.into(), &sent.into(), &failed.into())
    );
    assert_eq!(summary["leftOut"], 1);
    let failed: Vec<_> = events.iter().filter(|event| event["event"] == "failed").collect();
    let of = |name: &str| failed.iter().find(|event| event["file"].as_str().unwrap().ends_with(name));
    assert_eq!(of("empty.bin").unwrap()["kind"], "empty");
    assert_eq!(of("missing.bin").unwrap()["kind"], "source");
    assert!(scene.mock.messages().iter().any(|(name, _)| name == "na\u{fffd}ve.bin"));
}

#[tokio::test]
async fn a_file_goes_once_it_is_sent_and_only_then() {
    let scene = Scene::with(3, 100).await;
    let (_, summary) = scene.send(&["--delete-after"]).await.ends(0).json();
    assert_eq!(summary["deleted"], 3);
    assert_eq!(std::fs::read_dir(scene.files()).unwrap().count(), 0);
    assert_eq!(scene.mock.messages().len(), 3);
    // One that fails stays, and so does one that is changed before its message is there.
    let stays = scene.file("stays.bin", b"stays");
    scene.mock.fails(Some("no channel"));
    scene.send(&["--delete-after"]).await.ends(1);
    assert!(stays.exists());
    scene.mock.fails(None);
    scene.mock.hold(true);
    let changes = scene.file("changes.bin", b"changes");
    let running = scene.begin(&["--delete-after"]);
    let complete = |name: &'static str| {
        move |upload: &super::mock::MockUpload| {
            upload.metadata["filename"] == name && upload.bytes.len() == name.len() - 4
        }
    };
    scene.mock.until(|uploads| uploads.values().any(complete("changes.bin"))).await;
    std::fs::write(&changes, "changed").unwrap();
    scene.mock.hold(false);
    let ran = running.end().await.ends(0);
    assert!(changes.exists() && ran.out.contains("not deleted: it has changed"), "{}", ran.out);
    assert!(!stays.exists(), "it was sent again from what the worker had");
}

#[tokio::test]
async fn the_end_tells_scripts_what_to_do() {
    let scene = Scene::with(2, 100).await;
    let folder = scene.files();
    scene.mock.fails(Some("Telegram session not authorized"));
    let ran = scene.send(&[]).await.ends(1);
    assert!(ran.out.contains("Telegram session not authorized"), "{}", ran.out);
    scene.mock.fails(None);
    let ran = scene.start({
        let mut command = scene.program(&["send", folder.to_str().unwrap(), "--json"]);
        command.env("TELESTORE_TOKEN", "hush");
        command
    });
    let ran = ran.end().await.ends(4);
    assert!(!ran.out.contains("hush") && !ran.err.contains("hush"));
    scene.mock.fault("POST /", &vec![Fault::Status(507, "", ""); 100]);
    scene.mock.fault("HEAD /", &vec![Fault::Status(503, "", ""); 100]);
    scene.send(&["--patience", "1s"]).await.ends(5);
    scene.run(&["send"]).await.ends(2);
    let ran = scene.run(&["send", "x", "--to", "no address"]).await.ends(2);
    assert!(ran.err.contains("--to"), "{}", ran.err);
}

#[tokio::test]
async fn a_dry_run_asks_nobody() {
    let scene = Scene::with(2, 100).await;
    let folder = scene.files();
    let ran = scene.run(&["send", folder.to_str().unwrap(), "--dry-run", "--exclude", "0000*"]).await.ends(0);
    assert!(ran.err.contains("0001.bin: 100 bytes") && !ran.err.contains("0000.bin"), "{}", ran.err);
    assert!(scene.mock.requests("").is_empty());
}
