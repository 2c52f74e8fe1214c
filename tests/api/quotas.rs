//! How much a user, and the clients at an address, may have and send.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use telestore_sandbox::{Fault, UserSpec};

use crate::support::{File, MIB, Stage, files_below, soon};

/// A file of two chunks of 5 bytes.
fn small() -> File {
    File::in_chunks(10, &[5])
}

#[tokio::test]
async fn two_users_and_one_has_as_many_uploads_as_it_may() {
    let mut stage = Stage::with(&[("TELESTORE_USER_SESSIONS", "2")]).await;
    let bob = stage.sandbox.add_user(UserSpec::new("bob"));
    let files = [small(), small()];
    for file in &files {
        stage.chunk(file, 0).await.ok();
    }
    let words = "too many unfinished uploads of this user";
    for _restarted in [false, true] {
        let request = stage.client.post(stage.url("/upload-chunk"));
        let answer = request.multipart(small().chunk(0, &stage.user.auth_token)).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["retry-after"]),
            (429, &"60".parse().unwrap())
        );
        assert!(stage.direct(&small()).await.error(429).starts_with(words));
        let init = json!({
            "uploadId": "new", "fileName": "a", "totalChunks": 1, "fileSize": 1, "authToken": stage.user.auth_token,
        });
        assert!(stage.post("/init-upload", init).await.error(429).starts_with(words));
        stage.form("/upload", small().direct(&bob.auth_token)).await.ok();
        stage.kill().await;
        stage.start().await;
    }
    stage.chunk(&files[0], 1).await.ok();
    stage.complete(&files[0].id).await.ok();
    assert_eq!(stage.end(&files[0].id).await["status"], "completed");
    stage.post("/cancel-upload", json!({ "uploadId": files[1].id })).await.ok();
    for file in [small(), small()] {
        stage.chunk(&file, 0).await.ok();
    }
    assert!(stage.chunk(&small(), 0).await.error(429).starts_with(words));
}

#[tokio::test]
async fn uploads_that_nobody_owns_count_for_the_address() {
    let settings = [("TELESTORE_ADDRESS_SESSIONS", "3"), ("TELESTORE_LIMITED_ADDRESSES", "all")];
    let mut stage = Stage::with(&settings).await;
    let init = |id: &str| json!({ "uploadId": id, "fileName": "a", "totalChunks": 1, "fileSize": 1 });
    let answers =
        join_all((0..10).map(async |n| stage.post("/init-upload", init(&format!("n{n}"))).await.status))
            .await;
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 3, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 429).count(), 7, "{answers:?}");
    stage.kill().await;
    stage.start().await;
    let words = "too many unfinished uploads from this address";
    assert!(stage.chunk(&small(), 0).await.error(429).starts_with(words));
    let seen = files_below(&stage.data_dir()).iter().any(|file| {
        let bytes = std::fs::read(file).unwrap();
        bytes.windows(9).any(|window| window == b"127.0.0.1")
    });
    assert!(!seen, "no address is on the disk");
}

#[tokio::test]
async fn addresses_of_this_machine_are_spared_unless_asked_for() {
    let stage = Stage::with(&[("TELESTORE_ADDRESS_SESSIONS", "1")]).await;
    for _ in 0..3 {
        stage.chunk(&small(), 0).await.ok();
    }
}

#[tokio::test]
async fn stored_bytes_are_full_for_one_user_and_come_back() {
    let stage = Stage::with(&[("TELESTORE_USER_STORED_BYTES", "3 MiB")]).await;
    let bob = stage.sandbox.add_user(UserSpec::new("bob"));
    let large = File::in_chunks(4 * MIB, &[MIB]);
    for index in 0..3 {
        stage.chunk(&large, index).await.ok();
    }
    let words = "this user has as many bytes of unfinished uploads as allowed, 3145728";
    assert!(stage.chunk(&large, 3).await.error(507).starts_with(words));
    assert!(stage.chunk(&small(), 0).await.error(507).starts_with(words));
    stage.chunk(&large, 0).await.ok();
    // Known from the header and the declared length, and so before the body.
    let direct = File::new(8 * MIB);
    let request = stage.client.post(stage.url("/upload")).bearer_auth(&stage.user.auth_token);
    assert!(stage.ask(request.multipart(direct.direct(""))).await.error(507).starts_with(words));
    let only_the_large_one = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let count = |dir: &str| files_below(&stage.data_dir().join(dir)).len();
        while (count("chunks"), count("spool")) != (3, 0) {
            ticks.tick().await;
        }
    };
    soon("what was refused to be gone", only_the_large_one).await;
    stage.form("/upload", small().direct(&bob.auth_token)).await.ok();
    stage.post("/cancel-upload", json!({ "uploadId": large.id })).await.ok();
    stage.direct(&File::new(2 * MIB)).await.ok();
    stage.direct(&File::new(3 * MIB)).await.ok();
    assert!(stage.direct(&File::new(3 * MIB + 1)).await.error(507).starts_with(words));
    stage.direct(&File::new(3 * MIB)).await.ok();
}

#[tokio::test]
async fn a_failed_direct_upload_gives_its_bytes_back_only_when_it_is_past_its_time() {
    let stage = Stage::with(&[("TELESTORE_USER_STORED_BYTES", "15")]).await;
    stage.sandbox.faults().inject(Fault::rpc_error("sendDocument", 403, "Forbidden").times(1));
    stage.direct(&small()).await.error(500);
    stage.direct(&small()).await.error(507);
}

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Seconds of the Unix epoch.
fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// Uses up a day's bytes, restarts, and sends more: the answer, and when.
async fn more_than_a_day() -> (reqwest::Response, u64) {
    let settings = [("TELESTORE_ADDRESS_BYTES_PER_DAY", "20"), ("TELESTORE_LIMITED_ADDRESSES", "all")];
    let mut stage = Stage::with(&settings).await;
    stage.direct(&small()).await.ok();
    let file = small();
    stage.chunks(&file).await;
    stage.post("/cancel-upload", json!({ "uploadId": file.id })).await.ok();
    stage.kill().await;
    stage.start().await;
    let large = File::new(8 * MIB);
    let request =
        stage.client.post(stage.url("/upload-chunk")).multipart(large.chunk(0, &stage.user.auth_token));
    (request.send().await.unwrap(), now())
}

#[tokio::test]
async fn bytes_of_a_day_survive_a_restart_and_say_when_the_day_is_over() {
    let (answer, at) = loop {
        let began = now();
        let (answer, at) = more_than_a_day().await;
        // What was sent before midnight does not count after it.
        if began / DAY == at / DAY {
            break (answer, at);
        }
    };
    let retry_after: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    let until_midnight = DAY - at % DAY;
    assert!(
        answer.status() == 429 && retry_after.abs_diff(until_midnight) <= 60,
        "{retry_after} {until_midnight}"
    );
    let body: serde_json::Value = answer.json().await.unwrap();
    assert!(body["error"].as_str().unwrap().starts_with("too many bytes from this address today"), "{body}");
}
