//! One file, from what is here of it to the whole.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use telestore_client::{
    Download, DownloadOptions, DownloadPhase, Downloaded, ErrorKind, File, Source, Target,
};
use telestore_types::Shown;

use super::part::{Part, beside};
use super::place::Place;
use super::run::{Item, Run};
use crate::cut::Cut;
use crate::interrupt::{Stop, stopped};
use crate::show::{Begun, Doing, End};
use crate::state;

/// How far times may differ that are the same: some file systems count in two seconds.
const ALIKE: Duration = Duration::from_secs(2);

pub(super) async fn get(run: &Run, item: &Item, stop: &mut Stop) -> End {
    let mut one = One { run, item, stop };
    let ended = match &item.place {
        Place::Output => one.stream(Target::stream(tokio::io::stdout())).await,
        Place::Device(path) => one.device(path).await,
        Place::File { path, shown } => one.file(path, shown).await,
    };
    ended.unwrap_or_else(End::from)
}

struct One<'a> {
    run: &'a Run,
    item: &'a Item,
    stop: &'a mut Stop,
}

/// What is here, and how to go on from it.
struct Here {
    options: DownloadOptions,
    length: u64,
}

impl One<'_> {
    async fn stream(&mut self, target: Target) -> Result<End, Cut> {
        let here = Here { options: self.run.options(), length: 0 };
        let downloaded = self.drive(target, here).await?;
        Ok(End::Saved { id: self.item.file.id.clone(), path: None, downloaded })
    }

    async fn device(&mut self, path: &Path) -> Result<End, Cut> {
        let shown = Shown(&path.to_string_lossy()).to_string();
        let opened = tokio::fs::File::options().write(true).open(path).await;
        self.stream(Target::stream(opened.map_err(|error| unsavable(&shown, &error))?)).await
    }

    async fn file(&mut self, path: &Path, shown: &str) -> Result<End, Cut> {
        let file = &self.item.file;
        if !self.run.force && self.is_there(path, shown).await? {
            self.tidy(path);
            return Ok(End::There { id: file.id.clone(), path: shown.to_owned() });
        }
        let busy = || Cut::Failed(ErrorKind::State, format!("another telestore is fetching {shown}"));
        let part = Part::take(path)
            .map_err(|error| unsavable(&format!("{shown}.part"), &error))?
            .ok_or_else(busy)?;
        let here = match self.here(&part, shown) {
            Ok(here) => here,
            Err(cut) => {
                part.clear();
                return Err(cut);
            }
        };
        let target = Target::file(part.opened().map_err(|error| unsavable(shown, &error))?);
        let downloaded = match self.drive(target, here).await {
            Ok(downloaded) => downloaded,
            Err(cut) => {
                self.leave(&part, &cut);
                return Err(cut);
            }
        };
        part.publish(made(file), self.run.force).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => is_another(shown),
            _ => unsavable(shown, &error),
        })?;
        self.forget(&part);
        Ok(End::Saved { id: file.id.clone(), path: Some(shown.to_owned()), downloaded })
    }

    /// Whether the file is there already. Fails if another one is.
    async fn is_there(&self, path: &Path, shown: &str) -> Result<bool, Cut> {
        let about = match fs::metadata(path) {
            Ok(about) => about,
            // A link that leads nowhere is a name that is taken, too.
            Err(_) if fs::symlink_metadata(path).is_ok() => return Err(is_another(shown)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(unsavable(shown, &error)),
        };
        let file = &self.item.file;
        let is_as_long = about.len() == file.size || !self.run.check;
        let is_as_old =
            made(file).zip(about.modified().ok()).is_some_and(|(made, changed)| alike(made, changed));
        if is_as_long && is_as_old {
            return Ok(true);
        }
        if let Some(sha256) = file.sha256.as_ref().filter(|_| is_as_long) {
            let digest = Source::file(path)?.digest().await?;
            if digest.is_some_and(|digest| hex::encode(digest).eq_ignore_ascii_case(sha256)) {
                return Ok(true);
            }
        }
        Err(is_another(shown))
    }

    /// What is here of the file, if it is of this one, and who writes down of what the bytes are.
    fn here(&self, part: &Part, shown: &str) -> Result<Here, Cut> {
        let Some(parts) = &self.run.parts else { return Ok(Here { options: self.run.options(), length: 0 }) };
        let (server, id) = (self.run.worker.client.base_url().to_owned(), self.item.file.id.clone());
        let known = parts.get(part.path())?;
        let length = part.length().map_err(|error| unsavable(shown, &error))?;
        if known.is_none() && length > 0 && !self.run.force {
            let text = format!(
                "{shown}.part is there, and it is not known here of what: delete it, or say --force, which replaces it"
            );
            return Err(Cut::Failed(ErrorKind::Target, text));
        }
        let version =
            known.filter(|known| known.server == server && known.id == id).and_then(|known| known.version);
        let length = if version.is_some() { length } else { 0 };
        let (parts, at) = (Arc::clone(parts), part.path().to_owned());
        let began = move |version: Option<&str>| {
            let (server, id, version) = (server.clone(), id.clone(), version.map(str::to_owned));
            let path = at.to_string_lossy().into_owned();
            parts.save(&at, &state::Part { server, id, version, path })
        };
        Ok(Here { options: self.run.options().version(version).began(began), length })
    }

    /// Shows a download until it ends, or until it is told to stop.
    async fn drive(&mut self, target: Target, here: Here) -> Result<Downloaded, Cut> {
        let Item { entry, file, .. } = self.item;
        let mut download: Download = self.run.worker.client.download(file, target, here.options);
        let (mut states, mut shown) = (download.progress(), false);
        loop {
            tokio::select! {
                biased;
                _ = stopped(self.stop) => return Err(Cut::Stopped),
                ended = &mut download => return ended.map_err(Cut::from),
                Some(state) = states.next() => {
                    if !shown && state.phase >= DownloadPhase::Receiving {
                        self.run.show.begun(entry, &Begun::Gets { id: &file.id, here: here.length });
                        shown = true;
                    }
                    self.run.show.state(entry, &Doing::Gets(&state));
                }
            }
        }
    }

    /// What stays of one that is not whole: what can be gone on with.
    fn leave(&self, part: &Part, cut: &Cut) {
        match cut {
            Cut::Failed(ErrorKind::Mismatch | ErrorKind::Gone, _) => {
                part.remove();
                self.forget(part);
            }
            // Something may still be writing.
            Cut::Stopped => {}
            Cut::Failed(..) => part.clear(),
        }
    }

    /// Takes away what a run left of a file that is whole, because it was killed at its very end.
    fn tidy(&self, path: &Path) {
        let known = self.run.parts.as_ref().and_then(|parts| parts.get(&beside(path)).ok().flatten());
        if known.is_some_and(|known| known.id == self.item.file.id)
            && let Ok(Some(part)) = Part::take(path)
        {
            part.remove();
            self.forget(&part);
        }
    }

    /// Of a part that is gone nothing need be known.
    fn forget(&self, part: &Part) {
        if let Some(parts) = &self.run.parts
            && let Err(error) = parts.forget(part.path())
        {
            self.run.show.note(&format!("{}: what was known of it stays: {error}", self.item.entry.name));
        }
    }
}

fn unsavable(shown: &str, error: &io::Error) -> Cut {
    Cut::Failed(ErrorKind::Target, format!("cannot be saved as {shown}: {error}"))
}

fn is_another(shown: &str) -> Cut {
    let text = format!(
        "{shown} is there already, and is another file: --force replaces it, --output names another place"
    );
    Cut::Failed(ErrorKind::Target, text)
}

/// When the file was in the channel, which is the time that it bears here.
fn made(file: &File) -> Option<SystemTime> {
    humantime::parse_rfc3339(&file.created_at).ok()
}

fn alike(one: SystemTime, other: SystemTime) -> bool {
    one.duration_since(other).or_else(|_| other.duration_since(one)).is_ok_and(|apart| apart < ALIKE)
}
