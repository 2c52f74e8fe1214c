//! Answers of Telegram that do not come.

use std::time::Duration;

use serde_json::json;
use telestore_sandbox::{Fault, FaultAction};
use tokio::time::Instant;

use crate::support::{File, MIB, Stage, soon};

const PART: &str = "upload.saveBigFilePart";
const SMALL: &str = "upload.saveFilePart";
const SEND: &str = "messages.sendMedia";

#[tokio::test]
async fn a_file_loses_less_than_fifteen_seconds_to_a_lost_answer_and_no_connection() {
    let settings = [("TELESTORE_BOT_API_MAX_BYTES", "1000"), ("TELESTORE_EAGER", "off")];
    let stage = Stage::with(&settings).await;
    for (fault, length, again) in [
        (Fault::new(PART, FaultAction::Silence).part(7), 12 * MIB, PART),
        (Fault::new(PART, FaultAction::NoExecuteSilence).part(23), 12 * MIB, PART),
        (Fault::new(SMALL, FaultAction::Silence).part(1), MIB, SMALL),
        (Fault::new(SEND, FaultAction::Silence), 2000, SEND),
        (Fault::new(SEND, FaultAction::NoExecuteSilence), 2000, SEND),
    ] {
        let (well, began) = (File::new(length), Instant::now());
        assert_eq!(stage.send(&well).await["status"], "completed");
        // However slow the machine is now.
        let usual = began.elapsed();
        let (before, name) = (stage.sandbox.stats(), format!("{fault:?}"));
        stage.sandbox.faults().inject(fault.once());
        let (file, began) = (File::new(length), Instant::now());
        let end = stage.send(&file).await;
        assert_eq!((&end["status"], &end["attempt"]), (&json!("completed"), &json!(1)), "{name}: {end}");
        let took = began.elapsed();
        assert!(took < usual * 4 + Duration::from_secs(15), "{name}: {took:?}, and {usual:?} without");
        let after = stage.sandbox.stats();
        let calls: u64 =
            [PART, SMALL, SEND].iter().map(|method| after.calls(method) - before.calls(method)).sum();
        let needed = length.div_ceil(MIB / 2) as u64 + 1;
        assert_eq!(calls, needed + 1, "{name}: one call of {again} twice, and nothing else");
        assert_eq!(after.connections_accepted, 1, "{name}");
    }
}

#[tokio::test]
async fn a_lost_answer_while_sent_early_costs_a_window_at_most() {
    let stage = Stage::new().await;
    let lost = stage.sandbox.faults().inject(Fault::new(PART, FaultAction::Silence).part(40).once());
    let file = File::new(60 * MIB);
    stage.chunks(&file).await;
    soon("the lost answer", stage.sandbox.faults().wait_fired(lost, 1)).await;
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
    let stats = stage.sandbox.stats();
    assert!((121..=120 + 16 + 1).contains(&stats.calls(PART)), "{}", stats.calls(PART));
    assert_eq!(stats.connections_accepted, 1, "the connection was not given up for it");
}
