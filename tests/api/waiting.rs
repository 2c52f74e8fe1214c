//! Polls that wait for a change.

use std::time::Duration;

use reqwest::header::{ETAG, IF_NONE_MATCH};
use serde_json::Value;
use tokio::time::Instant;

use crate::sse::held;
use crate::support::{File, Stage, soon};

/// The tag and the state.
async fn poll(stage: &Stage, id: &str, wait: &str, known: Option<&str>) -> (String, Value) {
    let mut request = stage.client.get(stage.url(&format!("/upload-progress/{id}{wait}")));
    if let Some(known) = known {
        request = request.header(IF_NONE_MATCH, known);
    }
    let answer = soon("the poll", request.send()).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    (answer.headers()[ETAG].to_str().unwrap().to_owned(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_poll_that_waits_is_answered_on_change() {
    let stage = Stage::new().await;
    let file = File::new(1000);
    let sending = held(&stage, &file).await;
    let (tag, state) = poll(&stage, &file.id, "", None).await;
    let (same, _) = poll(&stage, &file.id, "", Some(&tag)).await;
    assert_eq!(same, tag, "without a wait, the state comes also where it is known");
    let begin = Instant::now();
    let (same, unchanged) = poll(&stage, &file.id, "?wait=1", Some(&tag)).await;
    assert_eq!((same, unchanged), (tag.clone(), state), "nothing has changed");
    assert!(begin.elapsed() >= Duration::from_secs(1));
    let (other, _) = poll(&stage, &file.id, "?wait=30", Some("\"another\"")).await;
    assert_eq!(other, tag, "a client that has missed something does not wait");
    let release = async { stage.sandbox.faults().release(sending) };
    let waiting = async {
        let mut known = tag.clone();
        loop {
            let (tag, state) = poll(&stage, &file.id, "?wait=30", Some(&known)).await;
            assert_ne!(tag, known);
            if state["status"] != "uploading" {
                return state;
            }
            known = tag;
        }
    };
    let (end, ()) = tokio::join!(waiting, release);
    assert_eq!(end, stage.progress(&file.id).await.ok());
    assert!(begin.elapsed() < Duration::from_secs(25), "{:?}", begin.elapsed());
    let (tag, _) = poll(&stage, &file.id, "?wait=30", None).await;
    poll(&stage, &file.id, "?wait=30", Some(&tag)).await;
    assert!(begin.elapsed() < Duration::from_secs(25), "a final state is not waited for");
}

#[tokio::test]
async fn a_poll_waits_for_the_start_of_an_upload() {
    let stage = Stage::new().await;
    let file = File::new(1000);
    stage.get(&format!("/upload-progress/{}?wait=30", file.id)).await.error(404);
    stage.chunks(&file).await;
    stage.get(&format!("/upload-progress/{}?wait=1", file.id)).await.error(404);
    let begin = Instant::now();
    let (poll, _) =
        tokio::join!(poll(&stage, &file.id, "?wait=999999999999999999999", None), stage.complete(&file.id));
    assert_eq!(poll.1["uploadId"], file.id);
    assert!(begin.elapsed() < Duration::from_secs(25), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_malformed_wait_is_refused() {
    let stage = Stage::new().await;
    for wait in ["", "soon", "-1", "1.5", "1&wait=2"] {
        let error = stage.get(&format!("/upload-progress/some-id?wait={wait}")).await.error(400);
        assert!(error.contains("whole number of seconds"), "{wait}: {error}");
    }
}

async fn in_flight(stage: &Stage, requests: usize) -> bool {
    let metrics = stage.client.get(stage.url("/metrics")).send().await.unwrap().text().await.unwrap();
    metrics.contains(&format!("telestore_http_requests_in_flight {requests}\n"))
}

#[tokio::test]
async fn a_stop_does_not_wait_for_polls() {
    let mut stage = Stage::with(&[("TELESTORE_SHUTDOWN_GRACE", "120s")]).await;
    let file = File::new(1000);
    held(&stage, &file).await;
    let waiting = stage.client.get(stage.url(&format!("/upload-progress/{}?wait=30", file.id)));
    let begin = Instant::now();
    let stop = async {
        // The one that waits, and this one.
        soon("the poll", async { while !in_flight(&stage, 2).await {} }).await;
        stage.signal("TERM").await;
    };
    let (answer, ()) = tokio::join!(waiting.send(), stop);
    assert_eq!(answer.unwrap().status(), 200);
    assert!(begin.elapsed() < Duration::from_secs(25), "{:?}", begin.elapsed());
    stage.sandbox.faults().clear();
    assert!(stage.ended().await.success());
}
