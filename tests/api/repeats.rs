//! Telegram has a message already and says nothing else of it.

use serde_json::json;
use telestore_sandbox::{Fault, FaultAction};

use crate::support::{File, Stage, soon};

const SEND: &str = "messages.sendMedia";

#[tokio::test]
async fn a_message_that_was_made_before_a_kill_is_found_in_the_channel() {
    let mut stage = Stage::with(&[("TELESTORE_BOT_API_MAX_BYTES", "5")]).await;
    stage.sandbox.faults().inject(Fault::new(SEND, FaultAction::Silence).once());
    let file = File::new(1000);
    stage.queue(&file).await;
    soon("the message", stage.sandbox.wait_for_message(&stage.user.channel_id, 1)).await;
    stage.kill().await;
    stage.sandbox.faults().inject(Fault::rpc_error(SEND, 500, "RANDOM_ID_DUPLICATE"));
    stage.start().await;
    let end = stage.end(&file.id).await;
    assert_eq!(end["status"], "completed", "{end}");
    assert_eq!(end["messageId"], json!(stage.arrived(&file).message_id), "{end}");
}

#[tokio::test]
async fn what_no_call_names_is_decided_by_the_setting_and_then_by_a_person() {
    const LOOK_THERE: &str = "The file may be in the channel already";
    for (setting, sends) in [("fail", 9), ("again", 10)] {
        let settings = [("TELESTORE_BOT_API_MAX_BYTES", "5"), ("TELESTORE_BOT_API_UNKNOWN", setting)];
        let stage = Stage::with(&settings).await;
        // As often as the worker asks in one attempt.
        stage.sandbox.faults().inject(Fault::rpc_error(SEND, 500, "RANDOM_ID_DUPLICATE").times(9));
        let file = File::new(1000);
        let end = stage.send(&file).await;
        assert_eq!(stage.sandbox.stats().calls(SEND), sends, "{setting}: {end}");
        if setting == "fail" {
            let error = end["error"].as_str().unwrap_or_default();
            assert!(end["status"] == "failed" && error.contains(LOOK_THERE), "{end}");
            stage.complete(&file.id).await.ok();
        }
        let end = stage.end(&file.id).await;
        assert_eq!((&end["status"], stage.sandbox.stats().calls(SEND)), (&json!("completed"), 10));
        assert_eq!(end["messageId"], json!(stage.arrived(&file).message_id), "{end}");
    }
}
