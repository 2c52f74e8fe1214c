//! What a data directory holds that is to be moved.

use std::collections::BTreeMap;

use bytesize::ByteSize;
use telestore::Sealer;
use telestore::store::{ChunkRecord, Cursor, Listing, Result, SessionStore, SqliteSessionStore};
use telestore::types::{StorageKey, Upload, UploadId};

/// How many uploads are read at a time.
const PAGE: u32 = 500;

/// A chunk of an upload that is not over.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    pub(super) upload: UploadId,
    pub(super) key: StorageKey,
    pub(super) record: ChunkRecord,
}

/// How tokens are sealed here and there.
pub(super) struct Sealers {
    /// The key of all workers.
    pub(super) new: Sealer,
    /// That of the file in the data directory, if there is one.
    pub(super) old: Option<Sealer>,
}

impl Sealers {
    /// The token as all workers can open it; nothing if it cannot be opened here.
    pub(super) fn resealed(&self, key: &StorageKey, sealed: &[u8]) -> Option<Vec<u8>> {
        if self.new.open(key, sealed).is_ok() {
            return Some(sealed.to_vec());
        }
        let token = self.old.as_ref()?.open(key, sealed).ok()?;
        self.new.seal(key, &token).ok()
    }
}

/// What is there.
#[derive(Debug, Default)]
pub(super) struct Found {
    states: BTreeMap<&'static str, u64>,
    pub(super) chunks: Vec<Chunk>,
    /// Those that are not over, and whose token cannot be opened.
    pub(super) sealed: Vec<UploadId>,
}

impl Found {
    pub(super) async fn of(sessions: &SqliteSessionStore, sealers: &Sealers) -> Result<Self> {
        let (mut found, mut page) = (Self::default(), Listing::first(PAGE));
        loop {
            let uploads = sessions.list(&page).await?;
            for upload in &uploads {
                found.add(sessions, upload, sealers).await?;
            }
            let Some(last) = uploads.last() else { return Ok(found) };
            page = Listing::first(PAGE).after(Cursor::of(last));
        }
    }

    async fn add(&mut self, sessions: &SqliteSessionStore, upload: &Upload, sealers: &Sealers) -> Result<()> {
        *self.states.entry(upload.state.as_str()).or_default() += 1;
        if upload.state.is_over() {
            return Ok(());
        }
        if let Some(sealed) = &upload.sealed_token
            && sealers.resealed(&upload.key, sealed).is_none()
        {
            self.sealed.push(upload.id.clone());
        }
        for record in sessions.chunks(&upload.key).await? {
            self.chunks.push(Chunk { upload: upload.id.clone(), key: upload.key.clone(), record });
        }
        Ok(())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.record.length).sum()
    }

    /// One line of it.
    pub(super) fn shown(&self) -> String {
        let uploads: u64 = self.states.values().sum();
        let states: Vec<_> = self.states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let states = if states.is_empty() { String::new() } else { format!(" ({})", states.join(", ")) };
        format!("{uploads} uploads{states}; {} chunks, {}", self.chunks.len(), ByteSize(self.bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_sealed_anew_unless_all_workers_can_open_them() {
        let key = StorageKey::from_random([1; 16]);
        let [old, new, other] = ["old", "new", "other"].map(|key| Sealer::from_secret(&key.into()));
        let by = |sealer: &Sealer| sealer.seal(&key, &"token".into()).unwrap();
        let (of_old, of_new, of_other) = (by(&old), by(&new), by(&other));
        let sealers = Sealers { new: new.clone(), old: Some(old) };
        assert_eq!(sealers.resealed(&key, &of_new), Some(of_new));
        let resealed = sealers.resealed(&key, &of_old).unwrap();
        assert_eq!(new.open(&key, &resealed).unwrap().expose(), "token");
        assert_eq!(sealers.resealed(&key, &of_other), None);
    }
}
