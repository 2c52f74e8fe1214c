//! Answers of Telegram that do not come.

use serde_json::json;
use telestore_sandbox::{Fault, FaultAction};
use tokio::time::Instant;

use crate::support::{File, MIB, Stage, soon};

const PART: &str = "upload.saveBigFilePart";
const SMALL: &str = "upload.saveFilePart";
const SEND: &str = "messages.sendMedia";

/// How many seconds at least an answer must be late before its call is made again.
const LOST_AFTER: u64 = 3;

#[tokio::test]
async fn a_lost_answer_costs_a_file_one_call_and_no_connection() {
    let settings = [("TELESTORE_BOT_API_MAX_BYTES", "1000"), ("TELESTORE_EAGER", "off")];
    let stage = Stage::with(&settings).await;
    for (fault, length, again) in [
        (Fault::new(PART, FaultAction::Silence).part(7), 12 * MIB, PART),
        (Fault::new(PART, FaultAction::NoExecuteSilence).part(23), 12 * MIB, PART),
        (Fault::new(SMALL, FaultAction::Silence).part(1), MIB, SMALL),
        (Fault::new(SEND, FaultAction::Silence), 2000, SEND),
        (Fault::new(SEND, FaultAction::NoExecuteSilence), 2000, SEND),
    ] {
        assert_eq!(stage.send(&File::new(length)).await["status"], "completed");
        let (before, name) = (stage.sandbox.stats(), format!("{fault:?}"));
        stage.sandbox.faults().inject(fault.once());
        let (file, began) = (File::new(length), Instant::now());
        let end = stage.send(&file).await;
        assert_eq!((&end["status"], &end["attempt"]), (&json!("completed"), &json!(1)), "{name}: {end}");
        // What a machine that is busy answers late is asked for again, too, and no sooner than that.
        let late = began.elapsed().as_secs() / LOST_AFTER;
        let after = stage.sandbox.stats();
        let calls: u64 =
            [PART, SMALL, SEND].iter().map(|method| after.calls(method) - before.calls(method)).sum();
        let needed = length.div_ceil(MIB / 2) as u64 + 1;
        let of_it = needed + 1..=needed + 1 + late.saturating_sub(1);
        assert!(of_it.contains(&calls), "{name}: {calls}: one call of {again} twice, and nothing else");
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
