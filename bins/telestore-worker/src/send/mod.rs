//! `telestore-worker send`: a client that sends a file by the documented calls.

mod calls;
mod id;

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use bytesize::ByteSize;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use telestore::types::Shown;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use self::calls::{Calls, Failure};
use crate::cli::SendArgs;
use crate::serve::told_to_stop;

/// How long a cancel may take when the client gives up: the worker answers it within a second.
const CANCEL: Duration = Duration::from_secs(5);

/// Sends a file, and waits until it is in the channel. A client that gives up cancels its upload; one that was killed goes
/// on with `--resume`.
pub(crate) async fn send(args: SendArgs) -> Result<(), String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let calls = Calls::new(&args)?;
    let failed = |error: io::Error| format!("{}: {error}", args.file.display());
    if args.chunk_bytes == 0 {
        return Err("--chunk-bytes: must be at least 1".to_owned());
    }
    // Before it is opened: opening a pipe waits for its writer.
    if !tokio::fs::metadata(&args.file).await.map_err(failed)?.is_file() {
        return Err(format!(
            "{} is not a file: what comes from a pipe or a device has no size before its end, so put it into a file first",
            args.file.display()
        ));
    }
    let file = File::open(&args.file).await.map_err(failed)?;
    let about = file.metadata().await.map_err(failed)?;
    let name = name_of(&args.file)?;
    let id = match &args.resume {
        Some(id) => id::fits(id, &name, &about).map(|()| id.clone())?,
        None => id::new(&name, &about),
    };
    let sender = Sender { calls, args: &args, name, length: about.len(), id };
    sender.announce();
    // A program that reads the id may tell the client to stop at once.
    let stop = told_to_stop();
    let sent = tokio::select! {
        sent = sender.run(file) => sent,
        () = stop => Err(Failure::GaveUp("stopped".to_owned())),
    };
    match sent {
        Ok((result, digest)) => {
            say(&format!("completed: messageId {}, fileId {}", result["messageId"], result["fileId"]));
            say(&format!("sha256 {digest}  {}", args.file.display()));
            Ok(())
        }
        Err(Failure::Over(why)) => Err(why),
        Err(Failure::Refused(why) | Failure::GaveUp(why)) => Err(sender.give_up(&why).await),
    }
}

struct Sender<'a> {
    calls: Calls,
    args: &'a SendArgs,
    name: String,
    length: u64,
    id: String,
}

