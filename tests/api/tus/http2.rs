//! The same by HTTP/2, where a stream that is reset drops its request in the middle.

use std::time::Duration;

use futures_util::stream;

use crate::support::{File, MIB, soon};
use crate::tls::Files;
use crate::tus::streams::reaches;
use crate::tus::{Tus, number};

#[tokio::test]
async fn a_stream_that_is_reset_leaves_what_came() {
    let files = Files::new();
    let stage = files.stage().await;
    let (tus, file) = (Tus::new(&stage), File::new(12 * MIB));
    let path = tus.begin_file(&file).await;
    let mut at = 0;
    for sent in [700_000, 9 * MIB] {
        // A body that stops, and is given up on.
        let pieces: Vec<Vec<u8>> = file.bytes[at..at + sent].chunks(100_000).map(<[u8]>::to_vec).collect();
        let pieces = stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
        let stops = reqwest::Body::wrap_stream(futures_util::StreamExt::chain(pieces, stream::pending()));
        let request = tus.patch(&path, at).body(stops).send();
        let sending = tokio::spawn(request);
        reaches(&tus, &path, at + sent).await;
        sending.abort();
        let _ = sending.await;
        at += sent;
    }
    let answer = tus.patch(&path, at).body(file.bytes[at..].to_vec()).send().await.unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    assert_eq!(number(&answer, "upload-offset"), file.bytes.len());
    tus.arrived(&path, &file).await;
}

/// What had come to a request that is given up on, and that nobody has asked for, is there all the same.
#[tokio::test]
async fn what_nobody_asked_for_is_recorded_too() {
    let files = Files::new();
    let stage = files.stage().await;
    let (tus, file) = (Tus::new(&stage), File::new(3 * MIB));
    let path = tus.begin_file(&file).await;
    let (told, mut came) = tokio::sync::mpsc::unbounded_channel();
    let pieces: Vec<Vec<u8>> = file.bytes[..MIB].chunks(100_000).map(<[u8]>::to_vec).collect();
    let count = pieces.len();
    let pieces = stream::iter(pieces.into_iter().map(move |piece| {
        let _ = told.send(());
        Ok::<_, std::io::Error>(piece)
    }));
    let stops = reqwest::Body::wrap_stream(futures_util::StreamExt::chain(pieces, stream::pending()));
    let sending = tokio::spawn(tus.patch(&path, 0).body(stops).send());
    for _ in 0..count {
        soon("the pieces", came.recv()).await;
    }
    let spool = stage.data_dir().join("spool");
    soon("spooled bytes", async {
        while crate::support::files_below(&spool).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    sending.abort();
    let _ = sending.await;
    soon("a record", async {
        while crate::support::files_below(&stage.data_dir().join("chunks")).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let at = tus.offset(&path).await;
    assert!(at > 0, "something of it is there");
    tus.append(&path, at, &file.bytes[at..]).await;
    tus.arrived(&path, &file).await;
}
