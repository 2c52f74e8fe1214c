//! Clients that read while the worker is killed.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use telestore_sandbox::Fault;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::support::{MIB, soon};
use crate::{Form, Scene, bytes};

const GET: &str = "upload.getFile";

/// As people do it: the same line again, until it has all.
async fn curl(url: String, token: String, out: PathBuf) -> PathBuf {
    loop {
        let mut command = Command::new("curl");
        command.args(["-fsS", "-C", "-", "--retry", "30", "--retry-all-errors", "--retry-delay", "1", "-H"]);
        command.arg(format!("Authorization: Bearer {token}")).arg("-o").arg(&out).arg(&url);
        if command.status().await.expect("curl").success() {
            return out;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

async fn telestore(url: String, token: String, id: String, out: PathBuf) -> PathBuf {
    let mut command = Command::new(env!("CARGO_BIN_EXE_client-under-test"));
    command
        .env("TELESTORE_URL", url)
        .env("TELESTORE_TOKEN", token)
        .args(["get", &id, "--json", "-o"])
        .arg(&out);
    let ended = command.output().await.expect("the client");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    out
}

fn digest(path: &Path) -> String {
    hex::encode(Sha256::digest(std::fs::read(path).expect("a file")))
}

#[tokio::test]
async fn twenty_clients_end_with_the_right_bytes() {
    for form in [Form::Plain, Form::Both] {
        let mut scene = Scene::new(form, &[("TELESTORE_PREFER_MTPROTO", "on")]).await;
        let bytes = bytes(20 * MIB);
        let put = scene.stage.client.put(scene.stage.url("/upload/access.log"));
        let put = put.bearer_auth(&scene.stage.user.auth_token).body(bytes.clone());
        assert_eq!(put.send().await.expect("an answer").status(), 201);
        let id = scene.newest().await["id"].as_str().expect("an id").to_owned();
        let address = scene.stage.address();
        let port = address.rsplit(':').next().expect("a port").to_owned();
        let (token, dir) = (scene.stage.user.auth_token.clone(), scene.stage.dir.path().to_owned());
        // Some blocks come, and then none until the worker is killed.
        let mut hold = scene.stage.sandbox.faults().inject(Fault::hold(GET).skip(60));
        let mut reading = JoinSet::new();
        for number in 0..10 {
            let url = scene.stage.url(&format!("/files/{id}/content"));
            reading.spawn(curl(url, token.clone(), dir.join(format!("curl-{number}"))));
            let out = dir.join(format!("telestore-{number}"));
            reading.spawn(telestore(scene.stage.url(""), token.clone(), id.clone(), out));
        }
        for _ in 0..3 {
            soon("a block that is held", scene.stage.sandbox.faults().wait_fired(hold, 1)).await;
            scene.stage.kill().await;
            scene.stage.sandbox.faults().release(hold);
            hold = scene.stage.sandbox.faults().inject(Fault::hold(GET).skip(100).once());
            scene.stage.start_at(&port).await;
        }
        scene.stage.sandbox.faults().release(hold);
        let expected = hex::encode(Sha256::digest(&bytes));
        let mut ended = 0;
        while let Some(out) = soon("a client to end", reading.join_next()).await {
            assert_eq!(digest(&out.expect("a client")), expected, "{form:?}");
            ended += 1;
        }
        assert_eq!(ended, 20);
    }
}
