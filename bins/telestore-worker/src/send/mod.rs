//! `telestore-worker send`: sends one file by `telestore-client`. For more than one, and for going on by itself, there is `telestore`.

mod mark;

use std::io::{self, Write};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use telestore::types::{Shown, pasted};
use telestore_client::{
    Cancelled, Client, Delivered, Error, ErrorKind, Phase, Progress, Source, Upload, UploadOptions, UploadUrl,
};

use crate::cli::SendArgs;
use crate::serve::told_to_stop;

/// How long a cancel may take when the client gives up: the worker answers it within a second.
const CANCEL: Duration = Duration::from_secs(5);

/// Why a file is not sent.
enum Failure {
    /// The upload has ended, or there is none.
    Over(String),
    /// The client cannot go on.
    GaveUp(String),
}

/// Sends a file, and waits until it is in the channel. A client that gives up cancels its upload; one that was killed goes
/// on with `--resume`.
pub(crate) async fn send(args: SendArgs) -> Result<(), String> {
    let client = client(&args)?;
    if args.chunk_bytes == 0 {
        return Err("--chunk-bytes: must be at least 1".to_owned());
    }
    let shown = args.file.display();
    // Before it is opened: opening a pipe waits for its writer.
    let about = tokio::fs::metadata(&args.file).await.map_err(|error| format!("{shown}: {error}"))?;
    if !about.is_file() {
        return Err(format!(
            "{shown} is not a file: what comes from a pipe or a device has no size before its end, so put it into a file first"
        ));
    }
    let name = args.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mark = mark::of(&name, &about);
    let first = Source::file(&args.file).map_err(|error| error.to_string())?;
    let digest = first.digest().await.map_err(|error| error.to_string())?.unwrap_or_default();
    let options = UploadOptions::new()
        .file_name(&name)
        .and_then(|options| options.metadata(mark::NAME, &mark))
        .map_err(|error| format!("{shown}: {error}"))?
        .sha256(digest)
        .segment_bytes(args.chunk_bytes);
    // From here to the end: a program that reads the id may tell the client to stop at once.
    let mut stop = Box::pin(told_to_stop());
    let mut upload = match &args.resume {
        Some(id) => {
            let url = tokio::select! {
                url = known(&client, &args, id, &mark) => url?,
                () = &mut stop => return Err("stopped".to_owned()),
            };
            say(&format!("upload {id}"));
            client.resume(&url, first, options)
        }
        // Has the worker say what is wrong before a byte of the file is sent.
        None => client.upload(first, options.created(announced)),
    };
    let failure = match run(&mut upload, &args, &mut stop).await {
        Ok(delivered) => {
            let file = serde_json::Value::from(delivered.file_id);
            say(&format!("completed: messageId {}, fileId {file}", delivered.message_id));
            say(&format!("sha256 {}  {shown}", hex::encode(digest)));
            return Ok(());
        }
        Err(failure) => failure,
    };
    match (failure, upload.url().now_or_never().flatten()) {
        (Failure::GaveUp(why), Some(url)) => {
            drop(upload);
            Err(give_up(&client, &url, &why).await)
        }
        (Failure::Over(why) | Failure::GaveUp(why), _) => Err(why),
    }
}

/// The id comes first: with it, a client that was killed goes on.
fn announced(url: &UploadUrl) -> io::Result<()> {
    say(&format!("upload {}", url.upload_id()));
    say(&format!("if this is interrupted, go on by adding: --resume {}", url.upload_id()));
    Ok(())
}

fn client(args: &SendArgs) -> Result<Client, String> {
    let to = pasted::base_url(&args.to).map_err(|fault| format!("--to: {fault}"))?;
    let mut builder = Client::builder(to).token(args.token.clone()).patience(args.patience);
    if let Some(path) = &args.ca {
        builder = builder.ca(path);
    }
    builder.build().map_err(|error| match error.to_string() {
        text if text.starts_with("the token ") => {
            text.replacen("the token ", "the token (--token, TELESTORE_TOKEN) ", 1)
        }
        text => format!("--ca: {text}"),
    })
}

