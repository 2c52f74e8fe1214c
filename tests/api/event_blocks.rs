//! Clients that make an event of every block, whatever stands in it, and read JSON from each.

use serde_json::Value;

use crate::sse::{Events, held};
use crate::support::{File, Stage};

/// All blocks, as such a client cuts them: at blank lines, comments left out.
fn blocks(stream: &str) -> Vec<Vec<&str>> {
    stream
        .split_terminator("\n\n")
        .map(|block| block.lines().filter(|line| !line.starts_with(':')).collect())
        .collect()
}

#[tokio::test]
async fn every_block_has_data_and_the_first_one_says_when_to_come_back() {
    let stage = Stage::new().await;
    let file = File::new(1000);
    let sending = held(&stage, &file).await;
    let events = Events::open(&stage, &file.id, None).await;
    stage.sandbox.faults().release(sending);
    let stream = events.response.text().await.unwrap();
    let blocks = blocks(&stream);
    assert!(blocks.len() >= 2, "{stream}");
    for (index, block) in blocks.iter().enumerate() {
        let data: Vec<_> = block.iter().filter_map(|line| line.strip_prefix("data: ")).collect();
        assert_eq!(data.len(), 1, "{block:?}");
        assert!(serde_json::from_str::<Value>(data[0]).unwrap()["status"].is_string());
        assert_eq!(block.iter().any(|line| line.starts_with("retry: ")), index == 0, "{block:?}");
        assert!(block.iter().any(|line| line.starts_with("id: ")), "{block:?}");
    }
}

#[tokio::test]
async fn who_listens_before_completion_hears_something_at_once_and_no_block() {
    let stage = Stage::new().await;
    let file = File::new(1000);
    stage.chunks(&file).await;
    let mut events = Events::open(&stage, &file.id, None).await;
    let first = crate::support::soon("the first bytes", events.response.chunk()).await.unwrap().unwrap();
    assert_eq!(&first[..], b":\n", "a comment, which ends no block");
    stage.complete(&file.id).await.ok();
    let stream = events.response.text().await.unwrap();
    assert!(stream.starts_with("retry: 1000\nid: "), "{stream}");
}

#[tokio::test]
async fn who_comes_back_is_told_again_when_to_come_back() {
    let stage = Stage::new().await;
    let file = File::new(1000);
    let sending = held(&stage, &file).await;
    let mut events = Events::open(&stage, &file.id, None).await;
    let id = events.next().await.unwrap().id;
    drop(events);
    let events = Events::open(&stage, &file.id, Some(&id)).await;
    stage.sandbox.faults().release(sending);
    let stream = events.response.text().await.unwrap();
    assert!(stream.trim_start_matches(":\n").starts_with("retry: 1000\nid: "), "{stream}");
}
