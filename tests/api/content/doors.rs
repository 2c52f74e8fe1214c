//! Files that came by doors with ways of their own, read back.

use super::{Kept, random};
use crate::from_url::{self, Server};
use crate::support::{File, MIB, Stage};
use crate::tus::concatenation::parts_of;
use crate::tus::{Tus, id_of, name_of};

/// All of a file, and a range over its middle.
async fn comes_back(stage: &Stage, bytes: Vec<u8>) {
    let file = Kept::newest(stage, bytes).await;
    assert!(file.get(stage, &[]).await.body == file.bytes);
    let (from, to) = (file.bytes.len() / 3, file.bytes.len() / 3 * 2);
    let part = file.get(stage, &[("Range", &format!("bytes={from}-{to}"))]).await;
    assert!(part.status == 206 && part.body == file.bytes[from..=to]);
}

#[tokio::test]
async fn what_the_worker_has_fetched_comes_back() {
    let stage = from_url::stage().await;
    for length in [1, 3 * MIB + 5, 21 * MIB] {
        let bytes = random(length);
        let server = Server::of(&bytes, "", false).await;
        let end = from_url::fetched(&stage, &server.url("/a.bin")).await;
        assert_eq!(end["status"], "completed", "{end}");
        comes_back(&stage, bytes).await;
    }
    // The line breaks in the middle.
    let bytes = random(21 * MIB);
    let server = Server::of(&bytes, "ETag: \"v1\"\r\n", true).await.breaking(&[9 * MIB]);
    assert_eq!(from_url::fetched(&stage, &server.url("/a.bin")).await["status"], "completed");
    comes_back(&stage, bytes).await;
}

#[tokio::test]
async fn what_was_put_together_of_parts_comes_back() {
    let stage = Stage::new().await;
    let tus = Tus::new(&stage);
    for (length, ends) in [(3, vec![1, 2, 3]), (21 * MIB, vec![7 * MIB, 7 * MIB + 1, 21 * MIB])] {
        let file = File::new(length);
        let parts = parts_of(&tus, &file, &ends).await;
        let concat = format!("final;{}", parts.join(" "));
        let path = tus.begin(&[("Upload-Concat", &concat), ("Upload-Metadata", &name_of(&file))]).await;
        assert_eq!(stage.end(id_of(&path)).await["status"], "completed");
        comes_back(&stage, file.bytes).await;
    }
}