/// The upload to go on with.
async fn known(client: &Client, args: &SendArgs, id: &str, mark: &str) -> Result<UploadUrl, String> {
    let url = client.url_of(id).map_err(|error| format!("--resume: {error}"))?;
    let known = client.metadata(&url).await.map_err(|error| error.to_string())?;
    // Uploads of other clients have no mark.
    let of_another =
        known.and_then(|known| known.get(mark::NAME).cloned()).is_some_and(|known| known != mark);
    match of_another {
        true => Err(format!(
            "upload {id} was begun with another file than {}, or the file has changed since: send it without --resume",
            args.file.display()
        )),
        false => Ok(url),
    }
}

async fn run(
    upload: &mut Upload,
    args: &SendArgs,
    stop: &mut (impl Future<Output = ()> + Unpin),
) -> Result<Delivered, Failure> {
    let (mut states, mut told) = (upload.progress(), Told::new(args.chunk_bytes));
    loop {
        tokio::select! {
            biased;
            () = &mut *stop => return Err(Failure::GaveUp("stopped".to_owned())),
            Some(state) = states.next() => told.tell(&state),
            ended = &mut *upload => {
                return ended.map_err(|error| failure(upload, &error));
            }
        }
    }
}

fn failure(upload: &Upload, error: &Error) -> Failure {
    let url = upload.url().now_or_never().flatten();
    let id = url.as_ref().map_or("", UploadUrl::upload_id);
    match error.kind() {
        ErrorKind::Gone => Failure::Over(format!(
            "the worker knows no upload {id}: it has not begun, was cancelled, or is past its time. If the file is not in the \
             channel, send it without --resume"
        )),
        ErrorKind::Failed => Failure::Over(format!("upload {id}: {error}")),
        ErrorKind::Lost => Failure::Over(error.to_string()),
        _ => Failure::GaveUp(error.to_string()),
    }
}

/// What was said of an upload so far.
struct Told {
    chunk: u64,
    chunks: u64,
    percent: Option<u64>,
    trouble: bool,
}

impl Told {
    fn new(chunk: u64) -> Self {
        Self { chunk, chunks: 0, percent: None, trouble: false }
    }

    fn tell(&mut self, state: &Progress) {
        if let Some(trouble) = state.trouble.as_ref().filter(|_| !self.trouble) {
            say(&format!("{trouble}; trying again"));
        }
        self.trouble = state.trouble.is_some();
        if let Some(total) = state.total.filter(|_| state.phase >= Phase::Uploading) {
            let all = total.div_ceil(self.chunk).max(1);
            let there = if state.kept == total { all } else { state.kept / self.chunk };
            for chunk in self.chunks..there {
                say(&format!("chunk {} of {all}", chunk + 1));
            }
            self.chunks = self.chunks.max(there);
        }
        if let Some(percent) = state.percent.filter(|_| state.percent != self.percent) {
            say(&format!("uploading {percent}%"));
            self.percent = state.percent;
        }
    }
}

/// Cancels the upload, so that its bytes do not stay, and says what became of it.
async fn give_up(client: &Client, url: &UploadUrl, why: &str) -> String {
    let cancelled = tokio::select! {
        answer = tokio::time::timeout(CANCEL, client.cancel(url)) => answer.ok().and_then(Result::ok),
        // Told again, it does not wait.
        () = told_to_stop() => None,
    };
    match cancelled {
        Some(Cancelled::Delivered(message)) => {
            format!("{why}; too late to cancel: the file is in the channel, messageId {message}")
        }
        Some(_) => format!("{why}; the upload is cancelled"),
        None => format!(
            "{why}; the upload could not be cancelled, and the worker keeps what it has: go on by adding --resume {}",
            url.upload_id()
        ),
    }
}

fn say(line: &str) {
    // If standard output is closed, nobody is left to be told.
    let _ = writeln!(io::stdout(), "{}", Shown(line));
}
