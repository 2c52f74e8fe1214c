//! Clients that read while the worker is killed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use telestore_sandbox::Fault;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::support::{MIB, soon};
use crate::{BLOCK, Form, GET, Scene, bytes, programs};

/// As people do it: the same line again, until it has all.
async fn curl(mut command: Command, out: PathBuf) -> PathBuf {
    loop {
        if command.status().await.expect("curl").success() {
            return out;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn telestore(mut command: Command, out: PathBuf) -> PathBuf {
    let ended = command.output().await.expect("the client");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    out
}

fn digest(path: &Path) -> String {
    hex::encode(Sha256::digest(std::fs::read(path).expect("a file")))
}

/// How many clients read at a time: one half is curl, the other one is our own program.
const CLIENTS: u64 = 20;

/// How often the worker is killed while all of them read.
const KILLS: u64 = 3;

/// What a client has of its file so far.
fn has(out: &Path) -> u64 {
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |about| about.len());
    length(out).max(length(&out.with_extension("part")))
}

/// Has all clients read, and kills the worker each time when all of them wait for the same block, further on each time. Of `whole`
/// bytes so many lie in the channel.
async fn killed_while_all_read(scene: &mut Scene, outs: &[PathBuf], whole: u64, in_channel: u64) {
    let address = scene.stage.address();
    let port = address.rsplit(':').next().expect("a port").to_owned();
    for kill in 0..KILLS {
        let faults = scene.stage.sandbox.faults();
        let held = in_channel * (kill + 1) / (KILLS + 1) / BLOCK * BLOCK;
        let hold = faults.inject(Fault::hold(GET).offset(held as i64));
        if kill > 0 {
            scene.stage.start_at(&port).await;
        }
        let faults = scene.stage.sandbox.faults();
        soon("the clients to come to the block", faults.wait_fired(hold, CLIENTS)).await;
        // A call may have come twice: what the clients have says that none is missing. A frame that is not whole gives nothing.
        let before = whole * (kill + 1) / (KILLS + 1) - 2 * MIB as u64;
        let there = async {
            while outs.iter().any(|out| has(out) < before) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        soon("each client to have what is before the block", there).await;
        for out in outs {
            assert!(has(out) < whole, "{} is there before the kill", out.display());
        }
        scene.stage.kill().await;
        scene.stage.sandbox.faults().release(hold);
    }
    scene.stage.start_at(&port).await;
}

#[tokio::test]
async fn twenty_clients_end_with_the_right_bytes() {
    // The second one is compressed to about as much as half of the first one.
    for (form, mebibytes) in [(Form::Plain, 12), (Form::Both, 24)] {
        let mut scene = Scene::new(form, &[("TELESTORE_PREFER_MTPROTO", "on")]).await;
        let bytes = bytes(mebibytes * MIB);
        let newest = scene.put(&bytes).await;
        let in_channel = scene.messages(&newest)[0].size;
        assert!(in_channel > 16 * BLOCK, "{in_channel} bytes are few");
        let id = newest["id"].as_str().expect("an id");
        let (mut reading, mut outs) = (JoinSet::new(), Vec::new());
        for number in 0..CLIENTS {
            let out = scene.stage.dir.path().join(format!("client-{number}"));
            outs.push(out.clone());
            if number % 2 == 0 {
                reading.spawn(curl(programs::curl(&scene, id, &out), out));
            } else {
                reading.spawn(telestore(programs::telestore(&scene, id, &out), out));
            }
        }
        killed_while_all_read(&mut scene, &outs, bytes.len() as u64, in_channel).await;
        let expected = hex::encode(Sha256::digest(&bytes));
        let mut ended = 0;
        while let Some(out) = soon("a client to end", reading.join_next()).await {
            assert_eq!(digest(&out.expect("a client")), expected, "{form:?}");
            ended += 1;
        }
        assert_eq!(ended, CLIENTS);
    }
}
