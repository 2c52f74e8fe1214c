//! Live progress by Server-Sent Events.

use std::time::Duration;

use serde_json::{Value, json};
use telestore_sandbox::{Fault, FaultId, UserSpec};
use tokio::time::Instant;

use crate::support::{File, MIB, Stage, soon};

const PARTS: &str = "upload.saveBigFilePart";

/// An open stream of events.
pub(crate) struct Events {
    pub(crate) response: reqwest::Response,
    unread: String,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) data: Value,
}

impl Events {
    pub(crate) async fn open(stage: &Stage, id: &str, last: Option<&str>) -> Self {
        let mut request = stage.client.get(stage.url(&format!("/upload-events/{id}")));
        // What browsers send; a compressor would gather events.
        request = request.header("Accept-Encoding", "gzip, deflate, br");
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        Self { response: request.send().await.expect("an answer"), unread: String::new() }
    }

    /// The next event; `None` if the stream has ended or broken off.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        soon("an event", async {
            loop {
                if let Some((block, rest)) = self.unread.split_once("\n\n") {
                    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
                    let event = field("data: ").map(|data| Event {
                        id: field("id: ").expect("events have ids").to_owned(),
                        data: serde_json::from_str(data).expect("data is JSON"),
                    });
                    self.unread = rest.to_owned();
                    if event.is_some() {
                        return event;
                    }
                    continue;
                }
                let piece = self.response.chunk().await.ok()??;
                self.unread.push_str(std::str::from_utf8(&piece).expect("events are UTF-8"));
            }
        })
        .await
    }

    pub(crate) async fn all(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

/// Completes a small file whose sending is held.
pub(crate) async fn held(stage: &Stage, file: &File) -> FaultId {
    let held = stage.sandbox.faults().inject(Fault::hold("sendDocument"));
    stage.queue(file).await;
    soon("the sending", stage.sandbox.faults().wait_fired(held, 1)).await;
    held
}

#[tokio::test]
async fn events_are_what_polls_tell_and_end_with_the_final_one() {
    let stage = Stage::new().await;
    let file = File::new(1000);
    let sending = held(&stage, &file).await;
    let mut events = Events::open(&stage, &file.id, None).await;
    let headers = events.response.headers();
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
        ("content-encoding", "identity"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    let first = events.next().await.unwrap();
    assert_eq!(first.data, stage.progress(&file.id).await.ok());
    assert_eq!(first.data["status"], "uploading");
    stage.sandbox.faults().release(sending);
    let rest = events.all().await;
    let last = rest.last().unwrap();
    assert_eq!(last.data["status"], "completed");
    assert_eq!(last.data, stage.progress(&file.id).await.ok());
    assert!(rest.iter().rev().skip(1).all(|event| event.data["status"] == "uploading"), "{rest:?}");
}

#[tokio::test]
async fn an_upload_is_listened_to_before_it_is_completed() {
    let stage = Stage::new().await;
    let file = File::new(1000);
    stage.chunks(&file).await;
    let events = Events::open(&stage, &file.id, None).await;
    assert_eq!(events.response.status(), 200);
    stage.complete(&file.id).await.ok();
    assert_eq!(events.all().await.last().unwrap().data["status"], "completed");
}

#[tokio::test]
async fn listeners_beyond_the_limit_are_told_to_come_back() {
    // Two for those who show no token.
    let stage = Stage::with(&[("TELESTORE_MAX_LISTENERS", "4")]).await;
    let file = File::new(1000);
    stage.chunks(&file).await;
    let places = [Events::open(&stage, &file.id, None).await, Events::open(&stage, &file.id, None).await];
    let third = Events::open(&stage, &file.id, None).await.response;
    assert_eq!((third.status().as_u16(), &third.headers()["retry-after"]), (503, &"5".parse().unwrap()));
    assert!(third.text().await.unwrap().contains("too many listeners"));
    stage.progress(&file.id).await.error(404);
    stage.complete(&file.id).await.ok();
    for events in places {
        assert_eq!(events.all().await.last().unwrap().data["status"], "completed");
    }
    let again = async {
        while Events::open(&stage, &file.id, None).await.response.status() != 200 {
            tokio::task::yield_now().await;
        }
    };
    soon("a free place", again).await;
}

#[tokio::test]
async fn who_may_not_listen_is_told_so_in_json() {
    let stage = Stage::new().await;
    let stranger = stage.sandbox.add_user(UserSpec::new("stranger"));
    let file = File::new(1000);
    stage.send(&file).await;
    let path = |token: &str| format!("/upload-events/{}?token={token}", file.id);
    assert_eq!(stage.get("/upload-events/unknown").await.error(404), "Upload not found or not started");
    stage.get("/upload-events/not%20an%20id").await.error(400);
    stage.get(&path("wrong")).await.error(401);
    stage.get(&path(&stranger.auth_token)).await.error(403);
    stage.get(&format!("{}&token=twice", path("once"))).await.error(400);
    let own = stage.client.get(stage.url(&path(&stage.user.auth_token))).send().await.unwrap();
    assert_eq!(own.status(), 200);
    // Addresses are written into logs, so the other calls do not look there.
    stage.get(&format!("/upload-progress/{}?token=wrong", file.id)).await.ok();
    let header = stage.client.get(stage.url(&path(&stage.user.auth_token))).bearer_auth("wrong");
    stage.ask(header).await.error(401);
}

#[tokio::test]
async fn a_listener_that_comes_back_is_told_what_is_new() {
    let mut stage = Stage::new().await;
    let file = File::new(1000);
    let sending = held(&stage, &file).await;
    let first = Events::open(&stage, &file.id, None).await.next().await.unwrap();
    let again = Events::open(&stage, &file.id, Some(&first.id)).await;
    let other = Events::open(&stage, &file.id, Some("0123456789abcdef")).await.next().await.unwrap();
    assert_eq!(other, first, "another state is told at once");
    stage.sandbox.faults().release(sending);
    let events = again.all().await;
    assert!(events.iter().all(|event| event.id != first.id), "{first:?} came again in {events:?}");
    let end = &events.last().unwrap().id;
    // 204 stops the EventSource of a browser; the id is the same in another process.
    for _ in 0..2 {
        assert_eq!(Events::open(&stage, &file.id, Some(end)).await.response.status(), 204);
        assert_eq!(Events::open(&stage, &file.id, Some(&first.id)).await.all().await.len(), 1);
        stage.kill().await;
        stage.start().await;
    }
}

#[tokio::test]
async fn a_stream_goes_on_after_a_kill() {
    let mut stage = Stage::new().await;
    let file = File::new(51 * MIB);
    let hold = stage.sandbox.faults().inject(Fault::hold(PARTS).skip(40));
    stage.queue(&file).await;
    let mut events = Events::open(&stage, &file.id, None).await;
    soon("the parts", stage.sandbox.faults().wait_fired(hold, 1)).await;
    let before = events.next().await.unwrap();
    stage.kill().await;
    events.all().await;
    stage.sandbox.faults().clear();
    stage.start().await;
    let events = Events::open(&stage, &file.id, Some(&before.id)).await.all().await;
    assert_eq!(events.last().unwrap().data["status"], "completed");
    stage.arrived(&file);
}

#[tokio::test]
async fn at_most_ten_events_come_in_a_second() {
    let stage = Stage::with(&[("TELESTORE_EAGER", "off")]).await;
    stage.sandbox.network().set_bandwidth(Some(20 * MIB as u64));
    let file = File::new(60 * MIB);
    stage.chunks(&file).await;
    let begin = Instant::now();
    stage.complete(&file.id).await.ok();
    let events = Events::open(&stage, &file.id, None).await.all().await;
    let most = begin.elapsed().as_millis() / 100 + 2;
    assert!(events.len() as u128 <= most, "{} events, {most} at most", events.len());
    let percents: Vec<u64> = events.iter().map(|event| event.data["progress"].as_u64().unwrap()).collect();
    assert!(percents.is_sorted(), "{percents:?}");
    let on_the_way = percents.iter().filter(|percent| (31..90).contains(*percent)).count();
    assert!(on_the_way >= 3, "{percents:?}");
    assert!(events.iter().any(|event| event.data["stage"] == "sending"
        && event.data["bytesSent"].as_u64() > Some(0)
        && event.data["bytesTotal"] == json!(file.bytes.len())));
}

#[tokio::test]
async fn a_stop_does_not_wait_for_listeners() {
    let mut stage = Stage::with(&[("TELESTORE_SHUTDOWN_GRACE", "120s")]).await;
    let file = File::new(1000);
    stage.chunks(&file).await;
    let mut listeners = Vec::new();
    for _ in 0..20 {
        listeners.push(Events::open(&stage, &file.id, None).await);
    }
    let begin = Instant::now();
    stage.signal("TERM").await;
    for listener in listeners {
        assert_eq!(listener.all().await, []);
    }
    assert!(stage.ended().await.success());
    assert!(begin.elapsed() < Duration::from_secs(60), "it waited for {:?}", begin.elapsed());
}

#[tokio::test]
async fn in_strict_mode_a_listener_needs_a_token_and_may_have_it_in_the_address() {
    let stage = Stage::with(&[("TELESTORE_AUTH", "strict")]).await;
    let file = File::new(1000);
    let token = &stage.user.auth_token;
    let chunk = stage.client.post(stage.url("/upload-chunk")).multipart(file.chunk(0, token));
    stage.ask(chunk.bearer_auth(token)).await.ok();
    let complete = serde_json::json!({ "uploadId": file.id, "authToken": token });
    stage.post("/complete-upload", complete).await.ok();
    stage.get(&format!("/upload-events/{}", file.id)).await.error(401);
    stage.get(&format!("/ws/upload-progress/{}", file.id)).await.error(401);
    stage.get("/upload-events/unknown").await.error(401);
    let events = Events::open(&stage, &format!("{}?token={token}", file.id), None).await;
    assert_eq!(events.all().await.last().unwrap().data["status"], "completed");
    // Nowhere else.
    stage.get(&format!("/upload-progress/{}?token={token}", file.id)).await.error(401);
    stage.get(&format!("/upload-status/{}?token={token}", file.id)).await.error(401);
}
