//! `telestore-worker workers`: who shares the uploads, and what each has in hand.

use std::time::Duration;

use serde_json::{Value, json};
use telestore::store::KnownWorker;
use telestore::types::{Shown, Upload, UploadState, UserId, WorkerId};

use crate::cli::WorkersArgs;
use crate::config::lease;
use crate::settings::DataSettings;
use crate::shown::{say, time};
use crate::wire::{is_running, operator_engine};

/// Lists them, with or without a running worker on this machine.
pub(crate) async fn workers(data: DataSettings, args: WorkersArgs) -> Result<(), String> {
    let engine = operator_engine(&data).await.map_err(|error| error.to_string())?;
    let operator = engine.operator();
    let mut workers = operator.workers().await.map_err(|error| error.to_string())?;
    if !data.is_shared() && !is_running(&data.data_dir) {
        // One that is alone says nothing when it goes: the lock of its directory does.
        workers.iter_mut().for_each(|worker| worker.alive = false);
    }
    let uploads = operator.in_hand().await.map_err(|error| error.to_string())?;
    let seen = Seen { workers, uploads, lease: lease(&data) };
    if args.json {
        say(&seen.described().to_string());
    } else {
        say(seen.table().trim_end());
    }
    Ok(())
}

struct Seen {
    workers: Vec<KnownWorker>,
    uploads: Vec<Upload>,
    /// For how long a worker says that it is alive.
    lease: Duration,
}

impl Seen {
    fn of(&self, worker: &WorkerId) -> impl Iterator<Item = &Upload> {
        self.uploads.iter().filter(move |upload| upload.worker.as_ref() == Some(worker))
    }

    /// Those of workers that are gone for more than a day.
    fn others(&self) -> impl Iterator<Item = &Upload> {
        let known = |worker: &WorkerId| self.workers.iter().any(|known| known.id == *worker);
        self.uploads.iter().filter(move |upload| upload.worker.as_ref().is_none_or(|worker| !known(worker)))
    }

    fn described(&self) -> Value {
        let workers = self.workers.iter().map(|worker| {
            let info = worker.info.as_ref();
            json!({
                "id": worker.id.as_str(),
                "state": state(worker),
                "version": info.map(|info| &info.version),
                "host": info.and_then(|info| info.host.as_ref()),
                "since": worker.since.map(time),
                "lastBeat": time(worker.until - self.lease),
                "accounts": worker.accounts.iter().map(UserId::as_str).collect::<Vec<_>>(),
                "uploads": self.of(&worker.id).map(described).collect::<Vec<_>>(),
            })
        });
        let workers: Vec<_> = workers.collect();
        json!({ "workers": workers, "others": self.others().map(described).collect::<Vec<_>>() })
    }

    fn table(&self) -> String {
        let mut text = format!(
            "{:<32} {:<5} {:<10} {:<20} {:<20} {:<20} {:>8} {:>7}\n",
            "WORKER", "STATE", "VERSION", "HOST", "SINCE", "LAST BEAT", "ACCOUNTS", "UPLOADS"
        );
        for worker in &self.workers {
            let info = worker.info.as_ref();
            text += &format!(
                "{:<32} {:<5} {:<10} {:<20} {:<20} {:<20} {:>8} {:>7}\n",
                worker.id.as_str(),
                state(worker),
                Shown(info.map_or("-", |info| &info.version)).to_string(),
                Shown(info.and_then(|info| info.host.as_deref()).unwrap_or("-")).to_string(),
                worker.since.map_or("-".to_owned(), time),
                time(worker.until - self.lease),
                worker.accounts.len(),
                self.of(&worker.id).count(),
            );
            text.extend(worker.accounts.iter().map(|user| format!("  account {}\n", Shown(user.as_str()))));
            text.extend(self.of(&worker.id).map(line));
        }
        let mut others = self.others().peekable();
        if others.peek().is_some() {
            text += "of workers that are gone; others take these up:\n";
            text.extend(others.map(line));
        }
        text
    }
}

fn state(worker: &KnownWorker) -> &'static str {
    if worker.alive { "alive" } else { "gone" }
}

/// What is done with it: `early` is sent while it still arrives.
fn doing(upload: &Upload) -> &'static str {
    if upload.state == UploadState::Sending { "sending" } else { "early" }
}

fn described(upload: &Upload) -> Value {
    json!({
        "uploadId": upload.id.as_str(),
        "state": doing(upload),
        "user": upload.user_id.as_ref().map(UserId::as_str),
        "progress": upload.progress,
        "attempt": upload.attempt,
        "updatedAt": time(upload.updated_at),
    })
}

fn line(upload: &Upload) -> String {
    let user = upload.user_id.as_ref().map_or("-", UserId::as_str);
    let (id, doing, progress) = (upload.id.as_str(), doing(upload), upload.progress);
    format!("  {doing:<7} {id:<39} {progress:>3} % since {} of {}\n", time(upload.updated_at), Shown(user))
}
