//! One file, from what is known of it to its message.

use std::fs::Metadata;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use telestore_client::{Delivered, ErrorKind, Phase, Source, Status, Upload, UploadOptions, UploadUrl};
use tokio::sync::OwnedSemaphorePermit;

use super::remove::remove;
use super::run::Run;
use crate::cut::Cut;
use crate::files::Item;
use crate::interrupt::{Stop, stopped};
use crate::show::{Begun, Doing, End, Entry};
use crate::state::{Fingerprint, Held, Line, Record, State, now};

/// How often a file is begun anew because the worker lost it.
const ANEW: u32 = 3;

/// How long a cancel may take when it is told to stop.
const CANCEL: Duration = Duration::from_secs(5);

/// What the worker says of a key that began another upload.
const OTHER_REQUEST: &str = "Idempotency-Key was used for another file";

/// What the worker says of a file that may be in the channel although it failed.
const MAYBE: &str = "may be in the channel";

pub(super) async fn send(
    run: &Run,
    entry: &Entry,
    item: &Item,
    place: OwnedSemaphorePermit,
    stop: &mut Stop,
) -> End {
    let mut one = One { run, entry, place: Some(place), stop };
    let ended = match (item, &run.state) {
        (Item::Input, _) => {
            let source = Source::stream(tokio::io::stdin());
            match run.message.options.clone().file_name(&run.input_name) {
                Ok(options) => one.at_once(source, options).await,
                Err(error) => Err(error.into()),
            }
        }
        (Item::File { path, .. }, None) => one.file_at_once(path).await,
        (Item::File { path, .. }, Some(state)) => one.file(state, path).await,
    };
    ended.unwrap_or_else(End::from)
}

struct One<'a> {
    run: &'a Run,
    entry: &'a Entry,
    /// Given back once the worker has the file.
    place: Option<OwnedSemaphorePermit>,
    stop: &'a mut Stop,
}

/// A file whose upload is kept.
struct Kept<'a> {
    state: &'a Arc<State>,
    held: Held,
    print: Fingerprint,
    path: &'a Path,
    about: Metadata,
}

