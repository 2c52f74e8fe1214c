//! Requests that come again, because their clients did not hear what became of them: each is carried out once.

use async_trait::async_trait;
use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use telestore_store::{BlobName, Check, Created, Digest, Spool, SpooledChunk};
use telestore_types::{
    ContentDigest, OptionError, Outcome, Upload, UploadId, UploadKind, UploadOptions, UploadState, UserId,
};

use crate::intake::{DirectFile, FileInfo, Intake, NewFile};
use crate::shared::access::missing_token;
use crate::shared::caller::Caller;
use crate::shared::error::{Conflict, Error, Result};

/// What the ids of direct uploads begin with, for those who read them; 32 hexadecimal digits follow. That they are direct
/// stands in their rows.
pub(super) const DIRECT: &str = "direct-";

/// A name that a client gives to one request, so that the same request may come again and is carried out once. It is the user's:
/// those of others are other names.
///
/// ```
/// use telestore::IdempotencyKey;
///
/// assert_eq!(IdempotencyKey::new("8e03978e-40d5-43dd-bc93-6894a57f9324")?.as_str().len(), 36);
/// assert!(IdempotencyKey::new("").is_err());
/// # Ok::<(), telestore::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The most characters that it may have.
    pub const MAX: usize = 255;

    /// Checks a name.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless it has 1 to [`MAX`](Self::MAX) characters of visible ASCII.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        if text.is_empty() || text.len() > Self::MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let max = Self::MAX;
            return Err(Error::Invalid(format!(
                "an idempotency key has 1 to {max} visible ASCII characters"
            )));
        }
        Ok(Self(text))
    }

    /// Its characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What has become of the bytes of a whole file.
pub(crate) enum Taken {
    /// They were put into a new upload.
    Begun(Upload),
    /// An earlier request has put them there. Its upload is on its way, or over.
    There(Upload),
}

/// The upload that the bytes of a whole file go into.
pub(super) enum Place {
    /// It was made for them.
    New(Upload),
    /// An earlier request has left it without them, or has failed.
    Again(Upload),
    /// It has them already.
    There(Upload),
}

/// Counts bytes that are there already, and keeps none.
#[derive(Default)]
struct Counting {
    length: u64,
    crc32c: Digest,
    checks: Vec<Check>,
}

#[async_trait]
impl Spool for Counting {
    fn expect(&mut self, digest: ContentDigest) {
        self.checks.push(Check::new(digest));
    }

    async fn write(&mut self, bytes: Bytes) -> telestore_store::Result<()> {
        self.length += bytes.len() as u64;
        self.crc32c.update(&bytes);
        for check in &mut self.checks {
            check.update(&bytes);
        }
        Ok(())
    }

    async fn finish(self: Box<Self>) -> telestore_store::Result<SpooledChunk> {
        self.checks.into_iter().try_for_each(Check::finish)?;
        Ok(SpooledChunk::new(BlobName::new("counted"), self.length, self.crc32c.value()))
    }
}

/// What takes the bytes of a repeated request in.
pub(crate) fn counting() -> Box<dyn Spool> {
    Box::<Counting>::default()
}

impl Intake {
    /// By what a repeat of the request is known, if its client says anything to know it by.
    pub(super) async fn known_by(
        &self,
        direct: &DirectFile,
        (length, crc32c): (u64, u32),
        caller: &Caller,
    ) -> Result<Option<(UploadId, String)>> {
        let bytes = format!("{length} {crc32c:08x}");
        let fingerprint = fingerprint(direct, &bytes);
        let known_by = match (&direct.key, &direct.sha256) {
            (Some(key), _) => format!("key {}", key.as_str()),
            // Other words for the message make another message.
            (None, Some(sha256)) => {
                format!("file {}", self::fingerprint(direct, &format!("{bytes} {sha256}")))
            }
            (None, None) => return Ok(None),
        };
        let (user, _) = self.access.user_of(caller).await?.ok_or_else(missing_token)?;
        Ok(Some((self.named(&user.user_id, &known_by)?, fingerprint)))
    }

    fn named(&self, user: &UserId, known_by: &str) -> Result<UploadId> {
        let name = self.access.backends.sealer.request_name(user, known_by);
        Ok(UploadId::new(format!("{DIRECT}{name}"))?)
    }

    /// The id of what a caller begins by pieces with this key.
    pub(crate) async fn id_for(&self, key: &IdempotencyKey, caller: &Caller) -> Result<UploadId> {
        let (user, _) = self.access.user_of(caller).await?.ok_or_else(missing_token)?;
        let known_by = format!("begin {}", key.as_str());
        Ok(UploadId::new(self.access.backends.sealer.request_name(&user.user_id, &known_by))?)
    }

    /// Whether the file of an earlier request with this key is there, so that the bytes of this one need not be kept.
    pub(crate) async fn has_file_of(&self, key: &IdempotencyKey, caller: &Caller) -> Result<bool> {
        let Some((user, _)) = self.access.user_of(caller).await? else { return Ok(false) };
        let id = self.named(&user.user_id, &format!("key {}", key.as_str()))?;
        Ok(self.base.sessions.get(&id).await?.is_some_and(|found| is_there(&found)))
    }

