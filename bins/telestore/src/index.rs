//! `telestore list`, `link` and `rm`: the files that were sent, by whatever client.

use futures_util::StreamExt;
use serde_json::{Value, json};
use telestore_client::{ErrorKind, File, FileQuery};
use telestore_types::FileId;

use crate::cli::{LinkArgs, ListArgs, RmArgs, WorkerArgs};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::{get, print, say, show, worker};

/// The most files that are asked for at a time.
const PAGE: u64 = 200;

/// The files, the newest first.
pub(crate) async fn list(asked: &WorkerArgs, args: &ListArgs) -> Result<Exit, Failure> {
    let worker = worker::worker(asked, &Config::read(asked.config.as_deref())?, None).await?;
    let mut query = FileQuery::new().page(args.limit.unwrap_or(PAGE).min(PAGE) as u32);
    if let Some(text) = &args.named {
        query = query.named(text);
    }
    let mut files = worker.client.files(query);
    let mut left = args.limit.unwrap_or(u64::MAX);
    while left > 0
        && let Some(file) = files.next().await
    {
        let file = file?;
        // Nobody reads any further.
        if !print(args.json, &listed(&file), &line(&file)) {
            break;
        }
        left -= 1;
    }
    Ok(Exit::Done)
}

/// A file as the worker describes it.
fn listed(file: &File) -> Value {
    let mut value = json!({ "state": "file" });
    if let (Some(value), Ok(Value::Object(file))) = (value.as_object_mut(), serde_json::to_value(file)) {
        value.extend(file);
    }
    value
}

fn line(file: &File) -> String {
    let at = file.created_at.get(..16).unwrap_or(&file.created_at).replace('T', " ");
    format!("{}  {:>10}  {at}  {}", file.id, show::size(file.size), file.file_name)
}

/// Addresses that open files without a token.
pub(crate) async fn link(asked: &WorkerArgs, args: &LinkArgs) -> Result<Exit, Failure> {
    if args.lasts.as_secs() == 0 {
        return Err(Failure::usage("--for: must be at least a second"));
    }
    let worker = worker::worker(asked, &Config::read(asked.config.as_deref())?, None).await?;
    let found = get::find(&worker.client, &args.which).await;
    for note in &found.notes {
        say(note);
    }
    let any = !found.files.is_empty();
    for file in found.files {
        let link = worker.client.link(&file.id, args.lasts).await?;
        let value = json!({
            "state": "link", "file": file.file_name, "id": file.id, "url": link.url, "expiresAt": link.expires_at,
        });
        print(args.json, &value, &link.url);
    }
    let kinds: Vec<ErrorKind> = found.missing.iter().map(|(_, kind, _)| *kind).collect();
    for (name, kind, text) in found.missing {
        match args.json {
            true => {
                let value = json!({ "state": "failed", "file": name, "kind": kind.as_str(), "error": text });
                print(true, &value, "");
            }
            false => say(&format!("{name}: {text}")),
        }
    }
    Ok(Exit::of_run(any, &kinds))
}

/// Deletes files, and their messages.
pub(crate) async fn rm(asked: &WorkerArgs, args: &RmArgs) -> Result<Exit, Failure> {
    // Before anything is deleted.
    if let Some(wrong) = args.ids.iter().find(|id| FileId::parse(id).is_err()) {
        return Err(Failure::usage(format!(
            "{wrong} is not the id of a file: telestore list {wrong} lists those that have it in their names"
        )));
    }
    let worker = worker::worker(asked, &Config::read(asked.config.as_deref())?, None).await?;
    let mut exit = Exit::Done;
    for id in &args.ids {
        // What it is called is known only before. Gone after that is gone, by whichever try.
        match worker.client.file(id).await {
            Ok(file) => {
                worker.client.delete(id).await?;
                let value = json!({ "state": "deleted", "file": file.file_name, "id": id });
                print(args.json, &value, &format!("{}: deleted", file.file_name));
            }
            Err(error) if error.kind() == ErrorKind::Gone => {
                exit = Exit::Failed;
                match args.json {
                    true => {
                        print(true, &json!({ "state": "unknown", "id": id, "error": error.to_string() }), "")
                    }
                    false => {
                        say(&format!("{id}: {error}"));
                        true
                    }
                };
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(exit)
}
