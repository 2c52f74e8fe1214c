//! The documented percentages.

use serde_json::json;
use telestore_sandbox::Fault;

use crate::support::{File, MIB, Stage, soon};

const PARTS: &str = "upload.saveBigFilePart";

#[tokio::test]
async fn there_is_no_progress_before_completion_was_asked_for() {
    let stage = Stage::new().await;
    let file = File::new(10);
    let not_yet = json!({ "error": "Upload not found or not started" });
    for _ in 0..2 {
        let answer = stage.progress(&file.id).await;
        assert_eq!((answer.status, answer.body), (404, not_yet.clone()));
        stage.chunks(&file).await;
    }
}

#[tokio::test]
async fn percentages_keep_to_their_bands_and_never_go_back() {
    // What was sent early is told in one step.
    let stage = Stage::with(&[("TELESTORE_EAGER", "off")]).await;
    let file = File::new(60 * MIB);
    let resolving = stage.sandbox.faults().inject(Fault::hold("messages.getDialogs"));
    let sending = stage.sandbox.faults().inject(Fault::hold(PARTS).skip(60));
    let finishing = stage.sandbox.faults().inject(Fault::hold("messages.sendMedia"));
    stage.queue(&file).await;
    let at = async |fault| {
        soon("the stage", stage.sandbox.faults().wait_fired(fault, 1)).await;
        let progress = stage.progress(&file.id).await.ok();
        assert_eq!(progress["status"], "uploading");
        stage.sandbox.faults().release(fault);
        (progress["stage"].as_str().unwrap().to_owned(), progress["progress"].as_u64().unwrap())
    };
    let (stage_name, percent) = at(resolving).await;
    assert!(stage_name == "resolving" && percent < 30, "{stage_name} {percent}");
    let (stage_name, percent) = at(sending).await;
    assert!(stage_name == "sending" && (30 + 60 * 40 / 120..90).contains(&percent), "{stage_name} {percent}");
    let (stage_name, percent) = at(finishing).await;
    assert!(stage_name == "finishing" && (90..100).contains(&percent), "{stage_name} {percent}");
    assert_eq!(stage.end(&file.id).await["progress"], 100);
}

#[tokio::test]
async fn polls_never_see_less_than_before() {
    for length in [30 * MIB, 60 * MIB] {
        let stage = Stage::with(&[("TELESTORE_EAGER", "off")]).await;
        // Slow enough to be watched on the way.
        stage.sandbox.network().set_bandwidth(Some(40 * MIB as u64));
        let file = File::new(length);
        stage.queue(&file).await;
        let mut seen = vec![0];
        let watch = async {
            loop {
                let progress = stage.progress(&file.id).await.ok();
                let percent = progress["progress"].as_u64().unwrap();
                assert!(percent >= *seen.last().unwrap(), "{percent} after {seen:?}");
                if percent > *seen.last().unwrap() {
                    seen.push(percent);
                }
                if progress["status"] != "uploading" {
                    return;
                }
            }
        };
        soon("the upload to end", watch).await;
        assert_eq!(seen.last(), Some(&100));
        let on_the_way = seen.iter().filter(|percent| (31..90).contains(*percent)).count();
        assert!(on_the_way >= 3, "progress comes from bytes on the way: {seen:?}");
    }
}

#[tokio::test]
async fn a_flood_wait_is_shown_and_then_goes_by() {
    // Else it could be over before all chunks are there, and is never shown.
    let stage = Stage::with(&[("TELESTORE_EAGER", "off")]).await;
    let file = File::new(51 * MIB);
    let flood = stage.sandbox.faults().inject(Fault::flood_wait(PARTS, 2).skip(20).once());
    let end_of_it = stage.sandbox.faults().inject(Fault::hold("messages.sendMedia"));
    stage.queue(&file).await;
    soon("the flood wait", stage.sandbox.faults().wait_fired(flood, 1)).await;
    let shown = async {
        loop {
            let progress = stage.progress(&file.id).await.ok();
            assert_eq!(progress["status"], "uploading", "{progress}");
            if let Some(seconds) = progress["retryAfter"].as_u64() {
                return seconds;
            }
        }
    };
    assert!((1..=2).contains(&soon("retryAfter", shown).await));
    soon("the rest", stage.sandbox.faults().wait_fired(end_of_it, 1)).await;
    stage.sandbox.faults().release(end_of_it);
    assert_eq!(stage.end(&file.id).await["status"], "completed");
}