    /// The upload of an earlier request, whose bytes have come again and were counted only.
    pub(crate) async fn file_of_before(&self, file: &FileInfo, caller: &Caller) -> Result<Upload> {
        let found = self.base.sessions.get(&file.id).await?.ok_or(Error::SendAgain)?;
        self.access.check_access(&found, caller).await?;
        same_request(&found, file.fingerprint.as_deref())?;
        if is_there(&found) { Ok(found) } else { Err(Error::SendAgain) }
    }

    /// Finds or makes the upload for the bytes of a whole file. Of requests that come at the same time, one makes it.
    pub(super) async fn place_for(&self, file: &FileInfo, caller: &Caller) -> Result<Place> {
        let kind = UploadKind::Direct;
        let Some(fingerprint) = &file.fingerprint else {
            return Ok(Place::New(self.upload_of(file, kind, caller).await?));
        };
        let new = self.owned_upload(file, kind, caller).await?.ok_or_else(missing_token)?;
        let found = match self.base.sessions.create(&new, true, &self.base.limits()).await? {
            Created::New => {
                if file.thumbnail.is_some() {
                    self.adopt(&new, &file.options, file.thumbnail.as_ref()).await?;
                }
                return Ok(Place::New(new));
            }
            Created::TooMuch(exceeded) => return Err(self.access.too_much(exceeded)),
            Created::Exists(found) => *found,
        };
        self.access.check_access(&found, caller).await?;
        same_request(&found, Some(fingerprint))?;
        if is_there(&found) {
            return Ok(Place::There(found));
        }
        self.access.claim(&found, caller).await?;
        // The bytes are the same, whether or not their digest came with them the first time.
        let mut options = file.options.clone();
        options.sha256 = None;
        match self.adopt(&found, &options, file.thumbnail.as_ref()).await {
            // The first request has gone on meanwhile.
            Err(Error::Conflict(Conflict::Options(OptionError::Late(_)))) => {
                let now = self.base.sessions.get(&file.id).await?;
                Ok(Place::There(now.ok_or(Error::SendAgain)?))
            }
            adopted => adopted.map(|()| Place::Again(found)),
        }
    }
}

/// Whether an upload has its bytes, and needs nobody to go on; or may be in the channel, so that nobody may send it again
/// without having looked.
pub(super) fn is_there(upload: &Upload) -> bool {
    match upload.state {
        UploadState::Queued | UploadState::Sending | UploadState::Completed => true,
        UploadState::Failed => upload.outcome == Some(Outcome::Ambiguous),
        UploadState::Receiving | UploadState::Cancelled => false,
    }
}

/// Refuses what a client asks for by the key of another request. What has no fingerprint was not asked for by a key.
pub(super) fn same_request(found: &Upload, fingerprint: Option<&str>) -> Result<()> {
    match fingerprint {
        Some(_) if found.fingerprint.as_deref() != fingerprint => Err(Error::OtherRequest),
        _ => Ok(()),
    }
}

/// A digest of what a request asks for: the file, and how its message is to be.
fn fingerprint(direct: &DirectFile, bytes: &str) -> String {
    let picture = direct.thumbnail.as_ref().map(|picture| Digest::of(picture.bytes()));
    let options: &UploadOptions = &direct.options;
    digest_of(&(direct.file_name.as_str(), bytes, options, picture))
}

/// The same of a file whose bytes come later.
pub(super) fn fingerprint_of(file: &NewFile) -> String {
    let picture = file.thumbnail.as_ref().map(|picture| Digest::of(picture.bytes()));
    let (options, kind): (&UploadOptions, _) = (&file.options, file.kind.as_str());
    digest_of(&(file.file_name.as_str(), file.size, &file.mime_type, options, picture, &file.metadata, kind))
}

fn digest_of(told: &impl Serialize) -> String {
    // Of texts and numbers: it does not fail.
    hex::encode(Sha256::digest(serde_json::to_vec(told).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use telestore_types::FileName;

    use super::*;

    #[test]
    fn a_key_is_visible_ascii() {
        for good in ["a", "8e03978e-40d5-43dd-bc93-6894a57f9324", &"x".repeat(255)] {
            assert!(IdempotencyKey::new(good).is_ok(), "{good}");
        }
        for bad in ["", " ", "a b", "a\n", "é", &"x".repeat(256)] {
            assert!(IdempotencyKey::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn another_name_other_bytes_and_another_message_are_other_requests() {
        let file = |name: &str| DirectFile::new(FileName::new(name).unwrap());
        let captioned = file("a").with_options(UploadOptions::default().with_caption("b"));
        let all = [
            fingerprint(&file("a"), "1 00000000"),
            fingerprint(&file("b"), "1 00000000"),
            fingerprint(&file("a"), "1 00000001"),
            fingerprint(&captioned, "1 00000000"),
        ];
        assert!((0..4).all(|at| !all[at + 1..].contains(&all[at])), "{all:?}");
        assert_eq!(all[0], fingerprint(&file("a"), "1 00000000"));
    }
}
