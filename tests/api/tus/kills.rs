//! SIGKILL in the middle of a PATCH, at several points; the client goes on as the protocol says, and the file is there once.

use std::time::Duration;

use telestore_sandbox::Fault;

use crate::support::{File, MIB, Stage, files_below, soon};
use crate::tus::streams::{Line, reaches};
use crate::tus::{Tus, id_of, name_of};

/// The worker is started again, and the client goes on from where a HEAD says.
async fn goes_on(stage: &mut Stage, path: &str, file: &File) {
    stage.sandbox.faults().clear();
    stage.start().await;
    let tus = Tus::new(stage);
    let at = tus.offset(path).await;
    if at < file.bytes.len() {
        tus.append(path, at, &file.bytes[at..]).await;
    }
    tus.arrived(path, file).await;
    stage.emptied(&["chunks", "spool"]).await;
}

#[tokio::test]
async fn killed_before_anything_is_recorded() {
    let mut stage = Stage::new().await;
    let file = File::new(12 * MIB);
    let path = Tus::new(&stage).begin_file(&file).await;
    let mut line = Line::patch(&stage, &path, 0, file.bytes.len()).await;
    line.send(&file.bytes[..2 * MIB]).await;
    let spool = stage.data_dir().join("spool");
    soon("spooled bytes", async {
        while files_below(&spool).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    stage.kill().await;
    goes_on(&mut stage, &path, &file).await;
}

#[tokio::test]
async fn killed_after_pieces_were_recorded() {
    let mut stage = Stage::with(&[("TELESTORE_BOT_API_MAX_BYTES", "1 MiB")]).await;
    let file = File::new(40 * MIB);
    let tus = Tus::new(&stage);
    let path = tus.begin_file(&file).await;
    let mut line = Line::patch(&stage, &path, 0, file.bytes.len()).await;
    line.send(&file.bytes[..21 * MIB]).await;
    reaches(&tus, &path, 21 * MIB).await;
    line.send(&file.bytes[21 * MIB..22 * MIB]).await;
    stage.kill().await;
    stage.start().await;
    let at = Tus::new(&stage).offset(&path).await;
    assert!((21 * MIB..=22 * MIB).contains(&at), "what a HEAD has told is there: {at}");
    stage.kill().await;
    goes_on(&mut stage, &path, &file).await;
}

#[tokio::test]
async fn killed_with_the_last_byte_recorded_and_nobody_told() {
    let mut stage = Stage::new().await;
    let file = File::new(MIB);
    let tus = Tus::new(&stage);
    let path = tus.begin_file(&file).await;
    let held = stage.sandbox.faults().inject(Fault::hold("sendDocument"));
    let mut line = Line::patch(&stage, &path, 0, file.bytes.len()).await;
    line.send(&file.bytes).await;
    // It is completed by its last byte: nobody has to ask.
    soon("the send", stage.sandbox.faults().wait_fired(held, 1)).await;
    stage.kill().await;
    goes_on(&mut stage, &path, &file).await;
}

#[tokio::test]
async fn killed_again_and_again_with_small_patches() {
    let mut stage = Stage::with(&[("TELESTORE_EAGER", "off")]).await;
    let file = File::new(3 * MIB);
    let path = Tus::new(&stage).begin_file(&file).await;
    for kill in 1..=6 {
        let tus = Tus::new(&stage);
        let mut at = tus.offset(&path).await;
        let upto = file.bytes.len() * kill / 7;
        while at < upto {
            at = tus.append(&path, at, &file.bytes[at..file.bytes.len().min(at + 20_000)]).await;
        }
        let mut line = Line::patch(&stage, &path, at, file.bytes.len() - at).await;
        line.send(&file.bytes[at..at + 10_000]).await;
        stage.kill().await;
        stage.start().await;
        let told = Tus::new(&stage).offset(&path).await;
        assert!(told >= at, "what was acknowledged is there: {told} of {at}");
    }
    stage.kill().await;
    goes_on(&mut stage, &path, &file).await;
}

#[tokio::test]
async fn killed_between_parts_and_their_file() {
    let mut stage = Stage::new().await;
    let file = File::new(2 * MIB);
    let tus = Tus::new(&stage);
    let mut parts = Vec::new();
    for piece in file.bytes.chunks(MIB) {
        let length = piece.len().to_string();
        let path = tus.begin(&[("Upload-Length", &length), ("Upload-Concat", "partial")]).await;
        tus.append(&path, 0, piece).await;
        parts.push(path);
    }
    stage.kill().await;
    stage.start().await;
    let held = stage.sandbox.faults().inject(Fault::hold("sendDocument"));
    let concat = format!("final;{}", parts.join(" "));
    let path =
        Tus::new(&stage).begin(&[("Upload-Concat", &concat), ("Upload-Metadata", &name_of(&file))]).await;
    soon("the send", stage.sandbox.faults().wait_fired(held, 1)).await;
    stage.kill().await;
    goes_on(&mut stage, &path, &file).await;
    assert_eq!(stage.end(id_of(&path)).await["status"], "completed");
}

/// A stop is not a kill: what has come is recorded, and the next process goes on from it.
#[tokio::test]
async fn a_stop_records_what_has_come() {
    let mut stage = Stage::with(&[("TELESTORE_SHUTDOWN_GRACE", "5s")]).await;
    let file = File::new(12 * MIB);
    let tus = Tus::new(&stage);
    let path = tus.begin_file(&file).await;
    let mut line = Line::patch(&stage, &path, 0, file.bytes.len()).await;
    line.send(&file.bytes[..MIB]).await;
    reaches(&tus, &path, MIB).await;
    line.send(&file.bytes[MIB..2 * MIB]).await;
    assert!(stage.terminate().await.success());
    stage.start().await;
    assert!(Tus::new(&stage).offset(&path).await >= MIB);
    stage.kill().await;
    goes_on(&mut stage, &path, &file).await;
}