impl One<'_> {
    /// Without keeping anything: what is stopped is cancelled.
    async fn at_once(&mut self, source: Source, options: UploadOptions) -> Result<End, Cut> {
        let upload = self.run.worker.client.upload(source, options);
        let delivered = self.drive(upload, true).await?;
        Ok(End::Sent { delivered, deleted: false })
    }

    async fn file_at_once(&mut self, path: &Path) -> Result<End, Cut> {
        let source = Source::file(path)?;
        let about = stat(path, &source)?;
        let end = self.at_once(source, self.run.message.options.clone()).await?;
        let deleted = self.delete(path, &about);
        Ok(match end {
            End::Sent { delivered, .. } => End::Sent { delivered, deleted },
            other => other,
        })
    }

    async fn file(&mut self, state: &Arc<State>, path: &Path) -> Result<End, Cut> {
        let source = Source::file(path)?;
        let about = stat(path, &source)?;
        let print = Fingerprint::new(self.run.worker.client.base_url(), path, &about);
        let Some(held) = state.hold(&print)? else {
            return Err(Cut::Failed(ErrorKind::State, "another telestore is sending it".to_owned()));
        };
        let kept = Kept { state, held, print, path, about };
        if !self.run.again
            && let Some(line) = kept.held.sent()?
            && self.is_ours(&line).await?
        {
            kept.held.forget()?;
            let deleted = self.delete(path, &kept.about);
            return Ok(End::Already { message_id: line.message_id, deleted });
        }
        let delivered = self.kept(&kept, source).await?;
        // Written down before the file goes: killed in between, it is one that was sent.
        let Kept { held, print, path, about, .. } = kept;
        held.done(self.line(print, path, &delivered))?;
        let deleted = self.delete(path, &about);
        Ok(End::Sent { delivered, deleted })
    }

    /// Whether what was sent before was sent for the same user. A token that is another one may be the same user's: the worker
    /// knows, as long as it keeps the upload.
    async fn is_ours(&self, line: &Line) -> Result<bool, Cut> {
        if line.by == self.run.worker.by {
            return Ok(true);
        }
        let client = &self.run.worker.client;
        let status = client.status(&client.url_of(&line.upload_id)?).await?;
        Ok(matches!(status, Status::Delivered(_)))
    }

    fn line(&self, print: Fingerprint, path: &Path, delivered: &Delivered) -> Line {
        Line {
            fingerprint: print,
            server: self.run.worker.client.base_url().to_owned(),
            path: path.to_string_lossy().into_owned(),
            size: self.entry.size.unwrap_or_default(),
            upload_id: delivered.upload_id.clone(),
            message_id: delivered.message_id,
            at: now(),
            by: self.run.worker.by.clone(),
        }
    }

    /// Goes on with what was begun, or begins.
    async fn kept(&mut self, kept: &Kept<'_>, source: Source) -> Result<Delivered, Cut> {
        let mut known = kept.held.record()?;
        // It is that of an upload that is written down, or is not wanted.
        if self.run.again || known.is_some() {
            kept.state.forget_key(&kept.print)?;
        }
        if self.run.again
            && let Some(record) = known.take()
        {
            // It is to be sent anew whatever became of it, so that it is no loss if the worker cannot be told.
            let _ = tokio::time::timeout(CANCEL, self.run.worker.client.cancel(&record.url)).await;
            kept.held.forget()?;
        }
        if let Some(record) = &known
            && record.options != self.run.message.mark
        {
            return Err(Cut::Failed(
                ErrorKind::Config,
                "it was begun with other options: give the same ones, or --again to begin anew".to_owned(),
            ));
        }
        // What failed in this run would fail once more.
        let (mut source, mut asked_again) = (Some(source), known.is_none());
        for _ in 0..=ANEW {
            let source = match source.take() {
                Some(source) => source,
                None => Source::file(kept.path)?,
            };
            let (client, mut options) = (&self.run.worker.client, self.writes_down(kept, known.clone()));
            let mut is_old = false;
            let upload = match &known {
                Some(record) => client.resume(&record.url, source, options),
                None => {
                    let key;
                    (key, is_old) = kept.held.key(&self.run.message.mark)?;
                    options = options.idempotency_key(key)?;
                    client.upload(source, options)
                }
            };
            let cut = match self.drive(upload, false).await {
                Ok(delivered) => return Ok(delivered),
                // What an earlier process began by it was said otherwise, or of other bytes.
                Err(Cut::Failed(ErrorKind::Refused, text)) if is_old && text.contains(OTHER_REQUEST) => {
                    kept.state.forget_key(&kept.print)?;
                    continue;
                }
                Err(cut) => cut,
            };
            known = self.next(kept, cut, &mut asked_again).await?;
        }
        Err(Cut::Failed(ErrorKind::Gone, "the worker lost it again and again".to_owned()))
    }

    /// Whether to try once more after a failure: with the upload that is given, or anew.
    async fn next(&self, kept: &Kept<'_>, cut: Cut, asked_again: &mut bool) -> Result<Option<Record>, Cut> {
        let Some(record) = kept.held.record()? else { return Err(cut) };
        match cut {
            Cut::Failed(ErrorKind::Gone, _) if record.ending => Err(Cut::Failed(
                ErrorKind::Lost,
                format!(
                    "the worker knows upload {} no longer, and may have had all of it: look into the channel; if the file is not there, \
                     --again sends it anew",
                    record.url.upload_id()
                ),
            )),
            Cut::Failed(ErrorKind::Gone, _) => {
                kept.held.forget()?;
                Ok(None)
            }
            // What failed in an earlier run may go well now, from what the worker has of it; or from what is here.
            Cut::Failed(ErrorKind::Failed, text) if !text.contains(MAYBE) && !*asked_again => {
                *asked_again = true;
                if self.run.worker.client.send_again(&record.url).await? {
                    return Ok(Some(record));
                }
                kept.held.forget()?;
                Ok(None)
            }
            Cut::Failed(kind @ (ErrorKind::Changed | ErrorKind::Empty), text) => {
                kept.held.forget()?;
                Err(Cut::Failed(kind, text))
            }
            cut => Err(cut),
        }
    }

    /// The options, with what is written down on the way: an upload before a byte of it goes out, and once more before the last ones do.
    fn writes_down(&self, kept: &Kept<'_>, known: Option<Record>) -> UploadOptions {
        let record = Arc::new(Mutex::new(known));
        let (state, print, first) = (Arc::clone(kept.state), kept.print.clone(), Arc::clone(&record));
        let (server, by) = (self.run.worker.client.base_url().to_owned(), self.run.worker.by.clone());
        let (path, size) = (kept.path.to_string_lossy().into_owned(), kept.about.len());
        let mark = self.run.message.mark.clone();
        let created = move |url: &UploadUrl| {
            let (server, path, options) = (server.clone(), path.clone(), mark.clone());
            let (url, by) = (url.clone(), by.clone());
            let record = Record { server, path, size, url, begun: now(), options, by, ending: false };
            state.save(&print, &record)?;
            state.forget_key(&print)?;
            *first.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(record);
            Ok(())
        };
        let (state, print) = (Arc::clone(kept.state), kept.print.clone());
        let before_last = move || {
            let known = record.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
            match known.filter(|record| !record.ending) {
                Some(record) => state.save(&print, &Record { ending: true, ..record }),
                None => Ok(()),
            }
        };
        self.run.message.options.clone().created(created).before_last(before_last)
    }

    /// Shows an upload until it ends, or until it is told to stop.
    async fn drive(&mut self, mut upload: Upload, cancels: bool) -> Result<Delivered, Cut> {
        let (mut states, mut shown) = (upload.progress(), false);
        loop {
            tokio::select! {
                biased;
                _ = stopped(self.stop) => break,
                ended = &mut upload => return ended.map_err(Cut::from),
                Some(state) = states.next() => {
                    if !shown && state.phase >= Phase::Uploading {
                        let url = upload.url().now_or_never().flatten();
                        let id = url.as_ref().map_or("", UploadUrl::upload_id);
                        self.run.show.begun(self.entry, &Begun::Sends { upload_id: id });
                        shown = true;
                    }
                    if state.phase >= Phase::Queued {
                        self.place = None;
                    }
                    self.run.show.state(self.entry, &Doing::Sends(&state));
                }
            }
        }
        if cancels && let Some(url) = upload.url().now_or_never().flatten() {
            drop(upload);
            let _ = tokio::time::timeout(CANCEL, self.run.worker.client.cancel(&url)).await;
            self.run.show.note(&format!("{}: the upload is cancelled", self.entry.name));
        }
        Err(Cut::Stopped)
    }

    /// Deletes the file, if that is wanted and it is the one that was sent.
    fn delete(&self, path: &Path, about: &Metadata) -> bool {
        if !self.run.delete_after {
            return false;
        }
        let removed = remove(path, about);
        if let Err(why) = &removed {
            self.run.show.note(&format!("{}: not deleted: {why}", self.entry.name));
        }
        removed.is_ok()
    }
}

/// What the file is, which must be what was opened.
fn stat(path: &Path, source: &Source) -> Result<Metadata, Cut> {
    let about = std::fs::metadata(path).map_err(|error| Cut::Failed(ErrorKind::Source, error.to_string()))?;
    let opened = (source.length(), source.modified());
    if opened != (Some(about.len()), about.modified().ok()) {
        return Err(Cut::Failed(
            ErrorKind::Changed,
            "it is being changed: send it once nothing writes to it".to_owned(),
        ));
    }
    Ok(about)
}
