//! What kind an upload is stands in its row, and not in its id, which is the client's.

use serde_json::json;
use telestore_sandbox::Fault;

use crate::support::{CHUNK, File, MIB, Stage, files_below, soon};

const IDS: [&str; 3] =
    ["direct-0123456789abcdef0123456789abcdef", "direct-", "direct-ffffffffffffffffffffffffffffffff.bin"];

#[tokio::test]
async fn an_id_like_that_of_a_direct_upload_loses_no_chunks_at_a_failure() {
    let stage = Stage::new().await;
    for id in IDS {
        let mut file = File::in_chunks(10, &[5]);
        id.clone_into(&mut file.id);
        stage.chunks(&file).await;
        stage.sandbox.set_writable(&stage.user.channel_id, false);
        stage.complete(&file.id).await.ok();
        assert_eq!(stage.end(&file.id).await["status"], "failed");
        assert_eq!(files_below(&stage.data_dir().join("chunks")).len(), 2, "acknowledged bytes stay");
        stage.sandbox.set_writable(&stage.user.channel_id, true);
        stage.complete(&file.id).await.ok();
        assert_eq!(stage.end(&file.id).await["status"], "completed");
        file.assert_is(stage.sandbox.messages_of(&stage.user).last().unwrap());
    }
}

#[tokio::test]
async fn it_is_sent_early_and_goes_on_over_a_kill() {
    let mut stage = Stage::new().await;
    let mut file = File::new(11 * CHUNK);
    IDS[0].clone_into(&mut file.id);
    for index in 0..10 {
        stage.chunk(&file, index).await.ok();
    }
    let parts = (10 * CHUNK / (MIB / 2)) as u64;
    soon("early parts", stage.sandbox.wait_until(|stats| stats.parts_total() >= parts)).await;
    stage.kill().await;
    stage.start().await;
    stage.chunk(&file, 10).await.ok();
    stage.complete(&file.id).await.ok();
    assert_eq!(stage.end(&file.id).await["status"], "completed");
    stage.arrived(&file);
}

#[tokio::test]
async fn a_direct_upload_that_failed_leaves_no_bytes() {
    let stage = Stage::new().await;
    let body = json!({ "ok": false, "error_code": 400, "description": "Bad Request: no" });
    stage.sandbox.faults().inject(Fault::http_status("sendDocument", 400, body).once());
    stage.direct(&File::new(10)).await.error(500);
    stage.emptied(&["spool", "chunks"]).await;
}
