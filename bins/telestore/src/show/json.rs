//! One JSON object in each line of standard output.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{Begun, Doing, End, Entry, Show, Summary, Way};
use crate::exit::Exit;
use serde_json::{Value, json};

/// How often one file's progress is told.
const PACE: Duration = Duration::from_secs(1);

/// The last that was told of each file.
#[derive(Default)]
pub(super) struct Json(Mutex<HashMap<usize, Told>>);

/// When it was told, and what of it is told at once if it changes.
type Told = (Instant, &'static str, Option<String>);

impl Json {
    /// Whether it is time to tell of a file again: at once of each new phase, and of what is waited for.
    fn is_time(&self, index: usize, state: &Doing) -> bool {
        let mut told = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let is_known = |(at, phase, trouble): &Told| {
            at.elapsed() < PACE && *phase == state.phase() && trouble.as_ref() == state.trouble()
        };
        let due = !told.get(&index).is_some_and(is_known);
        if due {
            told.insert(index, (Instant::now(), state.phase(), state.trouble().cloned()));
        }
        due
    }
}

/// If standard output is closed, nobody is left to be told.
fn print(value: &Value) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{value}").and_then(|()| out.flush());
}

impl Show for Json {
    fn plan(&self, files: usize, bytes: u64) {
        print(&json!({ "event": "plan", "files": files, "bytes": bytes }));
    }

    fn begun(&self, entry: &Entry, begun: &Begun) {
        print(&match begun {
            Begun::Sends { upload_id } => {
                json!({ "event": "begun", "file": entry.name, "size": entry.size, "uploadId": upload_id })
            }
            Begun::Gets { id, here } => {
                json!({ "event": "begun", "file": entry.name, "size": entry.size, "id": id, "here": here })
            }
        });
    }

    fn state(&self, entry: &Entry, state: &Doing) {
        if !self.is_time(entry.index, state) {
            return;
        }
        print(&match state {
            Doing::Sends(state) => json!({
                "event": "progress", "file": entry.name, "phase": state.phase.as_str(), "sent": state.sent,
                "kept": state.kept, "total": state.total, "delivered": state.delivered, "waitsFor": state.trouble,
            }),
            Doing::Gets(state) => json!({
                "event": "progress", "file": entry.name, "phase": state.phase.as_str(), "received": state.received,
                "total": state.total, "waitsFor": state.trouble,
            }),
        });
    }

    fn ended(&self, entry: &Entry, end: &End) {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).remove(&entry.index);
        print(&match end {
            End::Sent { delivered, deleted } => json!({
                "event": "completed", "file": entry.name, "size": entry.size, "uploadId": delivered.upload_id,
                "messageId": delivered.message_id, "fileId": delivered.file_id, "messages": delivered.messages,
                "deleted": deleted,
            }),
            End::Already { message_id, deleted } => json!({
                "event": "sent_before", "file": entry.name, "size": entry.size, "messageId": message_id,
                "deleted": deleted,
            }),
            End::Saved { id, path, downloaded } => json!({
                "event": "completed", "file": entry.name, "size": downloaded.length, "id": id, "path": path,
                "fetched": downloaded.fetched, "digestChecked": downloaded.digest_checked,
            }),
            End::There { id, path } => json!({
                "event": "there_already", "file": entry.name, "size": entry.size, "id": id, "path": path,
            }),
            End::Failed { kind, text } => json!({
                "event": "failed", "file": entry.name, "size": entry.size, "kind": kind.as_str(), "error": text,
            }),
            End::Stopped => json!({ "event": "stopped", "file": entry.name, "size": entry.size }),
        });
    }

    fn note(&self, text: &str) {
        print(&json!({ "event": "note", "text": text }));
    }

    fn summary(&self, summary: &Summary, exit: Exit) {
        let Summary { way, files, done, already, failed, stopped, left_out, deleted, bytes, took } = summary;
        let (seconds, code) = (took.as_secs_f64(), exit.code());
        print(&match way {
            Way::Sends => json!({
                "event": "summary", "files": files, "sent": done, "sentBefore": already, "failed": failed,
                "notEnded": stopped, "leftOut": left_out, "deleted": deleted, "bytes": bytes,
                "seconds": seconds, "exitCode": code,
            }),
            Way::Gets => json!({
                "event": "summary", "files": files, "saved": done, "thereAlready": already, "failed": failed,
                "notEnded": stopped, "bytes": bytes, "seconds": seconds, "exitCode": code,
            }),
        });
    }
}
