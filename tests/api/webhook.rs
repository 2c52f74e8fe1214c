//! What the backend is told.

use serde_json::json;
use telestore_sandbox::Fault;

use crate::support::{File, MIB, Stage, soon};

#[tokio::test]
async fn the_backend_gets_the_documented_json() {
    let stage = Stage::new().await;
    let file = File::new(51 * MIB).named("video.mp4");
    let end = stage.send(&file).await;
    let calls = soon("the webhook", stage.sandbox.wait_for_webhooks(1)).await;
    let expected = json!({
        "userId": stage.user.user_id, "fileName": "video.mp4", "messageId": end["messageId"],
        "fileId": end["fileId"], "size": 51 * MIB, "mimeType": "video/mp4", "file": end["file"],
    });
    assert_eq!(calls[0].body, expected);
    assert_eq!(calls.len(), 1);
}

#[tokio::test]
async fn the_user_is_the_one_of_the_token_whatever_the_form_says() {
    let stage = Stage::new().await;
    // The form says `somebody-else`.
    stage.direct(&File::new(10)).await.ok();
    let calls = soon("the webhook", stage.sandbox.wait_for_webhooks(1)).await;
    assert_eq!(calls[0].body["userId"], stage.user.user_id);
}

#[tokio::test]
async fn a_failed_delivery_is_repeated_with_the_same_event_and_does_not_fail_the_upload() {
    let stage = Stage::new().await;
    let down = Fault::http_status("backend.webhook", 500, json!({ "detail": "boom" })).times(2);
    stage.sandbox.faults().inject(down);
    assert_eq!(stage.send(&File::new(10)).await["status"], "completed");
    let delivered = |calls: &[telestore_sandbox::WebhookCall]| calls.iter().any(|call| call.status == 200);
    let mut wanted = 1;
    let calls = soon("the delivery", async {
        loop {
            let calls = stage.sandbox.wait_for_webhooks(wanted).await;
            if delivered(&calls) {
                return calls;
            }
            wanted = calls.len() + 1;
        }
    })
    .await;
    let event_id = |call: &telestore_sandbox::WebhookCall| {
        let header = call.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-telestore-event-id"));
        header.map(|(_, value)| value.clone()).expect("an event id")
    };
    assert!(calls.iter().all(|call| event_id(call) == event_id(&calls[0])));
}

#[tokio::test]
async fn deliveries_are_signed_when_there_is_a_secret() {
    let stage = Stage::with(&[("TELESTORE_WEBHOOK_SECRET", "hush")]).await;
    stage.send(&File::new(10)).await;
    let calls = soon("the webhook", stage.sandbox.wait_for_webhooks(1)).await;
    let header = |name: &str| {
        let found = calls[0].headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone()).unwrap_or_else(|| panic!("no {name}"))
    };
    let signature = header("x-telestore-signature");
    let (time, digest) = signature.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")).unwrap();
    let mac = <hmac::Hmac<sha2::Sha256> as hmac::KeyInit>::new_from_slice(b"hush").unwrap();
    let mac = hmac::Mac::chain_update(mac, format!("{time}."));
    let mac = hmac::Mac::chain_update(mac, &calls[0].raw_body);
    assert_eq!(digest, hex::encode(hmac::Mac::finalize(mac).into_bytes()));
}
