//! Telegram asks to wait, in whatever shape.

use std::time::Duration;

use serde_json::{Value, json};
use telestore_sandbox::{Fault, FaultAction, FloodShape};
use tokio::time::Instant;

use crate::support::{File, MIB, Stage, soon};

const SEND: &str = "sendDocument";
const PART: &str = "upload.saveBigFilePart";
const MESSAGE: &str = "messages.sendMedia";

fn attempts(end: &Value) -> (&Value, &Value) {
    (&end["status"], &end["attempt"])
}

#[tokio::test]
async fn a_wait_is_kept_to_in_every_shape_and_is_no_attempt() {
    let stage = Stage::new().await;
    for shape in [
        FloodShape::Parameters,
        FloodShape::Text,
        FloodShape::BadRequest,
        FloodShape::Name,
        FloodShape::Header,
        FloodShape::Date,
    ] {
        let before = stage.sandbox.stats().calls(SEND);
        stage.sandbox.faults().inject(Fault::flood_as(SEND, shape, 2).once());
        let (file, began) = (File::new(1000), Instant::now());
        let end = stage.send(&file).await;
        assert_eq!(attempts(&end), (&json!("completed"), &json!(1)), "{shape:?}: {end}");
        assert!(began.elapsed() >= Duration::from_secs(2), "{shape:?}: {:?}", began.elapsed());
        assert_eq!(stage.sandbox.stats().calls(SEND), before + 2, "{shape:?}");
    }
}

#[tokio::test]
async fn long_waits_are_shown_in_every_shape() {
    let stage = Stage::new().await;
    for shape in
        [FloodShape::Text, FloodShape::BadRequest, FloodShape::Name, FloodShape::Header, FloodShape::Date]
    {
        let flood = stage.sandbox.faults().inject(Fault::flood_as(SEND, shape, 3600).once());
        let file = File::new(1000);
        stage.queue(&file).await;
        soon("the wait", stage.sandbox.faults().wait_fired(flood, 1)).await;
        let shown = async {
            loop {
                let state = stage.progress(&file.id).await.ok();
                if let Some(wait) = state["retryAfter"].as_u64() {
                    return wait;
                }
            }
        };
        let wait = soon("the wait in the progress", shown).await;
        assert!((3590..=3602).contains(&wait), "{shape:?}: {wait}");
        stage.post("/cancel-upload", json!({ "uploadId": file.id })).await.ok();
    }
}

#[tokio::test]
async fn waits_without_a_time_grow_and_the_age_of_the_upload_ends_them() {
    let stage = Stage::with(&[("TELESTORE_RETRY_MAX_AGE", "8s")]).await;
    for shape in [FloodShape::Unsaid, FloodShape::Text, FloodShape::Header] {
        let before = stage.sandbox.stats().calls(SEND);
        // None, or zero seconds.
        let flood = stage.sandbox.faults().inject(Fault::flood_as(SEND, shape, 0));
        let (file, began) = (File::new(1000), Instant::now());
        let end = stage.send(&file).await;
        assert_eq!(end["status"], "failed", "{end}");
        let error = end["error"].as_str().unwrap();
        assert!(error.starts_with("Telegram asked to wait, and did not say how long. Tried for"), "{error}");
        assert!(began.elapsed() >= Duration::from_secs(8), "{:?}", began.elapsed());
        let calls = stage.sandbox.stats().calls(SEND) - before;
        assert!((3..=7).contains(&calls), "not each second: {calls}");
        stage.sandbox.faults().release(flood);
        stage.complete(&file.id).await.ok();
        assert_eq!(stage.end(&file.id).await["status"], "completed", "its chunks are there");
    }
}

#[tokio::test]
async fn named_waits_end_with_the_age_of_the_upload_by_both_ways() {
    let settings = [("TELESTORE_RETRY_MAX_AGE", "4s"), ("TELESTORE_BOT_API_MAX_BYTES", "1000")];
    let stage = Stage::with(&settings).await;
    for (method, length) in [(SEND, 1000), (MESSAGE, 2000)] {
        stage.sandbox.faults().inject(Fault::flood_wait(method, 1));
        let end = stage.send(&File::new(length)).await;
        assert_eq!(end["status"], "failed", "{method}: {end}");
        let error = end["error"].as_str().unwrap();
        assert!(error.starts_with("Telegram asked to wait 1 s") && error.contains("Tried for"), "{error}");
    }
}

#[tokio::test]
async fn floods_of_mtproto_are_waited_for_whatever_their_name_and_number() {
    let stage = Stage::with(&[("TELESTORE_BOT_API_MAX_BYTES", "1000")]).await;
    for (method, length) in [(PART, 11 * MIB), (MESSAGE, 2000)] {
        for name in [
            "FLOOD_WAIT_0",
            "FLOOD_WAIT_-3",
            "SLOWMODE_WAIT_1",
            "FLOOD_TEST_PHONE_WAIT_1",
            "FLOOD_PREMIUM_WAIT_1",
        ] {
            let fault = Fault::new(method, FaultAction::RpcError(420, name.to_owned())).times(2);
            let fault = stage.sandbox.faults().inject(fault);
            let (file, began) = (File::new(length), Instant::now());
            let end = stage.send(&file).await;
            assert_eq!(attempts(&end), (&json!("completed"), &json!(1)), "{method} {name}: {end}");
            assert!(began.elapsed() >= Duration::from_secs(1), "{method} {name}");
            assert_eq!(stage.sandbox.faults().fired(fault), 2);
        }
    }
}
