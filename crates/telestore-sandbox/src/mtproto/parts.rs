//! Uploaded parts that no message refers to yet: one file on disk for each `file_id`.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::rpc_error::RpcError;
use super::rules::{PART_MAX, SMALL_FILE_MAX, check_part, check_total, is_part_size};
use crate::standing::Who;

/// Parts belong to the account, or the bot, that sent them, at the data centre that got them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PartOwner {
    pub(crate) dc: i32,
    pub(crate) who: Who,
}

/// An owner and a `file_id`.
type Key = (PartOwner, i64);

impl PartOwner {
    fn name(&self, file_id: i64) -> String {
        format!("{}-{}-{}-{file_id}", self.who.user_id, if self.who.bot { "bot" } else { "account" }, self.dc)
    }
}

/// A part on its way in.
pub(crate) struct NewPart {
    pub(crate) file_id: i64,
    pub(crate) index: i32,
    /// `None` for `upload.saveFilePart`.
    pub(crate) total: Option<i32>,
    pub(crate) bytes: Bytes,
}

/// The parts of all files.
pub(crate) struct Parts {
    dir: PathBuf,
    /// Whether bytes are written at all.
    keep: bool,
    files: Mutex<HashMap<Key, Arc<Mutex<PartFile>>>>,
    /// Files that are in a message by now: the same parts may be sent once more.
    used: Mutex<HashMap<Key, Used>>,
}

struct Used {
    path: PathBuf,
    size: u64,
    parts: i32,
    big: bool,
}

impl Parts {
    pub(crate) fn new(dir: PathBuf, keep: bool) -> Self {
        Self { dir, keep, files: Mutex::default(), used: Mutex::default() }
    }

    /// Stores a part, of at most so many. Blocks on the disk.
    pub(crate) fn save(&self, owner: &PartOwner, part: &NewPart, most: i32) -> Result<(), RpcError> {
        if let Some(total) = part.total {
            check_total(part.index, total, most)?;
        }
        check_part(part.index, part.bytes.len(), most)?;
        let key = (owner.clone(), part.file_id);
        let file = Arc::clone(self.lock().entry(key).or_default());
        let (target, offset) = {
            let mut file = lock(&file);
            file.admit(part)?;
            if file.handle.is_none() {
                let path = self.dir.join(owner.name(part.file_id));
                let handle = File::options().create(true).truncate(true).read(true).write(true).open(&path);
                file.handle = Some(Arc::new(handle.map_err(RpcError::internal)?));
                file.path = path;
            }
            match file.place(part) {
                Some(offset) => (file.handle.clone(), offset),
                // The last part came first: its place is known once another one shows the part size.
                None => return Ok(()),
            }
        };
        // Written outside the lock: parts of one file arrive side by side.
        if let Some(target) = target.filter(|_| self.keep) {
            target.write_all_at(&part.bytes, offset).map_err(RpcError::internal)?;
        }
        lock(&file).received.insert(part.index, part.bytes.len());
        Ok(())
    }

    /// Takes a complete file out, as one that can be renamed. Blocks on the disk. What is missing or wrong
    /// leaves the parts where they are.
    pub(crate) fn take(
        &self,
        owner: &PartOwner,
        file_id: i64,
        parts: i32,
        big: bool,
    ) -> Result<Taken, RpcError> {
        let key = (owner.clone(), file_id);
        // Out of the way of the same `file_id` used again.
        let aside = self.dir.join(format!("{}-{:016x}", owner.name(file_id), rand::random::<u64>()));
        let Some(entry) = self.lock().get(&key).cloned() else {
            return self.take_again(&key, parts, big, aside);
        };
        let mut file = lock(&entry);
        let mut taken = file.finish(parts, big)?;
        std::fs::rename(&taken.path, &aside).map_err(RpcError::internal)?;
        taken.path = aside;
        self.lock().remove(&key);
        Ok(taken)
    }

