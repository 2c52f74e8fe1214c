//! `telestore-worker uploads`: the operator's view of what is on its way.

use bytesize::ByteSize;
use serde_json::{Value, json};
use telestore::store::Listing;
use telestore::types::{Shown, StoredFile, Upload, UploadId, UserId};

use crate::cli::{UploadsArgs, UploadsCommand};
use crate::settings::DataSettings;
use crate::shown::{say, time};
use crate::wire::{is_running, operator_engine};

/// Does what the operator asks for, with or without a running worker.
pub(crate) async fn uploads(data: DataSettings, args: UploadsArgs) -> Result<(), String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let engine = operator_engine(&data).await.map_err(|error| text(&error))?;
    let operator = engine.operator();
    match args.command {
        UploadsCommand::List { state, user, limit, skip } => {
            // One more than asked for tells whether there are more.
            let listing = Listing::first(limit.saturating_add(1))
                .in_state(state)
                .of_user(user.map(UserId::new))
                .skipping(skip);
            let mut uploads = operator.list(&listing).await.map_err(|error| text(&error))?;
            let more = uploads.len() > limit as usize;
            uploads.truncate(limit as usize);
            if args.json {
                let uploads: Vec<Value> = uploads.iter().map(described).collect();
                say(&json!({ "uploads": uploads, "more": more }).to_string());
            } else {
                say(table(&uploads).trim_end());
                if more {
                    say(&format!("there are more: --skip {}", skip.saturating_add(limit)));
                }
            }
        }
        UploadsCommand::Show { id } => {
            let upload = operator.show(&parsed(&id)?).await.map_err(|error| text(&error))?;
            say(&if args.json { described(&upload).to_string() } else { page(&upload) });
        }
        UploadsCommand::Retry { id, force } => {
            let upload = operator.retry(&parsed(&id)?, force).await.map_err(|error| text(&error))?;
            let when = if is_running(&data.data_dir) {
                "the running worker takes it up within seconds"
            } else {
                "it is sent after the next start"
            };
            done(args.json, &upload, &format!("queued again; {when}"));
        }
        UploadsCommand::Cancel { id } => {
            let upload = operator.cancel(&parsed(&id)?).await.map_err(|error| text(&error))?;
            let what = if upload.result().is_some() {
                "too late: the file is in the channel"
            } else {
                "cancelled; its chunks are deleted"
            };
            done(args.json, &upload, what);
        }
    }
    Ok(())
}

fn done(as_json: bool, upload: &Upload, what: &str) {
    say(&if as_json { described(upload).to_string() } else { format!("{}: {what}", upload.id) });
}

fn parsed(id: &str) -> Result<UploadId, String> {
    UploadId::new(id).map_err(|error| error.to_string())
}

/// Everything of an upload that is no secret.
fn described(upload: &Upload) -> Value {
    json!({
        "uploadId": upload.id.as_str(),
        "state": upload.state.as_str(),
        "user": upload.user_id.as_ref().map(UserId::as_str),
        "fileName": upload.file_name.as_str(),
        "fileSize": upload.file_size,
        "mimeType": upload.mime_type,
        "totalChunks": upload.total_chunks,
        "receivedChunks": upload.received_chunks,
        "receivedBytes": upload.received_bytes,
        "progress": upload.progress,
        "attempt": upload.attempt,
        "error": upload.error,
        "messageId": upload.result().map(StoredFile::message_id),
        "fileId": upload.result().map(StoredFile::file_id),
        "createdAt": time(upload.created_at),
        "updatedAt": time(upload.updated_at),
        "queuedAt": upload.queued_at.map(time),
        "nextAttemptAt": upload.next_attempt_at.map(time),
        "directory": format!("chunks/{}", upload.key),
    })
}

fn page(upload: &Upload) -> String {
    let described = described(upload);
    let fields = described.as_object().into_iter().flatten();
    let line = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::Null => return None,
            Value::String(text) => Shown(text).to_string(),
            other => other.to_string(),
        };
        Some(format!("{name:<15} {value}"))
    };
    fields.filter_map(line).collect::<Vec<_>>().join("\n")
}

fn table(uploads: &[Upload]) -> String {
    let mut text = format!(
        "{:<39} {:<10} {:>4} {:>11} {:>10} {:<20} {:<36} FILE\n",
        "ID", "STATE", "%", "CHUNKS", "SIZE", "UPDATED", "USER"
    );
    for upload in uploads {
        let user = upload.user_id.as_ref().map_or("-", UserId::as_str);
        text += &format!(
            "{:<39} {:<10} {:>4} {:>11} {:>10} {:<20} {:<36} {}\n",
            upload.id.as_str(),
            upload.state.as_str(),
            upload.progress,
            format!(
                "{}/{}",
                upload.received_chunks,
                upload.total_chunks.map_or("?".to_owned(), |total| total.to_string())
            ),
            ByteSize(upload.size()).to_string(),
            time(upload.updated_at),
            Shown(user).to_string(),
            Shown(upload.file_name.as_str()),
        );
        if let Some(error) = &upload.error {
            text += &format!("  {}\n", Shown(error));
        }
    }
    text
}
