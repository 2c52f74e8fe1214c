use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use grammers_tl_types::enums::InputPeer;
use telestore_types::{ChatId, Stage, StoredFile, TelegramCredentials};

use super::MtprotoConfig;
use super::account::Account;
use super::attempt::Attempt;
use super::moving;
use super::parts::{BIG_FILE, PART_SIZE};
use super::pool::AccountPool;
use super::resolve;
use super::resume::{Of, Resume};
use super::send::Sending;
use super::session::Session;
use super::updates;
use crate::{
    Capability, Error, ErrorKind, NoProgress, ProgressSink, Requirement, Result, TelegramUploader,
    UploadRequest,
};

/// How long parts in flight may take to be answered after a cancel.
const IN_FLIGHT: Duration = Duration::from_millis(900);

/// Sends a file over MTProto, in parts, as an account or a bot with a session string.
///
/// Each account has one connection, which all of its uploads share; it is opened by the first call and closed when idle.
/// The parts of an account share one window too, so many uploads of one account are no faster than one.
#[derive(Debug)]
pub struct MtprotoUploader {
    config: Arc<MtprotoConfig>,
    accounts: AccountPool,
}

impl MtprotoUploader {
    /// Prepares an uploader; nothing is connected yet.
    pub fn new(config: MtprotoConfig) -> Self {
        let config = Arc::new(config);
        Self { accounts: AccountPool::new(config.clone()), config }
    }

    fn account(&self, credentials: &TelegramCredentials) -> Result<Arc<Account>> {
        let given = credentials.session.as_ref().ok_or_else(Error::not_authorized)?;
        let session = Session::read(given.expose()).map_err(Error::bad_session)?;
        let named = credentials.api_id.map(telestore_types::ApiId::get);
        let default = || self.config.api_id.map(telestore_types::ApiId::get);
        let api_id = named.or(session.api_id).or_else(default).ok_or_else(|| {
            Error::new(
                ErrorKind::NotAuthorized,
                "Telegram session not authorized: no Telegram API id is configured",
            )
        })?;
        Ok(self.accounts.account(session, api_id))
    }

    fn check_length(&self, length: u64) -> Result<()> {
        if length > self.config.max_bytes {
            let text = format!("file of {length} bytes is over the limit of {} bytes", self.config.max_bytes);
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        if length == 0 {
            return Err(Error::new(ErrorKind::Rejected, "an empty file cannot be sent to Telegram"));
        }
        Ok(())
    }

    /// Everything up to the message: connects, finds the channel, sends the parts.
    async fn prepare<'a>(&self, attempt: &'a Attempt<'a>, request: &'a UploadRequest) -> Result<Sending<'a>> {
        let (mut resume, peer) = self.begin(attempt, request).await?;
        let mut reported = 0;
        let md5 =
            moving::send_parts(attempt, request.source.as_ref(), &mut resume, &mut reported, &request.cancel)
                .await?;
        Ok(Sending::new(attempt, request, resume, peer, md5, reported))
    }

    /// Connects, finds the channel and writes down what the parts and the message will be known by.
    async fn begin(&self, attempt: &Attempt<'_>, request: &UploadRequest) -> Result<(Resume, InputPeer)> {
        let source = request.source.as_ref();
        attempt.connect().await?;
        let account = attempt.account.here().home.fingerprint();
        let of = Of { chat: request.credentials.chat_id.as_str(), account: &account, length: source.len() };
        let mut resume =
            Resume::go_on(request.resume.as_ref(), &of, attempt.now(), self.config.resume_max_age);
        resume.forget(&request.changed);
        attempt.progress.stage(Stage::Resolving);
        let found = {
            // As a whole: a stranger may have any number of pages of dialogs.
            let _step = attempt.step();
            resolve::resolve(attempt, resume.access_hash).await?
        };
        attempt.reached();
        resume.access_hash = resolve::access_hash(&found.peer);
        resume.follow(found.moved_to.as_ref());
        attempt.progress.stage(Stage::Sending);
        // Before the first part, so that whatever happens next the message stays the same one.
        attempt.progress.checkpoint(resume.to_state()).await?;
        Ok((resume, found.peer))
    }
}

#[async_trait]
impl TelegramUploader for MtprotoUploader {
    fn name(&self) -> &'static str {
        "MTProto"
    }

    fn capability(&self) -> Capability {
        Capability {
            max_bytes: self.config.max_bytes,
            part_size: PART_SIZE as u32,
            resumable: true,
            idempotent: true,
            early_from: Some(BIG_FILE + 1),
            requirement: Requirement::Session,
        }
    }

    async fn upload(&self, request: UploadRequest, progress: Arc<dyn ProgressSink>) -> Result<StoredFile> {
        progress.stage(Stage::Connecting);
        self.check_length(request.source.len())?;
        let account = self.account(&request.credentials)?;
        let attempt = Attempt::new(&self.config, account, &request.credentials, progress.as_ref());
        let mut sending = tokio::select! {
            biased;
            () = request.cancel.cancelled() => return Err(Error::cancelled()),
            prepared = attempt.unless_stalled(self.prepare(&attempt, &request)) => prepared?,
        };
        sending.run().await.map_err(|error| error.about(&request.credentials.chat_id))
    }

    async fn send_early(&self, request: UploadRequest, progress: Arc<dyn ProgressSink>) -> Result<()> {
        self.check_length(request.source.len())?;
        let account = self.account(&request.credentials)?;
        let attempt = Attempt::new(&self.config, account, &request.credentials, progress.as_ref());
        let (mut resume, _) = tokio::select! {
            biased;
            () = request.cancel.cancelled() => return Ok(()),
            begun = attempt.unless_stalled(self.begin(&attempt, &request)) => begun?,
        };
        let (source, mut reported) = (request.source.as_ref(), 0);
        let sending = async {
            moving::send_parts(&attempt, source, &mut resume, &mut reported, &request.cancel).await?;
            progress.checkpoint(resume.to_state()).await
        };
        let too_late = async {
            request.cancel.cancelled().await;
            tokio::time::sleep(IN_FLIGHT).await;
        };
        tokio::select! {
            biased;
            sent = attempt.unless_stalled(sending) => sent,
            () = too_late => Err(Error::cancelled()),
        }
    }

    async fn check(&self, credentials: &TelegramCredentials) -> Result<()> {
        let account = self.account(credentials)?;
        let attempt = Attempt::new(&self.config, account, credentials, &NoProgress);
        let checking = async {
            attempt.connect().await?;
            resolve::resolve(&attempt, None).await.map(drop)
        };
        attempt.unless_stalled(checking).await
    }

    async fn moved_to(&self, credentials: &TelegramCredentials) -> Result<Option<ChatId>> {
        let account = self.account(credentials)?;
        let attempt = Attempt::new(&self.config, account, credentials, &NoProgress);
        let asking = async {
            attempt.connect().await?;
            resolve::moved_to(&attempt).await
        };
        attempt.unless_stalled(asking).await
    }

    async fn withdraw(&self, credentials: &TelegramCredentials, stored: &StoredFile) -> Result<bool> {
        let Ok(message_id) = i32::try_from(stored.message_id) else { return Ok(false) };
        let account = self.account(credentials)?;
        let attempt = Attempt::new(&self.config, account, credentials, &NoProgress);
        let deleting = async {
            let peer = resolve::locate(&attempt).await?;
            updates::delete(&attempt, &peer, message_id).await
        };
        attempt.unless_stalled(deleting).await
    }
}