    fn take_again(&self, key: &Key, parts: i32, big: bool, aside: PathBuf) -> Result<Taken, RpcError> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let used = used.get(key).filter(|used| used.parts == parts && used.big == big);
        let missing = || RpcError::bad_request("FILE_PART_0_MISSING");
        let used = used.ok_or_else(missing)?;
        // A second name, not a second copy. Gone if the message was deleted.
        std::fs::hard_link(&used.path, &aside).map_err(|_| missing())?;
        Ok(Taken { path: aside, size: used.size })
    }

    /// Remembers where a file went, in case it is sent once more.
    pub(crate) fn used(
        &self,
        owner: PartOwner,
        file_id: i64,
        parts: i32,
        big: bool,
        path: PathBuf,
        size: u64,
    ) {
        let used = Used { path, size, parts, big };
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert((owner, file_id), used);
    }

    /// Forgets a file and its bytes.
    pub(crate) fn discard(&self, taken: &Taken) {
        let _ = std::fs::remove_file(&taken.path);
    }

    pub(crate) fn drop_parts(&self, file_id: i64, parts: &[i32]) -> usize {
        let of_this_id =
            |(key, file): (&Key, &Arc<Mutex<PartFile>>)| (key.1 == file_id).then(|| Arc::clone(file));
        // A client that asks for parts to be gone means those of used files, too.
        self.used.lock().unwrap_or_else(PoisonError::into_inner).retain(|key, _| key.1 != file_id);
        let files: Vec<_> = self.lock().iter().filter_map(of_this_id).collect();
        files.iter().map(|file| lock(file).forget(parts)).sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Mutex<PartFile>>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A complete file.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
}

#[derive(Default)]
struct PartFile {
    path: PathBuf,
    handle: Option<Arc<File>>,
    /// `None` until the first part, then whether it came by `saveBigFilePart`, and its total.
    total: Option<Option<i32>>,
    /// Distance of two parts in the file on disk.
    slot: Option<usize>,
    part_size: Option<usize>,
    received: BTreeMap<i32, usize>,
    early_last: Option<(i32, Bytes)>,
}

impl PartFile {
    /// Checks a part against those before it.
    fn admit(&mut self, part: &NewPart) -> Result<(), RpcError> {
        if *self.total.get_or_insert(part.total) != part.total {
            return Err(RpcError::bad_request("FILE_PARTS_INVALID"));
        }
        let len = part.bytes.len();
        match part.total {
            Some(total) if total > 0 && part.index < total - 1 => self.admit_inner(len),
            Some(total) if total > 0 => match self.part_size {
                Some(size) if len > size => Err(RpcError::bad_request("FILE_PART_SIZE_CHANGED")),
                _ => Ok(()),
            },
            _ => self.admit_of_unknown_total(part),
        }
    }

    fn admit_inner(&mut self, len: usize) -> Result<(), RpcError> {
        if !is_part_size(len) {
            return Err(RpcError::bad_request("FILE_PART_SIZE_INVALID"));
        }
        let early = self.early_last.as_ref().is_some_and(|(_, last)| last.len() > len);
        if early || *self.part_size.get_or_insert(len) != len {
            return Err(RpcError::bad_request("FILE_PART_SIZE_CHANGED"));
        }
        Ok(())
    }

    /// Which part is the last is not known, so only a part below another one is certainly not the last.
    fn admit_of_unknown_total(&mut self, part: &NewPart) -> Result<(), RpcError> {
        let len = part.bytes.len();
        let inner = self.received.keys().next_back().is_some_and(|&last| last > part.index);
        if inner {
            self.admit_inner(len)?;
        } else if is_part_size(len)
            && self.part_size.is_none_or(|size| size < len)
            && self.received.is_empty()
        {
            self.part_size = Some(len);
        }
        let others = self.received.iter().filter(|(index, _)| **index != part.index);
        let size = others.map(|(_, len)| *len as u64).sum::<u64>() + len as u64;
        if part.total.is_none() && size > SMALL_FILE_MAX {
            return Err(RpcError::bad_request("FILE_PARTS_INVALID"));
        }
        Ok(())
    }

