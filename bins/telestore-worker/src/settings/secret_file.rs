//! Secrets that come from files, as container platforms and systemd hand them out: `TELESTORE_BOT_TOKEN_FILE=/run/secrets/bot`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// More than any secret has: a file that is larger is another file.
const MAX_BYTES: u64 = 1024 * 1024;

/// What a file holds.
pub(super) struct Held {
    pub(super) secret: String,
    /// The file's mode, if others than its owner may read it.
    pub(super) open_mode: Option<u32>,
}

/// Reads the secret that a file holds, without the line break at its end.
///
/// # Errors
/// Why the file is of no use, in words that hold nothing of it.
pub(super) fn read(path: &Path) -> Result<Held, String> {
    let shown = path.display();
    let failed = |error: io::Error| format!("cannot read {shown}: {error}");
    let file = File::open(path).map_err(failed)?;
    let open_mode = open_mode(&file);
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("{shown} is too large for a secret"));
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("{shown} holds something else than text"))?;
    let secret =
        text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if secret.trim().is_empty() {
        // Nothing in a variable means that it is not set; a file is there on purpose.
        return Err(format!("{shown} is empty"));
    }
    Ok(Held { secret: secret.to_owned(), open_mode })
}

#[cfg(unix)]
fn open_mode(file: &File) -> Option<u32> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().ok()?.permissions()) & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn open_mode(_: &File) -> Option<u32> {
    None
}
