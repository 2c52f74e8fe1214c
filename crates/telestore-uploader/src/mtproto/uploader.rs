use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use telestore_types::{Stage, StoredFile, TelegramCredentials};
use tokio::time::timeout;

use super::MtprotoConfig;
use super::account::{Account, AccountPool};
use super::attempt::Attempt;
use super::moving;
use super::parts::PART_SIZE;
use super::resolve;
use super::resume::{Of, Resume};
use super::send::Sending;
use super::session::Session;
use crate::{
    Capability, Error, ErrorKind, NoProgress, ProgressSink, Requirement, Result, TelegramUploader,
    UploadRequest,
};

/// How long a message that is being made may take to be confirmed after a cancel.
const GRACE: Duration = Duration::from_millis(700);

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

    /// Connects and finds the channel, and sends nothing: whether these credentials would do.
    ///
    /// # Errors
    /// The same as an upload: [`ErrorKind::NotAuthorized`], [`ErrorKind::ChannelUnresolved`] or
    /// [`ErrorKind::Unavailable`].
    pub async fn check(&self, credentials: &TelegramCredentials) -> Result<()> {
        let account = self.account(credentials)?;
        let attempt = Attempt::new(&self.config, account, credentials, &NoProgress);
        attempt.connect().await?;
        resolve::resolve(&attempt, None).await.map(drop)
    }

    fn account(&self, credentials: &TelegramCredentials) -> Result<Arc<Account>> {
        let session = credentials.session.as_ref().and_then(|session| Session::parse(session.expose()));
        let session = session.ok_or_else(Error::not_authorized)?;
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
        let source = request.source.as_ref();
        attempt.connect().await?;
        let account = attempt.account.here().fingerprint();
        let of = Of { chat: request.credentials.chat_id.as_str(), account: &account, length: source.len() };
        let mut resume =
            Resume::go_on(request.resume.as_ref(), &of, attempt.now(), self.config.resume_max_age);
        attempt.progress.stage(Stage::Resolving);
        let peer = resolve::resolve(attempt, resume.access_hash).await?;
        resume.access_hash = resolve::access_hash(&peer);
        attempt.progress.stage(Stage::Sending);
        // Before the first part, so that whatever happens next the message stays the same one.
        attempt.progress.checkpoint(resume.to_state()).await?;
        let mut reported = 0;
        let md5 = moving::send_parts(attempt, source, &mut resume, &mut reported).await?;
        attempt.progress.checkpoint(resume.to_state()).await?;
        Ok(Sending::new(attempt, request, resume, peer, md5, reported))
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
            prepared = self.prepare(&attempt, &request) => prepared?,
        };
        let mut message = std::pin::pin!(sending.run());
        tokio::select! {
            biased;
            stored = &mut message => stored,
            // The call may be with Telegram already: its answer says whether there is a message.
            () = request.cancel.cancelled() => match timeout(GRACE, message).await {
                Ok(stored) => stored,
                Err(_) => Err(Error::cancelled()),
            },
        }
    }
}
