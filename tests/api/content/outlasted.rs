//! What Telegram does in the middle of a download: it cuts, moves, forgets, and asks to wait.

use telestore_sandbox::{Fault, FaultAction, Sandbox};

use super::broken::{GET, taken};
use super::encoded::Keys;
use super::{Kept, random};
use crate::support::{MIB, Stage, soon, text};

/// What one call reads.
const BLOCK: usize = 256 * 1024;

/// Each block of what lies in the channel is struck once, each time in a download of its own.
async fn outlasts_at_each_block(stage: &Stage, file: &Kept, action: &FaultAction) {
    let in_channel = stage.sandbox.messages_of(&stage.user).last().expect("a message").size as usize;
    let blocks = in_channel.div_ceil(BLOCK);
    assert!(blocks > 5, "{blocks} blocks are few");
    for block in 0..blocks {
        let fault = Fault::new(GET, action.clone()).offset((block * BLOCK) as i64).once();
        let fault = stage.sandbox.faults().inject(fault);
        let got = file.get(stage, &[]).await;
        assert!(got.status == 200 && got.body == file.bytes, "{action:?} at block {block} of {blocks}");
        assert_eq!(stage.sandbox.faults().fired(fault), 1, "{action:?} at block {block} of {blocks}");
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_at_any_block_is_not_seen_by_the_client() {
    let plain = Stage::new().await;
    let file = Kept::put(&plain, "a.bin", None, random(6 * BLOCK + 77)).await;
    for action in [FaultAction::DropConnection, FaultAction::LoseAnswer] {
        outlasts_at_each_block(&plain, &file, &action).await;
    }
    let both = Keys::new().stage(&[("TELESTORE_COMPRESS", "on")]).await;
    let file = Kept::put(&both, "access.log", Some("text/plain"), text(8 * MIB + 77)).await;
    outlasts_at_each_block(&both, &file, &FaultAction::DropConnection).await;
}

/// A download that has come to a block in the middle of its file when `then` happens.
async fn outlasts(stage: &Stage, file: &Kept, then: impl FnOnce()) {
    let faults = stage.sandbox.faults();
    let held = faults.inject(Fault::hold(GET).offset((5 * BLOCK) as i64).once());
    let reading = tokio::spawn(taken(file.ask(stage, "GET")));
    soon("the block in the middle", faults.wait_fired(held, 1)).await;
    then();
    faults.release(held);
    let (_, got, ended) = soon("the download", reading).await.expect("it ends");
    assert!(ended && got == file.bytes, "{} bytes", got.len());
}

#[tokio::test]
async fn references_that_expire_in_the_middle_are_renewed() {
    let stage = Stage::new().await;
    let file = Kept::put(&stage, "a.bin", None, random(10 * MIB)).await;
    let looks = || stage.sandbox.stats().calls("channels.getMessages");
    assert!(file.get(&stage, &[]).await.body == file.bytes);
    let before = looks();
    assert!(file.get(&stage, &[]).await.body == file.bytes);
    let opening = looks() - before;
    let before = looks();
    outlasts(&stage, &file, || stage.sandbox.expire_file_references()).await;
    assert_eq!(looks() - before, opening + 1, "the message is read once more, whatever is in flight");
}

#[tokio::test]
async fn a_file_that_moves_to_another_data_centre_is_read_there() {
    let sandbox = Sandbox::builder().data_centre(4).start().await.expect("the sandbox");
    let mut stage = Stage::before(sandbox, &[]);
    stage.start().await;
    let of_dc = |dc| stage.sandbox.stats().downloads(&stage.user.user_id, false, dc).calls;
    let file = Kept::put(&stage, "a.bin", None, random(10 * MIB)).await;
    outlasts(&stage, &file, || {
        assert_eq!(stage.sandbox.move_documents(&*stage.user.channel_id, 4), 1);
    })
    .await;
    assert!(of_dc(2) > 0 && of_dc(4) > 0, "{} and {}", of_dc(2), of_dc(4));
    // One that has always been elsewhere, and the one that is by now.
    stage.sandbox.place_documents(Some(4));
    let other = Kept::put(&stage, "b.bin", None, random(2 * MIB)).await;
    let before = of_dc(2);
    for file in [&file, &other] {
        assert!(file.get(&stage, &[]).await.body == file.bytes);
    }
    assert_eq!(of_dc(2), before, "it is asked where the file is");
}

#[tokio::test]
async fn short_waits_that_telegram_asks_for_are_not_seen_by_the_client() {
    let stage = Stage::new().await;
    let file = Kept::put(&stage, "a.bin", None, random(3 * MIB)).await;
    let faults = stage.sandbox.faults();
    for action in [FaultAction::FloodWait(1), FaultAction::FloodPremiumWait(1)] {
        for block in [0, 7] {
            let fault = Fault::new(GET, action.clone()).offset((block * BLOCK) as i64).times(2);
            let fault = faults.inject(fault);
            assert!(file.get(&stage, &[]).await.body == file.bytes, "{action:?} at block {block}");
            assert_eq!(faults.fired(fault), 2, "{action:?} at block {block}");
        }
    }
}

#[tokio::test]
async fn a_long_wait_ends_the_body_so_that_nobody_takes_it_for_whole() {
    let keys = Keys::new();
    for stage in [Stage::new().await, keys.stage(&[("TELESTORE_BOT_API_MAX_BYTES", "1000")]).await] {
        let file = Kept::put(&stage, "a.bin", None, random(3 * MIB)).await;
        let faults = stage.sandbox.faults();
        for action in [FaultAction::FloodWait(3600), FaultAction::FloodPremiumWait(121)] {
            let fault = faults.inject(Fault::new(GET, action.clone()).offset((7 * BLOCK) as i64));
            let (length, got, ended) = taken(file.ask(&stage, "GET")).await;
            assert!(!ended && (got.len() as u64) < length, "{action:?}: {} bytes", got.len());
            assert!(!got.is_empty() && got == file.bytes[..got.len()], "{action:?}: what came is right");
            assert!(faults.fired(fault) > 0, "{action:?}");
            faults.clear();
            let rest = file.get(&stage, &[("Range", &format!("bytes={}-", got.len()))]).await;
            assert!(rest.status == 206 && rest.body == file.bytes[got.len()..], "{action:?}");
        }
    }
}

/// What is encrypted is opened before the answer begins, so that a wait can still be told by it.
#[tokio::test]
async fn a_long_wait_before_the_first_byte_is_told_where_it_can_be() {
    let stage = Keys::new().stage(&[("TELESTORE_BOT_API_MAX_BYTES", "1000")]).await;
    let file = Kept::put(&stage, "a.bin", None, random(MIB)).await;
    let fault = stage.sandbox.faults().inject(Fault::flood_wait(GET, 3600));
    let got = file.get(&stage, &[]).await;
    assert!(got.error(503).contains("try again later"));
    let wait: u64 = got.header("retry-after").parse().expect("seconds");
    assert!((1..=3600).contains(&wait), "{wait}");
    assert!(stage.sandbox.faults().fired(fault) > 0);
    stage.sandbox.faults().clear();
    assert!(file.get(&stage, &[]).await.body == file.bytes);
}