    /// Where the part goes in the file on disk, or `None` if that is not known yet and it was put aside.
    fn place(&mut self, part: &NewPart) -> Option<u64> {
        let last = part.total.filter(|&total| total > 0).is_some_and(|total| part.index == total - 1);
        let slot = match (self.slot, part.total) {
            (Some(slot), _) => slot,
            (None, Some(total)) if total > 1 && last => {
                self.early_last = Some((part.index, part.bytes.clone()));
                self.received.insert(part.index, part.bytes.len());
                return None;
            }
            (None, Some(total)) if total > 0 => part.bytes.len(),
            // Of unknown total: room for the largest part, and closed up at the end.
            (None, _) => PART_MAX,
        };
        if last {
            self.early_last = None;
        }
        self.slot = Some(slot);
        Some(part.index as u64 * slot as u64)
    }

    fn finish(&mut self, parts: i32, big: bool) -> Result<Taken, RpcError> {
        let total = self.total.flatten();
        if parts < 1 || self.total.is_some_and(|total| total.is_some() != big) {
            return Err(RpcError::bad_request("FILE_PARTS_INVALID"));
        }
        if total.is_some_and(|total| total > 0 && total != parts) {
            return Err(RpcError::bad_request("FILE_PARTS_INVALID"));
        }
        if let Some(missing) = (0..parts).find(|index| !self.received.contains_key(index)) {
            return Err(RpcError::bad_request(format!("FILE_PART_{missing}_MISSING")));
        }
        let lens: Vec<usize> = self.received.range(..parts).map(|(_, len)| *len).collect();
        let (last, inner) = lens.split_last().map_or((0, &lens[..]), |(last, inner)| (*last, inner));
        let part_size = inner.first().copied().unwrap_or(last);
        if inner.iter().any(|len| !is_part_size(*len)) {
            return Err(RpcError::bad_request("FILE_PART_SIZE_INVALID"));
        }
        if inner.iter().any(|len| *len != part_size) || last > part_size {
            return Err(RpcError::bad_request("FILE_PART_SIZE_CHANGED"));
        }
        let size = lens.iter().map(|len| *len as u64).sum();
        self.close_up(parts as u64, part_size, size).map_err(RpcError::internal)?;
        Ok(Taken { path: std::mem::take(&mut self.path), size })
    }

    /// Makes the file on disk the file that was sent.
    fn close_up(&mut self, parts: u64, part_size: usize, size: u64) -> std::io::Result<()> {
        let Some(handle) = &self.handle else { return Ok(()) };
        let slot = self.slot.unwrap_or(part_size) as u64;
        if let Some((index, bytes)) = self.early_last.take() {
            handle.write_all_at(&bytes, index as u64 * part_size as u64)?;
        }
        if slot != part_size as u64 {
            let mut buffer = vec![0; part_size];
            for index in 1..parts {
                let len = (size - index * part_size as u64).min(part_size as u64) as usize;
                handle.read_exact_at(&mut buffer[..len], index * slot)?;
                handle.write_all_at(&buffer[..len], index * part_size as u64)?;
            }
        }
        handle.set_len(size)
    }

    fn forget(&mut self, parts: &[i32]) -> usize {
        if self.early_last.as_ref().is_some_and(|(index, _)| parts.contains(index)) {
            self.early_last = None;
        }
        parts.iter().filter(|index| self.received.remove(index).is_some()).count()
    }
}

fn lock(file: &Mutex<PartFile>) -> MutexGuard<'_, PartFile> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_nothing_to_another_account_bot_or_data_centre() {
        let dir = tempfile::tempdir().expect("a directory");
        let parts = Parts::new(dir.path().to_owned(), true);
        let owner = |who: Who, dc| PartOwner { dc, who };
        let mine = owner(Who::bot("a"), 2);
        let part = NewPart { file_id: 7, index: 0, total: Some(1), bytes: Bytes::from_static(b"hello") };
        parts.save(&mine, &part, 4000).expect("a part");
        for other in [owner(Who::bot("b"), 2), owner(Who::account("a"), 2), owner(Who::bot("a"), 4)] {
            let refused = parts.take(&other, 7, 1, true).err().map(|error| error.name);
            assert_eq!(refused.as_deref(), Some("FILE_PART_0_MISSING"), "{other:?}");
        }
        assert_eq!(parts.take(&mine, 7, 1, true).map(|taken| taken.size).ok(), Some(5));
    }
}
