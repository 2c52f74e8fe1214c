//! Runs that are stopped and started again.

use super::mock::Fault;
use super::{MIB, Scene, content};

fn all(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{index:04}.bin")).collect()
}

#[tokio::test]
async fn a_run_that_is_stopped_three_times_sends_each_file_once() {
    // So many that some are left for the last run, however late a signal comes.
    let scene = Scene::with(80, 500).await;
    scene.file("big.bin", &content(99, 20 * MIB));
    // Each run is stopped in another way, with answers lost on the way.
    scene.mock.fault("PATCH /tus/", &vec![Fault::LoseAnswer; 3]);
    let running = scene.begin(&[]);
    scene.mock.asked("PATCH /tus/", 15).await;
    running.signal("INT").await;
    running.end().await.ends(130);

    let before = scene.mock.requests("PATCH /tus/").len();
    scene.mock.fault("GET /upload-progress/", &[Fault::LoseAnswer, Fault::LoseAnswer]);
    let running = scene.begin(&[]);
    scene.mock.asked("PATCH /tus/", before + 15).await;
    running.kill().await;

    let before = scene.mock.requests("PATCH /tus/").len();
    scene.mock.fault("POST /tus", &[Fault::LoseAnswer]);
    let running = scene.begin(&["--limit-rate", "8MiB"]);
    scene.mock.asked("PATCH /tus/", before + 3).await;
    running.kill().await;

    let (_, summary) = scene.send(&[]).await.ends(0).json();
    assert_eq!(summary["files"], 81);
    assert_eq!(summary["sent"].as_u64().unwrap() + summary["sentBefore"].as_u64().unwrap(), 81, "{summary}");
    let mut names = all(80);
    names.push("big.bin".to_owned());
    scene.arrived(&names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(scene.begun(), 0);
}

#[tokio::test]
async fn what_the_worker_has_is_not_sent_again() {
    let scene = Scene::new().await;
    scene.file("big.bin", &content(1, 20 * MIB));
    scene.mock.fault("PATCH /tus/", &[Fault::CutBody(0)]);
    let running = scene.begin(&["--limit-rate", "16MiB"]);
    scene.mock.until(|uploads| uploads.values().any(|upload| upload.bytes.len() >= 4 * MIB)).await;
    running.kill().await;
    assert_eq!(scene.begun(), 1);
    let kept = scene.mock.uploads().values().next().unwrap().bytes.len();
    let ran = scene.run(&["list", "--uploads", "--json"]).await.ends(0);
    assert!(ran.out.contains("big.bin") && ran.out.lines().count() == 1, "{}", ran.out);
    let ran = scene.run(&["status", "--json"]).await.ends(0);
    assert!(ran.out.contains(&format!("\"kept\":{kept}")), "{}", ran.out);
    let before = scene.mock.requests("PATCH /tus/").len();
    scene.send(&[]).await.ends(0);
    let first = scene.mock.requests("PATCH /tus/")[before].clone();
    assert_eq!(first.header("upload-offset"), Some(kept.to_string().as_str()));
    scene.arrived(&["big.bin"]);
    let ran = scene.run(&["list", "--sent"]).await.ends(0);
    assert!(ran.out.starts_with("sent ") && ran.out.contains("message 1"), "{}", ran.out);
}

#[tokio::test]
async fn a_message_that_was_made_after_the_kill_is_found() {
    let scene = Scene::with(5, 100).await;
    scene.mock.hold(true);
    let running = scene.begin(&[]);
    scene
        .mock
        .until(|uploads| uploads.values().filter(|upload| upload.bytes.len() == 100).count() == 5)
        .await;
    running.kill().await;
    scene.mock.hold(false);
    let (_, summary) = scene.send(&[]).await.ends(0).json();
    assert_eq!(summary["sent"], 5, "{summary}");
    assert_eq!(scene.mock.messages().len(), 5);
}

#[tokio::test]
async fn a_worker_that_forgot_is_not_trusted_to_have_sent_nothing() {
    let scene = Scene::with(1, 100).await;
    scene.mock.hold(true);
    let running = scene.begin(&[]);
    scene.mock.until(|uploads| uploads.values().any(|upload| upload.bytes.len() == 100)).await;
    running.kill().await;
    scene.mock.forget();
    scene.mock.hold(false);
    let ran = scene.send(&[]).await.ends(1);
    assert!(ran.out.contains("look into the channel"), "{}", ran.out);
    assert!(scene.mock.messages().is_empty());
    scene.send(&["--again"]).await.ends(0);
    scene.arrived(&["0000.bin"]);
}

#[tokio::test]
async fn one_that_it_forgot_before_the_end_begins_anew() {
    let scene = Scene::new().await;
    scene.file("big.bin", &content(1, 20 * MIB));
    let running = scene.begin(&["--limit-rate", "16MiB"]);
    scene.mock.until(|uploads| uploads.values().any(|upload| upload.bytes.len() >= 4 * MIB)).await;
    running.kill().await;
    scene.mock.forget();
    scene.send(&[]).await.ends(0);
    scene.arrived(&["big.bin"]);
}

#[tokio::test]
async fn an_interrupt_says_how_to_go_on() {
    let scene = Scene::with(3, 100).await;
    scene.mock.hold(true);
    let folder = scene.files();
    let running = scene.start(scene.program(&["send", folder.to_str().unwrap()]));
    scene
        .mock
        .until(|uploads| uploads.values().filter(|upload| upload.bytes.len() == 100).count() == 3)
        .await;
    running.signal("INT").await;
    let ran = running.end().await.ends(130);
    assert!(ran.err.contains("3 not ended; to go on, give the same command"), "{}", ran.err);
    assert_eq!(scene.begun(), 3);
    let running = scene.start(scene.program(&["send", folder.to_str().unwrap()]));
    scene.mock.asked("HEAD /tus/", 3).await;
    running.signal("TERM").await;
    running.end().await.ends(143);
}

#[tokio::test]
async fn a_second_interrupt_ends_at_once() {
    let scene = Scene::with(1, 100).await;
    scene.mock.hold(true);
    scene.mock.fault("POST /cancel-upload", &[Fault::Hang]);
    let running = scene.begin(&["--no-resume"]);
    scene.mock.until(|uploads| uploads.values().any(|upload| upload.bytes.len() == 100)).await;
    running.signal("INT").await;
    scene.mock.asked("POST /cancel-upload", 1).await;
    running.signal("INT").await;
    let ran = running.end().await.ends(130);
    assert!(!ran.out.contains("summary"), "{}", ran.out);
}

#[tokio::test]
async fn without_resuming_what_is_stopped_is_cancelled() {
    let scene = Scene::with(2, 100).await;
    scene.mock.hold(true);
    let running = scene.begin(&["--no-resume"]);
    scene
        .mock
        .until(|uploads| uploads.values().filter(|upload| upload.bytes.len() == 100).count() == 2)
        .await;
    running.signal("INT").await;
    running.end().await.ends(130);
    assert!(scene.mock.uploads().is_empty() && !scene.state().exists());
}

#[tokio::test]
async fn two_at_once_do_not_send_one_file_twice() {
    let scene = Scene::with(3, 100).await;
    scene.mock.hold(true);
    let first = scene.begin(&[]);
    scene
        .mock
        .until(|uploads| uploads.values().filter(|upload| upload.bytes.len() == 100).count() == 3)
        .await;
    let ran = scene.send(&[]).await.ends(1);
    assert!(ran.out.contains("another telestore is sending it"), "{}", ran.out);
    scene.mock.hold(false);
    first.end().await.ends(0);
    let (_, summary) = scene.send(&[]).await.ends(0).json();
    assert_eq!(summary["sentBefore"], 3);
    assert_eq!(scene.mock.messages().len(), 3);
}

#[tokio::test]
async fn other_options_are_not_mixed_into_what_was_begun() {
    let scene = Scene::with(1, 100).await;
    scene.mock.hold(true);
    let running = scene.begin(&["--caption", "one"]);
    scene.mock.until(|uploads| uploads.values().any(|upload| upload.bytes.len() == 100)).await;
    running.kill().await;
    let ran = scene.send(&["--caption", "other"]).await;
    assert!(ran.out.contains("begun with other options"), "{}", ran.out);
    let ran = scene.run(&["cancel", "--all"]).await.ends(0);
    assert!(ran.out.contains("0000.bin: cancelled"), "{}", ran.out);
    assert_eq!(scene.begun(), 0);
    scene.mock.hold(false);
    scene.send(&["--caption", "other"]).await.ends(0);
    assert_eq!(scene.mock.messages().len(), 1);
}

#[tokio::test]
async fn a_full_disk_is_waited_for() {
    let scene = Scene::with(20, 1000).await;
    scene.mock.fault("PATCH /tus/", &vec![Fault::Status(507, "", ""); 12]);
    scene.mock.fault("POST /tus", &[Fault::Status(507, "", ""), Fault::Status(503, "Retry-After", "1")]);
    let (_, summary) = scene.send(&[]).await.ends(0).json();
    assert_eq!(summary["sent"], 20);
    let names = all(20);
    scene.arrived(&names.iter().map(String::as_str).collect::<Vec<_>>());
}
