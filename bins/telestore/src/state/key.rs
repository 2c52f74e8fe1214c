//! The key of an upload that is about to begin: by it the worker knows a creation whose answer was lost with the process.

use std::io::Write;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::{Fingerprint, Held, State, private_file, remove};

/// It stands in `uploads/<fingerprint>.key` until the upload is written down. It is not flushed, since there is one for each small file: a
/// power cut may take it. Then the upload that it began is one of which the worker has no byte, and which ends by itself; or one
/// more message, if the worker knew the file.
#[derive(Serialize, Deserialize)]
struct Key {
    key: String,
    /// A mark of the options of the message: with other ones it is another upload.
    options: String,
}

impl State {
    fn key_path(&self, print: &Fingerprint) -> std::path::PathBuf {
        self.dir.join(format!("{print}.key"))
    }

    /// The next upload of the file is another one.
    pub(crate) fn forget_key(&self, print: &Fingerprint) -> io::Result<()> {
        remove(&self.key_path(print))
    }
}

impl Held {
    /// The key by which the file is begun with these options, and whether it is of a process before: the same until the upload is
    /// written down.
    pub(crate) fn key(&self, options: &str) -> io::Result<(String, bool)> {
        let path = self.state.key_path(&self.print);
        // One that was cut off was not used yet, or is as good as lost.
        let kept = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Key>(&bytes).ok());
        if let Some(kept) = kept.filter(|kept| kept.options == options) {
            return Ok((kept.key, true));
        }
        let new = Key { key: format!("{:032x}", rand::random::<u128>()), options: options.to_owned() };
        let mut file = private_file(&path, fs::OpenOptions::new().truncate(true))?;
        file.write_all(serde_json::to_string(&new)?.as_bytes())?;
        Ok((new.key, false))
    }
}
