//! Where the session string goes.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use telestore::types::Secret;
use tempfile::NamedTempFile;

/// Standard output, or a file.
pub(super) struct Output {
    file: Option<PathBuf>,
    force: bool,
}

impl Output {
    /// Looks whether the file can be written, before anybody signs in.
    pub(super) fn prepare(file: Option<PathBuf>, force: bool) -> Result<Self, String> {
        let output = Self { file, force };
        if let Some(path) = &output.file {
            if path.exists() && !force {
                return Err(exists(path));
            }
            output.open(path)?;
        }
        Ok(output)
    }

    /// A file without a name beside the place of the real one, for this user only.
    fn open(&self, path: &Path) -> Result<NamedTempFile, String> {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        NamedTempFile::new_in(dir).map_err(|error| cannot_write(path, &error))
    }

    pub(super) fn write(&self, session: &Secret) -> Result<(), String> {
        let line = format!("{}\n", session.expose());
        match &self.file {
            None => {
                let mut out = io::stdout().lock();
                let written = out.write_all(line.as_bytes()).and_then(|()| out.flush());
                written.map_err(|error| format!("the session string could not be printed: {error}"))
            }
            Some(path) => self.put(path, &line),
        }
    }

    /// All of it or nothing, whatever happens meanwhile.
    fn put(&self, path: &Path, line: &str) -> Result<(), String> {
        let mut file = self.open(path)?;
        let written = file.write_all(line.as_bytes()).and_then(|()| file.as_file().sync_all());
        written.map_err(|error| cannot_write(path, &error))?;
        let placed = match self.force {
            true => file.persist(path),
            false => file.persist_noclobber(path),
        };
        match placed {
            Ok(_) => Ok(()),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(exists(path)),
            Err(error) => Err(cannot_write(path, &error.error)),
        }
    }

    /// What to do with the session string.
    pub(super) fn what_next(&self) -> String {
        let place = match &self.file {
            None => "It goes into TELESTORE_TELEGRAM_SESSION".to_owned(),
            Some(path) => format!("TELESTORE_TELEGRAM_SESSION_FILE={}", path.display()),
        };
        format!(
            "{place}, with TELESTORE_API_ID and TELESTORE_API_HASH. Who has the session string has the account: keep it like a \
             password, and use it in one worker only. Telegram, Settings, Devices ends it."
        )
    }
}

fn exists(path: &Path) -> String {
    format!("{} is there already: give another --out, or --force to replace it", path.display())
}

fn cannot_write(path: &Path, error: &io::Error) -> String {
    format!("{} cannot be written: {error}", path.display())
}
