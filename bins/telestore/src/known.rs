//! `telestore list --uploads`, `status` and `cancel`: the uploads that this machine knows of.

use std::io;
use std::path::Path;

use serde_json::json;
use telestore_client::{Cancelled, Client, Status, UploadUrl};

use crate::cli::{CancelArgs, ListArgs, StatusArgs, WorkerArgs};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::state::{self, Record, State};
use crate::{print, worker};

fn kept(error: io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("what is known of uploads: {error}"))
}

/// What was begun, and with `--sent` what was sent.
pub(crate) fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let state = state::opened()?;
    for record in state.records().map_err(kept)? {
        let Record { server, path, size, url, begun, .. } = &record;
        let value = json!({
            "state": "begun", "file": path, "size": size, "uploadId": url.upload_id(), "worker": server, "begun": begun,
        });
        print(
            args.json,
            &value,
            &format!("begun  {path}  {size} bytes, upload {} at {server}", url.upload_id()),
        );
    }
    if args.sent {
        for line in state.sent().map_err(kept)? {
            let value = json!({
                "state": "sent", "file": line.path, "size": line.size, "uploadId": line.upload_id,
                "messageId": line.message_id, "worker": line.server, "sent": line.at,
            });
            let words = format!(
                "sent   {}  {} bytes, message {} by {}",
                line.path, line.size, line.message_id, line.server
            );
            print(args.json, &value, &words);
        }
    }
    Ok(Exit::Done)
}

/// One upload that is asked for.
struct Asked {
    /// What a person knows it by.
    name: String,
    url: UploadUrl,
    /// The file, if it was begun here.
    record: Option<Record>,
}

/// Those that are named, by file or id; or all that were begun at this worker.
fn asked(state: &State, client: &Client, which: &[String]) -> Result<Vec<Asked>, Failure> {
    let mut records = state.records().map_err(kept)?;
    records.retain(|record| record.server == client.base_url());
    let of =
        |record: Record| Asked { name: record.path.clone(), url: record.url.clone(), record: Some(record) };
    if which.is_empty() {
        return Ok(records.into_iter().map(of).collect());
    }
    let one = |text: &String| {
        let path = std::path::absolute(Path::new(text)).ok().map(|path| path.to_string_lossy().into_owned());
        let known = records
            .iter()
            .find(|record| record.url.upload_id() == text || Some(&record.path) == path.as_ref());
        match known {
            Some(record) => Ok(of(record.clone())),
            None => {
                let url = client.url_of(text).map_err(|_| {
                    Failure::usage(format!("{text} is neither a file that was begun nor the id of an upload"))
                })?;
                Ok(Asked { name: text.clone(), url, record: None })
            }
        }
    };
    which.iter().map(one).collect()
}

/// Asks the worker how far uploads are.
pub(crate) async fn status(args: &WorkerArgs, which: &StatusArgs) -> Result<Exit, Failure> {
    let worker = worker::worker(args, &Config::read(args.config.as_deref())?, None).await?;
    let state = state::opened()?;
    let mut exit = Exit::Done;
    for one in asked(&state, &worker.client, &which.which)? {
        let status = worker.client.status(&one.url).await?;
        let (word, words, more) = match &status {
            Status::Receiving { kept, total } => {
                let total = total.map_or_else(|| "as yet unknown".to_owned(), |total| total.to_string());
                ("receiving", format!("the worker has {kept} of {total} bytes"), json!({ "kept": kept }))
            }
            Status::OnItsWay { percent, delivered } => (
                "on_its_way",
                format!("the worker sends it: {percent} %"),
                json!({ "percent": percent, "delivered": delivered }),
            ),
            Status::Delivered(delivered) => (
                "sent",
                format!("message {}", delivered.message_id),
                json!({ "messageId": delivered.message_id }),
            ),
            Status::Failed(why) => ("failed", format!("failed: {why}"), json!({ "error": why })),
            _ => (
                "unknown",
                "the worker knows no such upload: it was cancelled, or is past its time".to_owned(),
                json!({}),
            ),
        };
        if matches!(status, Status::Failed(_) | Status::Unknown) {
            exit = Exit::Failed;
        }
        let mut value = json!({ "state": word, "file": one.name, "uploadId": one.url.upload_id() });
        if let (Some(value), Some(more)) = (value.as_object_mut(), more.as_object()) {
            value.extend(more.clone());
        }
        print(which.json, &value, &format!("{}: {words}", one.name));
    }
    Ok(exit)
}

/// Cancels uploads, and forgets them.
pub(crate) async fn cancel(args: &WorkerArgs, which: &CancelArgs) -> Result<Exit, Failure> {
    let worker = worker::worker(args, &Config::read(args.config.as_deref())?, None).await?;
    let state = state::opened()?;
    let mut exit = Exit::Done;
    for one in asked(&state, &worker.client, &which.which)? {
        let cancelled = worker.client.cancel(&one.url).await?;
        let (word, words) = match cancelled {
            Cancelled::Delivered(message) => {
                exit = Exit::Failed;
                ("sent", format!("too late: it is in the channel, as message {message}"))
            }
            _ => ("cancelled", "cancelled".to_owned()),
        };
        // One that is in the channel stays known: sent again, it is found there.
        if let (Some(record), "cancelled") = (&one.record, word) {
            state.forget(&record.url).map_err(kept)?;
        }
        let value = json!({ "state": word, "file": one.name, "uploadId": one.url.upload_id() });
        print(which.json, &value, &format!("{}: {words}", one.name));
    }
    Ok(exit)
}
