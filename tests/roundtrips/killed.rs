//! A worker that is killed at any moment while it sends encrypted files.

use std::time::Duration;

use rand::RngExt as _;

use crate::support::{File, MIB};
use crate::{Form, Scene, bytes};

/// How often it is killed.
const KILLS: usize = 50;

async fn killed(form: Form, settings: &[(&str, &str)]) {
    let mut scene = Scene::new(form, settings).await;
    // How long one takes that nobody disturbs.
    let (first, began) = (of(bytes(12 * MIB)), std::time::Instant::now());
    assert_eq!(scene.stage.send(&first).await["status"], "completed");
    let usual = began.elapsed().max(Duration::from_millis(50));
    for number in 0..KILLS {
        let file = of(bytes(12 * MIB));
        scene.stage.queue(&file).await;
        tokio::time::sleep(usual.mul_f64(rand::rng().random::<f64>())).await;
        scene.stage.kill().await;
        scene.stage.start().await;
        let end = scene.stage.end(&file.id).await;
        assert_eq!(end["status"], "completed", "kill {number}: {end}");
        let kept = scene.newest().await;
        assert_eq!(kept["uploadId"], file.id.as_str());
        assert!(scene.opened_by_hand(&kept).await == file.bytes, "kill {number}");
    }
    assert_eq!(scene.stage.sandbox.messages_of(&scene.stage.user).len(), KILLS + 1, "each is one message");
}

fn of(bytes: Vec<u8>) -> File {
    File { bytes, ..File::new(12 * MIB) }.named("access.log")
}

#[tokio::test]
async fn encrypted_files_are_whole_after_any_kill() {
    killed(Form::Age, &[("TELESTORE_PREFER_MTPROTO", "on")]).await;
}

#[tokio::test]
async fn compressed_and_encrypted_files_are_whole_after_any_kill() {
    killed(Form::Both, &[("TELESTORE_PREFER_MTPROTO", "on")]).await;
}
