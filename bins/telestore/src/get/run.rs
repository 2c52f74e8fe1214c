//! What all files of one command share.

use std::sync::Arc;

use telestore_client::{DownloadOptions, ErrorKind, File};
use telestore_types::Shown;

use super::place::{Place, Places};
use super::which::Found;
use crate::ends::Ends;
use crate::show::{End, Entry, Show};
use crate::state::Parts;
use crate::worker::Worker;

/// What all files of a run share.
pub(super) struct Run {
    pub(super) worker: Worker,
    /// `None` if nothing goes into a file.
    pub(super) parts: Option<Arc<Parts>>,
    pub(super) show: Box<dyn Show>,
    pub(super) ends: Ends,
    pub(super) force: bool,
    pub(super) check: bool,
}

/// One file that is to come.
pub(super) struct Item {
    pub(super) entry: Entry,
    pub(super) file: File,
    pub(super) place: Place,
}

impl Run {
    /// Where each file goes. Those that are not there, or have no place, have ended.
    pub(super) fn plan(&self, found: Found, mut places: Places) -> Vec<Item> {
        let size = found.files.iter().map(|file| file.size).sum();
        self.show.plan(found.files.len() + found.missing.len(), size);
        for note in &found.notes {
            self.show.note(note);
        }
        let (mut items, first) = (Vec::new(), found.files.len());
        for (index, file) in found.files.into_iter().enumerate() {
            let entry = Entry { index, name: Shown(&file.file_name).to_string(), size: Some(file.size) };
            match places.of(&file) {
                Ok(place) => items.push(Item { entry, file, place }),
                Err(text) => self.ended(&entry, &End::Failed { kind: ErrorKind::Target, text }),
            }
        }
        for (at, (name, kind, text)) in found.missing.into_iter().enumerate() {
            let entry = Entry { index: first + at, name: Shown(&name).to_string(), size: None };
            self.ended(&entry, &End::Failed { kind, text });
        }
        items
    }

    pub(super) fn ended(&self, entry: &Entry, end: &End) {
        self.show.ended(entry, end);
        self.ends.count(entry, end);
    }

    pub(super) fn options(&self) -> DownloadOptions {
        DownloadOptions::new().check(self.check)
    }
}
