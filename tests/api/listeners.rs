//! Thousands of listeners cost little, and all hear the end.

use std::time::Duration;

use telestore_sandbox::Fault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::{File, MIB, Stage, allow_open_files, soon};

const UPLOADS: usize = 100;
const LISTENERS_EACH: usize = 20;

/// The worker's resident memory in bytes.
fn memory(stage: &Stage) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", stage.pid())).expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches("kB").trim().parse::<usize>().expect("a number") * 1024
}

/// A listener with next to no cost of its own. It has had the current state when this returns.
async fn listen(address: String, id: String) -> TcpStream {
    let mut stream = TcpStream::connect(&address).await.expect("a connection");
    let head =
        format!("GET /upload-events/{id} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("the request is sent");
    until(&mut stream, "\"status\":\"uploading\"").await;
    stream
}

async fn until(stream: &mut TcpStream, text: &str) -> Instant {
    let mut read = Vec::new();
    loop {
        assert!(stream.read_buf(&mut read).await.expect("a stream") > 0, "ended before {text}");
        if read.windows(text.len()).any(|window| window == text.as_bytes()) {
            return Instant::now();
        }
    }
}

#[tokio::test]
async fn two_thousand_listeners_cost_little_and_hear_the_end() {
    allow_open_files(2 * UPLOADS * LISTENERS_EACH);
    let stage = Stage::with(&[("TELESTORE_MAX_CONCURRENT_UPLOADS", "100")]).await;
    let mut uploads = Vec::new();
    for _ in 0..UPLOADS {
        let (file, hold) =
            (File::new(1000), stage.sandbox.faults().inject(Fault::hold("sendDocument").once()));
        stage.queue(&file).await;
        soon("the sending", stage.sandbox.faults().wait_fired(hold, 1)).await;
        uploads.push((file.id, hold));
    }
    let without = memory(&stage);

    let address = stage.url("").replace("http://", "");
    let mut connecting = JoinSet::new();
    for (number, (id, _)) in uploads.iter().enumerate() {
        for _ in 0..LISTENERS_EACH {
            let (address, id) = (address.clone(), id.clone());
            connecting.spawn(async move { (number, listen(address, id).await) });
        }
    }
    let listeners = soon("the listeners", connecting.join_all()).await;
    let with = memory(&stage);

    let mut hearing = JoinSet::new();
    for (number, mut stream) in listeners {
        hearing.spawn(async move { (number, until(&mut stream, "\"status\":\"completed\"").await) });
    }
    let mut released = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(30));
    for (_, hold) in &uploads {
        ticks.tick().await;
        released.push(Instant::now());
        stage.sandbox.faults().release(*hold);
    }
    let heard = soon("the events", hearing.join_all()).await;
    // From before the sandbox makes the message: what is measured has all that the worker does in it.
    let mut times: Vec<Duration> = heard.iter().map(|(number, at)| *at - released[*number]).collect();
    times.sort_unstable();
    let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    let more = with.saturating_sub(without);
    println!(
        "{} listeners: {} KiB more than without; the end is heard after {median:.0?} (median), {p99:.0?} (99 %)",
        times.len(),
        more / 1024,
    );
    assert!(more < 64 * MIB, "{} MiB more", more / MIB);
    // How long it takes is the benchmark's to say. That no heartbeat is waited for is shown where the time stands still.
}
