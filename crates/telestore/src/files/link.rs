//! Addresses of files that need no token: each holds the token of the one who had it made, sealed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use telestore_types::{FileId, Secret};

use crate::files::Files;
use crate::files::content::FileContent;
use crate::shared::caller::Caller;
use crate::shared::error::{Error, Result};

/// The longest time of a link.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Opens one file to whoever has it, until its time is over. It is dead before that if the token of the one who had it made is not
/// valid any more, or the secret key of the worker is another one.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileLink {
    /// What stands in the address, in characters that need no escape there.
    pub sealed: String,
    /// When it ends.
    pub until: SystemTime,
}

impl std::fmt::Debug for FileLink {
    /// Whoever reads it has the file.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileLink").field("until", &self.until).finish_non_exhaustive()
    }
}

impl Files {
    pub(crate) async fn link(&self, id: &FileId, lasts: Duration, caller: &Caller) -> Result<FileLink> {
        if lasts < Duration::from_secs(1) || lasts > LONGEST {
            let days = LONGEST.as_secs() / (24 * 60 * 60);
            return Err(Error::Invalid(format!("a link lasts from a second to {days} days")));
        }
        self.find(id, caller).await?;
        let (_, token) = self.user(caller).await?;
        let until = whole(SystemTime::now() + lasts);
        let sealed = self.backends.sealer.seal_as(&name(id), &held(until, token))?;
        Ok(FileLink { sealed: BASE64_URL_SAFE_NO_PAD.encode(sealed), until })
    }

    pub(crate) async fn linked(&self, id: &FileId, sealed: &str) -> Result<FileContent> {
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(sealed).map_err(|_| Error::DeadLink)?;
        let held = self.backends.sealer.open_as(&name(id), &sealed).map_err(|_| Error::DeadLink)?;
        let (until, token) = read(&held).ok_or(Error::DeadLink)?;
        if until < SystemTime::now() {
            return Err(Error::DeadLink);
        }
        match self.content(id, &Caller::from(token)).await {
            // Nobody showed one: it ended since then.
            Err(Error::InvalidToken(_)) => Err(Error::DeadLink),
            opened => opened,
        }
    }
}

/// What a link is sealed for: one of one file opens no other.
fn name(id: &FileId) -> String {
    format!("link {id}")
}

/// The next whole second: what is kept of it, so that the shortest link lasts a second.
fn whole(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs() + u64::from(since.subsec_nanos() > 0);
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn held(until: SystemTime, token: &Secret) -> Secret {
    let seconds = until.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Secret::new(format!("{seconds} {}", token.expose()))
}

fn read(held: &Secret) -> Option<(SystemTime, Secret)> {
    let (seconds, token) = held.expose().split_once(' ')?;
    let until = UNIX_EPOCH.checked_add(Duration::from_secs(seconds.parse().ok()?))?;
    Some((until, Secret::new(token)))
}
