//! Whole uploads: chunks, `/complete-upload`, and waiting until the file is in the channel.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::file::File;
use crate::http::Http;
use crate::stage::Worker;
use crate::{Result, load};

/// How long the parts of one upload took, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flow {
    /// From the first byte of the first chunk to the answer of the last one.
    pub(crate) receive: f64,
    /// The call of `/complete-upload` alone.
    pub(crate) complete: f64,
    /// From that call's answer until the file is in the channel.
    pub(crate) after: f64,
}

impl Flow {
    pub(crate) fn total(self) -> f64 {
        self.receive + self.complete + self.after
    }
}

/// Sends a file's chunks over `connections` connections. Gives the seconds that took.
pub(crate) fn send_chunks(worker: &Worker, file: &File, connections: usize) -> Result<f64> {
    let next = AtomicUsize::new(0);
    let mut clients = Vec::new();
    for _ in 0..connections {
        let (next, mut http) = (&next, worker.http()?);
        clients.push(move |latencies: &mut Vec<f64>| {
            while let Some(index) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|i| *i < file.total()) {
                latencies.push(file.send(&mut http, index)?);
            }
            Ok(())
        });
    }
    Ok(load::together(clients)?.seconds)
}

/// Gives the seconds that `/complete-upload` took.
pub(crate) fn complete(http: &mut Http, file: &File) -> Result<f64> {
    let begin = Instant::now();
    http.send("POST", "/complete-upload", &json!({ "uploadId": file.id }))?.ok()?;
    Ok(begin.elapsed().as_secs_f64())
}

/// Asks every so often until the file is in the channel. Gives the seconds that took.
pub(crate) fn wait(http: &mut Http, file: &File, pause: Duration) -> Result<f64> {
    let begin = Instant::now();
    loop {
        let progress = http.get(&format!("/upload-progress/{}", file.id))?.ok()?;
        match progress["status"].as_str() {
            Some("completed") => return Ok(begin.elapsed().as_secs_f64()),
            Some("failed") => return Err(format!("an upload failed: {progress}").into()),
            _ => thread::sleep(pause),
        }
    }
}

/// One upload from its first chunk to its message, chunk after chunk, as the browser sends it.
pub(crate) fn whole(worker: &Worker, file: &File) -> Result<Flow> {
    let mut http = worker.http()?;
    let receive = send_chunks(worker, file, 1)?;
    let complete = complete(&mut http, file)?;
    let after = wait(&mut http, file, Duration::from_millis(5))?;
    Ok(Flow { receive, complete, after })
}

/// All of these at once, each over a connection of its own. Gives the seconds until all chunks were there, and until all
/// files were in their channels.
pub(crate) fn crowd(worker: &Worker, files: &[File]) -> Result<(f64, f64)> {
    let mut clients = Vec::new();
    for file in files {
        let mut http = worker.http()?;
        clients.push(move |times: &mut Vec<f64>| {
            let begin = Instant::now();
            file.send_all(&mut http)?;
            times.push(begin.elapsed().as_secs_f64());
            complete(&mut http, file)?;
            wait(&mut http, file, Duration::from_millis(100)).map(drop)
        });
    }
    let done = load::together(clients)?;
    Ok((done.latencies.last().copied().unwrap_or_default(), done.seconds))
}