impl Sender<'_> {
    /// The id comes first: with it, a client that was killed goes on.
    fn announce(&self) {
        say(&format!("upload {}", self.id));
        if self.args.resume.is_none() {
            say(&format!("if this is interrupted, go on by adding: --resume {}", self.id));
        }
    }

    async fn run(&self, mut file: File) -> Result<(Value, String), Failure> {
        let there = if self.args.resume.is_some() { self.there().await } else { self.begin().await };
        // Nothing was begun, or it is not this client's to cancel.
        let there = there.map_err(|failure| match failure {
            Failure::Refused(why) => Failure::Over(why),
            other => other,
        })?;
        let digest = self.chunks(&mut file, &there).await?;
        // What was completed before is not completed again: after a failure, that would send the file again.
        if self.progress().await?.is_none() {
            self.complete().await?;
        }
        Ok((self.wait().await?, digest))
    }

    fn total(&self) -> u64 {
        self.length.div_ceil(self.size()).max(1)
    }

    fn size(&self) -> u64 {
        self.args.chunk_bytes
    }

    /// Has the worker say what is wrong before a byte of the file is sent.
    async fn begin(&self) -> Result<Vec<u64>, Failure> {
        let upload = json!({ "uploadId": self.id, "fileName": self.name, "totalChunks": self.total(), "fileSize": self.length });
        self.calls.ask(|calls| calls.post("/init-upload").json(&upload)).await?;
        Ok(Vec::new())
    }

    /// Which chunks of the upload are there.
    async fn there(&self) -> Result<Vec<u64>, Failure> {
        let path = format!("/upload-status/{}", self.id);
        let Some(status) = self.calls.ask_for(|calls| calls.get(&path)).await? else {
            return Err(Failure::Over(format!(
                "the worker knows no upload {}: it has not begun, was cancelled, or is past its time. If the file is not in the \
                 channel, send it without --resume",
                self.id
            )));
        };
        if status["total_chunks"] != self.total() {
            return Err(Failure::Over(format!(
                "upload {} has {} chunks, and this file has {} of {}: give --chunk-bytes as before",
                self.id,
                status["total_chunks"],
                self.total(),
                ByteSize(self.args.chunk_bytes)
            )));
        }
        let indices = status["received_chunk_indices"].as_array().into_iter().flatten();
        Ok(indices.filter_map(Value::as_u64).collect())
    }

    /// Reads the whole file, sends what is not there, and returns the digest.
    async fn chunks(&self, file: &mut File, there: &[u64]) -> Result<String, Failure> {
        let (size, total, mut digest) = (self.size(), self.total(), Sha256::new());
        for index in 0..total {
            let length = usize::try_from(size.min(self.length - index * size)).unwrap_or(usize::MAX);
            let bytes = read(file, length).await?;
            digest.update(&bytes);
            if !there.contains(&index) {
                self.chunk(index, &bytes).await?;
                say(&format!("chunk {} of {total}", index + 1));
            }
        }
        Ok(hex::encode(digest.finalize()))
    }

    async fn chunk(&self, index: u64, bytes: &[u8]) -> Result<(), Failure> {
        let form = || {
            Form::new()
                .text("uploadId", self.id.clone())
                .text("chunkIndex", index.to_string())
                .text("totalChunks", self.total().to_string())
                .text("fileName", self.name.clone())
                .text("fileSize", self.length.to_string())
                .part("chunk", Part::bytes(bytes.to_vec()).file_name("blob"))
        };
        self.calls.ask(|calls| calls.post("/upload-chunk").multipart(form())).await.map(|_| ())
    }

    /// A lost answer may be to a completion that has failed since. Asking again would send the file again, so the client
    /// looks first.
    async fn complete(&self) -> Result<(), Failure> {
        let body = json!({ "uploadId": self.id });
        let looks = async || self.progress().await.map(|found| found.is_some());
        self.calls.ask_unless(looks, |calls| calls.post("/complete-upload").json(&body)).await
    }

    /// `None` before completion was asked for.
    async fn progress(&self) -> Result<Option<Value>, Failure> {
        let path = format!("/upload-progress/{}", self.id);
        self.calls.ask_for(|calls| calls.get(&path)).await
    }

    /// Polls as often as the document recommends.
    async fn wait(&self) -> Result<Value, Failure> {
        let mut shown = None;
        loop {
            let gone = || {
                Failure::Over(format!("upload {} is gone from the worker: look into the channel", self.id))
            };
            let progress = self.progress().await?.ok_or_else(gone)?;
            if shown.as_ref() != Some(&progress["progress"]) {
                say(&format!("{} {}%", progress["status"].as_str().unwrap_or("?"), progress["progress"]));
                shown = Some(progress["progress"].clone());
            }
            match progress["status"].as_str() {
                Some("completed") => return Ok(progress),
                Some("failed") => {
                    let why = progress["error"].as_str().unwrap_or("upload failed");
                    return Err(Failure::Over(format!("upload {}: {why}", self.id)));
                }
                _ => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
    }

    /// Cancels the upload, so that its bytes do not stay, and says what became of it.
    async fn give_up(&self, why: &str) -> String {
        let body = json!({ "uploadId": self.id });
        let cancelled = tokio::select! {
            answer = tokio::time::timeout(CANCEL, self.calls.once(self.calls.post("/cancel-upload").json(&body))) => {
                answer.ok().and_then(Result::ok)
            }
            // Told again, it does not wait.
            () = told_to_stop() => None,
        };
        match cancelled {
            Some(answer) if answer["messageId"].is_null() => format!("{why}; the upload is cancelled"),
            Some(answer) => format!(
                "{why}; too late to cancel: the file is in the channel, messageId {}",
                answer["messageId"]
            ),
            None => format!(
                "{why}; the upload could not be cancelled, and the worker keeps what it has: go on by adding --resume {}",
                self.id
            ),
        }
    }
}

async fn read(file: &mut File, length: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = vec![0; length];
    let read = file.read_exact(&mut bytes).await;
    read.map_err(|error| Failure::GaveUp(format!("cannot read the file: {error}")))?;
    Ok(bytes)
}

/// What to call the file. No file is refused for a name that is no UTF-8: it is read as well as it can be.
fn name_of(path: &Path) -> Result<String, String> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.ok_or_else(|| format!("{} is not a file name", Shown(&path.to_string_lossy())))
}

fn say(line: &str) {
    // If standard output is closed, nobody is left to be told.
    let _ = writeln!(io::stdout(), "{}", Shown(line));
}
