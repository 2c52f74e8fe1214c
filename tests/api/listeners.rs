//! Thousands of listeners cost little, and all hear the end.

use futures_util::future::join_all;
use telestore_sandbox::Fault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{File, Stage, allow_open_files, soon};

const UPLOADS: usize = 100;
const LISTENERS_EACH: usize = 20;

/// A listener with next to no cost of its own. It has had the current state when this returns.
async fn listen(address: &str, id: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let head =
        format!("GET /upload-events/{id} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("the request is sent");
    until(&mut stream, "\"status\":\"uploading\"").await;
    stream
}

async fn until(stream: &mut TcpStream, text: &str) {
    let mut read = Vec::new();
    loop {
        assert!(stream.read_buf(&mut read).await.expect("a stream") > 0, "ended before {text}");
        if read.windows(text.len()).any(|window| window == text.as_bytes()) {
            return;
        }
    }
}

#[tokio::test]
async fn two_thousand_listeners_cost_little_and_hear_the_end() {
    allow_open_files(2 * UPLOADS * LISTENERS_EACH);
    let stage = Stage::with(&[("TELESTORE_MAX_CONCURRENT_UPLOADS", "100")]).await;
    let mut uploads = Vec::new();
    for n in 0..UPLOADS {
        // Each of another size: those whose messages could not be told apart are sent one after the other.
        let (file, hold) =
            (File::new(1000 + n), stage.sandbox.faults().inject(Fault::hold("sendDocument").once()));
        stage.queue(&file).await;
        soon("the sending", stage.sandbox.faults().wait_fired(hold, 1)).await;
        uploads.push((file.id, hold));
    }
    let without = stage.memory();

    let address = stage.url("").replace("http://", "");
    let listening = uploads.iter().map(|(id, _)| join_all((0..LISTENERS_EACH).map(|_| listen(&address, id))));
    let listeners = soon("the listeners", join_all(listening)).await;
    let more = stage.memory().saturating_sub(without);

    // One upload after the other: if the next heartbeat had to bring it, all of them would take longer than is waited for.
    let ends = async {
        for ((_, hold), mut streams) in uploads.iter().zip(listeners) {
            stage.sandbox.faults().release(*hold);
            join_all(streams.iter_mut().map(|stream| until(stream, "\"status\":\"completed\""))).await;
        }
    };
    soon("the ends", ends).await;
    println!("{} listeners: {} KiB more than without", UPLOADS * LISTENERS_EACH, more / 1024);
    assert!(more < 64 << 20, "{} MiB more", more >> 20);
}
