//! Downloads that cannot be finished, and those that outlast what breaks.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use telestore_sandbox::Fault;

use super::{Kept, random};
use crate::support::{MIB, Stage, soon};
use crate::tls::Files;

pub(super) const GET: &str = "upload.getFile";

/// All that comes of a body, and whether it came to its end.
pub(super) async fn taken(request: reqwest::RequestBuilder) -> (u64, Vec<u8>, bool) {
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let (length, mut got) = (answer.content_length().expect("a length"), Vec::new());
    let mut body = answer.bytes_stream();
    while let Some(piece) = soon("more, or the end", body.next()).await {
        match piece {
            Ok(piece) => got.extend_from_slice(&piece),
            Err(_) => return (length, got, false),
        }
    }
    (length, got, true)
}

#[tokio::test]
async fn a_body_that_cannot_be_finished_is_nobodys_whole_file() {
    let plain = Stage::recording(&[("TELESTORE_LOG_FORMAT", "json")]).await;
    let files = Files::new();
    let by_tls = files.stage().await;
    // By HTTP/1.1 and by HTTP/2.
    for stage in [&plain, &by_tls] {
        let file = Kept::put(stage, "a.bin", None, random(4 * MIB)).await;
        let refused = stage.sandbox.faults().inject(Fault::rpc_error(GET, 400, "LOCATION_INVALID").skip(5));
        let (length, got, ended) = taken(file.ask(stage, "GET")).await;
        assert!(stage.sandbox.faults().fired(refused) > 0);
        assert_eq!(length, 4 * MIB as u64);
        assert!(!ended && got.len() < 4 * MIB, "{} bytes, as if that was all", got.len());
        assert!(got == file.bytes[..got.len()], "what came is right");
        stage.sandbox.faults().clear();
        let rest = file.get(stage, &[("Range", &format!("bytes={}-", got.len()))]).await;
        assert!(rest.body == file.bytes[got.len()..], "it goes on from there");
    }
    let log = plain.logged("a download broke off").await;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_it: Vec<&Value> =
        lines.iter().filter(|line| ["WARN", "ERROR"].contains(&line["level"].as_str().unwrap())).collect();
    assert_eq!(of_it.len(), 1, "{log}");
    assert!(of_it[0]["error"].as_str().unwrap().contains("not in the channel"), "{log}");
    assert!(of_it[0]["sent"].as_u64().unwrap() < of_it[0]["length"].as_u64().unwrap(), "{log}");
    assert!(!log.contains(&plain.user.auth_token), "{log}");
}

#[tokio::test]
async fn what_passes_is_not_seen_by_the_client() {
    let stage = Stage::new().await;
    let file = Kept::put(&stage, "a.bin", None, random(4 * MIB)).await;
    let faults = stage.sandbox.faults();
    let struck = [
        faults.inject(Fault::drop_connection(GET).skip(4).once()),
        faults.inject(Fault::lose_answer(GET).skip(7).once()),
        faults.inject(Fault::rpc_error(GET, 400, "FILE_REFERENCE_EXPIRED").skip(9).once()),
    ];
    assert!(file.get(&stage, &[]).await.body == file.bytes);
    assert_eq!(struck.map(|fault| faults.fired(fault)), [1; 3]);
}

#[tokio::test]
async fn what_telegram_does_not_give_now_is_told_before_the_body() {
    let stage = Stage::new().await;
    let file = Kept::put(&stage, "a.bin", None, random(100)).await;
    let of_account = stage.sandbox.faults().inject(Fault::flood_wait("channels.getMessages", 3600));
    assert!(file.get(&stage, &[]).await.body == file.bytes, "the bot that has sent it gives it");
    let other = Kept::put(&stage, "b.bin", None, random(100)).await;
    let of_bot = stage.sandbox.faults().inject(Fault::flood_wait("getFile", 3600));
    let got = other.get(&stage, &[]).await;
    let faults = stage.sandbox.faults();
    assert!(faults.fired(of_account) > 0 && faults.fired(of_bot) > 0);
    assert!(got.error(503).contains("try again later"));
    let wait: u64 = got.header("retry-after").parse().expect("seconds");
    assert!((1..=3600).contains(&wait), "{wait}");
}

#[tokio::test]
async fn a_stop_lets_a_download_end() {
    let mut stage = Stage::new().await;
    let file = Kept::put(&stage, "a.bin", None, random(2 * MIB)).await;
    let held = stage.sandbox.faults().inject(Fault::hold(GET).skip(2).once());
    let reading = tokio::spawn(taken(file.ask(&stage, "GET")));
    soon("the call", stage.sandbox.faults().wait_fired(held, 1)).await;
    stage.signal("TERM").await;
    // Once it takes no new connections, it is stopping.
    let address = stage.address();
    soon("the stop", async {
        while tokio::net::TcpStream::connect(&address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    stage.sandbox.faults().release(held);
    let (_, got, ended) = soon("the download", reading).await.unwrap();
    assert!(ended && got == file.bytes, "{} bytes", got.len());
    assert!(soon("the end", stage.ended()).await.success());
}

#[tokio::test]
async fn a_stop_waits_for_no_download_for_ever() {
    let mut stage = Stage::with(&[("TELESTORE_SHUTDOWN_GRACE", "1s")]).await;
    let file = Kept::put(&stage, "a.bin", None, random(2 * MIB)).await;
    let held = stage.sandbox.faults().inject(Fault::hold(GET).skip(2));
    let reading = tokio::spawn(taken(file.ask(&stage, "GET")));
    soon("the call", stage.sandbox.faults().wait_fired(held, 1)).await;
    soon("the stop", stage.terminate()).await;
    let (_, got, ended) = soon("the end of the body", reading).await.unwrap();
    assert!(!ended && got.len() < file.bytes.len());
}
