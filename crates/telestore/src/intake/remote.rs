//! Files that lie elsewhere: the worker is told where, and fetches them itself.

use async_trait::async_trait;
use telestore_store::{Created, Spool, SpooledChunk};
use telestore_types::{
    FileName, NewUpload, Outcome, Secret, StorageKey, Upload, UploadId, UploadOptions, UploadState,
};

use crate::intake::Intake;
use crate::intake::repeats::{IdempotencyKey, same_request};
use crate::shared::access::missing_token;
use crate::shared::caller::Caller;
use crate::shared::error::{Error, Result};
use crate::shared::ports::Filling;
use crate::shared::source::Source;
use crate::shared::tasks::detached;

/// What the ids of fetched files begin with, for those who read them.
const FETCHED: &str = "fetched-";

/// What a file is called whose address does not name it, until its server does.
const NAMELESS: &str = "download";

/// A file that the worker is to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteFile {
    /// Where it lies. There may be a secret in it, so it is kept sealed and shown nowhere.
    pub address: Secret,
    /// What it is to be called; by what its server, or its address, calls it unless it is named.
    pub file_name: Option<FileName>,
    /// How its message is to be.
    pub options: UploadOptions,
    /// The client's name for the request: one that comes again under it is carried out once.
    pub key: Option<IdempotencyKey>,
}

impl RemoteFile {
    /// The file at this address.
    pub fn new(address: Secret) -> Self {
        Self { address, file_name: None, options: UploadOptions::default(), key: None }
    }

    /// It is to be called this, if anything.
    #[must_use]
    pub fn with_file_name(self, file_name: Option<FileName>) -> Self {
        Self { file_name, ..self }
    }

    /// Its message is to be like this.
    #[must_use]
    pub fn with_options(self, options: UploadOptions) -> Self {
        Self { options, ..self }
    }

    /// Its request has this name, if any.
    #[must_use]
    pub fn with_key(self, key: Option<IdempotencyKey>) -> Self {
        Self { key, ..self }
    }
}

impl Intake {
    /// Writes down that a file is to be fetched, unless an earlier request has.
    pub(crate) async fn fetch(&self, remote: &RemoteFile, caller: &Caller) -> Result<UploadId> {
        self.access.admit(caller).await?;
        let (user, token) = self.access.user_of(caller).await?.ok_or_else(missing_token)?;
        let fetcher = self.fetches.fetcher.as_ref().ok_or(Error::FetchesNothing)?;
        let called = fetcher.look_at(&remote.address).map_err(|error| Error::Invalid(error.to_string()))?;
        let file_name = match remote.file_name.clone().or(called) {
            Some(file_name) => file_name,
            None => FileName::new(NAMELESS)?,
        };
        self.access.check_sendable_by(user, token, 0).await?;
        if self.base.shutdown.is_cancelled() {
            return Err(Error::ShuttingDown);
        }
        self.bytes.check_space().await?;
        let (key, sealer) = (StorageKey::from_random(rand::random()), &self.access.backends.sealer);
        let id = match &remote.key {
            Some(name) => sealer.request_name(&user.user_id, &format!("key {}", name.as_str())),
            None => format!("{:032x}", rand::random::<u128>()),
        };
        let id = UploadId::new(format!("{FETCHED}{id}"))?;
        caller.concerns(&id);
        let source = Source::new(remote.address.clone(), remote.file_name.is_some()).seal(sealer, &key)?;
        let fingerprint = remote.key.as_ref().map(|_| {
            let asked =
                (remote.address.expose(), &remote.file_name.as_ref().map(FileName::as_str), &remote.options);
            // Of texts and numbers: it does not fail. Without the key nobody finds the address from it.
            let asked = serde_json::to_string(&asked).unwrap_or_default();
            sealer.request_name(&user.user_id, &format!("fetch {asked}"))
        });
        let new = NewUpload::new(id, key, file_name, self.base.now()).with_options(remote.options.clone());
        let mut upload = Upload::new(new.with_fingerprint(fingerprint).with_source(Some(source)));
        let owner = self.access.owner(&upload, token, user)?;
        (upload.user_id, upload.sealed_token) = (Some(owner.user_id), Some(owner.sealed_token));
        upload.address = self.access.address_key(caller);
        self.begin_to_fetch(upload, caller).await
    }

    async fn begin_to_fetch(&self, upload: Upload, caller: &Caller) -> Result<UploadId> {
        loop {
            match self.base.sessions.create(&upload, true, &self.base.limits()).await? {
                Created::New => {
                    tracing::info!("[{}] Upload is to be fetched", upload.id);
                    self.fetches.wake.notify_one();
                    self.events.publish(&upload);
                    return Ok(upload.id);
                }
                Created::TooMuch(exceeded) => return Err(self.access.too_much(exceeded)),
                Created::Exists(found) => {
                    self.access.check_access(&found, caller).await?;
                    same_request(&found, upload.fingerprint.as_deref())?;
                    if found.state != UploadState::Failed || found.outcome == Some(Outcome::Ambiguous) {
                        return Ok(found.id);
                    }
                    if found.may_complete().is_ok() {
                        // All of it is there, and only the sending has failed.
                        self.access.claim(&found, caller).await?;
                        self.complete_now(&found).await?;
                        return Ok(found.id);
                    }
                    // It makes room for the new one.
                    self.cancel_now(&found).await?;
                }
            }
        }
    }
}

#[async_trait]
impl Filling for Intake {
    async fn spool(&self) -> Result<Box<dyn Spool>> {
        Intake::spool(self).await
    }

    async fn append(&self, upload: &Upload, offset: u64, spooled: SpooledChunk) -> Result<()> {
        let index = match upload.clone().append(offset, spooled.length, self.base.now()) {
            Ok(index) => index,
            Err(error) => {
                self.bytes.discard_quietly(spooled).await;
                return Err(error.into());
            }
        };
        let (intake, upload) = (self.clone(), upload.clone());
        // Between the bytes and their record, a fetch that is stopped would leave an orphan.
        detached(async move { intake.put_and_append(upload, offset, index, spooled).await.map(drop) }).await
    }

    async fn declare(&self, upload: &Upload, size: u64) -> Result<()> {
        self.declare_now(upload, size).await.map(drop)
    }

    async fn complete(&self, upload: &Upload) -> Result<()> {
        self.complete_now(upload).await
    }
}
