//! Which blobs there are, found by their pieces.

use std::time::{Duration, SystemTime};

use super::bucket::{Bucket, Found};
use super::gathered::LONGEST_PAUSE;
use super::layout::{FOLDER, Layout, behind, split, unfinished_name};
use crate::{Blob, BlobName, Result};

/// How many objects are asked for at once: what an answer holds.
const AT_ONCE: usize = 1000;

/// How much younger a blob counts as whose last piece is not there: somebody may still be sending it.
const GROWING: Duration = Duration::from_secs(24 * 60 * 60);
const _: () = assert!(GROWING.as_secs() > 3 * LONGEST_PAUSE.as_secs());

/// Pieces of one blob.
struct Group {
    id: String,
    last: Option<BlobName>,
    bytes: u64,
    modified: SystemTime,
}

impl Group {
    fn add(&mut self, found: &Found, rest: &str) {
        self.bytes += found.length;
        self.modified = self.modified.max(found.modified);
        if rest.starts_with('z') {
            self.last = Some(BlobName::new(&found.key));
        }
    }

    fn blob(self, now: SystemTime) -> Blob {
        let age = now.duration_since(self.modified).unwrap_or_default();
        match self.last {
            Some(name) => {
                // The name is right where a listing is not.
                let length = Layout::parse(&name).map_or(self.bytes, |layout| layout.length());
                Blob::new(name, age, length)
            }
            None => Blob::new(unfinished_name(&self.id), age.saturating_sub(GROWING), self.bytes),
        }
    }
}

/// A page of blobs, in order of their names.
pub(super) async fn page(
    bucket: &Bucket,
    after: Option<&BlobName>,
    limit: usize,
    now: SystemTime,
) -> Result<Vec<Blob>> {
    let (mut blobs, mut open): (Vec<Blob>, Option<Group>) = (Vec::new(), None);
    let mut after = after.and_then(behind);
    while blobs.len() < limit {
        let found = bucket.list(FOLDER, after.as_deref(), AT_ONCE).await?;
        for object in &found {
            // What has no name of the store's is somebody else's.
            let Some((id, rest)) = split(&object.key) else { continue };
            if open.as_ref().is_some_and(|open| open.id != id) {
                blobs.extend(open.take().map(|group| group.blob(now)));
            }
            let new = || Group { id: id.to_owned(), last: None, bytes: 0, modified: SystemTime::UNIX_EPOCH };
            open.get_or_insert_with(new).add(object, rest);
        }
        if found.len() < AT_ONCE {
            blobs.extend(open.take().map(|group| group.blob(now)));
            break;
        }
        after = found.last().map(|object| object.key.clone());
    }
    blobs.truncate(limit);
    Ok(blobs)
}

/// The keys of all pieces of a blob that was never finished.
pub(super) async fn pieces_of(bucket: &Bucket, id: &str) -> Result<Vec<String>> {
    let (folder, mut keys, mut after) = (format!("{FOLDER}/{id}"), Vec::new(), None::<String>);
    loop {
        let found = bucket.list(&folder, after.as_deref(), AT_ONCE).await?;
        let is_last = found.len() < AT_ONCE;
        keys.extend(found.into_iter().map(|object| object.key));
        after = keys.last().cloned();
        if is_last {
            return Ok(keys);
        }
    }
}
